//! Texts of any length as rows of tokens: windows that overlap, so that each token is judged where it has context.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::encoded::Encoded;
use crate::error::{Error, Result};
use crate::span::TokenSpan;
use crate::tokenizer::{Pieces, Template, Tokenizer};

/// How texts are cut into windows. The settings belong to a trained model and are stored with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowOptions {
    /// Most tokens of a window, special tokens included.
    pub max_length: usize,
    /// Tokens that two windows which follow each other share, fewer than a window has room for.
    pub stride: usize,
}

impl WindowOptions {
    /// Windows of this length, a quarter of which is shared.
    pub fn of_length(max_length: usize) -> Self {
        Self { max_length, stride: max_length / 4 }
    }
}

/// Tokenizes texts and cuts them into windows.
///
/// ```
/// use re_data::{TextEncoder, Tokenizer, WindowOptions};
///
/// let tokenizer = Tokenizer::from_folder("../../fixtures/embedded/model")?;
/// let encoder = TextEncoder::new(tokenizer, WindowOptions { max_length: 12, stride: 4 }, 2)?;
/// let text = encoder.encode(&"하늘은 바다와 결혼했다. ".repeat(9))?;
/// assert!(text.rows.iter().all(|row| row.len() <= 12));
/// // Each token is judged in exactly one window.
/// let judged = text.windows.iter().map(|window| window.judged.len()).sum::<usize>();
/// assert_eq!(judged, text.pieces.len());
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TextEncoder {
    tokenizer: Tokenizer,
    template: Template,
    options: WindowOptions,
}

/// A text as windows of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EncodedText {
    /// All tokens of the text, without special ones.
    pub pieces: Pieces,
    /// The windows, in the order of the text; none where it has no token.
    pub windows: Vec<Window>,
    /// The row of each window, with special tokens.
    pub rows: Vec<Encoded>,
}

/// Some tokens of a text that are read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its tokens, by their numbers in the text.
    pub tokens: Range<usize>,
    /// Those of them that are judged here: no other window has them farther from its edges. The ends of the text are no
    /// edges.
    pub judged: Range<usize>,
    /// Position of its first token in its row, behind special tokens.
    pub offset: usize,
}

impl Window {
    /// Positions of the judged tokens in the window's row.
    pub fn judged_in_row(&self) -> Range<usize> {
        let position = |token: usize| token + self.offset - self.tokens.start;
        position(self.judged.start)..position(self.judged.end)
    }
}

impl TextEncoder {
    /// An encoder for a model with `type_vocab_size` token types: with 1, all type ids are 0.
    ///
    /// # Errors
    /// [`Error::Argument`] where a window has no room beside the special tokens, or no more than it shares.
    pub fn new(tokenizer: Tokenizer, options: WindowOptions, type_vocab_size: usize) -> Result<Self> {
        let template = tokenizer.template(false).for_types(type_vocab_size)?;
        let fault =
            |name, found: usize, expected| Err(Error::Argument { name, found: found.to_string(), expected });
        let Some(room) = options.max_length.checked_sub(template.special_tokens()).filter(|room| *room > 0)
        else {
            return fault("max_length", options.max_length, "more than the special tokens of a row");
        };
        if options.stride >= room {
            return fault(
                "stride",
                options.stride,
                "less than max_length without the special tokens of a row",
            );
        }
        Ok(Self { tokenizer, template, options })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// How texts are cut.
    pub fn options(&self) -> WindowOptions {
        self.options
    }

    /// Encodes a text.
    ///
    /// # Errors
    /// Those of [`Tokenizer::pieces`].
    pub fn encode(&self, text: &str) -> Result<EncodedText> {
        let pieces = self.tokenizer.pieces(text)?;
        let room = self.options.max_length - self.template.special_tokens();
        let mut encoded = EncodedText { pieces, ..EncodedText::default() };
        for (tokens, judged) in windows(encoded.pieces.len(), room, self.options.stride) {
            let ids = encoded.pieces.ids.get(tokens.clone()).unwrap_or_default();
            let mut row = Encoded::default();
            let [offset, _] = self.template.assemble([Some(ids), None], &mut row.ids, &mut row.type_ids);
            row.sentence = Some(TokenSpan::with_len(offset, ids.len()));
            encoded.rows.push(row);
            encoded.windows.push(Window { tokens, judged, offset });
        }
        Ok(encoded)
    }
}

/// Windows of at most `room` of `length` tokens, of which two share `stride` or, at the end of the text, more; each with
/// the tokens that it is in the middle of.
fn windows(length: usize, room: usize, stride: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let step = room.saturating_sub(stride).max(1);
    let mut all: Vec<Range<usize>> = Vec::new();
    while all.last().map_or(0, |last| last.end) < length {
        let start = (all.len() * step).min(length.saturating_sub(room));
        all.push(start..(start + room).min(length));
    }
    let middle = |left: &Range<usize>, right: &Range<usize>| (right.start + left.end).div_ceil(2);
    let cuts = all.windows(2).map(|pair| match pair {
        [left, right] => middle(left, right),
        _ => length,
    });
    let starts = std::iter::once(0).chain(cuts.clone());
    let judged: Vec<Range<usize>> = starts.zip(cuts.chain([length])).map(|(start, end)| start..end).collect();
    all.into_iter().zip(judged).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_share_tokens_and_the_last_window_is_full() {
        assert_eq!(windows(0, 4, 2), []);
        assert_eq!(windows(4, 4, 2), [(0..4, 0..4)]);
        assert_eq!(windows(9, 6, 2), [(0..6, 0..5), (3..9, 5..9)]);
        assert_eq!(windows(10, 4, 0), [(0..4, 0..4), (4..8, 4..7), (6..10, 7..10)]);
    }

    proptest! {
        #[test]
        fn each_token_is_judged_once_and_where_it_has_most_context(
            length in 0usize..200, room in 1usize..40, share in 0usize..40,
        ) {
            let all = windows(length, room, share % room);
            let judged: Vec<usize> = all.iter().flat_map(|(_, judged)| judged.clone()).collect();
            prop_assert_eq!(judged, (0..length).collect::<Vec<_>>());
            let context = |window: &Range<usize>, token: usize| {
                let left = if window.start == 0 { length } else { token - window.start };
                let right = if window.end == length { length } else { window.end - 1 - token };
                left.min(right)
            };
            for (window, judged) in &all {
                prop_assert!(window.len() <= room && !window.is_empty());
                for token in judged.clone() {
                    prop_assert!(window.contains(&token));
                    let others = all.iter().filter(|(other, _)| other.contains(&token));
                    let most = others.map(|(other, _)| context(other, token)).max().unwrap();
                    prop_assert_eq!(context(window, token), most, "token {}", token);
                }
            }
        }
    }
}

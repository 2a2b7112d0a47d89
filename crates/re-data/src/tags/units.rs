//! The units of a text that have tags, and the token that decides for each.

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use crate::span::{ByteSpan, CharSpan};
use crate::tokenizer::Pieces;

/// What has a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TagUnit {
    /// Each token. Mentions begin and end where tokens do.
    #[default]
    Token,
    /// Each word by Unicode's rules (UAX #29): a run of letters and digits, or one other character. Its first token
    /// decides, as in `transformers`' examples; the others are not looked at.
    Word,
    /// Each run of characters between white space. Its first token decides. For texts that are tokens joined by a space, as
    /// those of CoNLL files: a mention ends where a token does, whatever punctuation that holds.
    Whitespace,
    /// Each character but white space, judged by its token and its place there: for languages in which a token holds the
    /// end of a name and what is stuck to it, as Korean particles are.
    Character,
}

/// The units of a text, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Units {
    /// Where each stands in the text, without white space at its ends. They do not overlap.
    pub spans: Vec<ByteSpan>,
    /// The token that decides for each, by its number among the text's tokens.
    pub tokens: Vec<usize>,
    /// Which of its token's characters each is, from 0; 0 where units are not characters.
    pub places: Vec<usize>,
}

impl Units {
    /// The units of `text`, of which `pieces` are the tokens. What no token covers is no unit: white space, and
    /// characters that the tokenizer drops. What cannot be told apart, as one token covers the ends of both, is one unit.
    pub fn of(text: &str, pieces: &Pieces, unit: TagUnit) -> Self {
        let tokens = pieces.offsets.iter().map(|&(start, end)| (start as usize, end as usize)).enumerate();
        let tokens = tokens.filter(|(_, (start, end))| start < end);
        let mut units = Self::default();
        match unit {
            TagUnit::Token => {
                for (token, (start, end)) in tokens {
                    units.push(token, start, end);
                }
            }
            TagUnit::Character => {
                for (token, (start, end)) in tokens {
                    let characters = text.get(start..end).unwrap_or_default().char_indices();
                    for (place, (at, character)) in characters.enumerate() {
                        let at = start + at;
                        // Tokens that are bytes of one character: the first one decides.
                        let new = units.spans.last().is_none_or(|last| last.end() <= at);
                        if new && !character.is_whitespace() {
                            units.spans.push(ByteSpan::with_len(at, character.len_utf8()));
                            units.tokens.push(token);
                            units.places.push(place);
                        }
                    }
                }
            }
            TagUnit::Word => units.push_words(text.split_word_bound_indices(), tokens),
            TagUnit::Whitespace => units.push_words(runs(text), tokens),
        }
        units
    }

    /// Adds the words that are not white space, each with the first token that begins in it or reaches into it.
    fn push_words<'t>(
        &mut self,
        words: impl Iterator<Item = (usize, &'t str)>,
        tokens: impl Iterator<Item = (usize, (usize, usize))>,
    ) {
        let mut tokens = tokens.peekable();
        for (start, word) in words {
            let end = start + word.len();
            // The last token before the word's end may reach into the next word.
            while tokens.next_if(|(_, (_, behind))| *behind <= start).is_some() {}
            if let Some((token, (begin, _))) = tokens.peek()
                && *begin < end
                && !word.trim().is_empty()
            {
                self.push(*token, start, end);
            }
        }
    }

    /// Adds a unit, or widens the last one where it has the same token or begins before the last one ends, as tokens do
    /// that are bytes of one character.
    fn push(&mut self, token: usize, start: usize, end: usize) {
        let same = self.tokens.last() == Some(&token);
        if let Some(last) = self.spans.last_mut().filter(|last| same || start < last.end()) {
            *last = last.cover(&ByteSpan::with_len(start, end.saturating_sub(start)));
            return;
        }
        self.spans.push(ByteSpan::with_len(start, end - start));
        self.tokens.push(token);
        self.places.push(0);
    }

    /// Number of units.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no unit.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The stretches of `text`, from the first to the last of some units each, in code points. The text is gone through
    /// once: they are to come in its order and not to overlap.
    pub(super) fn char_spans(
        &self,
        text: &str,
        stretches: impl Iterator<Item = std::ops::Range<usize>>,
    ) -> Vec<CharSpan> {
        let (mut byte, mut char) = (0, 0);
        let mut to = |end: usize| {
            char += text.get(byte..end).unwrap_or_default().chars().count();
            byte = end;
            char
        };
        let span = |units: std::ops::Range<usize>| {
            let (first, last) = (self.spans.get(units.start)?, self.spans.get(units.end.checked_sub(1)?)?);
            CharSpan::new(to(first.start()), to(last.end()))
        };
        stretches.filter_map(span).collect()
    }
}

/// The runs of characters between white space, with their places.
fn runs(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive(char::is_whitespace).filter_map(move |part| {
        let start = at;
        at += part.len();
        let run = part.trim_end();
        (!run.is_empty()).then_some((start, run))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str, tokens: &[(u32, u32)], unit: TagUnit) -> (Vec<String>, Vec<usize>) {
        let pieces = Pieces { ids: vec![0; tokens.len()], offsets: tokens.to_vec() };
        let units = Units::of(text, &pieces, unit);
        (units.spans.iter().map(|span| text[span.range()].to_owned()).collect(), units.tokens)
    }

    #[test]
    fn every_token_is_a_unit_but_bytes_of_one_character() {
        // A mark of white space that covers nothing, and four tokens that are bytes of one character.
        let (words, tokens) =
            units("a 𝄞b", &[(0, 1), (2, 2), (2, 6), (2, 6), (2, 6), (2, 6), (6, 7)], TagUnit::Token);
        assert_eq!((words, tokens), (["a", "𝄞", "b"].map(str::to_owned).to_vec(), vec![0, 2, 6]));
    }

    #[test]
    fn runs_between_white_space_keep_their_punctuation() {
        // "Boise", ".", "▁", "U", ".S", ".", "…" without a token
        let text = "Boise.  U.S.\n…";
        let tokens = [(0, 5), (5, 6), (7, 8), (8, 9), (9, 11), (11, 12)];
        let (runs, tokens) = units(text, &tokens, TagUnit::Whitespace);
        assert_eq!(runs, ["Boise.", "U.S."]);
        assert_eq!(tokens, [0, 3]);
    }

    #[test]
    fn the_first_token_decides_for_a_word() {
        // "Marie", "Cur", "ie", "'s", "…)", "x"
        let text = "Marie Curie, née x";
        let tokens = [(0, 5), (6, 9), (9, 11), (11, 12), (13, 15), (15, 17), (18, 19)];
        let (words, tokens) = units(text, &tokens, TagUnit::Word);
        assert_eq!(words, ["Marie", "Curie", ",", "née", "x"]);
        assert_eq!(tokens, [0, 1, 3, 4, 6]);
    }

    #[test]
    fn characters_have_places_in_their_token() {
        let text = "김재원의 𝄞";
        let tokens = [(0, 3), (3, 6), (6, 12), (13, 17), (13, 17)];
        let pieces = Pieces { ids: vec![0; 5], offsets: tokens.to_vec() };
        let units = Units::of(text, &pieces, TagUnit::Character);
        let words: Vec<&str> = units.spans.iter().map(|span| &text[span.range()]).collect();
        assert_eq!(words, ["김", "재", "원", "의", "𝄞"]);
        assert_eq!((units.tokens, units.places), (vec![0, 1, 2, 2, 3], vec![0, 0, 0, 1, 0]));
    }

    #[test]
    fn words_that_one_token_covers_are_one_unit_and_dropped_ones_none() {
        let (words, tokens) = units("a.) b c", &[(0, 1), (1, 3), (6, 7)], TagUnit::Word);
        assert_eq!((words, tokens), (["a", ".)", "c"].map(str::to_owned).to_vec(), vec![0, 1, 2]));
    }

    #[test]
    fn stretches_of_units_are_exact_code_points() {
        let text = "𝄞é 이순신 장군";
        let starts = ["𝄞é", "이순신", "장군"].map(|word| (text.find(word).unwrap(), word.len()));
        let spans = starts.map(|(start, len)| ByteSpan::with_len(start, len)).to_vec();
        let units = Units { spans, tokens: vec![0, 1, 2], places: vec![0; 3] };
        let spans = units.char_spans(text, [0..1, 1..3].into_iter());
        assert_eq!(spans.iter().map(|span| span.range()).collect::<Vec<_>>(), [0..2, 3..9]);
    }
}

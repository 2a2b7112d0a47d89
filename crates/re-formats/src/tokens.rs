//! Texts as tokens and back, without losing a character.
//!
//! Layouts of tokens mean the tokens with a space between each two. Where a text is not so, a list beside the tokens says
//! for each whether a space follows it ([`Cut::unusual_spaces`]), and the text is read back exactly.

use std::collections::HashMap;
use std::ops::Range;

use re_data::ByteSpan;
use serde_json::Value;

use crate::error::Result;
use crate::read::object::Object;
use crate::read::place::Place;

/// A text that grows by tokens.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub(crate) text: String,
    /// Where each token begins and ends, in code points.
    pub(crate) tokens: Vec<[usize; 2]>,
    chars: usize,
}

impl Joined {
    /// Adds tokens, with a space behind each for which `spaces` says so, or behind all but the last one.
    pub(crate) fn add(&mut self, tokens: &[String], spaces: Option<&[bool]>) {
        let last = tokens.len().saturating_sub(1);
        for (number, token) in tokens.iter().enumerate() {
            let start = self.chars;
            self.push(token);
            self.tokens.push([start, self.chars]);
            if spaces.map_or(number < last, |spaces| spaces.get(number).copied().unwrap_or_default()) {
                self.push(" ");
            }
        }
    }

    /// Adds what stands between tokens.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.chars += text.chars().count();
    }

    /// The code points from the first of the tokens `start..end` to the last one; `None` where there are none.
    pub(crate) fn chars(&self, start: usize, end: usize) -> Option<[usize; 2]> {
        let tokens = self.tokens.get(start..end)?;
        Some([tokens.first()?[0], tokens.last()?[1]])
    }
}

/// The list that says after which of so many tokens a space stands, where there is one.
pub(crate) fn space_after(
    object: &mut Object,
    place: &Place<'_>,
    tokens: usize,
) -> Result<Option<Vec<bool>>> {
    let spaces = object.list(place, "space_after", "a list of true and false", Value::as_bool)?;
    match spaces {
        Some(spaces) if spaces.len() != tokens => {
            let found = format!("{} values for {tokens} tokens", spaces.len());
            Err(place.error(object.field("space_after"), found, "one for each token"))
        }
        spaces => Ok(spaces),
    }
}

/// Where spans begin and end, in bytes.
pub(crate) struct Edges {
    starts: Vec<usize>,
    ends: Vec<usize>,
}

impl Edges {
    pub(crate) fn of(spans: &[ByteSpan]) -> Self {
        let sorted = |mut edges: Vec<usize>| {
            edges.sort_unstable();
            edges.dedup();
            edges
        };
        Self {
            starts: sorted(spans.iter().map(ByteSpan::start).collect()),
            ends: sorted(spans.iter().map(ByteSpan::end).collect()),
        }
    }
}

fn within<'e>(edges: &'e [usize], range: &Range<usize>) -> &'e [usize] {
    let from = edges.partition_point(|&edge| edge < range.start);
    let to = edges.partition_point(|&edge| edge <= range.end);
    edges.get(from..to).unwrap_or_default()
}

/// A stretch of a text, cut at its spaces and at the edges of spans.
#[derive(Default)]
pub(crate) struct Cut<'t> {
    pub(crate) tokens: Vec<&'t str>,
    pub(crate) space_after: Vec<bool>,
    /// The token that begins at an edge, and the one that ends there.
    first: HashMap<usize, usize>,
    last: HashMap<usize, usize>,
}

impl<'t> Cut<'t> {
    /// Cuts the bytes `range` of `text`; edges outside it are left alone.
    pub(crate) fn of(text: &'t str, range: Range<usize>, edges: &Edges) -> Self {
        let (starts, ends) = (within(&edges.starts, &range), within(&edges.ends, &range));
        let mut places: Vec<usize> = [starts, ends, &[range.start, range.end]].concat();
        places.sort_unstable();
        places.dedup();
        let mut cut = Self::default();
        for pair in places.windows(2) {
            let &[start, end] = pair else { continue };
            let [begins, closes] = [starts.binary_search(&start).is_ok(), ends.binary_search(&end).is_ok()];
            cut.first.insert(start, cut.tokens.len());
            cut.push(text.get(start..end).unwrap_or_default(), begins, closes);
            cut.last.insert(end, cut.tokens.len().saturating_sub(1));
        }
        cut
    }

    /// Cuts a stretch without edges inside it; a span may begin at its start or end at its end. A space there makes
    /// an empty token, so that the span keeps it; at other edges it belongs to the token before it.
    fn push(&mut self, stretch: &'t str, begins: bool, ends: bool) {
        let mut pieces = stretch.split(' ').peekable();
        let mut first = true;
        while let Some(piece) = pieces.next() {
            let space = pieces.peek().is_some();
            match self.space_after.last_mut() {
                Some(before) if piece.is_empty() && first && !begins => *before |= space,
                Some(_) if piece.is_empty() && !space && !ends => {}
                _ => {
                    self.tokens.push(piece);
                    self.space_after.push(space);
                }
            }
            first = false;
        }
    }

    /// First and last token of a span at whose edges the text was cut.
    pub(crate) fn span(&self, span: ByteSpan) -> Option<[usize; 2]> {
        Some([*self.first.get(&span.start())?, *self.last.get(&span.end())?])
    }

    /// Which tokens a space follows, unless it is all but the last one.
    pub(crate) fn unusual_spaces(&self) -> Option<&[bool]> {
        let last = self.space_after.len().saturating_sub(1);
        let usual = self.space_after.iter().enumerate().all(|(at, space)| *space == (at < last));
        (!usual).then_some(self.space_after.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_joined_again() {
        for (text, spans) in [
            ("a b", vec![(0, 1)]),
            (" a  b ", vec![(0, 2), (1, 2), (3, 5)]),
            ("  ", vec![(0, 1), (1, 2)]),
            ("abc", vec![(0, 2), (1, 3)]),
            ("a b c", vec![(1, 4), (1, 2)]),
            ("", vec![]),
        ] {
            let spans: Vec<ByteSpan> = spans.iter().map(|&(a, b)| ByteSpan::new(a, b).unwrap()).collect();
            let cut = Cut::of(text, 0..text.len(), &Edges::of(&spans));
            let tokens: Vec<String> = cut.tokens.iter().map(|&token| token.to_owned()).collect();
            let mut joined = Joined::default();
            joined.add(&tokens, cut.unusual_spaces());
            assert_eq!(joined.text, text);
            for span in spans {
                let [first, last] = cut.span(span).unwrap();
                assert_eq!(
                    joined.chars(first, last + 1),
                    Some([span.start(), span.end()]),
                    "{text:?} {span}"
                );
            }
        }
    }
}

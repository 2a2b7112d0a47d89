//! Texts as a page can show them, and the pieces that mentions cut them into.

use std::borrow::Cow;
use std::cmp::Reverse;

use re_data::Document;

/// A text without the characters that HTML has no way to write: pictures stand for control characters.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    let is_unfit = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || is_noncharacter(c);
    if !text.contains(is_unfit) {
        return Cow::Borrowed(text);
    }
    let picture = |c: char| match u32::from(c) {
        _ if !is_unfit(c) => c,
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or(char::REPLACEMENT_CHARACTER),
        0x7f => '\u{2421}',
        _ => char::REPLACEMENT_CHARACTER,
    };
    Cow::Owned(text.chars().map(picture).collect())
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

/// What stands in a text, from its beginning to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'d> {
    Text(&'d str),
    /// A mention begins or, where another one that began earlier ended within it, goes on.
    Open {
        mention: usize,
        first: bool,
    },
    Close,
}

/// Most mentions that are drawn over one character, so that a text in which everything overlaps still makes a page.
pub(super) const MOST_OPEN: usize = 32;

/// Most lines of mentions below a line of text; outer ones share the last.
const MOST_LEVELS: usize = 8;

/// A text with its mentions as properly nested elements.
pub(super) struct Parts<'d> {
    pub(super) all: Vec<Part<'d>>,
    /// For each mention how far below the text its line is drawn, from 1: farther than those of all mentions within it.
    pub(super) levels: Vec<usize>,
    /// Mentions that are not drawn, as [`MOST_OPEN`] others stand over their first character.
    pub(super) undrawn: usize,
}

/// Cuts a text at its mentions. A mention is cut where one that began before it ends in it.
pub(super) fn parts(document: &Document) -> Parts<'_> {
    let spans = document.byte_spans();
    let start = |mention: usize| spans.get(mention).map_or(0, |span| span.start());
    let end = |mention: usize| spans.get(mention).map_or(0, |span| span.end());
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|&mention| (start(mention), Reverse(end(mention))));
    let mut cuts: Vec<usize> = spans.iter().flat_map(|span| [span.start(), span.end()]).collect();
    cuts.extend([0, document.text().len()]);
    cuts.sort_unstable();
    cuts.dedup();
    let (mut all, mut undrawn) = (Vec::new(), 0);
    let mut open: Vec<usize> = Vec::new();
    let mut within: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    let mut put = |mention: usize, first: bool, open: &mut Vec<usize>, all: &mut Vec<Part<'_>>| {
        let around = open.last().and_then(|&around| within.get_mut(around));
        around.into_iter().for_each(|within| within.push(mention));
        open.push(mention);
        all.push(Part::Open { mention, first });
    };
    let mut starts = order.iter().copied().peekable();
    for (at, &cut) in cuts.iter().enumerate() {
        if let Some(outermost) = open.iter().position(|&mention| end(mention) <= cut) {
            let inner = open.split_off(outermost);
            all.extend(inner.iter().map(|_| Part::Close));
            for mention in inner.into_iter().filter(|&mention| end(mention) > cut) {
                put(mention, false, &mut open, &mut all);
            }
        }
        while let Some(mention) = starts.next_if(|&mention| start(mention) == cut) {
            match open.len() < MOST_OPEN {
                true => put(mention, true, &mut open, &mut all),
                false => undrawn += 1,
            }
        }
        let piece = cuts.get(at + 1).and_then(|&next| document.text().get(cut..next));
        all.extend(piece.map(Part::Text));
    }
    // A mention has within it only such as come behind it in this order.
    let mut levels = vec![1; spans.len()];
    for &mention in order.iter().rev() {
        let inner = within.get(mention).into_iter().flatten().filter_map(|&inner| levels.get(inner)).max();
        let level = inner.map_or(1, |level| (level + 1).min(MOST_LEVELS));
        levels.get_mut(mention).into_iter().for_each(|place| *place = level);
    }
    Parts { all, levels, undrawn }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use re_data::{CharSpan, Mention};

    use super::*;

    #[test]
    fn what_html_cannot_hold_is_shown_as_a_picture() {
        assert_eq!(shown("a\0\u{1b}\r\n\t\u{7f}\u{85}\u{fffe}\u{1ffff}é"), "a␀␛␍\n\t␡���é");
        assert!(matches!(shown("가 \u{200f}<&\n"), Cow::Borrowed("가 \u{200f}<&\n")));
    }

    #[test]
    fn inner_mentions_are_drawn_nearer_to_the_text() {
        let levels = |spans: &[(usize, usize)]| {
            let mentions = spans.iter().map(|&(start, end)| Mention::new(CharSpan::new(start, end).unwrap()));
            parts(&Document::new("d", "abcdefghij", mentions.collect()).unwrap()).levels
        };
        assert_eq!(levels(&[(0, 2), (3, 5)]), [1, 1]);
        assert_eq!(levels(&[(0, 9), (0, 4), (2, 4), (6, 8)]), [3, 2, 1, 1]);
        // Overlapping and equal ones are still two lines.
        assert_eq!(levels(&[(0, 4), (2, 6), (2, 6)]), [3, 2, 1]);
    }

    #[test]
    fn a_pile_of_mentions_is_bounded_and_counted() {
        let mentions = (0..MOST_OPEN + 9).map(|_| Mention::new(CharSpan::with_len(0, 2)));
        let document = Document::new("d", "abc", mentions.collect()).unwrap();
        let parts = parts(&document);
        assert_eq!((parts.undrawn, parts.levels[0]), (9, MOST_LEVELS));
    }

    proptest! {
        #[test]
        fn pieces_of_mentions_are_nested_and_cover_them(spans in prop::collection::vec((0usize..12, 1usize..9), 0..9)) {
            let text = "가나다라마바사아자차카타";
            let spans: Vec<(usize, usize)> = spans.into_iter().map(|(start, len)| (start, (start + len).min(12))).collect();
            let mentions = spans.iter().map(|&(start, end)| Mention::new(CharSpan::new(start, end).unwrap()));
            let document = Document::new("d", text, mentions.collect()).unwrap();
            let mut found = vec![String::new(); spans.len()];
            let (mut open, mut whole, mut firsts) = (Vec::new(), String::new(), 0);
            for part in parts(&document).all {
                match part {
                    Part::Open { mention, first } => {
                        firsts += usize::from(first);
                        open.push(mention);
                    }
                    Part::Close => prop_assert!(open.pop().is_some()),
                    Part::Text(piece) => {
                        whole.push_str(piece);
                        open.iter().for_each(|&mention: &usize| found[mention].push_str(piece));
                    }
                }
            }
            prop_assert_eq!((open.len(), whole.as_str(), firsts), (0, text, spans.len()));
            for (number, found) in found.iter().enumerate() {
                prop_assert_eq!(found, document.surface(number));
            }
        }
    }
}

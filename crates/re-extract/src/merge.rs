//! The mentions of a long text that was read in overlapping windows.

use std::collections::BTreeMap;

use re_data::{CharSpan, Mention};
use serde::Serialize;

use crate::error::{Error, Result};

/// A stretch of a document's text, and the mentions that were found in it, in code points of the whole text.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The stretch.
    pub span: CharSpan,
    /// Its mentions.
    pub mentions: Vec<Mention>,
}

/// The mentions of all windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// Each mention once, in the order of the text.
    pub mentions: Vec<Mention>,
    /// What is not among them.
    pub left_out: LeftOut,
}

/// Mentions of windows that are not in the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LeftOut {
    /// They stand in the result with the same span and type.
    pub repeated: usize,
    /// They overlap one that another window has seen with more text around it.
    pub outvoted: usize,
}

/// A mention with what is known of it.
struct Found<'a> {
    mention: &'a Mention,
    /// Code points between it and the nearer edge of its window, in the window where that is farthest.
    context: usize,
    /// Numbers of the windows that found it, ascending.
    windows: Vec<usize>,
}

/// Puts the mentions of overlapping windows together.
///
/// Mentions of equal span and type are one, with the largest score. Two different ones that overlap contradict each other
/// where no window has found both (one window may nest mentions). Then the one stays whose outermost character has been
/// farthest from an edge of its window, since a tagger errs where it sees no context; the beginning and the end of the text
/// are no such edges. Of two equally far ones the one with the larger score stays, then the first in the text, then the
/// longer. The order of the windows does not matter.
///
/// ```
/// use re_data::{CharSpan, Mention};
/// use re_extract::merge::{Window, merge_windows};
/// // The second window begins within "New York".
/// let place = |start, len| Mention::new(CharSpan::with_len(start, len)).with_kind("LOC");
/// let windows = [
///     Window { span: CharSpan::with_len(0, 20), mentions: vec![place(8, 8)] },
///     Window { span: CharSpan::with_len(12, 20), mentions: vec![place(12, 4), place(25, 5)] },
/// ];
/// let merged = merge_windows(&windows, 32)?;
/// let spans: Vec<_> = merged.mentions.iter().map(|mention| mention.span().range()).collect();
/// assert_eq!(spans, [8..16, 25..30]);
/// assert_eq!(merged.left_out.outvoted, 1);
/// # Ok::<(), re_extract::Error>(())
/// ```
///
/// # Errors
/// [`Error::Setting`] where a window reaches behind the text of `length` code points, or a mention out of its window.
pub fn merge_windows(windows: &[Window], length: usize) -> Result<Merged> {
    let mut left_out = LeftOut::default();
    let mut known: BTreeMap<(CharSpan, Option<&str>), Found<'_>> = BTreeMap::new();
    for (number, window) in windows.iter().enumerate() {
        if window.span.end() > length {
            let found = window.span;
            return Err(Error::setting(format!("window {number}"), found, "a stretch of the text"));
        }
        for mention in &window.mentions {
            if !window.span.contains(&mention.span()) {
                let field = format!("window {number}, {}: mention", window.span);
                return Err(Error::setting(field, mention.span(), "a stretch of the window"));
            }
            let context = context(mention.span(), window.span, length);
            let key = (mention.span(), mention.kind());
            match known.get_mut(&key) {
                None => {
                    known.insert(key, Found { mention, context, windows: vec![number] });
                }
                Some(found) => {
                    left_out.repeated += 1;
                    found.context = found.context.max(context);
                    if score(mention) > score(found.mention) {
                        found.mention = mention;
                    }
                    if found.windows.last() != Some(&number) {
                        found.windows.push(number);
                    }
                }
            }
        }
    }
    let found: Vec<Found<'_>> = known.into_values().collect();
    let stays = without_contradictions(&found);
    left_out.outvoted = stays.iter().filter(|stays| !**stays).count();
    let mentions =
        found.iter().zip(stays).filter(|(_, stays)| *stays).map(|(found, _)| found.mention.clone());
    Ok(Merged { mentions: mentions.collect(), left_out })
}

fn score(mention: &Mention) -> f32 {
    mention.score().unwrap_or(0.0)
}

fn context(mention: CharSpan, window: CharSpan, length: usize) -> usize {
    let before = if window.start() == 0 { usize::MAX } else { mention.start() - window.start() };
    let behind = if window.end() == length { usize::MAX } else { window.end() - mention.end() };
    before.min(behind)
}

/// Whether each mention stays; they are in the order of the text.
fn without_contradictions(found: &[Found<'_>]) -> Vec<bool> {
    let mut rivals: Vec<Vec<usize>> = vec![Vec::new(); found.len()];
    for (at, one) in found.iter().enumerate() {
        let behind = found.iter().enumerate().skip(at + 1);
        for (other_at, other) in
            behind.take_while(|(_, other)| other.mention.span().start() < one.mention.span().end())
        {
            if !one.windows.iter().any(|window| other.windows.contains(window)) {
                for (rival, of) in [(at, other_at), (other_at, at)] {
                    rivals.get_mut(of).into_iter().for_each(|rivals| rivals.push(rival));
                }
            }
        }
    }
    let mut order: Vec<(usize, &Found<'_>)> = found.iter().enumerate().collect();
    // A stable sort leaves equals in the order of the text.
    order.sort_by(|(_, a), (_, b)| {
        let by_score = || score(b.mention).total_cmp(&score(a.mention));
        let by_place = || a.mention.span().start().cmp(&b.mention.span().start());
        let by_length = || b.mention.span().len().cmp(&a.mention.span().len());
        b.context.cmp(&a.context).then_with(by_score).then_with(by_place).then_with(by_length)
    });
    let mut stays = vec![false; found.len()];
    for (at, _) in order {
        let beaten = rivals.get(at).into_iter().flatten().any(|&rival| stays.get(rival) == Some(&true));
        if let Some(stays) = stays.get_mut(at) {
            *stays = !beaten;
        }
    }
    stays
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mention(start: usize, len: usize, kind: &str, score: f32) -> Mention {
        Mention::new(CharSpan::with_len(start, len)).with_kind(kind).with_score(score)
    }

    fn window(start: usize, len: usize, mentions: &[Mention]) -> Window {
        Window { span: CharSpan::with_len(start, len), mentions: mentions.to_vec() }
    }

    #[test]
    fn what_several_windows_find_stands_once_with_the_largest_score() {
        let windows = [
            window(0, 20, &[mention(12, 3, "P", 0.6)]),
            window(10, 20, &[mention(12, 3, "P", 0.9)]),
            window(5, 20, &[mention(12, 3, "P", 0.7)]),
        ];
        let merged = merge_windows(&windows, 40).unwrap();
        assert_eq!(merged.mentions, [mention(12, 3, "P", 0.9)]);
        assert_eq!(merged.left_out, LeftOut { repeated: 2, outvoted: 0 });
    }

    #[test]
    fn the_window_with_more_context_wins() {
        // At 12..15 the first window has 5 characters behind it, the second 2 before it.
        let windows =
            [window(0, 20, &[mention(12, 3, "P", 0.5)]), window(10, 20, &[mention(12, 3, "O", 0.9)])];
        let merged = merge_windows(&windows, 40).unwrap();
        assert_eq!(merged.mentions, [mention(12, 3, "P", 0.5)]);
        assert_eq!(merged.left_out, LeftOut { repeated: 0, outvoted: 1 });
        // The end of the text is no edge: the first window now sees as much as there is.
        let at_end =
            [window(0, 20, &[mention(16, 4, "P", 0.5)]), window(10, 10, &[mention(15, 3, "O", 0.9)])];
        assert_eq!(merge_windows(&at_end, 20).unwrap().mentions, [mention(16, 4, "P", 0.5)]);
        let equal = [window(0, 20, &[mention(14, 2, "P", 0.5)]), window(10, 20, &[mention(14, 2, "O", 0.9)])];
        assert_eq!(merge_windows(&equal, 40).unwrap().mentions, [mention(14, 2, "O", 0.9)]);
    }

    #[test]
    fn one_window_may_nest_mentions() {
        let nested = [mention(2, 8, "O", 0.9), mention(4, 2, "L", 0.8)];
        let windows = [window(0, 20, &nested), window(3, 20, &nested[1..])];
        assert_eq!(merge_windows(&windows, 40).unwrap().mentions, nested);
    }

    #[test]
    fn windows_and_mentions_lie_where_they_can() {
        let message = |windows: &[Window]| merge_windows(windows, 20).unwrap_err().to_string();
        assert_eq!(message(&[window(10, 11, &[])]), "window 0: found 10..21, expected a stretch of the text");
        let outside = [window(0, 5, &[]), window(5, 5, &[mention(4, 2, "P", 1.0)])];
        assert_eq!(
            message(&outside),
            "window 1, 5..10: mention: found 4..6, expected a stretch of the window"
        );
    }

    proptest! {
        #[test]
        fn nothing_contradicts_and_the_order_of_windows_does_not_matter(
            raw in prop::collection::vec(prop::collection::vec((0usize..16, 1usize..5, 0u8..2, 0u8..4), 0..5), 1..5),
        ) {
            let windows: Vec<Window> = raw.iter().enumerate().map(|(number, mentions)| {
                let start = number * 8;
                let mention = |&(at, len, kind, score): &(usize, usize, u8, u8)| {
                    mention(start + at, len.min(16 - at), ["P", "O"][usize::from(kind)], f32::from(score) / 4.0)
                };
                window(start, 16, &mentions.iter().map(mention).collect::<Vec<_>>())
            }).collect();
            let length = 8 * windows.len() + 8;
            let merged = merge_windows(&windows, length).unwrap();
            let mut turned = windows.clone();
            turned.reverse();
            prop_assert_eq!(&merge_windows(&turned, length).unwrap(), &merged);
            let all: usize = windows.iter().map(|window| window.mentions.len()).sum();
            prop_assert_eq!(merged.mentions.len() + merged.left_out.repeated + merged.left_out.outvoted, all);
            let finds = |window: &Window, one: &Mention| {
                window.mentions.iter().any(|m| (m.span(), m.kind()) == (one.span(), one.kind()))
            };
            for (at, one) in merged.mentions.iter().enumerate() {
                for other in &merged.mentions[..at] {
                    let together = windows.iter().any(|w| finds(w, one) && finds(w, other));
                    prop_assert!(together || !one.span().overlaps(&other.span()));
                }
            }
        }
    }
}

//! Which tokens of a sentence to keep when it is too long.

use std::ops::Range;

use crate::span::TokenSpan;

/// Tokens to keep: one stretch, or two where the entities are too far apart (the second may be empty).
pub(crate) type Kept = [Range<usize>; 2];

/// Chooses `budget` of `len` tokens such that both entities (with their markers) stay whole.
///
/// The tokens that remain are shared: as many before the entities as behind them, and what one side cannot use
/// goes to the other. Where even the stretch from one entity to the other is too long, it is cut in the middle:
/// each entity keeps a window of its own, with half of what remains. `None` where both entities together need
/// more than the budget.
pub(crate) fn around(entities: [TokenSpan; 2], len: usize, budget: usize) -> Option<Kept> {
    let [subject, object] = entities;
    let (first, second) = if subject <= object { (subject, object) } else { (object, subject) };
    let cover = first.cover(&second);
    if let Some(range) = extend(cover, 0..len, budget) {
        return Some([range, len..len]);
    }
    if first.end() > second.start() {
        return None;
    }
    let spare = budget.checked_sub(first.len() + second.len())?;
    let left = extend(first, 0..second.start(), first.len() + spare / 2)?;
    let right = extend(second, left.end..len, budget - left.len())?;
    // The second window may have ended at the end of the sentence; then the first one takes what it left.
    let left = extend(first, 0..right.start, budget - right.len())?;
    Some([left, right])
}

/// The window of `budget` tokens around `span` within `bounds`: centred as far as the bounds allow. `None`
/// where the span alone is longer.
pub(crate) fn extend(span: TokenSpan, bounds: Range<usize>, budget: usize) -> Option<Range<usize>> {
    let spare = budget.checked_sub(span.len())?;
    let (before, behind) = (span.start().checked_sub(bounds.start)?, bounds.end.checked_sub(span.end())?);
    let left = (spare / 2).max(spare.saturating_sub(behind)).min(before);
    let right = (spare - left).min(behind);
    Some(span.start() - left..span.end() + right)
}

/// Lengths of both segments after `transformers`' `longest_first` truncation, and of its fast tokenizers:
/// the longer one is cut until the pair fits or both are equally long, then both are.
pub(crate) fn longest_first(first: usize, second: usize, budget: usize) -> [usize; 2] {
    if first + second <= budget {
        return [first, second];
    }
    let short = first.min(second).min(budget / 2);
    if first <= second { [short, budget - short] } else { [budget - short, short] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: usize, end: usize) -> TokenSpan {
        TokenSpan::new(start, end).unwrap()
    }

    #[test]
    fn one_window_covers_both_entities() {
        let window = |a, b, budget| around([a, b], 20, budget).map(|[kept, _]| kept);
        assert_eq!(window(span(8, 9), span(11, 12), 10), Some(5..15));
        assert_eq!(window(span(11, 12), span(8, 9), 10), Some(5..15));
        assert_eq!(window(span(0, 1), span(2, 3), 10), Some(0..10));
        assert_eq!(window(span(17, 18), span(19, 20), 10), Some(10..20));
        assert_eq!(window(span(8, 12), span(9, 10), 4), Some(8..12));
        assert_eq!(window(span(8, 12), span(9, 10), 3), None);
        assert_eq!(window(span(0, 1), span(19, 20), 20), Some(0..20));
    }

    #[test]
    fn distant_entities_keep_a_window_each() {
        assert_eq!(around([span(30, 32), span(60, 61)], 100, 11), Some([28..34, 58..63]));
        assert_eq!(around([span(60, 61), span(0, 2)], 100, 11), Some([0..6, 58..63]));
        assert_eq!(around([span(0, 1), span(99, 100)], 100, 10), Some([0..5, 95..100]));
        assert_eq!(around([span(0, 1), span(99, 100)], 100, 2), Some([0..1, 99..100]));
        assert_eq!(around([span(0, 1), span(99, 100)], 100, 1), None);
        for budget in 2..100 {
            let [left, right] = around([span(0, 1), span(99, 100)], 100, budget).unwrap();
            assert_eq!(left.len() + right.len(), budget);
            assert!(left.end <= right.start);
        }
    }

    #[test]
    fn the_longer_segment_is_cut_first() {
        assert_eq!(longest_first(5, 5, 10), [5, 5]);
        assert_eq!(longest_first(3, 20, 10), [3, 7]);
        assert_eq!(longest_first(20, 3, 10), [7, 3]);
        assert_eq!(longest_first(20, 30, 9), [4, 5]);
        assert_eq!(longest_first(30, 20, 9), [5, 4]);
        assert_eq!(longest_first(9, 9, 0), [0, 0]);
    }
}

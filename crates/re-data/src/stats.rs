//! What a dataset looks like: sizes, labels, lengths, duplicates and contradictions.

mod documents;

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

pub use documents::{DocumentStats, TypedLabel};

use serde::Serialize;

use crate::example::RelationExample;
use crate::span::ByteSpan;
use crate::tally::Tally;

/// Counts over a dataset.
///
/// ```
/// # use re_data::{ByteSpan, Entity, RelationExample};
/// use re_data::stats::Stats;
/// # let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
/// let example = RelationExample::new("1", "Marie loves Pierre.", [entity(0, 5), entity(12, 6)])?;
/// let stats = Stats::of([&example, &example.clone().with_label("spouse")]);
/// assert_eq!((stats.rows, stats.unlabelled, stats.texts), (2, 1, 1));
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// Number of examples.
    pub rows: usize,
    /// Examples without a label.
    pub unlabelled: usize,
    /// How often each label occurs, the most frequent one first, equals by name.
    pub labels: Vec<(String, usize)>,
    /// Lengths of the texts in code points; `None` for an empty dataset.
    pub characters: Option<Lengths>,
    /// Number of different texts.
    pub texts: usize,
    /// Examples whose text has stood before.
    pub repeated_texts: usize,
    /// Examples that repeat text, entities and label of one before.
    pub repeated_rows: usize,
    /// Examples whose id has stood before.
    pub repeated_ids: usize,
    /// Ids of labelled examples that contradict another one: same text and entities, another label.
    pub conflicting: Tally<String>,
    /// Ids of examples whose two entities share at least one character.
    pub overlapping: Tally<String>,
}

/// Distribution of lengths.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lengths {
    /// The shortest.
    pub min: usize,
    /// The one in the middle; between two, their mean.
    pub median: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The smallest length that at least 95 % do not exceed.
    pub p95: usize,
    /// The longest.
    pub max: usize,
}

impl Lengths {
    /// Distribution of the given lengths, in whatever unit, such as tokens; `None` where there are none.
    pub fn of(lengths: impl IntoIterator<Item = usize>) -> Option<Self> {
        let mut lengths: Vec<usize> = lengths.into_iter().collect();
        lengths.sort_unstable();
        let n = lengths.len();
        let at = |index: usize| lengths.get(index).copied();
        Some(Self {
            min: at(0)?,
            median: (at((n - 1) / 2)? + at(n / 2)?) as f64 / 2.0,
            mean: lengths.iter().sum::<usize>() as f64 / n as f64,
            p95: at((n * 95).div_ceil(100) - 1)?,
            max: at(n - 1)?,
        })
    }
}

/// Counts of lengths in ranges of equal width: at most `bins` of them, whose borders are multiples of 1, 2 or 5 times
/// a power of ten. Empty ranges between others are there too; the result is empty for no lengths.
///
/// ```
/// use re_data::stats::histogram;
/// assert_eq!(histogram([3, 12, 18, 41], 5), [(0..=9, 1), (10..=19, 2), (20..=29, 0), (30..=39, 0), (40..=49, 1)]);
/// ```
pub fn histogram(
    lengths: impl IntoIterator<Item = usize>,
    bins: usize,
) -> Vec<(RangeInclusive<usize>, usize)> {
    let lengths: Vec<usize> = lengths.into_iter().collect();
    let (Some(&min), Some(&max)) = (lengths.iter().min(), lengths.iter().max()) else { return Vec::new() };
    let widths = (0..18).map(|power| 10_usize.pow(power)).flat_map(|unit| [unit, 2 * unit, 5 * unit]);
    let fits = |width: &usize| max / width - min / width < bins.max(1);
    // With one bin a border between the least and the largest may remain: then everything is one range.
    let width = widths.into_iter().find(fits).unwrap_or(usize::MAX);
    let first = min / width;
    let mut counts = vec![0; max / width - first + 1];
    for length in lengths {
        if let Some(count) = counts.get_mut(length / width - first) {
            *count += 1;
        }
    }
    let range = |bin: usize| (first + bin) * width..=((first + bin) * width).saturating_add(width - 1);
    counts.into_iter().enumerate().map(|(bin, count)| (range(bin), count)).collect()
}

impl Stats {
    /// Counts over `examples`.
    pub fn of<'e>(examples: impl IntoIterator<Item = &'e RelationExample>) -> Self {
        let mut rows: Vec<&RelationExample> = Vec::new();
        let mut labels: HashMap<&str, usize> = HashMap::new();
        let (mut texts, mut ids, mut whole) = (HashSet::new(), HashSet::new(), HashSet::new());
        let mut labels_of_pair: HashMap<(&str, [ByteSpan; 2]), HashSet<&str>> = HashMap::new();
        let (mut overlapping, mut conflicting) = (Tally::default(), Tally::default());
        for example in examples {
            rows.push(example);
            texts.insert(example.text());
            ids.insert(example.id());
            let pair = pair(example);
            whole.insert((pair, example.label()));
            if let Some(label) = example.label() {
                *labels.entry(label).or_default() += 1;
                labels_of_pair.entry(pair).or_default().insert(label);
            }
            let (_, [a, b]) = pair;
            if a.overlaps(&b) {
                overlapping.add(|| example.id().to_owned());
            }
        }
        for example in rows.iter().filter(|example| example.label().is_some()) {
            if labels_of_pair.get(&pair(example)).is_some_and(|labels| labels.len() > 1) {
                conflicting.add(|| example.id().to_owned());
            }
        }
        let labelled: usize = labels.values().sum();
        let mut labels: Vec<_> = labels.into_iter().map(|(label, count)| (label.to_owned(), count)).collect();
        labels.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        Self {
            rows: rows.len(),
            unlabelled: rows.len() - labelled,
            labels,
            characters: Lengths::of(rows.iter().map(|example| example.text().chars().count())),
            texts: texts.len(),
            repeated_texts: rows.len() - texts.len(),
            repeated_rows: rows.len() - whole.len(),
            repeated_ids: rows.len() - ids.len(),
            conflicting,
            overlapping,
        }
    }
}

/// What a label is about: the text and the entities in their order.
fn pair(example: &RelationExample) -> (&str, [ByteSpan; 2]) {
    let [a, b] = example.entities();
    (example.text(), [a.span(), b.span()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_in_its_range_and_none_is_lost() {
        for (lengths, bins) in [
            (vec![7], 12),
            (vec![0, 99, 100], 12),
            (vec![1, 1_000_000], 12),
            (vec![9, 10], 1),
            (vec![5, 6], 0),
        ] {
            let found = histogram(lengths.clone(), bins);
            assert!(found.len() <= bins.max(1), "{lengths:?}: {found:?}");
            for (range, count) in &found {
                assert_eq!(lengths.iter().filter(|length| range.contains(length)).count(), *count);
            }
            assert_eq!(found.iter().map(|(_, count)| count).sum::<usize>(), lengths.len());
        }
        assert_eq!(histogram([], 12), []);
        assert_eq!(histogram([usize::MAX], 3).len(), 1);
    }
}

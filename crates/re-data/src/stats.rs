//! What a dataset looks like: sizes, labels, lengths, duplicates and contradictions.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::example::RelationExample;
use crate::read::Tally;
use crate::span::ByteSpan;

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

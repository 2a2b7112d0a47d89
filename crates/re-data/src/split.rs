//! Training and validation parts that share no text and have the labels in equal shares.
//!
//! All rows of one text land on one side, since a model that has seen a sentence with one pair of entities
//! knows more about its other pairs than it will of new sentences. Texts with the same [`normalized_text`] are one. They
//! are drawn in an order that depends on the seed alone, and each one goes where it brings the label counts nearest
//! to their due.

use std::collections::HashMap;

use rand::seq::SliceRandom;

use crate::error::{Error, Result};
use crate::example::RelationExample;
use crate::random;

/// Rows of both parts, as ascending indices into the examples that were split.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows held out.
    pub validation: Vec<usize>,
}

impl Split {
    fn new(rows: usize, mut validation: Vec<usize>) -> Self {
        validation.sort_unstable();
        let mut held_out = validation.iter().copied().peekable();
        let train = (0..rows).filter(|row| held_out.next_if_eq(row).is_none()).collect();
        Self { train, validation }
    }
}

/// What a text says, whatever its spaces and punctuation: corpora that share sentences differ in spaces, quotation
/// marks and dashes.
///
/// ```
/// use re_data::split::normalized_text;
/// assert_eq!(normalized_text("'서울'은 수도이다."), normalized_text("서울은  수도이다"));
/// ```
pub fn normalized_text(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Splits off `fraction` of the rows for validation, with every label in that share as far as whole rows and
/// undivided texts allow. No label leaves the training part altogether, so that one of a single row stays
/// there. Rows without a label count as a label of their own.
///
/// ```
/// # use re_data::{ByteSpan, Entity, RelationExample};
/// use re_data::split;
/// # let entity = || Entity::new(ByteSpan::with_len(0, 1));
/// # let examples: Vec<_> = (0..10).map(|i| {
/// #     RelationExample::new(i.to_string(), format!("text {i}"), [entity(), entity()]).unwrap()
/// # }).collect();
/// let parts = split::by_fraction(&examples, 0.3, 7)?;
/// assert_eq!((parts.train.len(), parts.validation.len()), (7, 3));
/// # Ok::<(), re_data::Error>(())
/// ```
///
/// # Errors
/// [`Error::Argument`] where `fraction` is not from 0 to below 1.
pub fn by_fraction(examples: &[RelationExample], fraction: f64, seed: u64) -> Result<Split> {
    if !(0.0..1.0).contains(&fraction) {
        return Err(Error::Argument {
            name: "fraction",
            found: fraction.to_string(),
            expected: "a number from 0 to below 1",
        });
    }
    let data = Strata::of(examples, seed);
    let mut missing = due(&data.counts, fraction);
    let mut missing_rows: isize = missing.iter().sum();
    let mut left = data.counts.clone();
    let mut validation = Vec::new();
    for group in &data.groups {
        // The group must bring validation nearer to its size, and its labels, in sum, nearer to their due.
        let mut gain = 0;
        let mut spares_training = true;
        for &(label, rows) in &group.labels {
            let due: isize = missing.get(label).copied().unwrap_or_default();
            gain += due.abs() - (due - rows as isize).abs();
            spares_training &= left.get(label).is_some_and(|left| rows < *left);
        }
        let rows = group.rows.len() as isize;
        let nearer = (missing_rows - rows).abs() < missing_rows.abs();
        if gain <= 0 || !nearer || !spares_training {
            continue;
        }
        for &(label, rows) in &group.labels {
            if let (Some(due), Some(left)) = (missing.get_mut(label), left.get_mut(label)) {
                *due -= rows as isize;
                *left -= rows;
            }
        }
        missing_rows -= rows;
        validation.extend(&group.rows);
    }
    Ok(Split::new(examples.len(), validation))
}

/// Splits into `k` folds of nearly equal size and label shares; each row is held out by exactly one of them.
/// A label of fewer than `k` texts is absent from some validation parts, and one of a single text
/// from the training part of the fold that holds it out.
///
/// # Errors
/// [`Error::Argument`] where `k` is below 2 or above the number of different texts.
pub fn k_fold(examples: &[RelationExample], k: usize, seed: u64) -> Result<Vec<Split>> {
    let mut data = Strata::of(examples, seed);
    if k < 2 || k > data.groups.len() {
        return Err(Error::Argument {
            name: "k",
            found: format!("{k} for {} different texts", data.groups.len()),
            expected: "at least 2 and at most the number of different texts",
        });
    }
    // The large groups first, while there is room to level them out.
    data.groups.sort_by_key(|group| std::cmp::Reverse(group.rows.len()));
    let mut folds = vec![(vec![0usize; data.counts.len()], Vec::new()); k];
    for group in &data.groups {
        // Filling of a fold with the group's labels, where 1 is a label's whole corpus; then the rows in all.
        let filling = |(counts, rows): &(Vec<usize>, Vec<usize>)| {
            let of_label = |&(label, rows): &(usize, usize)| {
                let total = data.counts.get(label).copied().unwrap_or(1) as f64;
                rows as f64 * counts.get(label).copied().unwrap_or_default() as f64 / total
            };
            (group.labels.iter().map(of_label).sum::<f64>(), rows.len())
        };
        let emptiest = folds.iter_mut().min_by(|a, b| {
            let ((a, a_rows), (b, b_rows)) = (filling(a), filling(b));
            a.total_cmp(&b).then(a_rows.cmp(&b_rows))
        });
        if let Some((counts, rows)) = emptiest {
            rows.extend(&group.rows);
            for &(label, rows) in &group.labels {
                if let Some(count) = counts.get_mut(label) {
                    *count += rows;
                }
            }
        }
    }
    Ok(folds.into_iter().map(|(_, rows)| Split::new(examples.len(), rows)).collect())
}

/// Rows of each label that `fraction` of the whole has: whole numbers that add up to the rounded total, the
/// largest remainders rounded up.
fn due(counts: &[usize], fraction: f64) -> Vec<isize> {
    let exact: Vec<f64> = counts.iter().map(|&count| count as f64 * fraction).collect();
    let mut due: Vec<isize> = exact.iter().map(|share| share.floor() as isize).collect();
    let total = (counts.iter().sum::<usize>() as f64 * fraction).round() as isize;
    let missing = usize::try_from(total - due.iter().sum::<isize>()).unwrap_or_default();
    // A label of one row never leaves the training part, so its share goes to others.
    let mut by_remainder: Vec<usize> =
        counts.iter().enumerate().filter(|(_, count)| **count > 1).map(|(label, _)| label).collect();
    let remainder = |label: &usize| exact.get(*label).map_or(0.0, |share| share.fract());
    by_remainder.sort_by(|a, b| remainder(b).total_cmp(&remainder(a)));
    for label in by_remainder.into_iter().take(missing) {
        if let Some(due) = due.get_mut(label) {
            *due += 1;
        }
    }
    due
}

/// The rows of one text.
struct Group {
    rows: Vec<usize>,
    /// Labels (numbered by first occurrence) with their numbers of rows.
    labels: Vec<(usize, usize)>,
}

/// Texts in random order, and the rows of each label.
struct Strata {
    groups: Vec<Group>,
    counts: Vec<usize>,
}

impl Strata {
    fn of(examples: &[RelationExample], seed: u64) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let mut counts: Vec<usize> = Vec::new();
        let (mut group_of_text, mut label_numbers) = (HashMap::new(), HashMap::new());
        for (row, example) in examples.iter().enumerate() {
            let next = label_numbers.len();
            let label = *label_numbers.entry(example.label()).or_insert(next);
            if label == counts.len() {
                counts.push(0);
            }
            if let Some(count) = counts.get_mut(label) {
                *count += 1;
            }
            let group = *group_of_text.entry(normalized_text(example.text())).or_insert(groups.len());
            if group == groups.len() {
                groups.push(Group { rows: Vec::new(), labels: Vec::new() });
            }
            let Some(group) = groups.get_mut(group) else { continue };
            group.rows.push(row);
            match group.labels.iter_mut().find(|(of_group, _)| *of_group == label) {
                Some((_, rows)) => *rows += 1,
                None => group.labels.push((label, 1)),
            }
        }
        groups.shuffle(&mut random::stream(seed, "split", 0));
        Self { groups, counts }
    }
}

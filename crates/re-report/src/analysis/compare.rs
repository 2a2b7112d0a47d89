//! Runs beside each other, on the rows that they share.

use std::collections::{HashMap, HashSet};

use re_data::RelationExample;
use re_ensemble::{Bootstrap, Comparison, compare};

use crate::error::Result;
use crate::gold::{Row, Scored};

/// A run with its name and its predictions.
pub(crate) type Named<'a> = (&'a str, &'a Scored);

/// Two runs on the rows that both have predicted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair {
    /// Positions of the two runs.
    pub runs: (usize, usize),
    pub comparison: Comparison,
    /// Share of the rows for which they predict different classes.
    pub disagreement: f64,
    /// McNemar's p, adjusted for the number of pairs.
    pub adjusted_p: f64,
}

/// Every pair of runs, and which of them cannot be compared, and why.
pub(crate) fn pairs(runs: &[Named<'_>], bootstrap: &Bootstrap) -> Result<(Vec<Pair>, Vec<String>)> {
    let (mut pairs, mut apart) = (Vec::new(), Vec::new());
    for (at, a) in runs.iter().enumerate() {
        for (other, b) in runs.iter().enumerate().skip(at + 1) {
            match comparable(a, b) {
                Ok(rows) => {
                    let (comparison, disagreement) = pair(a, b, &rows, bootstrap)?;
                    pairs.push(Pair { runs: (at, other), comparison, disagreement, adjusted_p: 1.0 });
                }
                Err(reason) => apart.push(format!("{} and {} are not compared: {reason}", a.0, b.0)),
            }
        }
    }
    let adjusted = holm(&pairs.iter().map(|pair| pair.comparison.mcnemar_p).collect::<Vec<_>>());
    for (pair, p) in pairs.iter_mut().zip(adjusted) {
        pair.adjusted_p = p;
    }
    Ok((pairs, apart))
}

/// The rows of both runs, or why they cannot be compared.
pub(crate) fn comparable<'a>(a: &Named<'a>, b: &Named<'a>) -> Result<Vec<Vec<Row<'a>>>, &'static str> {
    if names(a.1) != names(b.1) {
        return Err("they have different labels");
    }
    let shared = shared(&[*a, *b]);
    if shared.is_empty() { Err("they have no row in common") } else { Ok(shared) }
}

fn names(scored: &Scored) -> HashSet<&String> {
    scored.labels().names().iter().collect()
}

fn pair(
    a: &Named<'_>,
    b: &Named<'_>,
    shared: &[Vec<Row<'_>>],
    bootstrap: &Bootstrap,
) -> Result<(Comparison, f64)> {
    let differ = shared.iter().filter(|row| {
        let mut labels = row.iter().map(|answer| answer.prediction.label);
        labels.next() != labels.next()
    });
    let disagreement = differ.count() as f64 / shared.len() as f64;
    let ids: Vec<&str> = shared.iter().filter_map(|row| row.first()).map(|row| row.example.id()).collect();
    // A part may have the name of the whole.
    let (member_a, gold) = a.1.member("A", &ids)?;
    let (member_b, _) = b.1.member("B", &ids)?;
    Ok((compare(member_a, member_b, &gold, bootstrap)?, disagreement))
}

/// The rows that all runs have, each with the answer of every run, in the order of the first run.
fn shared<'a>(runs: &[Named<'a>]) -> Vec<Vec<Row<'a>>> {
    let Some(((_, first), others)) = runs.split_first() else { return Vec::new() };
    let tables: Vec<HashMap<&str, Row<'a>>> =
        others.iter().map(|(_, other)| other.rows().map(|row| (row.example.id(), row)).collect()).collect();
    let answers = |row: Row<'a>| {
        let mut answers = vec![row];
        for table in &tables {
            // An id alone does not make a row: other data may number their rows alike.
            answers.push(*table.get(row.example.id()).filter(|other| other.example == row.example)?);
        }
        Some(answers)
    };
    first.rows().filter_map(answers).collect()
}

/// A row that some runs get right and others do not.
#[derive(Debug, Clone)]
pub(crate) struct Dispute<'a> {
    pub example: &'a RelationExample,
    /// The answer of each run.
    pub answers: Vec<Row<'a>>,
}

/// How many rows are disputed of how many shared ones, and those on which both sides are surest of themselves.
pub(crate) fn disputes<'a>(runs: &[Named<'a>], most: usize) -> (usize, usize, Vec<Dispute<'a>>) {
    let apart = |pair: &[Named<'a>]| matches!(pair, [a, b] if names(a.1) != names(b.1));
    if runs.windows(2).any(apart) {
        return (0, 0, Vec::new());
    }
    let rows = shared(runs);
    let count = rows.len();
    let mut disputed: Vec<(f32, Dispute<'a>)> = Vec::new();
    for answers in rows {
        let surest = |right: bool| {
            let side = answers.iter().filter(|answer| answer.right() == right);
            side.map(|answer| answer.prediction.probability).reduce(f32::max)
        };
        if let (Some(right), Some(wrong)) = (surest(true), surest(false))
            && let Some(first) = answers.first()
        {
            disputed.push((right.min(wrong), Dispute { example: first.example, answers }));
        }
    }
    let all = disputed.len();
    disputed.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    disputed.truncate(most);
    (all, count, disputed.into_iter().map(|(_, dispute)| dispute).collect())
}

/// p values adjusted so that the chance of any false alarm among them stays what each of them says (Holm 1979).
fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    let at = |index: usize| p.get(index).copied().unwrap_or(1.0);
    order.sort_by(|&a, &b| at(a).total_cmp(&at(b)));
    let mut adjusted = vec![1.0; p.len()];
    let mut highest: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        highest = highest.max((at(index) * (p.len() - rank) as f64).min(1.0));
        if let Some(slot) = adjusted.get_mut(index) {
            *slot = highest;
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::holm;

    #[test]
    fn p_values_are_adjusted_in_steps() {
        // 3 * 0.01, then 2 * 0.03, then at least what came before.
        let found = holm(&[0.03, 0.01, 0.04]);
        let expected = [0.06, 0.03, 0.06];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert_eq!(holm(&[0.2]), [0.2]);
        assert!(holm(&[]).is_empty());
    }
}

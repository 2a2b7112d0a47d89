//! Whether the accuracy on some rows tells which checkpoint is good on others.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use re_data::random::stream;
use re_data::split::normalized_text;
use re_formats::read::{self, SavedPrediction};

use super::markdown::table;
use crate::error::{Error, Result};
use crate::gold::Scored;
use crate::number::{count, percent};
use crate::run::Run;

/// How often the rows are halved at random.
const HALVINGS: usize = 1_000;
const SEED: u64 = 7;

/// Which rows the model of a step gets right.
struct Checkpoint {
    step: u64,
    right: Vec<bool>,
}

/// A table about the answers that `checkpoint-STEP.csv` of the run's folder hold, as `re predict RUN@STEP` writes them.
pub(super) fn tracking(run: &Run, scored: &Scored) -> Result<String> {
    let mut checkpoints = Vec::new();
    for (step, path) in files(run)? {
        checkpoints.push(Checkpoint { step, right: right(&path, scored)? });
    }
    if checkpoints.len() < 3 {
        return Ok(format!("`{}`: no predictions of its checkpoints.\n\n", run.name()));
    }
    let sentences = sentences(scored);
    let halvings: Vec<Halving> =
        (0..HALVINGS).map(|number| halving(&checkpoints, &sentences, number as u64)).collect();
    let mut correlations: Vec<f64> = halvings.iter().map(|halving| halving.correlation).collect();
    correlations.sort_by(f64::total_cmp);
    let at = |share: f64| correlations.get((share * HALVINGS as f64) as usize).copied().unwrap_or_default();
    let mean = |of: fn(&Halving) -> f64| halvings.iter().map(of).sum::<f64>() / HALVINGS as f64;
    let steps: Vec<String> = checkpoints.iter().map(|checkpoint| count(checkpoint.step)).collect();
    let line = [
        format!("`{}`", run.name()),
        steps.join(", "),
        format!("{:.2} ({:.2} to {:.2})", mean(|halving| halving.correlation), at(0.025), at(0.975)),
        percent(mean(|halving| halving.chosen)),
        percent(mean(|halving| halving.last)),
        percent(mean(|halving| halving.best)),
    ];
    let head = [
        "run",
        "checkpoints",
        "Spearman's rank correlation, 95 % of halvings",
        "chosen on the first half",
        "last",
        "best on the second half itself",
    ];
    Ok(format!(
        "The validation rows are halved at random {} times, rows of one sentence together; accuracies are those on \
         the second half.\n\n{}\n",
        count(HALVINGS as u64),
        table(head, std::iter::once(line))
    ))
}

/// The rows of each sentence, whose errors are not independent of each other.
fn sentences(scored: &Scored) -> Vec<Vec<usize>> {
    let mut known: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, example) in scored.examples.iter().enumerate() {
        known.entry(normalized_text(example.text())).or_default().push(at);
    }
    known.into_values().collect()
}

/// The files of the checkpoints, by step.
fn files(run: &Run) -> Result<Vec<(u64, PathBuf)>> {
    let folder = run.folder();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|source| Error::io(folder, source))? {
        let path = entry.map_err(|source| Error::io(folder, source))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let step = name.strip_prefix("checkpoint-").and_then(|name| name.strip_suffix(".csv"));
        files.extend(step.and_then(|step| step.parse().ok()).map(|step| (step, path)));
    }
    files.sort();
    Ok(files)
}

/// Which of the validation rows the answers in a file have right.
fn right(path: &Path, scored: &Scored) -> Result<Vec<bool>> {
    let found: HashMap<String, String> =
        read::predictions(path)?.into_iter().map(|SavedPrediction { id, label, .. }| (id, label)).collect();
    let rows = scored.rows().map(|row| match found.get(row.example.id()) {
        Some(label) => Ok(Some(label.as_str()) == scored.labels().name(row.gold)),
        None => Err(Error::Content {
            path: path.to_owned(),
            line: None,
            field: "id",
            found: format!("no row {}", row.example.id()),
            expected: "all validation rows of the run".to_owned(),
        }),
    });
    rows.collect()
}

struct Halving {
    correlation: f64,
    chosen: f64,
    last: f64,
    best: f64,
}

fn halving(checkpoints: &[Checkpoint], sentences: &[Vec<usize>], number: u64) -> Halving {
    let mut order: Vec<&[usize]> = sentences.iter().map(Vec::as_slice).collect();
    order.shuffle(&mut stream(SEED, "halvings of checkpoints", number));
    let half = order.iter().map(|rows| rows.len()).sum::<usize>() / 2;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for rows in order {
        if first.len() < half { &mut first } else { &mut second }.extend(rows);
    }
    let accuracies = |half: &[usize]| -> Vec<f64> {
        let hits =
            |right: &[bool]| half.iter().filter(|&&row| right.get(row).copied().unwrap_or_default()).count();
        checkpoints
            .iter()
            .map(|checkpoint| hits(&checkpoint.right) as f64 / half.len().max(1) as f64)
            .collect()
    };
    let (first, second) = (accuracies(&first), accuracies(&second));
    // Of equal ones the earliest, as in training.
    let best = (0..first.len())
        .rev()
        .max_by(|&a, &b| first.get(a).partial_cmp(&first.get(b)).unwrap_or(std::cmp::Ordering::Equal));
    Halving {
        correlation: spearman(&first, &second),
        chosen: best.and_then(|best| second.get(best)).copied().unwrap_or_default(),
        last: second.last().copied().unwrap_or_default(),
        best: second.iter().copied().fold(0.0, f64::max),
    }
}

/// Spearman's rank correlation; equal values share the mean of their ranks. 0 where one side does not vary.
pub(super) fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let spread = (product(&a, &a) * product(&b, &b)).sqrt();
    if spread == 0.0 { 0.0 } else { product(&a, &b) / spread }
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let below = |value: f64| values.iter().filter(|other| **other < value).count() as f64;
    let equal = |value: f64| values.iter().filter(|other| **other == value).count() as f64;
    values.iter().map(|&value| below(value) + (equal(value) - 1.0) / 2.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_correlated_as_spearman_does() {
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[10.0, 20.0, 21.0]), 1.0);
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), -1.0);
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), 0.0);
        // Ranks 0, 1.5, 1.5, 3 and 1, 0, 2, 3.
        let found = spearman(&[1.0, 2.0, 2.0, 3.0], &[5.0, 4.0, 6.0, 7.0]);
        assert!((found - 3.0 / (4.5_f64 * 5.0).sqrt()).abs() < 1e-12, "{found}");
    }

    #[test]
    fn a_checkpoint_that_is_better_everywhere_is_chosen() {
        let checkpoint =
            |step, share: usize| Checkpoint { step, right: (0..100).map(|row| row % 10 < share).collect() };
        let sentences: Vec<Vec<usize>> = (0..50).map(|number| vec![2 * number, 2 * number + 1]).collect();
        let found = halving(&[checkpoint(1, 1), checkpoint(2, 9), checkpoint(3, 5)], &sentences, 0);
        assert_eq!(found.chosen, found.best);
        assert!(found.last < found.best && found.correlation > 0.9);
    }
}

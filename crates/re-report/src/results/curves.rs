//! How the validation accuracy moves along a training.

use super::markdown::table;
use super::tracking::spearman;
use crate::number::{percent, points};
use crate::run::Log;

/// A table of the evaluations of some runs: how steady the second half of the training is, and how far the whole curve
/// resembles the first run's.
pub(super) fn curves<'a>(runs: impl Iterator<Item = (&'a str, Option<&'a Log>)>) -> String {
    let mut first: Option<Vec<(u64, f64)>> = None;
    let lines = runs.map(|(name, log)| {
        let name = format!("`{name}`");
        let Some(log) = log else {
            return [name, "no run yet".to_owned(), String::new(), String::new(), String::new()];
        };
        let curve: Vec<(u64, f64)> =
            log.evaluations.iter().map(|found| (found.step, found.metrics.accuracy)).collect();
        let likeness = first.as_ref().and_then(|first| correlation(first, &curve)).unwrap_or_default();
        let later: Vec<f64> =
            curve.get(curve.len() / 2..).unwrap_or_default().iter().map(|(_, accuracy)| *accuracy).collect();
        first.get_or_insert(curve);
        let (spread, fall) = changes(&later);
        let shown: Vec<String> = later.into_iter().map(percent).collect();
        [name, shown.join(", "), percent(spread), points(fall), likeness]
    });
    let head = [
        "run",
        "accuracy at the evaluations of the second half",
        "root mean square change",
        "largest fall",
        "rank correlation with the first run, all evaluations",
    ];
    format!("{}\n", table(head, lines))
}

/// Root mean square and the most negative of the changes from one value to the next.
fn changes(values: &[f64]) -> (f64, f64) {
    let changes: Vec<f64> = values.windows(2).filter_map(|two| Some(two.last()? - two.first()?)).collect();
    let squares: f64 = changes.iter().map(|change| change * change).sum();
    ((squares / changes.len().max(1) as f64).sqrt(), changes.iter().copied().fold(0.0, f64::min))
}

/// Spearman's rank correlation of two curves; `None` unless they were evaluated at the same steps.
fn correlation(a: &[(u64, f64)], b: &[(u64, f64)]) -> Option<String> {
    let (steps_a, a): (Vec<u64>, Vec<f64>) = a.iter().copied().unzip();
    let (steps_b, b): (Vec<u64>, Vec<f64>) = b.iter().copied().unzip();
    (steps_a == steps_b).then(|| format!("{:.2}", spearman(&a, &b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_measured_from_one_evaluation_to_the_next() {
        let (spread, fall) = changes(&[0.5, 0.8, 0.4]);
        assert!((spread - (0.125_f64).sqrt()).abs() < 1e-12, "{spread}");
        assert!((fall + 0.4).abs() < 1e-12, "{fall}");
        assert_eq!(changes(&[0.5]), (0.0, 0.0));
    }

    #[test]
    fn curves_are_compared_at_the_same_steps_alone() {
        let a = [(200, 0.1), (400, 0.3), (600, 0.2)];
        assert_eq!(correlation(&a, &[(200, 0.5), (400, 0.7), (600, 0.6)]).as_deref(), Some("1.00"));
        assert_eq!(correlation(&a, &[(200, 0.5), (400, 0.7), (800, 0.6)]), None);
    }
}

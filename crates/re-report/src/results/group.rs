//! Runs that differ in the seed alone.

use std::collections::BTreeSet;

use re_data::metrics::Metrics;

use super::recorded::Recorded;
use crate::number::percent;
use crate::run::RowSet;

/// The setting in which the runs of a group may differ.
const SEED: &str = "training.seed";
/// How many checkpoints are kept.
const KEPT: &str = "training.keep_last";

/// One run, or several that differ in the seed alone, in the order of their seeds.
#[derive(Debug)]
pub(super) struct Group {
    pub runs: Vec<Recorded>,
}

/// Figures of the same thing in the runs of a group.
pub(super) struct Figures<'a>(Vec<&'a Metrics>);

/// Puts runs of one experiment together whose settings differ in the seed alone.
pub(super) fn groups(runs: Vec<Recorded>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for run in runs {
        match groups.iter_mut().find(|group| group.runs.iter().all(|known| alike(known, &run))) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group { runs: vec![run] }),
        }
    }
    for group in &mut groups {
        group.runs.sort_by_key(|run| run.settings.known.training.seed);
    }
    groups
}

fn alike(a: &Recorded, b: &Recorded) -> bool {
    let others = |run: &Recorded| {
        let others = run.settings.iter().filter(|(key, _)| !may_differ(key));
        others.map(|(key, text)| (key.to_owned(), text.to_owned())).collect::<Vec<_>>()
    };
    let seeds = (a.settings.get(SEED), b.settings.get(SEED));
    a.experiment == b.experiment && seeds.0 != seeds.1 && others(a) == others(b)
}

/// Whether a key is that of the seed, of the run or of a training that it consists of, or of a setting that changes no
/// result.
pub(super) fn may_differ(key: &str) -> bool {
    let ends =
        |end| key.strip_suffix(end).is_some_and(|before: &str| before.is_empty() || before.ends_with('.'));
    ends(SEED) || ends(KEPT)
}

impl Group {
    pub fn experiment(&self) -> &str {
        self.runs.first().map(|run| run.experiment.as_str()).unwrap_or_default()
    }

    /// The text of a setting that all have alike.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.runs.first().and_then(|run| run.settings.get(key))
    }

    pub fn seeds(&self) -> Vec<&str> {
        self.runs.iter().filter_map(|run| run.settings.get(SEED)).collect()
    }

    /// The figures of the runs themselves.
    pub fn figures(&self) -> Figures<'_> {
        let evaluations = self.runs.iter().filter_map(|run| run.summary.evaluation.as_ref());
        Figures(evaluations.map(|evaluation| &evaluation.metrics).collect())
    }

    /// The figures on the test rows, and those of what the runs consist of and compare, in order.
    pub fn parts(&self) -> Vec<(&str, RowSet, Figures<'_>)> {
        let mut parts: Vec<(&str, RowSet, Figures<'_>)> = Vec::new();
        for Recorded { summary, .. } in &self.runs {
            let by_part = summary.parts.iter().any(|part| part.rows == RowSet::Test);
            let tested = summary.test_evaluation.iter().filter(|_| !by_part);
            let tested = tested.map(|found| ("on the test rows", RowSet::Test, found));
            let own = summary.parts.iter().map(|part| (part.name.as_str(), part.rows, &part.evaluation));
            for (name, rows, evaluation) in tested.chain(own) {
                match parts.iter_mut().find(|(known, of, _)| (*known, *of) == (name, rows)) {
                    Some((_, _, figures)) => figures.0.push(&evaluation.metrics),
                    None => parts.push((name, rows, Figures(vec![&evaluation.metrics]))),
                }
            }
        }
        parts
    }

    /// The figures of the evaluations on the way, by step.
    pub fn checkpoints(&self) -> Vec<(u64, Figures<'_>)> {
        let logged = || self.runs.iter().filter_map(|run| run.run.log()).flat_map(|log| &log.evaluations);
        let steps: BTreeSet<u64> = logged().map(|evaluated| evaluated.step).collect();
        let at = |step| logged().filter(move |evaluated| evaluated.step == step).map(|found| &found.metrics);
        steps.into_iter().map(|step| (step, Figures(at(step).collect()))).collect()
    }
}

impl Figures<'_> {
    pub fn accuracy(&self) -> Option<String> {
        self.text(|metrics| metrics.accuracy)
    }

    pub fn micro_f1(&self) -> Option<String> {
        self.text(|metrics| metrics.micro_f1)
    }

    pub fn macro_f1(&self) -> Option<String> {
        self.text(|metrics| metrics.macro_f1)
    }

    /// Numbers of rows that were evaluated, each once.
    pub fn rows(&self) -> BTreeSet<usize> {
        self.0.iter().map(|metrics| metrics.rows).collect()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Mean and, of several, sample standard deviation, in percent.
    fn text(&self, value: impl Fn(&Metrics) -> f64) -> Option<String> {
        let values: Vec<f64> = self.0.iter().map(|metrics| value(metrics)).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        match values.len() {
            0 => None,
            1 => Some(percent(mean)),
            _ => {
                let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
                Some(format!("{} ± {}", percent(mean), percent((squares / (n - 1.0)).sqrt())))
            }
        }
    }
}

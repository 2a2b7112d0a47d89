//! A report on one run or several.

use std::path::{Path, PathBuf};

use re_data::NoRelation;
use re_data::metrics::{Metrics, cross_entropy};
use re_ensemble::Bootstrap;

use crate::analysis::compare::{self, Named};
use crate::error::{Error, Result};
use crate::gold::{GoldFiles, Scored};
use crate::run::{LOG, RowSet, Run, SUMMARY};

/// What a report is about.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportOptions {
    /// Title of the page; made from the names of the runs where it is `None`.
    pub title: Option<String>,
    /// Files with gold labels, instead of those that the settings of the runs name.
    pub gold: Vec<PathBuf>,
    /// The class that says "no relation", instead of what the settings of the runs say; where neither says it, a
    /// customary name does.
    pub no_relation: Option<NoRelation>,
    /// The predictions that are looked at. Where it is `None`: of each run those on its validation rows, or else,
    /// where there are none, out of fold, or else on the test rows.
    pub rows: Option<RowSet>,
    /// How intervals of differences are found.
    pub bootstrap: Bootstrap,
    /// Most sentences in each list of errors.
    pub sentences: usize,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self {
            title: None,
            gold: Vec::new(),
            no_relation: None,
            rows: None,
            bootstrap: Bootstrap::default(),
            sentences: 25,
        }
    }
}

/// What runs tell, ready to be shown.
///
/// ```
/// use re_report::{Report, ReportOptions};
/// let report = Report::new(&["../../results/mbert_baseline-seed7"], &ReportOptions::default())?;
/// assert!(report.to_html().starts_with("<!DOCTYPE html>"));
/// for note in report.notes() {
///     eprintln!("{note}");
/// }
/// # Ok::<(), re_report::Error>(())
/// ```
#[derive(Debug)]
pub struct Report {
    pub(crate) entries: Vec<Entry>,
    pub(crate) options: ReportOptions,
}

/// One run with what is known of its predictions.
#[derive(Debug)]
pub(crate) struct Entry {
    pub run: Run,
    /// The rows that the figures are about.
    pub rows: RowSet,
    pub figures: Option<Figures>,
    /// Predictions with gold labels, or why there are none.
    pub scored: Result<Scored, String>,
    /// Names and predictions of runs that it consists of, where they are looked at too.
    pub parts: Vec<(String, Scored)>,
    /// What is missing or does not agree, one line each.
    pub notes: Vec<String>,
}

/// How well a run did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    pub metrics: Metrics,
    /// Mean cross entropy in nats.
    pub loss: Option<f64>,
    /// Steps of the model, where it is a single one.
    pub step: Option<u64>,
}

impl Report {
    /// Reads runs and compares them.
    ///
    /// Whatever a run lacks is left out of the report and named in [`Report::notes`].
    ///
    /// # Errors
    /// [`Error::NoRuns`]; [`Error::Gold`] where gold labels that `options` name do not fit;
    /// [`Error::NoPredictions`] where a run lacks the rows that `options` name; errors of [`Run::open`] and of
    /// damaged prediction files.
    pub fn new<P: AsRef<Path>>(runs: &[P], options: &ReportOptions) -> Result<Self> {
        options.bootstrap.check()?;
        let mut opened = runs.iter().map(Run::open).collect::<Result<Vec<_>>>()?;
        rename(&mut opened, runs);
        let mut gold = GoldFiles::new(&options.gold, options.no_relation.as_ref());
        let mut entries = opened
            .into_iter()
            .map(|run| Entry::of(run, options.rows, &mut gold))
            .collect::<Result<Vec<_>>>()?;
        match entries.as_mut_slice() {
            [] => return Err(Error::NoRuns),
            [only] => only.add_parts(&mut gold)?,
            _ => {}
        }
        Ok(Self { entries, options: options.clone() })
    }

    /// What is missing in the runs, and what that costs the report, one line each.
    pub fn notes(&self) -> Vec<String> {
        let named = |entry: &Entry| {
            let name = entry.run.name().to_owned();
            entry.notes.iter().map(move |note| format!("{name}: {note}")).collect::<Vec<_>>()
        };
        self.entries.iter().flat_map(named).collect()
    }

    /// The runs whose answers are compared: all of them or, of a single one, those too that it consists of. Not
    /// a part that has answered about other rows or another question, nor one whose answers are those of the whole.
    pub(crate) fn compared(&self) -> Vec<Named<'_>> {
        let mut runs = Vec::new();
        for entry in &self.entries {
            let Ok(scored) = &entry.scored else { continue };
            let whole = (entry.run.name(), scored);
            runs.push(whole);
            let parts = entry.parts.iter().map(|(name, scored)| (name.as_str(), scored));
            let other = |part: &Named<'_>| part.1.probabilities != whole.1.probabilities;
            runs.extend(parts.filter(|part| other(part) && compare::comparable(&whole, part).is_ok()));
        }
        runs
    }
}

impl Entry {
    fn of(run: Run, wanted: Option<RowSet>, gold: &mut GoldFiles) -> Result<Self> {
        let (rows, scored) = predictions(&run, wanted, gold)?;
        let mut notes = Vec::new();
        if run.summary().is_none() {
            notes.push(format!("no {SUMMARY}: the run is not complete"));
        }
        let logs = || run.log().into_iter().chain(run.parts().iter().filter_map(Run::log));
        if logs().all(|log| log.is_empty()) {
            notes.push(format!("no {LOG} with a line: no learning curves"));
        }
        if logs().any(|log| log.torn) {
            notes.push(format!("the last line of {LOG} is not complete and left out"));
        }
        let told = told(&run, rows);
        let figures = match &scored {
            Ok(scored) => {
                let step = run.summary().and_then(|summary| summary.step);
                let loss = cross_entropy(&scored.gold, &scored.probabilities)?;
                let mut found = Figures { metrics: scored.metrics()?, loss: Some(loss), step };
                if let Some(told) = &told {
                    match contradiction(told, &found) {
                        Some(note) => notes.push(note),
                        // Saved probabilities may be rounded.
                        None => found.loss = told.loss.or(found.loss),
                    }
                }
                Some(found)
            }
            Err(reason) => {
                notes.push(format!("{reason}. Left out: confidence, sentence length, errors, comparison"));
                told
            }
        };
        if figures.is_none() {
            notes.push("no evaluation either: no confusion matrix, no figures by label".to_owned());
        }
        Ok(Self { run, rows, figures, scored, parts: Vec::new(), notes })
    }

    /// Looks at the runs that this one consists of too, as far as they have predicted rows whose gold labels are known.
    fn add_parts(&mut self, gold: &mut GoldFiles) -> Result<()> {
        for part in self.run.parts() {
            // What a vote of folds is validated on is set aside for each of its models.
            let fold = part.settings().is_some_and(|settings| settings.known.data.fold.is_some());
            let rows = if fold && self.rows == RowSet::Validation { RowSet::Holdout } else { self.rows };
            let Some(predicted) = part.probabilities(rows)? else { continue };
            match gold.score(part, rows, predicted) {
                Ok(Ok(scored)) => self.parts.push((part.name().to_owned(), scored)),
                // Gold labels that were given for the whole are not for the rows of its folds.
                Ok(Err(_)) | Err(Error::Gold { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
}

/// The predictions that are looked at, with gold labels or the reason why these are not known.
fn predictions(
    run: &Run,
    wanted: Option<RowSet>,
    gold: &mut GoldFiles,
) -> Result<(RowSet, Result<Scored, String>)> {
    if let Some(rows) = wanted {
        let path = run.folder().join(rows.file());
        let missing = || Error::NoPredictions { run: run.name().to_owned(), path };
        let predicted = run.probabilities(rows)?.ok_or_else(missing)?;
        return Ok((rows, gold.score(run, rows, predicted)?));
    }
    for rows in [RowSet::Validation, RowSet::OutOfFold, RowSet::Test] {
        if let Some(predicted) = run.probabilities(rows)? {
            return Ok((rows, gold.score(run, rows, predicted)?));
        }
    }
    Ok((RowSet::Validation, Err(format!("no {}", RowSet::Validation.file()))))
}

/// What a run itself says of its rows.
fn told(run: &Run, rows: RowSet) -> Option<Figures> {
    if let Some(summary) = run.summary() {
        let evaluation = match rows {
            RowSet::Validation => summary.evaluation.clone()?,
            RowSet::Test => summary.test_evaluation.clone()?,
            RowSet::OutOfFold | RowSet::Holdout => return None,
        };
        return Some(Figures {
            metrics: evaluation.metrics,
            loss: Some(evaluation.loss),
            step: summary.step,
        });
    }
    let best = run.log().filter(|_| rows == RowSet::Validation)?.best()?.clone();
    Some(Figures { metrics: best.metrics, loss: best.loss, step: Some(best.step) })
}

fn contradiction(told: &Figures, found: &Figures) -> Option<String> {
    let (told, found) = (&told.metrics, &found.metrics);
    let same = told.rows == found.rows && (told.accuracy - found.accuracy).abs() < 1e-9;
    (!same).then(|| {
        format!(
            "the gold data give an accuracy of {:.2} % on {} rows, the run itself says {:.2} % on {}: predictions or \
             gold data have changed since. The report follows the gold data",
            100.0 * found.accuracy,
            found.rows,
            100.0 * told.accuracy,
            told.rows
        )
    })
}

/// Runs whose folders have one name are called by their paths; where there are several runs, their parts are called
/// after them.
fn rename<P: AsRef<Path>>(runs: &mut [Run], paths: &[P]) {
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    for (run, path) in runs.iter_mut().zip(paths) {
        if names.iter().filter(|name| **name == run.name).count() > 1 {
            run.name = path.as_ref().display().to_string();
        }
        for part in run.parts.iter_mut().filter(|_| paths.len() > 1) {
            part.name = format!("{} / {}", run.name, part.name);
        }
    }
}

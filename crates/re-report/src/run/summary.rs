//! What a run has given, as its `summary.json` says.

use std::path::{Path, PathBuf};

use re_data::metrics::Metrics;
use serde::Deserialize;

use super::{RowSet, json};
use crate::error::{Error, Result};

/// What a run has given.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// Why training ended.
    pub reason: Reason,
    /// Steps of the model that predicts, where it is a single one.
    #[serde(default)]
    pub step: Option<u64>,
    /// Folder of that model, relative to the run's folder.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// Evaluation on the validation rows.
    #[serde(default)]
    pub evaluation: Option<Evaluation>,
    /// Evaluation on the test set, where its rows have labels.
    #[serde(default)]
    pub test_evaluation: Option<Evaluation>,
    /// What the experiment compares, such as its members and its votes, in order.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// What is worth knowing, one line each.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// All steps are done.
    Completed,
    /// No improvement for as long as the settings allow.
    EarlyStopping,
    /// The caller asked for it.
    Interrupted,
}

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Evaluation {
    /// Mean cross entropy of the rows, in nats.
    pub loss: f64,
    /// Classification metrics.
    pub metrics: Metrics,
}

/// One of several models or combinations that an experiment compares.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// Which rows it was evaluated on.
    #[serde(default)]
    pub rows: RowSet,
    /// How it did.
    pub evaluation: Evaluation,
}

impl Summary {
    /// Reads a summary from the text of a JSON file, which errors call `path`.
    ///
    /// # Errors
    /// [`Error::Json`] where it is not the summary of a run, [`Error::Content`] where its figures contradict
    /// each other.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let expected = "the summary of a run: reason, step, model, evaluation {loss, metrics}, parts";
        let summary: Self = json::parse(text, path, None, expected)?;
        let parts = summary.parts.iter().map(|part| &part.evaluation);
        for evaluation in summary.evaluation.iter().chain(&summary.test_evaluation).chain(parts) {
            check(&evaluation.metrics, path, None)?;
        }
        Ok(summary)
    }
}

/// Checks that figures by label and by pairs of labels are of as many labels and of as many rows.
pub(super) fn check(metrics: &Metrics, path: &Path, line: Option<u64>) -> Result<()> {
    let fault = |field, found: String, expected: String| {
        Err(Error::Content { path: path.to_owned(), line, field, found, expected })
    };
    let labels = metrics.per_label.len();
    // Figures of mentions have no matrix.
    let has_matrix = !metrics.confusion.is_empty();
    if has_matrix && metrics.confusion.dim() != (labels, labels) {
        let (rows, columns) = metrics.confusion.dim();
        let found = format!("{rows} rows of {columns} columns");
        return fault("confusion", found, format!("{labels} of each, one for every label"));
    }
    let rows = metrics.confusion.sum();
    if has_matrix && rows != metrics.rows {
        return fault("confusion", format!("{rows} rows in all"), metrics.rows.to_string());
    }
    let share = |value: f64| (0.0..=1.0).contains(&value);
    let figures =
        [("accuracy", metrics.accuracy), ("micro_f1", metrics.micro_f1), ("macro_f1", metrics.macro_f1)];
    match figures.into_iter().find(|(_, value)| !share(*value)) {
        Some((field, value)) => fault(field, value.to_string(), "a number from 0 to 1".to_owned()),
        None => Ok(()),
    }
}

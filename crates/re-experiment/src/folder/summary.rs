//! What a run has given.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use re_train::observer::{Evaluation, StopReason};

/// Name of the file in a run folder that says what came out; it is there only when the run is complete.
pub(crate) const SUMMARY: &str = "summary.json";

/// What a run has given.
///
/// Its `Display` is a table of accuracy, micro-F1 and macro-F1 for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Why training ended.
    pub reason: StopReason,
    /// Steps of the model that predicts, where it is a single one.
    pub step: Option<u64>,
    /// Folder of the model that predicts, where it is a single one; in the file, relative to the run's folder.
    pub model: Option<PathBuf>,
    /// Evaluation on the validation rows.
    pub evaluation: Option<Evaluation>,
    /// Evaluation on the test rows, where they have labels; nothing was chosen by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_evaluation: Option<Evaluation>,
    /// Predictions for the test set, as the competition wants them; in the file, relative to the run's folder.
    pub submission: Option<PathBuf>,
    /// What the experiment compares, such as its members and its votes, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What is worth knowing, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Hash of the rows that the run has read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_hash: Option<String>,
}

/// One of several models or combinations that an experiment compares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// Which rows it was evaluated on.
    #[serde(default)]
    pub rows: Rows,
    /// How it did.
    pub evaluation: Evaluation,
}

/// Rows that something is evaluated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// Those set aside for validation. A model's best step may have been chosen by them.
    #[default]
    Validation,
    /// Training rows, each asked of a model that has not seen it.
    OutOfFold,
    /// Labelled rows that decided nothing.
    Test,
}

impl Rows {
    const ALL: [Self; 3] = [Self::OutOfFold, Self::Validation, Self::Test];

    fn title(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::OutOfFold => "out of fold",
            Self::Test => "test",
        }
    }
}

impl Summary {
    pub(crate) fn new(reason: StopReason) -> Self {
        Self {
            reason,
            step: None,
            model: None,
            evaluation: None,
            test_evaluation: None,
            submission: None,
            parts: Vec::new(),
            notes: Vec::new(),
            data_hash: None,
        }
    }

    /// Enters how a part did, on whichever rows it was evaluated.
    pub(crate) fn compare(&mut self, name: &str, part: &Self) {
        self.parts.extend(part.as_parts(name));
    }

    /// Reads the summary of the run in `folder`; `None` where the run is not complete.
    ///
    /// # Errors
    /// [`re_train::Error::Io`] or [`re_train::Error::Json`].
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(SUMMARY);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if re_data::files::is_absent(&error) => return Ok(None),
            Err(source) => return Err(Error::io(path, source)),
        };
        let mut summary: Self = serde_json::from_str(&text)
            .map_err(|source| Error::Train(re_train::Error::Json { path, source }))?;
        for path in summary.paths_mut() {
            *path = folder.join(&*path);
        }
        Ok(Some(summary))
    }

    /// The text of the file in `folder`.
    pub(crate) fn text(&self, folder: &Path) -> Result<String> {
        let mut summary = self.clone();
        for path in summary.paths_mut() {
            if let Ok(inside) = path.strip_prefix(folder) {
                *path = inside.to_owned();
            }
        }
        let text = serde_json::to_string_pretty(&summary);
        let path = folder.join(SUMMARY);
        Ok(text.map_err(|source| Error::Train(re_train::Error::Json { path, source }))? + "\n")
    }

    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.model, &mut self.submission].into_iter().flatten()
    }

    fn as_parts(&self, name: &str) -> impl Iterator<Item = Part> {
        let validation = self.evaluation.clone().map(|evaluation| (Rows::Validation, evaluation));
        let test = self.test_evaluation.clone().map(|evaluation| (Rows::Test, evaluation));
        let part = move |(rows, evaluation)| Part { name: name.to_owned(), rows, evaluation };
        validation.into_iter().chain(test).map(part)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let single: Vec<Part> = match self.step {
            Some(step) if self.parts.is_empty() => self.as_parts(&format!("step {step}")).collect(),
            _ => Vec::new(),
        };
        let parts = if self.parts.is_empty() { &single } else { &self.parts };
        let width = parts.iter().map(|part| part.name.chars().count() + 2).chain([12]).max().unwrap_or(0);
        for rows in Rows::ALL {
            let mut of_rows = parts.iter().filter(|part| part.rows == rows).peekable();
            if of_rows.peek().is_some() {
                let title = rows.title();
                writeln!(
                    f,
                    "{title:width$} {:>6} {:>9} {:>9} {:>9}",
                    "rows", "accuracy", "micro-F1", "macro-F1"
                )?;
            }
            for part in of_rows {
                let (name, m) = (&part.name, &part.evaluation.metrics);
                let [accuracy, micro, macro_f1] =
                    [m.accuracy, m.micro_f1, m.macro_f1].map(|share| 100.0 * share);
                let name = format!("  {name}");
                writeln!(f, "{name:width$} {:>6} {accuracy:>9.2} {micro:>9.2} {macro_f1:>9.2}", m.rows)?;
            }
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

#[cfg(test)]
mod tests {
    use re_data::LabelSet;
    use re_data::metrics::Metrics;

    use super::*;

    fn evaluation(predicted: &[usize]) -> Evaluation {
        let labels = LabelSet::new(["no_relation", "a"]).unwrap();
        Evaluation {
            loss: 0.5,
            metrics: Metrics::of(&[0, 1, 1, 0], predicted, &labels).unwrap(),
            own_metric: None,
        }
    }

    #[test]
    fn the_table_tells_rows_apart() {
        let part = Summary {
            evaluation: Some(evaluation(&[0, 1, 1, 1])),
            test_evaluation: Some(evaluation(&[0, 0, 0, 0])),
            ..Summary::new(StopReason::Completed)
        };
        let mut summary = Summary::new(StopReason::Completed);
        summary.compare("a_long_name_of_a_member", &part);
        summary.compare("vote", &part);
        summary.notes.push("a note".to_owned());
        let expected = "\
validation                  rows  accuracy  micro-F1  macro-F1
  a_long_name_of_a_member      4     75.00     80.00     73.33
  vote                         4     75.00     80.00     73.33
test                        rows  accuracy  micro-F1  macro-F1
  a_long_name_of_a_member      4     50.00      0.00     33.33
  vote                         4     50.00      0.00     33.33
a note
";
        assert_eq!(summary.to_string(), expected);
        let alone = Summary { step: Some(7), ..part }.to_string();
        assert!(alone.lines().any(|line| line.starts_with("  step 7 ")), "{alone}");
    }

    #[test]
    fn the_file_gives_the_summary_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Summary::read(folder.path()).unwrap(), None);
        let mut summary = Summary {
            step: Some(3),
            model: Some(folder.path().join("checkpoint-000003")),
            evaluation: Some(evaluation(&[0, 1, 0, 0])),
            ..Summary::new(StopReason::EarlyStopping)
        };
        summary.compare("part", &summary.clone());
        let text = summary.text(folder.path()).unwrap();
        assert!(text.contains("\"model\": \"checkpoint-000003\""), "{text}");
        std::fs::write(folder.path().join(SUMMARY), text).unwrap();
        assert_eq!(Summary::read(folder.path()).unwrap(), Some(summary));
    }
}

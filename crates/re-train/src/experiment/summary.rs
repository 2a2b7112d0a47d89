//! What a run has given.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::observer::{Evaluation, StopReason};

/// Name of the file in a run folder that says what came out; it is there only when the run is complete.
pub(super) const SUMMARY: &str = "summary.json";

/// What a run has given.
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
    /// Rows to predict, as the competition wants them; in the file, relative to the run's folder.
    pub submission: Option<PathBuf>,
    /// What the experiment compares, such as its members and its votes, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What is worth knowing, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One of several models or combinations that an experiment compares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// How it did.
    pub evaluation: Evaluation,
}

impl Summary {
    pub(super) fn new(reason: StopReason) -> Self {
        let (parts, notes) = (Vec::new(), Vec::new());
        Self { reason, step: None, model: None, evaluation: None, submission: None, parts, notes }
    }

    /// Reads the summary of the run in `folder`; `None` where the run is not complete.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Json`].
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(SUMMARY);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::io(path, source)),
        };
        let mut summary: Self =
            serde_json::from_str(&text).map_err(|source| Error::Json { path, source })?;
        for path in summary.paths_mut() {
            *path = folder.join(&*path);
        }
        Ok(Some(summary))
    }

    /// The text of the file in `folder`.
    pub(super) fn text(&self, folder: &Path) -> Result<String> {
        let mut summary = self.clone();
        for path in summary.paths_mut() {
            if let Ok(inside) = path.strip_prefix(folder) {
                *path = inside.to_owned();
            }
        }
        let text = serde_json::to_string_pretty(&summary);
        let path = folder.join(SUMMARY);
        Ok(text.map_err(|source| Error::Json { path, source })? + "\n")
    }

    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.model, &mut self.submission].into_iter().flatten()
    }
}

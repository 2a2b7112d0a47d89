//! What can go wrong while questions are read, asked and trained on.

use std::path::PathBuf;

use re_data::text::{brief, quoted};

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of questions is malformed, or lacks one.
    #[error(
        "{}: {}found {}, expected {expected}",
        path.display(),
        label.as_ref().map(|label| format!("label {}: ", quoted(label))).unwrap_or_default(),
        brief(found)
    )]
    Questions {
        /// The file.
        path: PathBuf,
        /// The label whose question is at fault, where it is a single one.
        label: Option<String>,
        /// What stands there.
        found: String,
        /// What should stand there.
        expected: String,
    },
    /// A setting, the rows or a training failed.
    #[error(transparent)]
    Train(#[from] re_train::Error),
}

impl From<re_data::Error> for Error {
    fn from(error: re_data::Error) -> Self {
        Self::Train(error.into())
    }
}

impl From<re_model::Error> for Error {
    fn from(error: re_model::Error) -> Self {
        Self::Train(error.into())
    }
}

impl From<tch::TchError> for Error {
    fn from(error: tch::TchError) -> Self {
        Self::Train(error.into())
    }
}

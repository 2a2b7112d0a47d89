//! What can go wrong on the way from the name of a run to a model.

use std::path::{Path, PathBuf};

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no trained model where one was named.
    #[error(
        "{}: found no trained model, expected a run's folder, RUN@STEP with a step that was kept, or a model's folder",
        reference.display()
    )]
    NoModel {
        /// What was named.
        reference: PathBuf,
    },
    /// A model needs what this crate does not have.
    #[error("{}: {what}, expected a model of classes or tags; predict with libtorch instead", path.display())]
    Unsupported {
        /// Where it lies.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// One of several models cannot be loaded.
    #[error("{}", path.display())]
    Model {
        /// What was named.
        path: PathBuf,
        /// Why.
        source: Box<Error>,
    },
    /// The settings of a run cannot be read.
    #[error("{}: not valid", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: Box<toml::de::Error>,
    },
    /// The summary of a run cannot be read.
    #[error("{}: not valid", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// A model's folder cannot be opened.
    #[error(transparent)]
    Infer(#[from] re_infer::Error),
    /// Models do not go together.
    #[error(transparent)]
    Ensemble(#[from] re_ensemble::Error),
    /// The settings of the graph cannot be read, or do not fit the model.
    #[error(transparent)]
    Extract(#[from] re_extract::Error),
    /// A file cannot be read, or labels do not go together.
    #[error(transparent)]
    Data(#[from] re_data::Error),
}

impl Error {
    /// The same error with the model that it is about.
    pub(crate) fn of_model(self, path: &Path) -> Self {
        // Without a slash at its end, by which a file below it would not be known as such.
        Self::Model { path: path.components().collect(), source: Box::new(self) }
    }
}

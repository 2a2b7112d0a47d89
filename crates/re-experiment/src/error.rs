//! What can go wrong in an experiment beyond a training.

use std::io;
use std::path::PathBuf;

use re_data::files;
use re_data::text::brief;

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A TOML file has an unknown key, a missing one or a value of the wrong kind.
    #[error("{}{}: {key} is not valid", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Line of the key, from 1, where it stands in this file.
        line: Option<usize>,
        /// Path of the key, such as `training.learning_rate`.
        key: String,
        /// The parser's reason.
        source: Box<toml::de::Error>,
    },
    /// Settings cannot be written as TOML.
    #[error("the settings cannot be written as TOML")]
    TomlWrite(#[source] toml::ser::Error),
    /// There is no trained model where one was named.
    #[error(
        "{}: found no trained model, expected a run's folder, RUN@STEP with a step that was kept, or a model's folder",
        reference.display()
    )]
    NoModel {
        /// What was named.
        reference: PathBuf,
    },
    /// A new run was to be written into a folder that holds other things.
    #[error("{}: is not empty and not a run's folder; choose another one", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process is at work in the folder.
    #[error("{}: another process is training in this folder", folder.display())]
    RunBusy {
        /// The folder.
        folder: PathBuf,
    },
    /// Two rows have one id, where predictions are told apart by ids.
    #[error("{rows} rows: duplicate id {}, expected each id once: predictions are combined by id", brief(id))]
    DuplicateId {
        /// Which rows: `training`, `validation` or `test`.
        rows: &'static str,
        /// The id.
        id: String,
    },
    /// One of several models cannot be loaded.
    #[error("{}", path.display())]
    Model {
        /// What was named.
        path: PathBuf,
        /// Why.
        source: Box<Error>,
    },
    /// A file of questions is malformed, or lacks one.
    #[error(transparent)]
    Questions(re_qa::Error),
    /// A file of rows or predictions cannot be read or written.
    #[error(transparent)]
    Formats(#[from] re_formats::Error),
    /// Documents cannot become rows, or nothing can be learnt about their relations.
    #[error(transparent)]
    Extract(#[from] re_extract::Error),
    /// What a run has left behind cannot be read.
    #[error(transparent)]
    Trained(re_trained::Error),
    /// A training, a setting, a model, the rows or the run's folder failed.
    #[error(transparent)]
    Train(#[from] re_train::Error),
}

/// What a training can fail with is an error of a training wherever it occurs.
macro_rules! of_training {
    ($($error:ty),+) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Train(error.into())
            }
        }
    )+};
}

of_training!(re_data::Error, re_data::PredictError, re_model::Error, re_ensemble::Error);

impl From<re_trained::Error> for Error {
    fn from(error: re_trained::Error) -> Self {
        use re_trained::Error as Trained;
        match error {
            Trained::NoModel { reference } => Self::NoModel { reference },
            Trained::Json { path, source } => Self::Train(re_train::Error::Json { path, source }),
            Trained::Data(error) => error.into(),
            Trained::Extract(error) => Self::Extract(error),
            other => Self::Trained(other),
        }
    }
}

impl From<re_qa::Error> for Error {
    fn from(error: re_qa::Error) -> Self {
        match error {
            re_qa::Error::Train(error) => Self::Train(error),
            other => Self::Questions(other),
        }
    }
}

impl Error {
    /// A setting that is outside its range.
    pub fn config(key: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Train(re_train::Error::config(key, found, expected))
    }

    /// An input/output error that names its file.
    pub fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Train(re_train::Error::io(path, source))
    }

    /// The same error with the model that it is about.
    pub(crate) fn of_model(self, path: &std::path::Path) -> Self {
        // Without a slash at its end, by which a file below it would not be known as such.
        Self::Model { path: path.components().collect(), source: Box::new(self) }
    }

    /// Whether this is about what a file holds, or that it is gone, which stays as it is, and not about settings, memory or
    /// permissions.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Formats(re_formats::Error::Data(re_data::Error::Io { source, .. })) => {
                files::is_damage(source)
            }
            Self::Train(error) => error.is_damage(),
            Self::Model { source, .. } => source.is_damage(),
            _ => true,
        }
    }

    /// Whether a prediction ended early because it was asked to.
    pub(crate) fn is_interruption(&self) -> bool {
        match self {
            Self::Train(error) => error.is_interruption(),
            Self::Model { source, .. } => source.is_interruption(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_cause_is_not_part_of_the_text() {
        let source = Box::new(toml::from_str::<toml::Table>("a = ").unwrap_err());
        let error = Error::Toml { path: "x".into(), line: Some(1), key: "a".to_owned(), source };
        assert!(!error.to_string().contains(&error.source().unwrap().to_string()), "{error}");
    }
}

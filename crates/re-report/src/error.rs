//! What can go wrong while runs are read and reported on.

use std::path::PathBuf;

use re_data::text::brief;

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("{}: access failed", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// There is nothing to report on.
    #[error("found no run, expected at least one")]
    NoRuns,
    /// A folder is not that of a run.
    #[error("{}: not the folder of a run: it has none of {}", folder.display(), expected.join(", "))]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// Files of which a run has at least one.
        expected: &'static [&'static str],
    },
    /// A TOML file cannot be parsed, or has a value of the wrong kind.
    #[error("{}: {key} is not valid", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Path of the key, such as `training.seed`; `syntax` where the text is no TOML.
        key: String,
        /// The parser's reason.
        source: Box<toml::de::Error>,
    },
    /// A JSON file, or a line of one, cannot be parsed or has another layout.
    #[error("{}{}: {key}: expected {expected}", path.display(), at(*line))]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, from 1, in a file of one object a line.
        line: Option<u64>,
        /// Path of the key, such as `evaluation.metrics.accuracy`; `.` for the whole.
        key: String,
        /// What the file should hold.
        expected: &'static str,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// A file can be parsed and contradicts itself.
    #[error("{}{}: {field}: found {}, expected {expected}", path.display(), at(*line), brief(found))]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1, in a file of one object a line.
        line: Option<u64>,
        /// The field.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What should stand there.
        expected: String,
    },
    /// Gold labels do not fit the predictions of a run.
    #[error("run {run}: gold labels of {}: {reason}", path.display())]
    Gold {
        /// Name of the run.
        run: String,
        /// The file with the gold labels, or the first of several.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A run lacks the predictions that were asked for.
    #[error("run {run}: there is no {}", path.display())]
    NoPredictions {
        /// Name of the run.
        run: String,
        /// The file that is not there.
        path: PathBuf,
    },
    /// A value that the caller chose is outside its range.
    #[error("{name} = {} (expected {expected})", brief(found))]
    Argument {
        /// Name of the argument.
        name: &'static str,
        /// The value that was given.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// Data or predictions do not fit, or a file could not be opened, read or written.
    #[error(transparent)]
    Data(#[from] re_data::Error),
    /// Data or predictions cannot be read.
    #[error(transparent)]
    Formats(#[from] re_formats::Error),
    /// The settings of a graph cannot be read, or the documents do not fit them.
    #[error(transparent)]
    Extract(#[from] re_extract::Error),
    /// Predictions cannot be compared.
    #[error(transparent)]
    Ensemble(#[from] re_ensemble::Error),
}

impl Error {
    /// An input/output error that names its file.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}

fn at(line: Option<u64>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

//! What can go wrong while a model is trained.

use std::path::PathBuf;

use re_data::PredictError;
use re_data::files;
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
    /// A setting is outside its range.
    #[error("{key} = {}, expected {expected}", brief(found))]
    Config {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would be accepted.
        expected: String,
    },
    /// A JSON file of a run could not be parsed.
    #[error("{}: not the expected JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },
    /// The loss became NaN or infinite.
    #[error(
        "step {step}: the {what} is {value}; training has stopped{}. A lower learning rate, a longer warm-up \
         or a lower max_grad_norm usually helps",
        checkpoint.as_ref().map(|p| format!(", the last good checkpoint is {}", p.display())).unwrap_or_default()
    )]
    NotFinite {
        /// The step, from 1.
        step: u64,
        /// What is not finite: `loss`, `gradient norm` or `parameters`.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The last checkpoint that was saved, if any.
        checkpoint: Option<PathBuf>,
    },
    /// A checkpoint cannot be continued with these settings or data.
    #[error("{}: {what} is {}, expected {} as when the run began", checkpoint.display(), brief(found), brief(expected))]
    Resume {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// What differs.
        what: &'static str,
        /// What it is now.
        found: String,
        /// What it was when the checkpoint was saved.
        expected: String,
    },
    /// The newest checkpoint of a run is damaged.
    #[error(
        "{}: the checkpoint is damaged{}",
        path.display(),
        older.map(|step| format!("; remove it to resume from step {step}")).unwrap_or_default()
    )]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// Step of the one before, where that was kept.
        older: Option<u64>,
        /// What is wrong with it.
        source: Box<Self>,
    },
    /// A checkpoint is in the folder of another step.
    #[error("{}: step is {found}, expected {expected} as its folder says", path.display())]
    OtherStep {
        /// The file with its state.
        path: PathBuf,
        /// Step of the state.
        found: u64,
        /// Step that the name of the folder says.
        expected: u64,
    },
    /// The best checkpoint of a run is gone.
    #[error(
        "{}: the best checkpoint so far is missing, and the run would end with it; put it back, or start a new run",
        path.display()
    )]
    NoBest {
        /// Its folder.
        path: PathBuf,
    },
    /// A folder has no checkpoint to continue from.
    #[error("{}: no checkpoint to resume from; start the training instead", folder.display())]
    NoCheckpoint {
        /// The folder.
        folder: PathBuf,
    },
    /// A new run was to be written where another one lies.
    #[error("{}: holds a run already; resume it or choose another folder", folder.display())]
    RunExists {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder of a run was moved, removed or replaced while the run was at work there.
    #[error("{}: the run's folder was moved or removed during training, which has stopped", folder.display())]
    RunGone {
        /// Where it was.
        folder: PathBuf,
    },
    /// An optimizer's saved state is damaged or belongs to another model.
    #[error("{}: {reason}", path.display())]
    OptimizerState {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// What an optimizer was given does not fit the parameters.
    #[error("{what} of {parameter}: {found}, expected {expected}")]
    Optimizer {
        /// What does not fit: `gradient` or `optimizer state`, or the number of these.
        what: &'static str,
        /// Name of the parameter, or `the model`.
        parameter: String,
        /// What was given.
        found: String,
        /// What the parameter needs.
        expected: String,
    },
    /// An observer failed.
    #[error("an observer failed")]
    Observer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] re_model::Error),
    /// The data failed.
    #[error(transparent)]
    Data(#[from] re_data::Error),
    /// A model gave no predictions.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// Predictions cannot be combined.
    #[error(transparent)]
    Ensemble(#[from] re_ensemble::Error),
    /// libtorch refused an operation.
    #[error("libtorch: {}", re_model::error::torch_message(.0))]
    Torch(tch::TchError),
}

impl From<tch::TchError> for Error {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error)
    }
}

impl Error {
    /// A setting that is outside its range.
    pub fn config(key: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Config { key, found: found.into(), expected: expected.into() }
    }

    /// Whether this is about what a file holds, or that it is gone, which stays as it is, and not about settings, memory or
    /// permissions.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Io { source, .. }
            | Self::Data(re_data::Error::Io { source, .. })
            | Self::Model(
                re_model::Error::Io { source, .. } | re_model::Error::Data(re_data::Error::Io { source, .. }),
            ) => files::is_damage(source),
            Self::Resume { .. }
            | Self::NoBest { .. }
            | Self::Torch(_)
            | Self::Model(re_model::Error::Torch(_) | re_model::Error::FileChanged { .. }) => false,
            _ => true,
        }
    }

    /// Whether a prediction ended early because it was asked to.
    pub fn is_interruption(&self) -> bool {
        use re_ensemble::Error::Member;
        matches!(
            self,
            Self::Model(re_model::Error::Interrupted)
                | Self::Predict(PredictError::Interrupted)
                | Self::Ensemble(Member { source: PredictError::Interrupted, .. })
        )
    }

    /// An input/output error that names its file.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: re_data::files::when_complete(&path.into()), source }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_cause_is_not_part_of_the_text() {
        let json = || {
            let source = serde_json::from_str::<u8>("{").unwrap_err();
            Error::Json { path: "x".into(), source }
        };
        let damaged =
            Error::Checkpoint { path: "run/checkpoint-4".into(), older: Some(2), source: Box::new(json()) };
        let observer = Error::Observer("no space".into());
        for error in [json(), damaged, observer, Error::io("x", std::io::Error::other("no space"))] {
            assert!(!error.to_string().contains(&error.source().unwrap().to_string()), "{error}");
        }
    }

    #[test]
    fn an_interruption_is_no_failure_of_whatever_was_interrupted() {
        use re_ensemble::Error as Ensemble;
        let member = |source| Ensemble::Member { member: "a".to_owned(), source };
        let interrupted = || PredictError::from(re_model::Error::Interrupted);
        let nested = || PredictError::from(member(PredictError::from(member(interrupted()))));
        for error in [
            Error::Model(re_model::Error::Interrupted),
            Error::Predict(interrupted()),
            Error::Predict(nested()),
            Error::Ensemble(member(nested())),
        ] {
            assert!(error.is_interruption(), "{error:?}");
        }
        assert!(!Error::Predict(PredictError::from(member(PredictError::model("other")))).is_interruption());
    }
}

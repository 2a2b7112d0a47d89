//! What can go wrong while a trained folder is opened or answers.

use std::path::PathBuf;

use re_data::PredictError;

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder's files cannot be read, or say what is not supported.
    #[error(transparent)]
    Checkpoint(#[from] re_checkpoint::Error),
    /// A folder has no file of weights.
    #[error(
        "{}: no weights, expected model.safetensors; other files of weights are converted by loading them for training and \
         saving",
        folder.display()
    )]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder was trained with a head of the caller's own, which this crate cannot compute.
    #[error(
        "{}: trained with a head of the caller's own, expected one of {expected}; predict with re_model, which takes such a head",
        path.display()
    )]
    OwnHead {
        /// The file of settings.
        path: PathBuf,
        /// The heads that there are.
        expected: &'static str,
    },
    /// A weights file lacks tensors.
    #[error("{}: {} tensors are missing: {}", path.display(), names.len(), list(names))]
    MissingTensors {
        /// The file.
        path: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// A tensor has another shape than the configuration says.
    #[error("{}: tensor {name} has shape {found:?}, expected {expected:?} by config.json", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that the configuration asks for.
        expected: Vec<usize>,
    },
    /// A tensor has a type that no parameter can take.
    #[error("{}: tensor {name} has type {found}, expected a floating-point type", path.display())]
    TensorType {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// A weights file has more layers than the configuration.
    #[error("{}: has {name}, expected no layer behind the {layers} of config.json", path.display())]
    MoreLayers {
        /// The file.
        path: PathBuf,
        /// A tensor of a further layer.
        name: String,
        /// Layers of the configuration.
        layers: i64,
    },
    /// A file that a model computes with was written over or cut short.
    #[error(
        "{}: changed while it was in use, so that the results are not valid; run again, and replace a model's files by moving \
         new ones over them (mv), not by writing into them",
        path.display()
    )]
    FileChanged {
        /// The file.
        path: PathBuf,
    },
    /// A token id lies outside the word embeddings.
    #[error("token id {id} is outside a vocabulary of {vocab_size}")]
    TokenId {
        /// The id.
        id: i64,
        /// Rows of the word embeddings.
        vocab_size: i64,
    },
    /// A token type id lies outside the token-type table.
    #[error("token type id {id} is outside a table of {type_vocab_size}")]
    TokenType {
        /// The id.
        id: i64,
        /// Rows of the token-type table.
        type_vocab_size: i64,
    },
    /// A row is longer than the position embeddings allow.
    #[error("a row has {tokens} tokens, the position embeddings allow {max}")]
    TooLong {
        /// Tokens of the row.
        tokens: usize,
        /// Largest length.
        max: usize,
    },
    /// Rows are not for a model.
    #[error("found {found}, expected {expected}")]
    Rows {
        /// What they are.
        found: &'static str,
        /// What the model takes.
        expected: &'static str,
    },
    /// The flag given to `stop_when` was raised.
    #[error("prediction was interrupted")]
    Interrupted,
    /// Data could not be tokenised or batched.
    #[error(transparent)]
    Data(#[from] re_data::Error),
}

/// What is wrong with a row stays what it is; everything else is the model's fault, or a stop that was asked for.
impl From<Error> for PredictError {
    fn from(error: Error) -> Self {
        match error {
            Error::Interrupted => Self::Interrupted,
            Error::Data(error) if error.example().is_some() => error.into(),
            other => Self::model(other),
        }
    }
}

/// The first names of a list that may be long.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

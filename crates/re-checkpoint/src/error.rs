//! What can go wrong while a trained folder is read.

use std::path::PathBuf;

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("{}: access failed", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A JSON file could not be parsed.
    #[error("{}: not the expected JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },
    /// A field of a file of settings has a value that is not supported.
    #[error("{}: {field} = {found}, expected {expected}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What would be accepted.
        expected: String,
    },
    /// A folder holds something else than the model that was asked for.
    #[error("model {}: {reason}", name.display())]
    NoModel {
        /// What was asked for.
        name: PathBuf,
        /// Why it cannot be had.
        reason: String,
    },
    /// A safetensors file is damaged.
    #[error("{}: safetensors failed", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: safetensors::SafeTensorError,
    },
    /// An index of weights names something else than files beside it.
    #[error("{}: weight_map names {found}, expected names of files in the same folder", path.display())]
    ShardIndex {
        /// The index.
        path: PathBuf,
        /// What it names.
        found: String,
    },
    /// A setting asks for longer rows than the position embeddings allow.
    #[error("max_length = {max_length}, the position embeddings of this encoder allow at most {max}")]
    MaxLength {
        /// The setting.
        max_length: usize,
        /// Largest length.
        max: usize,
    },
    /// A setting asks for other layers than the encoder has.
    #[error("model.layers = {layers}, expected 1 to {most}, the layers of {}", folder.display())]
    Layers {
        /// The model.
        folder: PathBuf,
        /// The setting.
        layers: i64,
        /// Layers of the encoder.
        most: i64,
    },
    /// A file of `re-data` is not what it should be.
    #[error(transparent)]
    Data(#[from] re_data::Error),
}

impl Error {
    /// An input/output error that names its file.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: re_data::files::when_complete(&path.into()), source }
    }
}

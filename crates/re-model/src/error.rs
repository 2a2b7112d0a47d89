//! What can go wrong while a model is configured, loaded, run or saved.

use std::path::PathBuf;

use re_data::PredictError;

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
    /// A JSON file could not be parsed.
    #[error("{}: not the expected JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },
    /// A field of `config.json` has a value that this encoder does not support.
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
    /// A model folder has no file of weights.
    #[error("{}: no weights (expected {expected})", folder.display())]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// The files that were looked for.
        expected: String,
    },
    /// A model is neither a folder nor to be had by its name.
    #[error("model{}: {reason}", if name.as_os_str().is_empty() { String::new() } else { format!(" {}", name.display()) })]
    NoModel {
        /// What was asked for.
        name: PathBuf,
        /// Why it cannot be had.
        reason: String,
    },
    /// A model could not be downloaded.
    #[cfg(feature = "hub")]
    #[error("model {name}: download failed")]
    Hub {
        /// Its name on the hub.
        name: String,
        /// The client's reason.
        source: Box<hf_hub::api::sync::ApiError>,
    },
    /// A safetensors file is damaged.
    #[error("{}: safetensors failed", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: safetensors::SafeTensorError,
    },
    /// A file written by `torch.save` cannot be read.
    #[cfg(feature = "pytorch")]
    #[error("{}: cannot be read as a file of torch.save", path.display())]
    TorchFile {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: crate::weights::torch_file::TorchFileError,
    },
    /// An index of weights names something else than files beside it.
    #[error("{}: weight_map names {found}, expected names of files in the same folder", path.display())]
    ShardIndex {
        /// The index.
        path: PathBuf,
        /// What it names.
        found: String,
    },
    /// A file that a model computes with was written over or cut short.
    #[error(
        "{}: changed while it was in use, so that the results are not valid; run again, and replace a model's files by \
         moving new ones over them (mv), not by writing into them",
        path.display()
    )]
    FileChanged {
        /// The file.
        path: PathBuf,
    },
    /// A tensor of a weights file has a type that no parameter can take.
    #[error("{}: tensor {name} has type {found}, expected a floating-point type", path.display())]
    TensorType {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// Tensors of a weights file have other shapes than the model.
    #[error("{}: {} tensors have another shape than the model: {}", path.display(), mismatches.len(), list(mismatches))]
    Shapes {
        /// The file.
        path: PathBuf,
        /// The tensors.
        mismatches: Vec<ShapeMismatch>,
    },
    /// A head asked for the same parameter twice.
    #[error("parameter {name} exists already")]
    RepeatedParameter {
        /// Its name.
        name: String,
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
    /// A weights file lacks tensors of the encoder.
    #[error(
        "{}: {} encoder tensors are missing: {}{}",
        path.display(),
        names.len(),
        list(names),
        renamed.as_deref().map(renaming).unwrap_or_default()
    )]
    MissingTensors {
        /// The file.
        path: PathBuf,
        /// Their names.
        names: Vec<String>,
        /// What stands before their names in the file, where it has them under longer ones.
        renamed: Option<String>,
    },
    /// A token id lies outside the word embeddings.
    #[error("token id {id} is outside a vocabulary of {vocab_size}; add the tokens to the model as well")]
    TokenId {
        /// The id.
        id: i64,
        /// Rows of the word embeddings.
        vocab_size: i64,
    },
    /// A token id has no row because the vocabulary was trimmed to other data.
    #[error(
        "token id {id} is not among those the vocabulary was trimmed to; keep its row when trimming, or restore \
         the vocabulary first"
    )]
    TrimmedToken {
        /// The id.
        id: i64,
    },
    /// A token type id lies outside the token-type table.
    #[error("token type id {id} is outside a table of {type_vocab_size}; widen the token types first")]
    TokenType {
        /// The id.
        id: i64,
        /// Rows of the token-type table.
        type_vocab_size: i64,
    },
    /// The architecture has no token types, and rows need some.
    #[error(
        "{architecture} has no token types, and {needed} are needed: write the entities without an entity embedding"
    )]
    NoTokenTypes {
        /// The architecture's name in `transformers`.
        architecture: String,
        /// Number of token types.
        needed: usize,
    },
    /// A row is longer than the position embeddings allow.
    #[error("a row has {tokens} tokens, the position embeddings allow {max}; lower max_length")]
    TooLong {
        /// Tokens of the row.
        tokens: usize,
        /// Largest length.
        max: usize,
    },
    /// The number of classes a head or label set has does not fit.
    #[error("the model has {found} classes, expected {expected} as in the label set")]
    Classes {
        /// What the model has.
        found: usize,
        /// What the label set has.
        expected: usize,
    },
    /// A device was asked for that this machine or this libtorch does not offer.
    #[error("device {asked} is not available: {reason}")]
    Device {
        /// The device.
        asked: String,
        /// Why not.
        reason: String,
    },
    /// The flag given to [`RelationModel::stop_when`](crate::RelationModel::stop_when) was raised.
    #[error("prediction was interrupted")]
    Interrupted,
    /// Data could not be tokenised or batched.
    #[error(transparent)]
    Data(#[from] re_data::Error),
    /// libtorch refused an operation.
    #[error("libtorch: {}", torch_message(.0))]
    Torch(tch::TchError),
}

/// What libtorch says, on one line, without the list of its own functions that follows.
pub fn torch_message(error: &tch::TchError) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Exception raised from"));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

impl From<tch::TchError> for Error {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error)
    }
}

impl From<re_checkpoint::Error> for Error {
    fn from(error: re_checkpoint::Error) -> Self {
        use re_checkpoint::Error as Read;
        match error {
            Read::Io { path, source } => Self::Io { path, source },
            Read::Json { path, source } => Self::Json { path, source },
            Read::Config { path, field, found, expected } => Self::Config { path, field, found, expected },
            Read::NoModel { name, reason } => Self::NoModel { name, reason },
            Read::Safetensors { path, source } => Self::Safetensors { path, source },
            Read::ShardIndex { path, found } => Self::ShardIndex { path, found },
            Read::MaxLength { max_length, max } => Self::MaxLength { max_length, max },
            Read::Layers { folder, layers, most } => Self::Layers { folder, layers, most },
            Read::Data(error) => Self::Data(error),
        }
    }
}

impl Error {
    /// An input/output error that names its file.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: re_data::files::when_complete(&path.into()), source }
    }
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

/// A tensor whose shape in a file differs from the one the model wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeMismatch {
    /// Name of the parameter.
    pub name: String,
    /// Shape in the file.
    pub found: Vec<i64>,
    /// Shape in the model.
    pub expected: Vec<i64>,
}

impl std::fmt::Display for ShapeMismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (found {:?}, expected {:?})", self.name, self.found, self.expected)
    }
}

/// What has made the names in a file longer than the model's.
fn renaming(prefix: &str) -> String {
    let by = match prefix {
        "module." => ", as a model inside DataParallel saves them",
        "_orig_mod." => ", as a model that torch.compile has made saves them",
        _ => "",
    };
    format!("; the file has {prefix:?} before these names{by}: save them without it")
}

/// The first few of `items`, so that a message about 200 tensors stays readable.
fn list<T: std::fmt::Display>(items: &[T]) -> String {
    const SHOWN: usize = 5;
    let mut text = items.iter().take(SHOWN).map(T::to_string).collect::<Vec<_>>().join(", ");
    if items.len() > SHOWN {
        text.push_str(&format!(", and {} more", items.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_cause_is_told_by_the_error_or_follows_it() {
        let io = Error::io("x", std::io::Error::other("no space"));
        let source = serde_json::from_str::<u8>("{").unwrap_err();
        let json = Error::Json { path: "x".into(), source };
        let source = safetensors::SafeTensorError::HeaderTooLarge;
        let safetensors = Error::Safetensors { path: "x".into(), source };
        for error in [io, json, safetensors] {
            assert!(!error.to_string().contains(&error.source().unwrap().to_string()), "{error}");
        }
    }

    #[test]
    fn libtorch_is_quoted_on_one_line() {
        let shape = |n| tch::Tensor::zeros([2, n], (tch::Kind::Float, tch::Device::Cpu));
        let error = Error::from(shape(3).f_matmul(&shape(5)).unwrap_err());
        assert!(error.source().is_none());
        let text = error.to_string();
        assert!(text.starts_with("libtorch: ") && text.contains("2x3") && !text.contains('\n'), "{text}");
        assert!(!text.contains("frame #"), "{text}");
    }
}

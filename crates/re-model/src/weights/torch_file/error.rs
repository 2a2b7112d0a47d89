//! Why a file of `torch.save` cannot be read.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a file of `torch.save` cannot be read. The message does not begin with the path: the caller knows it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TorchFileError {
    /// The file could not be opened or mapped.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is no whole zip archive, and so not written by `torch.save`, or damaged.
    #[error("not a complete archive of torch.save")]
    Archive {
        /// The archive reader's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The archive is damaged, or not written by `torch.save`.
    #[error("{place}: found {found}, expected {expected}")]
    Malformed {
        /// Member of the archive, with the byte offset in it, or name of a tensor.
        place: String,
        /// What stands there.
        found: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// The file holds something else than a plain state dict; the message says how to convert it.
    #[error("{found}. {}", found.advice(path))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: Unsupported,
    },
}

/// What [`TorchFile`](super::TorchFile) does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// The format before PyTorch 1.6, not a zip archive.
    Legacy,
    /// An archive of `torch.jit.save`.
    TorchScript,
    /// A member of the archive is compressed or encrypted.
    Compressed {
        /// Path of the member below the top folder.
        member: String,
    },
    /// Numbers in the byte order of another kind of machine.
    BigEndian,
    /// A Python function or class that no state dict needs. It was not called.
    Global {
        /// Its full name.
        name: String,
    },
    /// A pickle instruction that `torch.save` does not write by default.
    Instruction {
        /// The instruction's byte.
        code: u8,
        /// Its offset in `data.pkl`.
        offset: usize,
    },
    /// A tensor with more elements than its storage, or one to be conjugated or negated.
    Expanded {
        /// Its name.
        name: String,
        /// Its dimensions.
        shape: Vec<usize>,
    },
    /// A tensor whose elements are to be conjugated or negated when read.
    LazyView,
    /// The outermost value is no dict of tensors.
    NotAStateDict {
        /// What it is.
        found: &'static str,
        /// The entry that holds a dict of tensors, if one does.
        inner: Option<String>,
    },
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Legacy => write!(f, "written in the format before PyTorch 1.6"),
            Self::TorchScript => write!(f, "an archive of TorchScript, not a state dict"),
            Self::Compressed { member } => {
                write!(f, "{member} is compressed or encrypted, not stored plainly")
            }
            Self::BigEndian => write!(f, "written on a big-endian machine"),
            Self::Global { name } => {
                write!(f, "refers to {name}, which no state dict of plain tensors needs; it was not called")
            }
            Self::Instruction { code, offset } => {
                write!(f, "data.pkl has the pickle instruction 0x{code:02x} at byte {offset}")?;
                write!(f, ", which torch.save does not write by default")
            }
            Self::Expanded { name, shape } => {
                write!(f, "tensor {name} of shape {shape:?} repeats the elements of a smaller one")
            }
            Self::LazyView => write!(f, "a tensor is to be conjugated or negated when it is read"),
            Self::NotAStateDict { found, inner: None } => write!(f, "holds {found}, not a dict of tensors"),
            Self::NotAStateDict { found, inner: Some(entry) } => {
                write!(f, "holds {found}, with a dict of tensors in its entry {entry:?}")
            }
        }
    }
}

impl Unsupported {
    /// How to make a `model.safetensors` of the file at `path`.
    fn advice(&self, path: &Path) -> String {
        let (when, state) = match self {
            // No line to copy that would run what was refused here.
            Self::Global { .. } | Self::Instruction { .. } => {
                ("If you trust it, save it again where it was made, with", "model.state_dict()")
            }
            Self::TorchScript => {
                ("Convert it with", "torch.jit.load(FILE, map_location=\"cpu\").state_dict()")
            }
            _ => ("Convert it with", "torch.load(FILE, map_location=\"cpu\", weights_only=True)"),
        };
        let file = format!("{:?}", path.display().to_string());
        let entry = match self {
            Self::NotAStateDict { inner: Some(entry), .. } => format!("[{entry:?}]"),
            _ => String::new(),
        };
        format!(
            "{when}:\n\
             import torch; from safetensors.torch import save_file; state = {}{entry}\n\
             save_file({{k: v.contiguous().clone() for k, v in state.items() if torch.is_tensor(v)}}, \
             \"model.safetensors\", metadata={{\"format\": \"pt\"}})",
            state.replace("FILE", &file)
        )
    }
}

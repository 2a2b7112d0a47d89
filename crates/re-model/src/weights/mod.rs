//! Weights on disk: `model.safetensors` (one file or shards) and what `torch.save` writes, memory-mapped.

mod source;
#[cfg(feature = "pytorch")]
pub mod torch_file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use re_checkpoint::tensors::{self, SHARDED, SINGLE, TensorFile};
use re_data::files;
#[cfg(feature = "pytorch")]
use re_data::model_file;
use re_native::FileMap;
use safetensors::Dtype;
use tch::{Kind, Tensor};

pub(crate) use self::source::Source;
#[cfg(feature = "pytorch")]
use self::torch_file::TorchFile;
use crate::error::{Error, Result};
pub use re_checkpoint::classifier::checked;

/// What a folder is searched for behind safetensors.
const TORCH: &str = "pytorch_model.bin";

/// The named tensors of a model folder, read from a memory map when they are asked for.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    files: Vec<WeightsFile>,
    /// Name in the folder -> number of the file that holds it.
    names: BTreeMap<String, usize>,
}

#[derive(Debug)]
enum WeightsFile {
    Safetensors(TensorFile),
    #[cfg(feature = "pytorch")]
    Torch {
        path: PathBuf,
        file: TorchFile,
    },
}

impl Weights {
    /// Opens the weights of a model folder: `model.safetensors`, its sharded form, or, with the feature `pytorch`,
    /// `pytorch_model.bin`.
    ///
    /// # Errors
    /// [`Error::NoWeights`] where none is there; [`Error::Data`] for what stands in place of a file, see
    /// [`model_file::open`]; [`Error::Safetensors`], [`Error::TorchFile`] or [`Error::ShardIndex`] for damaged files.
    pub fn open(folder: &Path) -> Result<Self> {
        if let Some((path, files)) = tensors::in_folder(folder)? {
            return Self::from_files(path, files.into_iter().map(WeightsFile::Safetensors).collect());
        }
        let torch = folder.join(TORCH);
        #[cfg(feature = "pytorch")]
        if files::exists(&torch)? {
            return Self::from_files(torch.clone(), vec![WeightsFile::torch(torch)?]);
        }
        let expected = match (cfg!(feature = "pytorch"), files::exists(&torch)?) {
            (true, _) => format!("{SINGLE}, {SHARDED} or {TORCH}"),
            (false, false) => format!("{SINGLE} or {SHARDED}"),
            (false, true) => {
                format!("{SINGLE} or {SHARDED}; {TORCH} is read where the feature `pytorch` is on")
            }
        };
        Err(Error::NoWeights { folder: folder.to_owned(), expected })
    }

    /// Opens one safetensors file.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn from_safetensors(path: &Path) -> Result<Self> {
        Self::from_files(path.to_owned(), vec![WeightsFile::Safetensors(TensorFile::open(path.to_owned())?)])
    }

    fn from_files(path: PathBuf, files: Vec<WeightsFile>) -> Result<Self> {
        let mut names = BTreeMap::new();
        for (number, file) in files.iter().enumerate() {
            names.extend(file.names().into_iter().map(|name| (name, number)));
        }
        Ok(Self { path, files, names })
    }

    /// Makes sure that the files are still those that were opened: what was read of one that was written over or cut
    /// short meanwhile is a mixture. A file that was replaced under its name is no matter.
    ///
    /// # Errors
    /// [`Error::FileChanged`]; [`Error::Io`].
    pub fn check_unchanged(&self) -> Result<()> {
        self.maps().try_for_each(|(path, map)| source::check_unchanged(path, map))
    }

    fn maps(&self) -> impl Iterator<Item = (&Path, &Arc<FileMap>)> {
        self.files.iter().map(|file| match file {
            WeightsFile::Safetensors(file) => (file.path(), file.map()),
            #[cfg(feature = "pytorch")]
            WeightsFile::Torch { path, file } => (path.as_path(), &file.map),
        })
    }

    /// The file, or the index of the files, that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that hold tensors.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.maps().map(|(path, _)| path)
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// The tensor `name` in 32-bit floats on the CPU, or `None` where no file has it.
    ///
    /// Where the file is safetensors of 32-bit floats, the tensor lies on a private map of it: nothing is read before it
    /// is used, and what is written to the tensor changes neither the file nor what other maps of it show.
    ///
    /// # Errors
    /// [`Error::TensorType`] where it does not hold floating-point numbers.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        match self.names.get(name).and_then(|&number| self.files.get(number)) {
            None => Ok(None),
            Some(file) => file.tensor(name),
        }
    }
}

impl WeightsFile {
    #[cfg(feature = "pytorch")]
    fn torch(path: PathBuf) -> Result<Self> {
        // Names what stands in place of the file, which the reader of archives does not know.
        model_file::open(&path)?;
        let file =
            TorchFile::open(&path).map_err(|source| Error::TorchFile { path: path.clone(), source })?;
        Ok(Self::Torch { path, file })
    }

    fn names(&self) -> Vec<String> {
        match self {
            Self::Safetensors(file) => file.names(),
            #[cfg(feature = "pytorch")]
            Self::Torch { file, .. } => file.names().map(str::to_owned).collect(),
        }
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        match self {
            Self::Safetensors(file) => {
                let Some(stored) = file.tensor(name) else { return Ok(None) };
                let shape = shape_of(stored.shape);
                if stored.dtype == Dtype::F32 && stored.offset.is_multiple_of(align_of::<f32>()) {
                    return Ok(Some(re_native::tensor_on_map(file.map(), stored.offset, &shape)?));
                }
                copied(file.path(), name, stored.dtype, &shape, stored.bytes)
            }
            #[cfg(feature = "pytorch")]
            Self::Torch { path, file } => {
                let Some(view) = file.tensor(name) else { return Ok(None) };
                copied(path, name, view.dtype, &shape_of(view.shape), &view.bytes)
            }
        }
    }
}

fn shape_of(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&n| n as i64).collect()
}

/// A tensor of 32-bit floats from stored values of any floating-point type.
fn copied(path: &Path, name: &str, dtype: Dtype, shape: &[i64], bytes: &[u8]) -> Result<Option<Tensor>> {
    let fault = |found: String| Error::TensorType { path: path.to_owned(), name: name.to_owned(), found };
    let kind = kind_of(dtype).ok_or_else(|| fault(format!("{dtype:?}")))?;
    // tch reads as many bytes as the shape asks for, wherever they end.
    let values = shape
        .iter()
        .try_fold(kind.elt_size_in_bytes(), |n, &size| n.checked_mul(usize::try_from(size).ok()?));
    if values != Some(bytes.len()) {
        return Err(fault(format!("{dtype:?} and {} bytes for the shape {shape:?}", bytes.len())));
    }
    Ok(Some(Tensor::f_from_data_size(bytes, shape, kind)?.f_to_kind(Kind::Float)?))
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F64 => Some(Kind::Double),
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}

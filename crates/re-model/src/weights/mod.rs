//! Weights on disk: `model.safetensors` (one file or shards) and what `torch.save` writes, memory-mapped.

pub mod torch_file;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::{MmapMut, MmapOptions};
use re_data::files::is_file;
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use tch::{Kind, Tensor};

use self::torch_file::TorchFile;
use crate::error::{Error, Result};

/// File names in the order in which a folder is searched for them.
const SINGLE: &str = "model.safetensors";
const SHARDED: &str = "model.safetensors.index.json";
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
    Safetensors { path: PathBuf, map: Arc<MmapMut>, metadata: Box<Metadata>, start: usize },
    Torch { path: PathBuf, file: TorchFile },
}

/// The part of a shard index that says where each tensor lies.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens the weights of a model folder: `model.safetensors`, its sharded form, or `pytorch_model.bin`.
    ///
    /// # Errors
    /// [`Error::NoWeights`] where none is there; [`Error::Safetensors`] or [`Error::TorchFile`] for damaged files.
    pub fn open(folder: &Path) -> Result<Self> {
        let at = |name: &str| {
            let path = folder.join(name);
            Ok::<_, Error>(is_file(&path)?.then_some(path))
        };
        if let Some(path) = at(SINGLE)? {
            return Self::from_safetensors(&path);
        }
        if let Some(path) = at(SHARDED)? {
            let text = std::fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?;
            let index: ShardIndex =
                serde_json::from_str(&text).map_err(|source| Error::Json { path: path.clone(), source })?;
            let mut shards: Vec<&String> = index.weight_map.values().collect();
            shards.sort_unstable();
            shards.dedup();
            let files = shards.into_iter().map(|name| WeightsFile::safetensors(folder.join(name)));
            return Self::from_files(path, files.collect::<Result<_>>()?);
        }
        if let Some(path) = at(TORCH)? {
            return Self::from_files(path.clone(), vec![WeightsFile::torch(path)?]);
        }
        Err(Error::NoWeights {
            folder: folder.to_owned(),
            expected: format!("{SINGLE}, {SHARDED} or {TORCH}"),
        })
    }

    /// Opens one safetensors file.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Safetensors`].
    pub fn from_safetensors(path: &Path) -> Result<Self> {
        Self::from_files(path.to_owned(), vec![WeightsFile::safetensors(path.to_owned())?])
    }

    fn from_files(path: PathBuf, files: Vec<WeightsFile>) -> Result<Self> {
        let mut names = BTreeMap::new();
        for (number, file) in files.iter().enumerate() {
            names.extend(file.names().into_iter().map(|name| (name, number)));
        }
        Ok(Self { path, files, names })
    }

    /// The file, or the index of the files, that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that hold tensors.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| match file {
            WeightsFile::Safetensors { path, .. } | WeightsFile::Torch { path, .. } => path.as_path(),
        })
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
    #[allow(unsafe_code)]
    fn safetensors(path: PathBuf) -> Result<Self> {
        let file = File::open(&path).map_err(|source| Error::io(&path, source))?;
        // SAFETY: the map is private, so that only this process writes to it, through tensors. A writer that truncates
        // the file meanwhile would end the process with SIGBUS; this project replaces files by renaming.
        let map = unsafe { MmapOptions::new().map_copy(&file) }.map_err(|source| Error::io(&path, source))?;
        // Checks as well that the file is as long as its tensors.
        let (header, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|source| Error::Safetensors { path: path.clone(), source })?;
        Ok(Self::Safetensors {
            map: Arc::new(map),
            metadata: Box::new(metadata),
            start: size_of::<u64>() + header,
            path,
        })
    }

    fn torch(path: PathBuf) -> Result<Self> {
        let file =
            TorchFile::open(&path).map_err(|source| Error::TorchFile { path: path.clone(), source })?;
        Ok(Self::Torch { path, file })
    }

    fn names(&self) -> Vec<String> {
        match self {
            Self::Safetensors { metadata, .. } => metadata.tensors().into_keys().collect(),
            Self::Torch { file, .. } => file.names().map(str::to_owned).collect(),
        }
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        match self {
            Self::Safetensors { path, map, metadata, start } => {
                let Some(info) = metadata.info(name) else { return Ok(None) };
                let shape = shape_of(&info.shape);
                let (first, end) = (start + info.data_offsets.0, start + info.data_offsets.1);
                if info.dtype == Dtype::F32 && first.is_multiple_of(align_of::<f32>()) {
                    return Ok(Some(re_native::tensor_on_map(map, first, &shape)?));
                }
                copied(path, name, info.dtype, &shape, map.get(first..end).unwrap_or_default())
            }
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
    let kind = kind_of(dtype).ok_or_else(|| Error::TensorType {
        path: path.to_owned(),
        name: name.to_owned(),
        found: format!("{dtype:?}"),
    })?;
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

//! Tensors on disk: `model.safetensors`, in one file or in shards, memory-mapped.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use re_data::text::quoted;
use re_data::{files, model_file};
pub use safetensors::Dtype;
use safetensors::SafeTensors;
use safetensors::tensor::Metadata;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::file_map::FileMap;

/// Name of the file of weights.
pub const SINGLE: &str = "model.safetensors";
/// Name of the index where there are several.
pub const SHARDED: &str = "model.safetensors.index.json";

/// A safetensors file on a private map of it.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    map: Arc<FileMap>,
    metadata: Box<Metadata>,
    start: usize,
}

/// Where a tensor lies in a [`TensorFile`], and what its values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTensor<'a> {
    /// Type of the values.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: &'a [usize],
    /// Place of the first value in the file.
    pub offset: usize,
    /// The values, as many as the shape says, in little-endian bytes.
    pub bytes: &'a [u8],
}

impl TensorFile {
    /// Opens a file and checks its header: every tensor it names lies within the file, and has as many bytes as its shape
    /// and type ask for.
    ///
    /// # Errors
    /// [`Error::Data`] for what stands in place of the file, see [`model_file::open`]; [`Error::Io`];
    /// [`Error::Safetensors`].
    pub fn open(path: PathBuf) -> Result<Self> {
        let map = FileMap::new(model_file::open(&path)?).map_err(|source| Error::io(&path, source))?;
        // Checks as well that the file is as long as its tensors.
        let (header, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|source| Error::Safetensors { path: path.clone(), source })?;
        Ok(Self { map, metadata: Box::new(metadata), start: size_of::<u64>() + header, path })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file in memory.
    pub fn map(&self) -> &Arc<FileMap> {
        &self.map
    }

    /// Names of the tensors.
    pub fn names(&self) -> Vec<String> {
        self.metadata.tensors().into_keys().collect()
    }

    /// The tensor of that name, if the file has it.
    pub fn tensor(&self, name: &str) -> Option<StoredTensor<'_>> {
        let info = self.metadata.info(name)?;
        let (offset, end) = (self.start + info.data_offsets.0, self.start + info.data_offsets.1);
        let bytes = self.map.get(offset..end)?;
        Some(StoredTensor { dtype: info.dtype, shape: &info.shape, offset, bytes })
    }
}

/// The safetensors files of a model's folder, and what names them: the one file, or the index of several. `None` where there
/// are none.
///
/// # Errors
/// As [`TensorFile::open`]; [`Error::Json`] and [`Error::ShardIndex`] for an index.
pub fn in_folder(folder: &Path) -> Result<Option<(PathBuf, Vec<TensorFile>)>> {
    let (single, sharded) = (folder.join(SINGLE), folder.join(SHARDED));
    if files::exists(&single)? {
        return Ok(Some((single.clone(), vec![TensorFile::open(single)?])));
    }
    if files::exists(&sharded)? {
        let files = shards(&sharded)?.into_iter().map(TensorFile::open);
        let files = files.collect::<Result<_>>()?;
        return Ok(Some((sharded, files)));
    }
    Ok(None)
}

/// The part of a shard index that says where each tensor lies.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

/// The files that a shard index names, each once.
fn shards(index: &Path) -> Result<Vec<PathBuf>> {
    let text = model_file::read_text(index)?;
    let ShardIndex { weight_map } =
        serde_json::from_str(&text).map_err(|source| Error::Json { path: index.to_owned(), source })?;
    let mut names: Vec<&String> = weight_map.values().collect();
    names.sort_unstable();
    names.dedup();
    let fault = |found: String| Error::ShardIndex { path: index.to_owned(), found };
    if names.is_empty() {
        return Err(fault("no file".to_owned()));
    }
    names
        .into_iter()
        .map(
            |name| {
                if is_file_name(name) { Ok(index.with_file_name(name)) } else { Err(fault(quoted(name))) }
            },
        )
        .collect()
}

/// Whether a name leads to no other folder.
pub fn is_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}

/// The names under which checkpoints have a parameter, the usual one first. `prefix` is that of the encoder with its dot, such
/// as `bert.`; files of a bare encoder lack it.
pub fn stored_names(name: &str, prefix: &str, file_has_prefix: bool) -> [String; 2] {
    let stored = match name.strip_prefix(prefix) {
        Some(bare) if !file_has_prefix => bare,
        _ => name,
    };
    // Checkpoints converted from TensorFlow call LayerNorm's parameters gamma and beta.
    let old =
        stored.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    [stored.to_owned(), old]
}

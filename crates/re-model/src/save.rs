//! Writing a model in Hugging Face layout.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use re_data::files::{self, NewFile, NewFolder};
use re_data::{LabelSet, manifest};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::{Map, Value};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::head::HeadConfig;
use crate::model::RelationModel;

impl RelationModel {
    /// Writes `config.json` and `model.safetensors` (32-bit floats) into `folder`, which must exist.
    ///
    /// With [`HeadConfig::Cls`] the folder loads in `transformers` as a model for sequence classification
    /// with the same logits; with any other head (`None` stands for one of your own) as the bare encoder.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Safetensors`]; [`Error::Classes`] where `labels` does not fit the model.
    pub fn save(&self, folder: &Path, labels: &LabelSet, head: Option<HeadConfig>) -> Result<()> {
        if labels.len() != self.classes() {
            return Err(Error::Classes { found: self.classes(), expected: labels.len() });
        }
        let task = if head == Some(HeadConfig::Cls) { "ForSequenceClassification" } else { "Model" };
        self.save_as(folder, self.class_fields(task, labels.names()))
    }

    /// Writes `config.json`, with `extra` fields, and `model.safetensors` into `folder`, which must exist.
    ///
    /// # Errors
    /// Those of [`RelationModel::verify`] and of writing.
    pub fn save_as(&self, folder: &Path, extra: Map<String, Value>) -> Result<()> {
        self.verify()?;
        files::write(folder.join("config.json"), self.config().to_json(extra))?;
        let tensors = self.parameters().iter().map(|p| Ok((p.name.clone(), p.stored()?)));
        save_tensors(&folder.join("model.safetensors"), tensors.collect::<Result<Vec<_>>>()?)?;
        // Once more: the values that were just read may lie on files.
        self.verify()
    }

    /// Fields of `config.json` by which `transformers` knows a model for `task` with classes of these names.
    pub(crate) fn class_fields(&self, task: &str, names: &[String]) -> Map<String, Value> {
        let names = names.iter().enumerate();
        let id2label: Map<_, _> =
            names.clone().map(|(id, name)| (id.to_string(), name.as_str().into())).collect();
        let label2id: Map<_, _> = names.map(|(id, name)| (name.clone(), id.into())).collect();
        let mut extra = Map::new();
        extra.insert("architectures".into(), Value::from(vec![self.config().architecture(task)]));
        extra.insert("id2label".into(), id2label.into());
        extra.insert("label2id".into(), label2id.into());
        extra
    }
}

/// Writes the folder of a model: `write` writes its files into the folder it is given, which gets a
/// [`manifest`] of them, and its name when all is on disk.
///
/// # Errors
/// Whatever `write` returns; [`Error::Data`] where the folder cannot be completed.
pub fn fill<E: From<Error>>(folder: NewFolder, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    write(folder.path())?;
    manifest::write(folder.path()).map_err(Error::from)?;
    Ok(folder.commit().map_err(Error::from)?)
}

/// Writes named tensors as one safetensors file and waits until it is on disk.
///
/// # Errors
/// [`Error::Safetensors`] or [`Error::Data`].
pub fn save_tensors(path: &Path, tensors: impl IntoIterator<Item = (String, Tensor)>) -> Result<()> {
    let mut tensors =
        tensors.into_iter().map(|(name, tensor)| Ok((name, stored(&tensor)?))).collect::<Result<Vec<_>>>()?;
    tensors.sort_by(|(left, _), (right, _)| left.cmp(right));
    let header = header(path, &tensors)?;
    // Not the crate's writer, whose files only their owner may read.
    let mut file = NewFile::create(path)?;
    let path = file.path().to_owned();
    let io = |source| Error::io(&path, source);
    file.write_all(&(header.len() as u64).to_le_bytes()).map_err(io)?;
    file.write_all(&header).map_err(io)?;
    for (_, tensor) in &tensors {
        write_values(&mut file, tensor)?.map_err(io)?;
    }
    Ok(file.commit()?)
}

/// What says where in a safetensors file each tensor lies, padded so that the values behind it are aligned.
fn header(path: &Path, tensors: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let mut end = 0;
    let place = |(name, tensor): &(String, Tensor)| {
        let begin = end;
        end += bytes(tensor);
        let shape = tensor.size().iter().map(|&n| n as usize).collect();
        (name.clone(), TensorInfo { dtype: Dtype::F32, shape, data_offsets: (begin, end) })
    };
    let places = tensors.iter().map(place).collect();
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let metadata = Metadata::new(Some(format), places)
        .map_err(|source| Error::Safetensors { path: path.to_owned(), source })?;
    let json = |source| Error::Json { path: path.to_owned(), source };
    let mut header = serde_json::to_vec(&metadata).map_err(json)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

/// The tensor as a file holds it: contiguous 32-bit floats in main memory.
fn stored(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?)
}

/// Bytes of the values of a tensor that is [`stored`].
fn bytes(tensor: &Tensor) -> usize {
    tensor.numel() * size_of::<f32>()
}

/// Writes the values of a tensor that is [`stored`].
#[allow(unsafe_code)]
fn write_values(out: &mut impl Write, tensor: &Tensor) -> Result<io::Result<()>> {
    // SAFETY: nothing writes to tensors while they are saved.
    let values: &[f32] = unsafe { re_native::values(tensor)? };
    // SAFETY: the values of floats are bytes as any others, and live as long as the tensor.
    let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
    Ok(out.write_all(bytes))
}

//! Writing a model in Hugging Face layout.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use re_data::LabelSet;
use safetensors::Dtype;
use safetensors::tensor::View;
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
        self.save_as(folder, self.config_extra(labels, head))
    }

    /// Writes `config.json`, with `extra` fields, and `model.safetensors` into `folder`, which must exist.
    pub(crate) fn save_as(&self, folder: &Path, extra: Map<String, Value>) -> Result<()> {
        let path = folder.join("config.json");
        let text = self.config().to_json(extra);
        std::fs::write(&path, text).map_err(|source| Error::io(&path, source))?;
        let tensors = self.parameters().iter().map(|p| Ok((p.name.clone(), p.stored()?)));
        save_tensors(&folder.join("model.safetensors"), tensors.collect::<Result<Vec<_>>>()?)
    }

    fn config_extra(&self, labels: &LabelSet, head: Option<HeadConfig>) -> Map<String, Value> {
        let task = if head == Some(HeadConfig::Cls) { "ForSequenceClassification" } else { "Model" };
        let names = labels.names().iter().enumerate();
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

/// Writes named tensors as one safetensors file and waits until it is on disk.
///
/// # Errors
/// [`Error::Safetensors`] or [`Error::Io`].
pub fn save_tensors(path: &Path, tensors: impl IntoIterator<Item = (String, Tensor)>) -> Result<()> {
    let views = tensors
        .into_iter()
        .map(|(name, tensor)| Ok((name, TensorBytes::new(&tensor)?)))
        .collect::<Result<Vec<_>>>()?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), path)
        .map_err(|source| Error::Safetensors { path: path.to_owned(), source })?;
    File::open(path).and_then(|file| file.sync_all()).map_err(|source| Error::io(path, source))
}

/// A tensor of 32-bit floats in main memory, lent to the safetensors writer.
struct TensorBytes {
    tensor: Tensor,
    shape: Vec<usize>,
}

impl TensorBytes {
    fn new(tensor: &Tensor) -> Result<Self> {
        let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
        let shape = tensor.size().iter().map(|&n| n as usize).collect();
        Ok(Self { tensor, shape })
    }
}

impl View for TensorBytes {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    #[allow(unsafe_code)]
    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        // SAFETY: `new` made the tensor contiguous, of 4-byte values and on the CPU; it lives as long as the slice.
        let bytes =
            unsafe { std::slice::from_raw_parts(self.tensor.data_ptr().cast::<u8>(), self.data_len()) };
        std::borrow::Cow::Borrowed(bytes)
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * size_of::<f32>()
    }
}

//! A model's parameters: where they come from and what became of each.

mod rest;

use std::collections::BTreeMap;

use re_checkpoint::tensors::stored_names;
use re_data::random::fnv1a;
use tch::{Device, Kind, Tensor};

use crate::config::EncoderConfig;
use crate::error::{Error, Result, ShapeMismatch};
use crate::weights::Weights;
pub(crate) use rest::Rest;

/// How a parameter begins that no file gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zeros: biases.
    Zeros,
    /// All ones: LayerNorm weights.
    Ones,
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
}

/// The part of the model a parameter belongs to; the two may learn at different rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The pretrained encoder.
    Encoder,
    /// What stands on top of it.
    Head,
}

/// One named tensor that training changes.
#[derive(Debug)]
pub struct Parameter {
    /// Name in the checkpoint.
    pub name: String,
    /// Which part of the model it belongs to.
    pub part: Part,
    /// The values.
    pub tensor: Tensor,
    /// The table that `tensor` holds some rows of, where the vocabulary is trimmed.
    pub(crate) rest: Option<Rest>,
}

impl Parameter {
    /// The same parameter: of the same values, not of copies.
    pub(crate) fn shallow_clone(&self) -> Self {
        let rest = self.rest.as_ref().map(Rest::shallow_clone);
        Self { name: self.name.clone(), part: self.part, tensor: self.tensor.shallow_clone(), rest }
    }

    /// The values as a checkpoint has them: of a trimmed table, all rows.
    ///
    /// # Errors
    /// [`Error::Torch`].
    pub fn stored(&self) -> Result<Tensor> {
        self.rest.as_ref().map_or_else(|| Ok(self.tensor.f_detach()?), |rest| rest.with(&self.tensor))
    }

    /// Takes its values from a tensor as [`Parameter::stored`] gives it; false where the shape differs.
    ///
    /// # Errors
    /// [`Error::Torch`].
    pub fn restore(&self, stored: &Tensor) -> Result<bool> {
        let _guard = tch::no_grad_guard();
        let shape = self.rest.as_ref().map_or_else(|| self.tensor.size(), Rest::size);
        if stored.size() != shape {
            return Ok(false);
        }
        let mut tensor = self.tensor.shallow_clone();
        match &self.rest {
            None => tensor.f_copy_(stored)?,
            Some(rest) => tensor.f_copy_(&rest.rows_of(stored)?)?,
        }
        Ok(true)
    }

    /// Multiplies by `keep` the rows of a trimmed table that are not held, as weight decay does to rows without
    /// gradient. The product is applied when the table is saved.
    pub fn decay_rest(&self, keep: f64) {
        if let Some(rest) = &self.rest {
            rest.decay(keep);
        }
    }

    /// Whether weight decay applies: to matrices, not to biases, which a matrix can be, too, and not to LayerNorm, as the
    /// reference implementations do.
    pub fn decays(&self) -> bool {
        self.tensor.dim() > 1 && !self.name.contains("bias")
    }
}

/// All parameters of a model, in the order in which the model was built.
#[derive(Debug, Default)]
pub struct Parameters {
    list: Vec<Parameter>,
}

impl Parameters {
    /// The parameters in building order: the same for every model of the same shape.
    pub fn iter(&self) -> std::slice::Iter<'_, Parameter> {
        self.list.iter()
    }

    /// Number of parameters (tensors).
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The parameter of that name.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.list.iter().find(|p| p.name == name)
    }

    /// Number of values in all parameters.
    pub fn values(&self) -> usize {
        self.list.iter().map(|p| p.tensor.numel()).sum()
    }

    /// Marks every parameter as one that gradients are computed for, or not.
    pub fn set_trainable(&self, trainable: bool) {
        for parameter in &self.list {
            let _ = parameter.tensor.set_requires_grad(trainable);
        }
    }

    /// Adds what stands on the encoder of `other`, under names that begin with `prefix`.
    pub(crate) fn extend_by_head(&mut self, other: &Self, prefix: &str) {
        let head =
            other.iter().filter(|parameter| parameter.part == Part::Head).map(Parameter::shallow_clone);
        self.list.extend(
            head.map(|parameter| Parameter { name: format!("{prefix}{}", parameter.name), ..parameter }),
        );
    }

    pub(crate) fn replace(&mut self, name: &str, tensor: Tensor, rest: Option<Rest>) {
        if let Some(parameter) = self.list.iter_mut().find(|p| p.name == name) {
            (parameter.tensor, parameter.rest) = (tensor, rest);
        }
    }
}

/// What loading weights did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that the file gave.
    pub applied: Vec<String>,
    /// Parameters that the file lacks and that were initialised afresh: heads, poolers.
    pub missing: Vec<String>,
    /// Tensors of the file that the model has no use for.
    pub unused: Vec<String>,
}

impl std::fmt::Display for LoadReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} tensors applied, {} initialised afresh, {} in the file unused",
            self.applied.len(),
            self.missing.len(),
            self.unused.len()
        )
    }
}

/// Hands out parameters by name while a model is built: from a file where it has them, else initialised.
///
/// Heads take their parameters through [`Builder::parameter`] as well, so that a trained folder gives them back.
#[derive(Debug)]
pub struct Builder<'a> {
    weights: Option<&'a Weights>,
    /// Prefix that the model's names have and the file's lack, such as `bert.`.
    prefix: String,
    file_has_prefix: bool,
    /// What the file has in front of all names.
    scope: &'static str,
    /// A model whose encoder this one shares.
    shared: Option<&'a Parameters>,
    device: Device,
    seed: u64,
    part: Part,
    parameters: Parameters,
    report: LoadReport,
    taken: BTreeMap<String, ()>,
    mismatches: Vec<ShapeMismatch>,
}

impl<'a> Builder<'a> {
    /// A builder that reads `weights`, or initialises everything with random streams of `seed` where there
    /// are none. `prefix` names the encoder, such as `bert`: files of a bare encoder lack it.
    pub fn new(weights: Option<&'a Weights>, prefix: &str, device: Device, seed: u64) -> Self {
        let prefix = format!("{prefix}.");
        let file_has_prefix = weights.is_some_and(|w| w.names().any(|name| name.starts_with(&prefix)));
        Self {
            weights,
            prefix,
            file_has_prefix,
            scope: "",
            shared: None,
            device,
            seed,
            part: Part::Encoder,
            parameters: Parameters::default(),
            report: LoadReport::default(),
            taken: BTreeMap::new(),
            mismatches: Vec::new(),
        }
    }

    /// The same builder, which gives the encoder the tensors of another model's, themselves and not as copies.
    pub(crate) fn sharing(self, parameters: &'a Parameters) -> Self {
        Self { shared: Some(parameters), ..self }
    }

    /// Says what the file has in front of the names of the next parameters.
    pub(crate) fn read_under(&mut self, scope: &'static str) {
        self.scope = scope;
    }

    /// Says which part of the model the next parameters belong to.
    pub fn begin(&mut self, part: Part) {
        self.part = part;
    }

    /// The parameter `name` of this shape.
    ///
    /// Two parameters of one name would be one in a checkpoint: the second is an error.
    ///
    /// A shape mismatch is remembered and reported for all tensors together by [`Builder::finish`].
    ///
    /// # Errors
    /// [`Error::RepeatedParameter`], [`Error::TensorType`] or [`Error::Torch`].
    pub fn parameter(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor> {
        if self.parameters.get(name).is_some() {
            return Err(Error::RepeatedParameter { name: name.to_owned() });
        }
        let shared = self.shared.filter(|_| self.part == Part::Encoder);
        if let Some(shared) = shared.and_then(|parameters| parameters.get(name)) {
            self.parameters.list.push(shared.shallow_clone());
            return Ok(shared.tensor.shallow_clone());
        }
        let tensor = match self.read(name)? {
            Some(found) if found.size() == shape => {
                self.report.applied.push(name.to_owned());
                found.f_to_device(self.device)?
            }
            Some(found) => {
                self.mismatches.push(ShapeMismatch {
                    name: name.to_owned(),
                    found: found.size(),
                    expected: shape.to_vec(),
                });
                self.placeholder()?
            }
            None if self.part == Part::Encoder && self.weights.is_some() => {
                self.report.missing.push(name.to_owned());
                self.placeholder()?
            }
            None => {
                self.report.missing.push(name.to_owned());
                initial(name, shape, init, self.seed)?.f_to_device(self.device)?
            }
        };
        let kept = tensor.shallow_clone();
        self.parameters.list.push(Parameter {
            name: name.to_owned(),
            part: self.part,
            tensor: kept,
            rest: None,
        });
        Ok(tensor)
    }

    /// Weight `[out, in]` and bias `[out]` of a linear layer.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    pub fn linear(&mut self, name: &str, from: i64, to: i64, std: f64) -> Result<crate::ops::Linear> {
        Ok(crate::ops::Linear {
            weight: self.parameter(&format!("{name}.weight"), &[to, from], Init::Normal(std))?,
            bias: self.parameter(&format!("{name}.bias"), &[to], Init::Zeros)?,
        })
    }

    /// Weight and bias `[width]` of a LayerNorm.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    pub fn layer_norm(&mut self, name: &str, width: i64, eps: f64) -> Result<crate::ops::LayerNorm> {
        Ok(crate::ops::LayerNorm {
            weight: self.parameter(&format!("{name}.weight"), &[width], Init::Ones)?,
            bias: self.parameter(&format!("{name}.bias"), &[width], Init::Zeros)?,
            eps,
        })
    }

    /// Stands for a parameter without which building fails in the end: sizes that the file contradicts ask for no memory.
    fn placeholder(&self) -> Result<Tensor> {
        Ok(Tensor::f_zeros([0], (Kind::Float, self.device))?)
    }

    /// Makes sure that the file has the layers of the configuration, before names are made for any number of them.
    pub(crate) fn check_layers(&self, config: &EncoderConfig) -> Result<()> {
        let Some(weights) = self.weights else { return Ok(()) };
        let number = |name: &str| name.split_once("encoder.layer.")?.1.split('.').next()?.parse::<i64>().ok();
        let held = weights.names().filter_map(number).max().map_or(0, |last| last.saturating_add(1));
        // Without any layer, the tensors that are missing say more.
        if held == 0 || config.num_hidden_layers <= held {
            return Ok(());
        }
        Err(Error::Config {
            path: weights.path().with_file_name("config.json"),
            field: "num_hidden_layers",
            found: config.num_hidden_layers.to_string(),
            expected: format!("at most the {held} layers of {}", weights.path().display()),
        })
    }

    /// Ends the building at the first layer that the file lacks tensors of: those of further ones say nothing new.
    pub(crate) fn check_layer(&mut self) -> Result<()> {
        if self.report.missing.is_empty() { Ok(()) } else { self.check() }
    }

    /// Makes sure that the file has all tensors of the parameters so far, in their shapes; a head may be absent.
    ///
    /// # Errors
    /// As [`Builder::finish`].
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(weights) = self.weights else { return Ok(()) };
        let path = || weights.path().to_owned();
        if !self.mismatches.is_empty() {
            return Err(Error::Shapes { path: path(), mismatches: std::mem::take(&mut self.mismatches) });
        }
        let encoder = |name: &String| {
            self.parameters.get(name).is_some_and(|parameter| parameter.part == Part::Encoder)
        };
        let names: Vec<String> = self.report.missing.iter().filter(|name| encoder(name)).cloned().collect();
        match names.first() {
            None => Ok(()),
            Some(first) => {
                let renamed = self.renamed(weights, first);
                Err(Error::MissingTensors { path: path(), names, renamed })
            }
        }
    }

    /// What the file has before the name of a parameter that it lacks.
    fn renamed(&self, weights: &Weights, name: &str) -> Option<String> {
        let bare = name.strip_prefix(&self.prefix).unwrap_or(name);
        let before = |wanted: &str| {
            weights.names().filter_map(|held| held.strip_suffix(wanted)).find(|prefix| !prefix.is_empty())
        };
        before(name).or_else(|| before(bare)).map(str::to_owned)
    }

    /// Looks a parameter up under the names that checkpoints have used for it.
    fn read(&mut self, name: &str) -> Result<Option<Tensor>> {
        let Some(weights) = self.weights else { return Ok(None) };
        for candidate in stored_names(name, &self.prefix, self.file_has_prefix) {
            let candidate = format!("{}{candidate}", self.scope);
            if let Some(tensor) = weights.tensor(&candidate)? {
                self.taken.insert(candidate, ());
                return Ok(Some(tensor));
            }
        }
        Ok(None)
    }

    /// Ends the building: all parameters, and what loading did.
    ///
    /// # Errors
    /// [`Error::Shapes`] where tensors of the file have other shapes than the model, and
    /// [`Error::MissingTensors`] where a file was given and lacks tensors of the encoder.
    pub fn finish(mut self) -> Result<(Parameters, LoadReport)> {
        self.check()?;
        if let Some(weights) = self.weights {
            self.report.unused =
                weights.names().filter(|name| !self.taken.contains_key(*name)).map(str::to_owned).collect();
        }
        Ok((self.parameters, self.report))
    }
}

/// Fresh values for a parameter, the same for the same seed and name on every device.
pub(crate) fn initial(name: &str, shape: &[i64], init: Init, seed: u64) -> Result<Tensor> {
    let options = (Kind::Float, Device::Cpu);
    Ok(match init {
        Init::Zeros => Tensor::f_zeros(shape, options)?,
        Init::Ones => Tensor::f_ones(shape, options)?,
        Init::Normal(std) => {
            // The name is part of the key, so that a parameter's start depends on no other parameter.
            re_native::normal(shape, seed ^ fnv1a(name.as_bytes()))?.f_mul_scalar_(std)?
        }
    })
}

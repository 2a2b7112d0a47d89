//! AdamW with decoupled weight decay (Loshchilov and Hutter 2019), in one pass over memory.

use std::path::Path;

use rayon::prelude::*;
use re_model::Weights;
use re_model::parameters::{Parameter, Parameters, Part};
use re_model::save::save_tensors;
use re_native::{values, values_mut};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};

/// Values that one thread updates at a time: small enough to balance, large enough not to count.
const CHUNK: usize = 1 << 16;

/// Settings of the optimizer; the defaults are PyTorch's, except for weight decay, which is the report's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// Decay of the running mean of the gradient, 0..1.
    pub beta1: f64,
    /// Decay of the running mean of the squared gradient, 0..1.
    pub beta2: f64,
    /// Added to the denominator, 1e-30 to 1.
    pub epsilon: f64,
    /// Decoupled weight decay, 0 to 1000; biases and LayerNorm are exempt.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

/// Learning rates of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRates {
    /// For the encoder.
    pub encoder: f64,
    /// For the head.
    pub head: f64,
}

/// Running means of gradients and squared gradients, and the number of steps taken.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    steps: u64,
    /// Running means of gradient and squared gradient, in the order of the parameters.
    moments: Vec<(Tensor, Tensor)>,
}

/// The factors of one update, the same for all values of a parameter.
#[derive(Clone, Copy)]
struct Factors {
    gradient_scale: f32,
    keep: f32,
    beta2: f32,
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    step_size: f32,
    bias_correction2_sqrt: f32,
    epsilon: f32,
}

impl AdamW {
    /// An optimizer that has taken no step yet.
    ///
    /// # Errors
    /// [`Error::Torch`] where memory for the state is lacking.
    pub fn new(config: AdamWConfig, parameters: &Parameters) -> Result<Self> {
        let zeros = |p: &Parameter| p.tensor.f_zeros_like().and_then(|t| t.f_set_requires_grad(false));
        let moments = parameters.iter().map(|p| Ok((zeros(p)?, zeros(p)?))).collect::<Result<_>>()?;
        Ok(Self { config, steps: 0, moments })
    }

    /// Number of steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Changes `parameters` by one step along `gradients` times `gradient_scale`.
    ///
    /// `gradients` are in the order of the parameters; an undefined one leaves its parameter as it is.
    ///
    /// # Errors
    /// [`Error::Optimizer`] where there is not one gradient for each parameter, or one differs from its parameter in
    /// shape, kind or device, or the optimizer was made for other parameters: nothing is changed then. [`Error::Torch`].
    pub fn step(
        &mut self,
        parameters: &Parameters,
        gradients: &[Tensor],
        gradient_scale: f64,
        rates: LearningRates,
    ) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let gradients = self.fitting(parameters, gradients)?;
        self.steps += 1;
        for ((parameter, gradient), (mean, square)) in
            parameters.iter().zip(&gradients).zip(&mut self.moments)
        {
            if !gradient.defined() {
                continue;
            }
            let factors = self.config.factors(self.steps, parameter, gradient_scale, rates);
            parameter.decay_rest(self.config.keep(parameter, rates));
            if parameter.tensor.device() == Device::Cpu {
                update_in_place(&parameter.tensor, gradient, mean, square, factors)?;
            } else {
                update_with_kernels(&parameter.tensor, gradient, mean, square, factors)?;
            }
        }
        Ok(())
    }

    /// The gradients side by side in memory, where they and the state are those of the parameters.
    fn fitting(&self, parameters: &Parameters, gradients: &[Tensor]) -> Result<Vec<Tensor>> {
        let fault = |what, parameter: &str, found: String, expected: String| {
            Err(Error::Optimizer { what, parameter: parameter.to_owned(), found, expected })
        };
        for (what, count) in [("gradients", gradients.len()), ("optimizer state", self.moments.len())] {
            if count != parameters.len() {
                return fault(what, "the model", count.to_string(), format!("{} tensors", parameters.len()));
            }
        }
        let like = |t: &Tensor| -> Result<_> { Ok((t.f_kind()?, t.device(), t.size())) };
        for ((parameter, gradient), (mean, _)) in parameters.iter().zip(gradients).zip(&self.moments) {
            let expected = like(&parameter.tensor)?;
            let gradient = Some(gradient).filter(|gradient| gradient.defined());
            for (what, tensor) in [("gradient", gradient), ("optimizer state", Some(mean))] {
                let found = tensor.map(like).transpose()?;
                if let Some(found) = found.filter(|found| *found != expected) {
                    let text = |(kind, device, size)| format!("{kind:?} of shape {size:?} on {device:?}");
                    return fault(what, &parameter.name, text(found), text(expected));
                }
            }
        }
        let contiguous = |gradient: &Tensor| match gradient.defined() {
            true => Ok(gradient.f_contiguous()?),
            false => Ok(Tensor::new()),
        };
        gradients.iter().map(contiguous).collect()
    }

    /// Writes the state as a safetensors file: `exp_avg.NAME` and `exp_avg_sq.NAME` for every parameter.
    ///
    /// # Errors
    /// [`Error::Model`] where the file cannot be written.
    pub fn save(&self, path: &Path, parameters: &Parameters) -> Result<()> {
        let tensors = parameters.iter().zip(&self.moments).flat_map(|(parameter, (mean, square))| {
            [("exp_avg", mean), ("exp_avg_sq", square)]
                .map(|(kind, moment)| (format!("{kind}.{}", parameter.name), moment.shallow_clone()))
        });
        Ok(save_tensors(path, tensors)?)
    }

    /// Reads a state written by [`AdamW::save`] after `steps` steps.
    ///
    /// # Errors
    /// [`Error::OptimizerState`] where the file is damaged or belongs to another model.
    pub fn load(config: AdamWConfig, steps: u64, path: &Path, parameters: &Parameters) -> Result<Self> {
        let mut optimizer = Self::new(config, parameters)?;
        optimizer.steps = steps;
        let fault = |reason: String| Error::OptimizerState { path: path.to_owned(), reason };
        let stored = Weights::from_safetensors(path)?;
        for (parameter, (mean, square)) in parameters.iter().zip(&mut optimizer.moments) {
            for (kind, target) in [("exp_avg", mean), ("exp_avg_sq", square)] {
                let name = format!("{kind}.{}", parameter.name);
                let found = stored.tensor(&name)?.ok_or_else(|| fault(format!("{name} is missing")))?;
                if found.size() != target.size() {
                    let (found, expected) = (found.size(), target.size());
                    return Err(fault(format!("{name} has shape {found:?}, expected {expected:?}")));
                }
                target.f_copy_(&found)?;
            }
        }
        if stored.names().count() != 2 * parameters.len() {
            return Err(fault("holds state for parameters that this model does not have".to_owned()));
        }
        stored.check_unchanged()?;
        Ok(optimizer)
    }
}

impl LearningRates {
    fn of(self, parameter: &Parameter) -> f64 {
        match parameter.part {
            Part::Encoder => self.encoder,
            Part::Head => self.head,
        }
    }
}

impl AdamWConfig {
    /// Factor by which weight decay multiplies a parameter in one step.
    pub(crate) fn keep(&self, parameter: &Parameter, rates: LearningRates) -> f64 {
        1.0 - rates.of(parameter) * if parameter.decays() { self.weight_decay } else { 0.0 }
    }

    fn factors(
        &self,
        step: u64,
        parameter: &Parameter,
        gradient_scale: f64,
        rates: LearningRates,
    ) -> Factors {
        let (rate, power) = (rates.of(parameter), step as f64);
        Factors {
            gradient_scale: gradient_scale as f32,
            keep: self.keep(parameter, rates) as f32,
            beta2: self.beta2 as f32,
            // The difference is taken before rounding: 1 - 0.999 in 32 bits is off by 1e-5.
            one_minus_beta1: (1.0 - self.beta1) as f32,
            one_minus_beta2: (1.0 - self.beta2) as f32,
            step_size: (rate / (1.0 - self.beta1.powf(power))) as f32,
            bias_correction2_sqrt: (1.0 - self.beta2.powf(power)).sqrt() as f32,
            epsilon: self.epsilon as f32,
        }
    }
}

/// The update on contiguous 32-bit floats in main memory, chunks in parallel.
#[allow(unsafe_code)]
fn update_in_place(
    parameter: &Tensor,
    gradient: &Tensor,
    mean: &mut Tensor,
    square: &mut Tensor,
    factors: Factors,
) -> Result<()> {
    let apart = if overlap(gradient, parameter)? { Some(gradient.f_detach_copy()?) } else { None };
    let gradient = apart.as_ref().unwrap_or(gradient);
    // SAFETY: the moments are this module's own, and the gradient shares no memory with the parameter.
    let (p, g, m, v) =
        unsafe { (values_mut(parameter)?, values::<f32>(gradient)?, values_mut(mean)?, values_mut(square)?) };
    p.par_chunks_mut(CHUNK)
        .zip(g.par_chunks(CHUNK))
        .zip(m.par_chunks_mut(CHUNK))
        .zip(v.par_chunks_mut(CHUNK))
        .for_each(|(((p, g), m), v)| update_chunk(p, g, m, v, factors));
    Ok(())
}

/// Whether two tensors share memory.
#[allow(unsafe_code)]
fn overlap(a: &Tensor, b: &Tensor) -> Result<bool> {
    // SAFETY: the slices are gone before anything is written.
    let place = |tensor| unsafe { values::<f32>(tensor) }.map(<[f32]>::as_ptr_range);
    let (a, b) = (place(a)?, place(b)?);
    Ok(a.start < b.end && b.start < a.end)
}

fn update_chunk(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], f: Factors) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature that the function is compiled for.
        #[allow(unsafe_code)]
        return unsafe { update_chunk_avx2(p, g, m, v, f) };
    }
    update_values(p, g, m, v, f);
}

/// The same loop, compiled for wider registers; the results are the same bits, as no operation is fused.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn update_chunk_avx2(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], f: Factors) {
    update_values(p, g, m, v, f);
}

#[inline(always)]
fn update_values(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], f: Factors) {
    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let g = g * f.gradient_scale;
        *m += (g - *m) * f.one_minus_beta1;
        *v = *v * f.beta2 + g * g * f.one_minus_beta2;
        *p = *p * f.keep - f.step_size * (*m / (v.sqrt() / f.bias_correction2_sqrt + f.epsilon));
    }
}

/// The same update by libtorch's kernels, for devices whose memory this process cannot reach.
fn update_with_kernels(
    parameter: &Tensor,
    gradient: &Tensor,
    mean: &mut Tensor,
    square: &mut Tensor,
    f: Factors,
) -> Result<()> {
    let scalar = |value: f32| f64::from(value);
    let gradient = gradient.f_mul_scalar(scalar(f.gradient_scale))?;
    let _ = mean.f_lerp_(&gradient, scalar(f.one_minus_beta1))?;
    let _ = square.f_mul_scalar_(scalar(f.beta2))?;
    let _ = square.f_add_(&gradient.f_square()?.f_mul_scalar(scalar(f.one_minus_beta2))?)?;
    let denominator =
        square.f_sqrt()?.f_div_scalar(scalar(f.bias_correction2_sqrt))?.f_add_scalar(scalar(f.epsilon))?;
    let mut parameter = parameter.shallow_clone();
    let _ = parameter.f_mul_scalar_(scalar(f.keep))?;
    let _ = parameter.f_sub_(&mean.f_div(&denominator)?.f_mul_scalar(scalar(f.step_size))?)?;
    Ok(())
}

/// Euclidean norm over all gradients together.
///
/// # Errors
/// [`Error::Torch`].
#[allow(unsafe_code)]
pub fn gradient_norm(gradients: &[Tensor]) -> Result<f64> {
    let _guard = tch::no_grad_guard();
    let mut total = 0.0;
    for gradient in gradients.iter().filter(|g| g.defined()) {
        total += if gradient.device() == Device::Cpu && gradient.kind() == Kind::Float {
            let gradient = gradient.f_contiguous()?;
            // SAFETY: nothing writes to gradients here.
            square_sum(unsafe { values(&gradient)? })
        } else {
            gradient.f_norm()?.f_double_value(&[])?.powi(2)
        };
    }
    Ok(total.sqrt())
}

/// Sum of squares, chunk sums added in order, so that the number of threads does not show in the result.
fn square_sum(values: &[f32]) -> f64 {
    let sums: Vec<f64> = values
        .par_chunks(CHUNK)
        .map(|chunk| chunk.iter().map(|&x| f64::from(x) * f64::from(x)).sum())
        .collect();
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use re_model::parameters::{Builder, Init};

    use super::*;

    const RATES: LearningRates = LearningRates { encoder: 0.1, head: 0.1 };

    fn parameters() -> Parameters {
        let mut builder = Builder::new(None, "bert", Device::Cpu, 1);
        let _ = builder.parameter("head.weight", &[6, 4], Init::Normal(1.0)).unwrap();
        let _ = builder.parameter("head.bias", &[4], Init::Ones).unwrap();
        builder.finish().unwrap().0
    }

    fn values_of(parameters: &Parameters) -> Vec<Vec<f32>> {
        parameters.iter().map(|p| Vec::try_from(p.tensor.contiguous().view(-1)).unwrap()).collect()
    }

    #[test]
    fn what_does_not_fit_the_parameters_is_an_error_and_changes_nothing() {
        let parameters = parameters();
        let before = values_of(&parameters);
        let float = tch::kind::FLOAT_CPU;
        let fitting = || [Tensor::ones([6, 4], float), Tensor::ones([4], float)];
        let [weight, bias] = fitting();
        let cases = [
            vec![weight.shallow_clone()],
            vec![weight.shallow_clone(), bias.shallow_clone(), bias.shallow_clone()],
            vec![weight.to_kind(Kind::BFloat16), bias.shallow_clone()],
            vec![weight.to_kind(Kind::Double), bias.shallow_clone()],
            vec![Tensor::ones([4, 6], float), bias.shallow_clone()],
            vec![Tensor::ones([24], float), bias.shallow_clone()],
            // The last gradient is looked at before the first parameter is changed.
            vec![weight.shallow_clone(), Tensor::ones([3], float)],
        ];
        let mut optimizer = AdamW::new(AdamWConfig::default(), &parameters).unwrap();
        for gradients in &cases {
            let error = optimizer.step(&parameters, gradients, 1.0, RATES).unwrap_err();
            assert!(matches!(error, Error::Optimizer { .. }), "{error}");
        }
        assert!(
            optimizer
                .step(&parameters, &[weight.to_sparse(None, None::<i64>, None), bias], 1.0, RATES)
                .is_err()
        );
        let empty = Builder::new(None, "bert", Device::Cpu, 1).finish().unwrap().0;
        let mut other = AdamW::new(AdamWConfig::default(), &empty).unwrap();
        let error = other.step(&parameters, &fitting(), 1.0, RATES).unwrap_err();
        assert!(error.to_string().contains("optimizer state of the model: 0, expected 2 tensors"), "{error}");
        assert_eq!((optimizer.steps(), other.steps()), (0, 0));
        assert_eq!(values_of(&parameters), before);
    }

    #[test]
    fn the_layout_of_a_gradient_does_not_matter() {
        let step = |gradient: &dyn Fn(&Parameters) -> Tensor| {
            let parameters = parameters();
            let mut optimizer = AdamW::new(AdamWConfig::default(), &parameters).unwrap();
            let gradients = [gradient(&parameters), Tensor::new()];
            optimizer.step(&parameters, &gradients, 1.0, RATES).unwrap();
            values_of(&parameters)
        };
        let numbers = || Tensor::arange(24, tch::kind::FLOAT_CPU).view([6, 4]);
        let transposed = |_: &Parameters| numbers().transpose(0, 1).contiguous().transpose(0, 1);
        assert_eq!(step(&|_| numbers()), step(&transposed));
        let one = Tensor::ones([1], tch::kind::FLOAT_CPU);
        assert_eq!(
            step(&|_| one.expand([6, 4], false)),
            step(&|_| Tensor::ones([6, 4], tch::kind::FLOAT_CPU))
        );
        // A gradient on the parameter's own memory counts as it was before the step.
        let own = |parameters: &Parameters| parameters.iter().next().unwrap().tensor.shallow_clone();
        assert_eq!(step(&own), step(&|parameters: &Parameters| own(parameters).copy()));
    }
}

//! The few operations that encoder and heads are made of.

pub use re_checkpoint::Precision;
use tch::{Device, Kind, Tensor};

use crate::config::Activation;
pub use crate::dropout::{Masks, dropout};
use crate::error::Result;

/// Whether a model is being trained (dropout on) or evaluated.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// Dropout is on, and takes its masks from this stream.
    Train(&'a Masks),
    /// Dropout is off.
    Eval,
}

/// The number format that suits a device: [`Precision::Bf16`] where it multiplies bfloat16 natively, as CUDA devices do, else
/// [`Precision::Fp32`].
pub fn precision_of(device: Device) -> Precision {
    if device == Device::Cpu { Precision::native() } else { Precision::Bf16 }
}

pub(crate) fn kind_of(precision: Precision) -> Kind {
    match precision {
        Precision::Fp32 => Kind::Float,
        Precision::Bf16 => Kind::BFloat16,
    }
}

/// A linear layer `x Wᵀ + b`.
#[derive(Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Tensor,
}

impl Linear {
    /// The same layer: of the same values, not of copies.
    pub(crate) fn shallow_clone(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.shallow_clone() }
    }

    /// Applies the layer to the last dimension of `x`, in the number format of `x`.
    ///
    /// # Shapes
    /// `[.., in]` to `[.., out]`.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) where the widths differ.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (self.weight.f_to_kind(x.kind())?, self.bias.f_to_kind(x.kind())?);
        Ok(x.f_linear(&weight, Some(&bias))?)
    }
}

/// Layer normalisation over the last dimension (Ba et al. 2016).
#[derive(Debug)]
pub struct LayerNorm {
    /// `[width]`.
    pub weight: Tensor,
    /// `[width]`.
    pub bias: Tensor,
    /// Added to the variance.
    pub eps: f64,
}

impl LayerNorm {
    /// Normalises the last dimension of `x`.
    ///
    /// # Shapes
    /// `[.., width]` to the same.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) where the widths differ.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let norm = |x: &Tensor| {
            x.f_layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), self.eps, false)
        };
        // The CPU's kernel takes bf16 values with fp32 parameters and computes in fp32; CUDA's wants one format.
        if x.kind() == Kind::Float || x.device() == Device::Cpu {
            return Ok(norm(x)?);
        }
        Ok(norm(&x.f_to_kind(Kind::Float)?)?.f_to_kind(x.kind())?)
    }
}

/// Applies an activation to every value.
///
/// # Errors
/// [`Error::Torch`](crate::Error::Torch).
pub fn activate(activation: Activation, x: &Tensor) -> Result<Tensor> {
    Ok(match activation {
        Activation::Gelu => x.f_gelu("none")?,
        Activation::GeluTanh => x.f_gelu("tanh")?,
        Activation::Relu => x.f_relu()?,
        Activation::Silu => x.f_silu()?,
        Activation::Tanh => x.f_tanh()?,
    })
}

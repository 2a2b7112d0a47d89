//! The few operations that encoder and heads are made of.

use serde::{Deserialize, Serialize};
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

/// Number format in which the encoder computes. Parameters, their gradients, LayerNorm statistics, softmax and
/// loss are 32-bit floats in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    Fp32,
    /// Products and activations in bfloat16, as `transformers` does under autocast: faster where the processor
    /// multiplies bfloat16 natively.
    Bf16,
}

impl Precision {
    /// [`Precision::Bf16`] where this processor multiplies bfloat16 natively, else [`Precision::Fp32`].
    pub fn native() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512bf16") {
            return Self::Bf16;
        }
        Self::Fp32
    }

    /// The number format that suits a device: [`Precision::Bf16`] where it multiplies bfloat16 natively, as CUDA devices
    /// do, else [`Precision::Fp32`].
    pub fn of_device(device: Device) -> Self {
        if device == Device::Cpu { Self::native() } else { Self::Bf16 }
    }

    /// The number format to predict in: the one that is asked for or, where none is, the one that the model was trained
    /// in, as far as the device multiplies it natively. What is not known to be trained in fp32 suits the device.
    pub fn of_prediction(asked: Option<Self>, trained: Option<Self>, device: Device) -> Self {
        asked.or(trained.filter(|trained| *trained == Self::Fp32)).unwrap_or_else(|| Self::of_device(device))
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Fp32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
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

impl Activation {
    /// Applies the activation to every value.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Gelu => x.f_gelu("none")?,
            Self::GeluTanh => x.f_gelu("tanh")?,
            Self::Relu => x.f_relu()?,
            Self::Silu => x.f_silu()?,
            Self::Tanh => x.f_tanh()?,
        })
    }
}

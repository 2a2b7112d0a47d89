//! Number formats.

use serde::{Deserialize, Serialize};

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

    /// The number format to predict in: the one that is asked for or, where none is, the one that the model was trained
    /// in, as far as the device multiplies it natively. What is not known to be trained in fp32 is computed in `suiting`,
    /// the format that suits the device.
    pub fn of_prediction(asked: Option<Self>, trained: Option<Self>, suiting: Self) -> Self {
        asked.or(trained.filter(|trained| *trained == Self::Fp32)).unwrap_or(suiting)
    }
}

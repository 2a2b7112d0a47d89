//! What a model is computed with.

use re_checkpoint::Precision;
use serde::Serialize;

use crate::kernel::Kernel;

/// In which numbers the products of an encoder's linear layers are computed. All else is computed in 32-bit floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NumberFormat {
    /// 32-bit floats.
    #[default]
    Fp32,
    /// Factors in bfloat16, sums in 32-bit floats.
    Bf16,
    /// Factors in whole numbers of eight bits: weights divided by a scale for each result, states by one for each token, found
    /// as they come. Sums are exact, in 32 bits.
    Int8,
}

/// A matrix product of an encoder's layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerProduct {
    /// Hidden states to queries.
    Query,
    /// Hidden states to keys and values.
    KeyValue,
    /// What attention has gathered, to hidden states.
    AttentionOutput,
    /// Hidden states to the wider ones of the feed-forward part.
    Intermediate,
    /// Those back to hidden states.
    Output,
}

impl LayerProduct {
    /// All products of a layer, in the order in which they are computed.
    pub const ALL: [Self; 5] =
        [Self::Query, Self::KeyValue, Self::AttentionOutput, Self::Intermediate, Self::Output];
}

/// Instructions and number formats.
#[derive(Debug, Clone)]
pub(crate) struct Computing {
    pub kernel: Kernel,
    /// The format of weights that are stored as floats.
    pub floats: NumberFormat,
    /// That of weights that are stored as whole numbers of eight bits.
    pub bytes: NumberFormat,
    /// Products of layers that are computed in another format than `floats`.
    pub kept: (Vec<LayerProduct>, NumberFormat),
}

impl Computing {
    /// What is asked for. Else: the fastest instructions; weights in eight bits as they are stored; all others in the format that
    /// the model was `trained` in, as far as the processor multiplies it by an instruction of its own, and what is not known
    /// to be trained in 32-bit floats in the one that suits it.
    pub fn new(kernel: Option<Kernel>, asked: Option<NumberFormat>, trained: Option<Precision>) -> Self {
        let kernel = kernel.unwrap_or_else(Kernel::best);
        let floats = asked.unwrap_or_else(|| Self::suiting(kernel, trained));
        let bytes = asked.unwrap_or(NumberFormat::Int8);
        Self { kernel, floats, bytes, kept: (Vec::new(), floats) }
    }

    fn suiting(kernel: Kernel, trained: Option<Precision>) -> NumberFormat {
        match trained {
            Some(Precision::Fp32) => NumberFormat::Fp32,
            _ if kernel.multiplies_bf16() => NumberFormat::Bf16,
            _ => NumberFormat::Fp32,
        }
    }

    /// Whole numbers of eight bits for all products but those `kept`, which are computed as the model was `trained`.
    pub fn quantized(trained: Option<Precision>, kept: &[LayerProduct]) -> Self {
        let kernel = Kernel::best();
        let format = NumberFormat::Int8;
        Self { kernel, floats: format, bytes: format, kept: (kept.to_vec(), Self::suiting(kernel, trained)) }
    }

    /// The format of a product, by how its weights are stored.
    pub fn format(&self, product: LayerProduct, bytes: bool) -> NumberFormat {
        match &self.kept {
            (kept, format) if kept.contains(&product) => *format,
            _ if bytes => self.bytes,
            _ => self.floats,
        }
    }
}

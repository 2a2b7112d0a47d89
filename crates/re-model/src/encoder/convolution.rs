//! A convolution over the tokens of each row, beside the first layer.

use tch::Tensor;

use crate::batch::TokenBatch;
use crate::config::{Convolution, EncoderConfig};
use crate::error::Result;
use crate::ops::{LayerNorm, Mode, activate, dropout};
use crate::parameters::{Builder, Init};

/// What neighbouring tokens say, added to the states behind the first layer (He et al. 2021, as in their released models).
#[derive(Debug)]
pub(super) struct ConvolutionLayer {
    shape: Convolution,
    /// `[hidden_size, hidden_size / groups, kernel_size]`.
    weight: Tensor,
    bias: Tensor,
    norm: LayerNorm,
}

impl ConvolutionLayer {
    pub fn new(
        shape: Convolution,
        name: &str,
        config: &EncoderConfig,
        builder: &mut Builder<'_>,
    ) -> Result<Self> {
        let hidden = config.hidden_size;
        let weights = [hidden, hidden / shape.groups, shape.kernel_size];
        let std = Init::Normal(config.initializer_range);
        Ok(Self {
            shape,
            weight: builder.parameter(&format!("{name}.conv.weight"), &weights, std)?,
            bias: builder.parameter(&format!("{name}.conv.bias"), &[hidden], Init::Zeros)?,
            norm: builder.layer_norm(&format!("{name}.LayerNorm"), hidden, config.layer_norm_eps)?,
        })
    }

    /// The convolution of what enters the first layer, `embedded`, added to what that layer gives, `states`: for all tokens
    /// or for those at `query_positions`.
    ///
    /// # Shapes
    /// `[T, hidden_size]` and the states of the tokens that are asked for to the same as the latter.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn forward(
        &self,
        config: &EncoderConfig,
        embedded: &Tensor,
        states: &Tensor,
        batch: &TokenBatch,
        query_positions: Option<&[i64]>,
        mode: Mode<'_>,
    ) -> Result<Tensor> {
        let kind = embedded.kind();
        let (weight, bias) = (self.weight.f_to_kind(kind)?, self.bias.f_to_kind(kind)?);
        let layout = batch.layout()?;
        let padded = layout.pad_states(embedded)?.f_transpose(1, 2)?.f_contiguous()?;
        let beside = self.shape.kernel_size / 2;
        let mixed = padded.f_conv1d(&weight, Some(&bias), 1, beside, 1, self.shape.groups)?;
        let mut mixed = layout.flatten_states(&mixed.f_transpose(1, 2)?)?;
        if let Some(query_positions) = query_positions {
            mixed = mixed
                .f_index_select(0, &Tensor::f_from_slice(query_positions)?.f_to_device(mixed.device())?)?;
        }
        let mixed = dropout(&mixed, config.hidden_dropout_prob, mode)?;
        self.norm.forward(&activate(self.shape.activation, &mixed)?.f_add(states)?)
    }
}

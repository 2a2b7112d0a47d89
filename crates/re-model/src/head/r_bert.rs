//! R-BERT.

use tch::Tensor;

use super::{Head, HeadInput, first_tokens, positions};
use crate::batch::TokenBatch;
use crate::config::{Activation, EncoderConfig};
use crate::error::Result;
use crate::ops::{Linear, Mode, activate, dropout};
use crate::parameters::Builder;

/// First token and entity means, each through a dense layer with tanh (one layer shared by the entities),
/// concatenated: Wu and He 2019, *Enriching Pre-trained Language Model with Entity Information*.
#[derive(Debug)]
pub struct RBert {
    first: Linear,
    entity: Linear,
    output: Linear,
    rate: f64,
}

impl RBert {
    /// Takes the head's parameters from `builder`.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    pub fn new(builder: &mut Builder<'_>, config: &EncoderConfig, classes: i64) -> Result<Self> {
        let (hidden, std) = (config.hidden_size, config.initializer_range);
        Ok(Self {
            first: builder.linear("head.cls", hidden, hidden, std)?,
            entity: builder.linear("head.entity", hidden, hidden, std)?,
            output: builder.linear("head.output", 3 * hidden, classes, std)?,
            rate: config.classifier_dropout,
        })
    }
}

impl Head for RBert {
    fn tokens(&self, batch: &TokenBatch) -> Option<Vec<i64>> {
        let entities = batch.entity(0).chain(batch.entity(1)).flatten().map(|span| span.range());
        Some(positions(first_tokens(batch).chain(entities)))
    }

    fn forward(&self, input: &HeadInput<'_>, mode: Mode<'_>) -> Result<Tensor> {
        let dense = |layer: &Linear, states: Tensor| {
            layer.forward(&activate(Activation::Tanh, &dropout(&states, self.rate, mode)?)?)
        };
        let features = [
            dense(&self.first, input.first_token()?)?,
            dense(&self.entity, input.entity_mean(0)?)?,
            dense(&self.entity, input.entity_mean(1)?)?,
        ];
        self.output.forward(&dropout(&Tensor::f_cat(&features, -1)?, self.rate, mode)?)
    }
}

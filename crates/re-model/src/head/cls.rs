//! The classification head of `transformers`' `AutoModelForSequenceClassification`.

use tch::Tensor;

use super::{Head, HeadInput, first_tokens, positions};
use crate::batch::TokenBatch;
use crate::config::{ClsLayout, EncoderConfig};
use crate::error::Result;
use crate::ops::{Linear, Mode, activate, dropout};
use crate::parameters::Builder;

/// Dense layer, activation and output layer on the first token, named and arranged as the checkpoint's
/// architecture has them: BERT's pooler and classifier, or the classification head of the others.
#[derive(Debug)]
pub struct Cls {
    layout: ClsLayout,
    dense: Linear,
    output: Linear,
    rate: f64,
}

impl Cls {
    /// Takes the head's parameters from `builder`.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    pub fn new(builder: &mut Builder<'_>, config: &EncoderConfig, classes: i64) -> Result<Self> {
        let (layout, hidden, std) = (config.cls_layout(), config.hidden_size, config.initializer_range);
        Ok(Self {
            layout,
            dense: builder.linear(layout.dense, hidden, hidden, std)?,
            output: builder.linear(layout.output, hidden, classes, std)?,
            rate: config.classifier_dropout,
        })
    }
}

impl Head for Cls {
    fn tokens(&self, batch: &TokenBatch) -> Option<Vec<i64>> {
        Some(positions(first_tokens(batch)))
    }

    fn forward(&self, input: &HeadInput<'_>, mode: Mode<'_>) -> Result<Tensor> {
        let first = dropout(&input.first_token()?, self.layout.dropout_first, mode)?;
        let inner = activate(self.layout.activation, &self.dense.forward(&first)?)?;
        self.output.forward(&dropout(&inner, self.rate, mode)?)
    }
}

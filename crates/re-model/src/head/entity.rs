//! Heads on the states of the two entities.

use tch::Tensor;

use super::{FeatureClassifier, Head, HeadInput, positions};
use crate::batch::TokenBatch;
use crate::config::EncoderConfig;
use crate::error::Result;
use crate::ops::Mode;
use crate::parameters::Builder;

/// States at the first token of both entities (their opening markers where there are any), concatenated:
/// "entity start" of Baldini Soares et al. 2019, *Matching the Blanks*.
#[derive(Debug)]
pub struct EntityStart(FeatureClassifier);

impl EntityStart {
    /// Takes the head's parameters from `builder`.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    pub fn new(builder: &mut Builder<'_>, config: &EncoderConfig, classes: i64) -> Result<Self> {
        FeatureClassifier::new(builder, config, 2 * config.hidden_size, classes).map(Self)
    }
}

impl Head for EntityStart {
    fn tokens(&self, batch: &TokenBatch) -> Option<Vec<i64>> {
        let marked = batch.marked_entity(0).chain(batch.marked_entity(1)).flatten();
        Some(positions(marked.map(|span| span.start()..span.start() + 1)))
    }

    fn forward(&self, input: &HeadInput<'_>, mode: Mode<'_>) -> Result<Tensor> {
        self.0.forward(&[input.entity_start(0)?, input.entity_start(1)?], mode)
    }
}

/// Means over the tokens of both entities, their product, and the mean over the row.
///
/// It reads the entities where they stand, so that it works with every markup and with encoders whose first
/// token says little.
#[derive(Debug)]
pub struct EntityMean(FeatureClassifier);

impl EntityMean {
    /// Takes the head's parameters from `builder`.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    pub fn new(builder: &mut Builder<'_>, config: &EncoderConfig, classes: i64) -> Result<Self> {
        FeatureClassifier::new(builder, config, 4 * config.hidden_size, classes).map(Self)
    }
}

impl Head for EntityMean {
    fn forward(&self, input: &HeadInput<'_>, mode: Mode<'_>) -> Result<Tensor> {
        let (first, second) = (input.entity_mean(0)?, input.entity_mean(1)?);
        let product = first.f_mul(&second)?;
        self.0.forward(&[first, second, product, input.sentence_mean()?], mode)
    }
}

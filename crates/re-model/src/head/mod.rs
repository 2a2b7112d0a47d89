//! Heads: from hidden states to logits.

mod cls;
mod entity;
mod input;
mod mention_pair;
mod r_bert;
mod tokens;

pub use cls::Cls;
pub use entity::{EntityMean, EntityStart};
pub use input::HeadInput;
pub use mention_pair::{MentionPair, MentionPairConfig, PairFeature};
pub use r_bert::RBert;
pub use tokens::Tokens;

use std::ops::Range;

pub use re_checkpoint::HeadConfig;
use tch::Tensor;

use crate::batch::TokenBatch;
use crate::config::Activation;
use crate::config::EncoderConfig;
use crate::error::Result;
use crate::ops::{LayerNorm, Linear, Mode, activate, dropout};
use crate::parameters::{Builder, Part};

/// What turns the encoder's hidden states into one row of logits for each example.
///
/// Implement it for a head of your own; its parameters come from the [`Builder`] that constructs it, under
/// names that begin with `head.`, so that they are trained, saved and loaded like all others.
pub trait Head: std::fmt::Debug + Send {
    /// The tokens whose states this head looks at, as flat positions in the batch; all where it does not say. Order and
    /// repetition do not matter. The encoder's last layer computes the states of no others.
    fn tokens(&self, _batch: &TokenBatch) -> Option<Vec<i64>> {
        None
    }

    /// Logits of the batch.
    ///
    /// # Shapes
    /// `[B, classes]` for a batch of `B` rows. A head that judges tokens, as one that finds answers does, gives
    /// `[T, classes]` for its `T` tokens; no [`RelationClassifier`](crate::RelationClassifier) can have it.
    ///
    /// # Errors
    /// Whatever libtorch refuses.
    fn forward(&self, input: &HeadInput<'_>, mode: Mode<'_>) -> Result<Tensor>;
}

/// Makes the heads that settings name.
pub trait BuildHead {
    /// Builds the head for `classes` classes.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    fn build(self, builder: &mut Builder<'_>, config: &EncoderConfig, classes: i64) -> Result<Box<dyn Head>>;
}

impl BuildHead for HeadConfig {
    fn build(self, builder: &mut Builder<'_>, config: &EncoderConfig, classes: i64) -> Result<Box<dyn Head>> {
        builder.begin(Part::Head);
        Ok(match self {
            Self::Cls => Box::new(Cls::new(builder, config, classes)?),
            Self::EntityStart => Box::new(EntityStart::new(builder, config, classes)?),
            Self::EntityMean => Box::new(EntityMean::new(builder, config, classes)?),
            Self::RBert => Box::new(RBert::new(builder, config, classes)?),
            Self::MentionPair(pair) => Box::new(MentionPair::new(builder, config, classes, pair)?),
        })
    }
}

/// The positions in all spans, as [`Head::tokens`] gives them.
fn positions(spans: impl Iterator<Item = Range<usize>>) -> Vec<i64> {
    spans.flatten().map(|position| position as i64).collect()
}

/// The first token of each row.
fn first_tokens(batch: &TokenBatch) -> impl Iterator<Item = Range<usize>> {
    batch.row_ranges().map(|row| row.start..row.start + 1)
}

/// LayerNorm, a hidden layer with GELU, and the output layer, on concatenated features.
///
/// The normalisation matters: features of an encoder whose last layer barely varies between inputs would
/// otherwise start training on a plateau.
#[derive(Debug)]
struct FeatureClassifier {
    norm: LayerNorm,
    dense: Linear,
    output: Linear,
    rate: f64,
}

impl FeatureClassifier {
    fn new(builder: &mut Builder<'_>, config: &EncoderConfig, features: i64, classes: i64) -> Result<Self> {
        let std = config.initializer_range;
        Ok(Self {
            norm: builder.layer_norm("head.LayerNorm", features, config.layer_norm_eps)?,
            dense: builder.linear("head.dense", features, config.hidden_size, std)?,
            output: builder.linear("head.output", config.hidden_size, classes, std)?,
            rate: config.classifier_dropout,
        })
    }

    fn forward(&self, features: &[Tensor], mode: Mode<'_>) -> Result<Tensor> {
        let features = self.norm.forward(&Tensor::f_cat(features, -1)?)?;
        let inner = self.dense.forward(&dropout(&features, self.rate, mode)?)?;
        let inner = dropout(&activate(Activation::Gelu, &inner)?, self.rate, mode)?;
        self.output.forward(&inner)
    }
}

//! Heads: from hidden states to logits.

mod cls;
mod entity;
mod r_bert;
mod span;

pub use cls::Cls;
pub use entity::{EntityMean, EntityStart};
pub use r_bert::RBert;
pub use span::{Span, span_loss};

use re_data::TokenSpan;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::batch::{TokenBatch, averaging_matrix};
use crate::config::Activation;
use crate::config::EncoderConfig;
use crate::error::Result;
use crate::ops::{LayerNorm, Linear, Mode, dropout};
use crate::parameters::{Builder, Part};

/// What turns the encoder's hidden states into one row of logits for each example.
///
/// Implement it for a head of your own; its parameters come from the [`Builder`] that constructs it, under
/// names that begin with `head.`, so that they are trained, saved and loaded like all others.
pub trait Head: std::fmt::Debug + Send {
    /// Logits of the batch.
    ///
    /// # Shapes
    /// `[B, classes]` for a batch of `B` rows. A head that judges tokens, as [`Span`] does, gives `[T, classes]` for its
    /// `T` tokens; no [`RelationClassifier`](crate::RelationClassifier) can have it.
    ///
    /// # Errors
    /// Whatever libtorch refuses.
    fn forward(&self, input: &HeadInput<'_>, mode: Mode) -> Result<Tensor>;
}

/// The heads that this crate offers, as named in configuration files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadConfig {
    /// The checkpoint architecture's own classification head on the first token: [`Cls`].
    Cls,
    /// Hidden states at both entity starts: [`EntityStart`].
    EntityStart,
    /// Means over both entities and over the row: [`EntityMean`].
    #[default]
    EntityMean,
    /// First token and both entity means: [`RBert`].
    RBert,
}

impl HeadConfig {
    /// Builds the head for `classes` classes.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    pub fn build(
        self,
        builder: &mut Builder<'_>,
        config: &EncoderConfig,
        classes: i64,
    ) -> Result<Box<dyn Head>> {
        builder.begin(Part::Head);
        Ok(match self {
            Self::Cls => Box::new(Cls::new(builder, config, classes)?),
            Self::EntityStart => Box::new(EntityStart::new(builder, config, classes)?),
            Self::EntityMean => Box::new(EntityMean::new(builder, config, classes)?),
            Self::RBert => Box::new(RBert::new(builder, config, classes)?),
        })
    }
}

/// Hidden states of a batch, and the ways heads look at them.
///
/// An entity that truncation removed contributes zeros.
#[derive(Debug)]
pub struct HeadInput<'a> {
    /// Hidden states, `[T, hidden_size]`.
    pub states: &'a Tensor,
    /// The batch they belong to.
    pub batch: &'a TokenBatch,
}

impl HeadInput<'_> {
    /// States of each row's first token, `[B, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn first_token(&self) -> Result<Tensor> {
        let starts: Vec<i64> = self.batch.row_ranges().map(|row| row.start as i64).collect();
        let index = Tensor::f_from_slice(&starts)?.f_to_device(self.batch.device())?;
        Ok(self.states.f_index_select(0, &index)?)
    }

    /// Mean of the states over the tokens of entity 0 or 1, `[B, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn entity_mean(&self, entity: usize) -> Result<Tensor> {
        self.mean(self.batch.entity(entity).map(|span| span.map(|s| s.range())).collect())
    }

    /// States at the first token of entity 0 or 1: its opening marker where the markup writes one,
    /// `[B, hidden_size]` (Baldini Soares et al. 2019).
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn entity_start(&self, entity: usize) -> Result<Tensor> {
        let first = |span: TokenSpan| span.start()..span.start() + 1;
        self.mean(self.batch.marked_entity(entity).map(|span| span.map(first)).collect())
    }

    /// Mean of the states over all tokens of each row, `[B, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn sentence_mean(&self) -> Result<Tensor> {
        self.mean(self.batch.row_ranges().map(Some).collect())
    }

    fn mean(&self, spans: Vec<Option<std::ops::Range<usize>>>) -> Result<Tensor> {
        let matrix = averaging_matrix(spans.into_iter(), self.batch.tokens(), self.batch.device())?;
        Ok(matrix.f_to_kind(self.states.kind())?.f_matmul(self.states)?)
    }
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

    fn forward(&self, features: &[Tensor], mode: Mode) -> Result<Tensor> {
        let features = self.norm.forward(&Tensor::f_cat(features, -1)?)?;
        let inner = self.dense.forward(&dropout(&features, self.rate, mode)?)?;
        let inner = dropout(&Activation::Gelu.forward(&inner)?, self.rate, mode)?;
        self.output.forward(&inner)
    }
}

//! Heads: from hidden states to logits.

mod cls;
mod entity;
mod r_bert;
mod tokens;

pub use cls::Cls;
pub use entity::{EntityMean, EntityStart};
pub use r_bert::RBert;
pub use tokens::Tokens;

use std::collections::HashMap;
use std::ops::Range;

use re_data::TokenSpan;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::batch::{TokenBatch, averaging_matrix};
use crate::config::Activation;
use crate::config::EncoderConfig;
use crate::error::{Error, Result};
use crate::ops::{LayerNorm, Linear, Mode, dropout};
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
    /// Hidden states of all tokens, `[T, hidden_size]`, or of those that [`Head::tokens`] named.
    pub states: &'a Tensor,
    /// The batch they belong to.
    pub batch: &'a TokenBatch,
    /// Flat positions of the tokens that the states belong to, where those are not all.
    pub tokens: Option<&'a [i64]>,
}

impl HeadInput<'_> {
    /// States of each row's first token, `[B, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`]; [`Error::Data`] where [`Head::tokens`] did not name the tokens.
    pub fn first_token(&self) -> Result<Tensor> {
        let starts: Vec<i64> = first_tokens(self.batch)
            .map(|first| Ok(self.columns(first)?.start as i64))
            .collect::<Result<_>>()?;
        let index = Tensor::f_from_slice(&starts)?.f_to_device(self.batch.device())?;
        Ok(self.states.f_index_select(0, &index)?)
    }

    /// Mean of the states over the tokens of entity 0 or 1, `[B, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`]; [`Error::Data`] where [`Head::tokens`] did not name the tokens.
    pub fn entity_mean(&self, entity: usize) -> Result<Tensor> {
        self.mean(self.batch.entity(entity).map(|span| span.map(|s| s.range())).collect())
    }

    /// States at the first token of entity 0 or 1: its opening marker where the markup writes one,
    /// `[B, hidden_size]` (Baldini Soares et al. 2019).
    ///
    /// # Errors
    /// [`Error::Torch`]; [`Error::Data`] where [`Head::tokens`] did not name the tokens.
    pub fn entity_start(&self, entity: usize) -> Result<Tensor> {
        let first = |span: TokenSpan| span.start()..span.start() + 1;
        self.mean(self.batch.marked_entity(entity).map(|span| span.map(first)).collect())
    }

    /// Mean of the states over all tokens of each row, `[B, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`]; [`Error::Data`] where [`Head::tokens`] did not name the tokens.
    pub fn sentence_mean(&self) -> Result<Tensor> {
        self.mean(self.batch.row_ranges().map(Some).collect())
    }

    fn mean(&self, spans: Vec<Option<Range<usize>>>) -> Result<Tensor> {
        // Rows of one sequence share their spans: each is averaged once.
        let (mut known, mut different) = (HashMap::new(), Vec::new());
        let mut of_row = Vec::with_capacity(spans.len());
        for span in spans {
            of_row.push(*known.entry(span.clone()).or_insert_with(|| {
                different.push(span);
                different.len() as i64 - 1
            }));
        }
        let spans = different
            .into_iter()
            .map(|span| span.map(|span| self.columns(span)).transpose())
            .collect::<Result<Vec<_>>>()?;
        let columns = self.tokens.map_or(self.batch.tokens(), <[i64]>::len);
        let all_differ = spans.len() == of_row.len();
        let matrix = averaging_matrix(spans.into_iter(), columns, self.batch.device())?;
        let means = matrix.f_to_kind(self.states.kind())?.f_matmul(self.states)?;
        if all_differ {
            return Ok(means);
        }
        Ok(means.f_index_select(0, &Tensor::f_from_slice(&of_row)?.f_to_device(self.batch.device())?)?)
    }

    /// Rows of `states` that are those of the tokens in `span`.
    fn columns(&self, span: Range<usize>) -> Result<Range<usize>> {
        let Some(tokens) = self.tokens else { return Ok(span) };
        let start = tokens.partition_point(|&token| token < span.start as i64);
        let columns = start..start + span.len();
        // Positions follow each other strictly, so that equal ends say that all between are there.
        let found = tokens.get(columns.clone()).and_then(|found| Some((*found.first()?, *found.last()?)));
        if found == Some((span.start as i64, span.end as i64 - 1)) {
            return Ok(columns);
        }
        Err(Error::Data(re_data::Error::Argument {
            name: "Head::tokens",
            found: format!("not all tokens of {span:?}"),
            expected: "every token that the head looks at",
        }))
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
        let inner = dropout(&Activation::Gelu.forward(&inner)?, self.rate, mode)?;
        self.output.forward(&inner)
    }
}

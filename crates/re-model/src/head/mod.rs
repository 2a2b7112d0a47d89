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

use std::fmt;
use std::ops::Range;

use re_data::Markup;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tch::Tensor;

use crate::batch::TokenBatch;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
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
    /// Both mentions, the text between them, distance and types: [`MentionPair`]. Settings write `"mention_pair"`, or
    /// `{ mention_pair = { features = [..] } }`.
    MentionPair(MentionPairConfig),
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
            Self::MentionPair(pair) => Box::new(MentionPair::new(builder, config, classes, pair)?),
        })
    }

    /// The same head for rows that carry as many entity types as `markup` gives them.
    pub(crate) fn for_markup(self, markup: &dyn Markup) -> Self {
        match self {
            Self::MentionPair(mut pair) => {
                pair.types = u16::try_from(markup.entity_types().len()).unwrap_or(u16::MAX);
                Self::MentionPair(pair)
            }
            other => other,
        }
    }
}

impl<'de> Deserialize<'de> for HeadConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(HeadVisitor)
    }
}

/// Reads a name, or a name with settings.
struct HeadVisitor;

const NAMES: &[&str] = &["cls", "entity_start", "entity_mean", "r_bert", "mention_pair"];

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = HeadConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a head, one of {}", NAMES.join(", "))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> std::result::Result<HeadConfig, E> {
        Ok(match name {
            "cls" => HeadConfig::Cls,
            "entity_start" => HeadConfig::EntityStart,
            "entity_mean" => HeadConfig::EntityMean,
            "r_bert" => HeadConfig::RBert,
            "mention_pair" => HeadConfig::MentionPair(MentionPairConfig::default()),
            other => return Err(E::unknown_variant(other, NAMES)),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<HeadConfig, A::Error> {
        match map.next_key::<String>()?.as_deref() {
            Some("mention_pair") => Ok(HeadConfig::MentionPair(map.next_value()?)),
            other => Err(de::Error::unknown_field(other.unwrap_or_default(), &["mention_pair"])),
        }
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

//! A head on pairs of mentions that stand in the text without markers.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{FeatureClassifier, Head, HeadInput};
use crate::batch::TokenBatch;
use crate::config::EncoderConfig;
use crate::error::Result;
use crate::ops::{Linear, Mode};
use crate::parameters::{Builder, Init};

/// Width of the embeddings of types and distances.
const EMBEDDED: i64 = 32;
/// Buckets of distances of either order, see [`bucket`].
const BUCKETS: i64 = 10;

/// One thing that [`MentionPair`] knows of a pair of mentions. All states are those of the encoder's last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairFeature {
    /// Means of the states over the tokens of both mentions.
    Mean,
    /// Maxima over them, as in SpERT (Eberts and Ulges 2020, *Span-based Joint Entity and Relation Extraction with
    /// Transformer Pre-training*).
    Max,
    /// States at both first tokens (Baldini Soares et al. 2019, *Matching the Blanks*).
    Start,
    /// Product of both means.
    Product,
    /// Mean over the tokens between the mentions; zeros where there are none.
    Between,
    /// Maximum over them, as in SpERT.
    BetweenMax,
    /// Embedding of the number of tokens between the mentions and of which one comes first.
    Distance,
    /// Embeddings of both types; needs a markup that gives them, as
    /// [`PlainTyped`](re_data::markup::PlainTyped).
    Types,
    /// Mean of the states of the sentence, weighed by the pair: the localised context of Zhou et al. 2021,
    /// *Document-Level Relation Extraction with Adaptive Thresholding and Localized Context Pooling*, with an attention of
    /// its own.
    Context,
    /// Mean over the row.
    Sentence,
}

impl PairFeature {
    /// All of them, in the order in which the head has them.
    pub const ALL: [Self; 10] = [
        Self::Mean,
        Self::Max,
        Self::Start,
        Self::Product,
        Self::Between,
        Self::BetweenMax,
        Self::Distance,
        Self::Types,
        Self::Context,
        Self::Sentence,
    ];

    fn width(self, hidden: i64) -> i64 {
        match self {
            Self::Mean | Self::Max | Self::Start => 2 * hidden,
            Self::Product | Self::Between | Self::BetweenMax | Self::Context | Self::Sentence => hidden,
            Self::Distance => EMBEDDED,
            Self::Types => 2 * EMBEDDED,
        }
    }
}

/// What a [`MentionPair`] looks at.
///
/// ```
/// use re_model::head::{MentionPairConfig, PairFeature};
/// let config: MentionPairConfig = serde_json::from_str(r#"{"features": ["mean", "between"]}"#)?;
/// assert!(config.has(PairFeature::Between) && !config.has(PairFeature::Types));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MentionPairConfig {
    /// The features, in any order. Default: those of SpERT, with means, the distance and the types.
    #[serde(with = "list")]
    features: u16,
    /// Number of entity types that rows carry; a classifier takes it from its markup.
    pub types: u16,
}

impl Default for MentionPairConfig {
    fn default() -> Self {
        use PairFeature::{BetweenMax, Distance, Max, Mean, Types};
        Self::new(&[Mean, Max, BetweenMax, Distance, Types])
    }
}

impl MentionPairConfig {
    /// These features.
    pub fn new(features: &[PairFeature]) -> Self {
        Self { features: features.iter().fold(0, |set, &feature| set | 1 << feature as u16), types: 0 }
    }

    /// Whether `feature` is one of them.
    pub fn has(&self, feature: PairFeature) -> bool {
        self.features & (1 << feature as u16) != 0
    }

    /// The features, in the order in which the head has them. Types are left out where rows carry none.
    fn features(self) -> impl Iterator<Item = PairFeature> {
        let typed = self.types > 0;
        PairFeature::ALL
            .into_iter()
            .filter(move |&feature| self.has(feature) && (typed || feature != PairFeature::Types))
    }
}

/// A set of features as the list that settings have.
mod list {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{MentionPairConfig, PairFeature};

    pub fn serialize<S: Serializer>(features: &u16, out: S) -> Result<S::Ok, S::Error> {
        let config = MentionPairConfig { features: *features, types: 0 };
        let list: Vec<PairFeature> = PairFeature::ALL.into_iter().filter(|&one| config.has(one)).collect();
        list.serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
        let list = Vec::<PairFeature>::deserialize(from)?;
        if list.is_empty() {
            return Err(D::Error::invalid_length(0, &"at least one feature of pairs"));
        }
        Ok(MentionPairConfig::new(&list).features)
    }
}

/// Judges pairs of mentions by the states of the mentions and of the text around them.
///
/// It needs no markers, so that all pairs of a sentence share one encoder pass.
#[derive(Debug)]
pub struct MentionPair {
    config: MentionPairConfig,
    /// `[types + 1, EMBEDDED]`.
    types: Option<Tensor>,
    /// `[2 BUCKETS, EMBEDDED]`.
    distances: Option<Tensor>,
    /// Query from both means, and key of each token.
    context: Option<[Linear; 2]>,
    classifier: FeatureClassifier,
}

impl MentionPair {
    /// Takes the head's parameters from `builder`.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    pub fn new(
        builder: &mut Builder<'_>,
        encoder: &EncoderConfig,
        classes: i64,
        config: MentionPairConfig,
    ) -> Result<Self> {
        let (hidden, std) = (encoder.hidden_size, encoder.initializer_range);
        let has = |feature| config.features().any(|one| one == feature);
        let mut table = |name: &str, rows: i64| {
            builder.parameter(&format!("head.{name}.weight"), &[rows, EMBEDDED], Init::Normal(std))
        };
        let types =
            has(PairFeature::Types).then(|| table("types", i64::from(config.types) + 1)).transpose()?;
        let distances = has(PairFeature::Distance).then(|| table("distances", 2 * BUCKETS)).transpose()?;
        let context = match has(PairFeature::Context) {
            false => None,
            true => Some([
                builder.linear("head.context.query", 2 * hidden, hidden, std)?,
                builder.linear("head.context.key", hidden, hidden, std)?,
            ]),
        };
        let width = config.features().map(|feature| feature.width(hidden)).sum();
        let classifier = FeatureClassifier::new(builder, encoder, width, classes)?;
        Ok(Self { config, types, distances, context, classifier })
    }

    /// Whether a feature is made of the means over the mentions.
    fn needs_means(&self) -> bool {
        use PairFeature::{Context, Mean, Product};
        self.config.features().any(|feature| matches!(feature, Mean | Product | Context))
    }

    /// `means` are those over both mentions, where any feature is made of them.
    fn feature(
        &self,
        feature: PairFeature,
        input: &HeadInput<'_>,
        means: Option<&[Tensor; 2]>,
    ) -> Result<Vec<Tensor>> {
        let batch = input.batch;
        Ok(match feature {
            PairFeature::Mean => means.into_iter().flatten().map(Tensor::shallow_clone).collect(),
            PairFeature::Max => vec![input.entity_max(0)?, input.entity_max(1)?],
            PairFeature::Start => vec![input.entity_start(0)?, input.entity_start(1)?],
            PairFeature::Product => {
                means.map(|[subject, object]| subject.f_mul(object)).transpose()?.into_iter().collect()
            }
            PairFeature::Between => vec![input.mean(between(batch))?],
            PairFeature::BetweenMax => vec![input.max(between(batch))?],
            PairFeature::Distance => {
                let buckets: Vec<i64> = pairs(batch).map(bucket).collect();
                lookup(self.distances.as_ref(), &buckets, input)?
            }
            PairFeature::Types => {
                let kinds = batch.kinds().map(|[subject, object]| (i64::from(subject), i64::from(object)));
                let (subjects, objects): (Vec<i64>, Vec<i64>) = kinds.unzip();
                let mut of_both = lookup(self.types.as_ref(), &subjects, input)?;
                of_both.extend(lookup(self.types.as_ref(), &objects, input)?);
                of_both
            }
            PairFeature::Context => self.context(input, means)?.into_iter().collect(),
            PairFeature::Sentence => vec![input.sentence_mean()?],
        })
    }

    /// The states of each row's sequence, weighed by the row's pair, `[B, H]`.
    fn context(&self, input: &HeadInput<'_>, means: Option<&[Tensor; 2]>) -> Result<Option<Tensor>> {
        let (Some([query, key]), Some(means)) = (&self.context, means) else { return Ok(None) };
        let means = Tensor::f_cat(means, -1)?;
        let (queries, keys) = (query.forward(&means)?, key.forward(input.states)?);
        let scale = (queries.size().last().copied().unwrap_or(1) as f64).powf(-0.5);
        let scores = queries.f_matmul(&keys.f_transpose(0, 1)?)?.f_mul_scalar(scale)?;
        let (rows, tokens) = (input.batch.rows(), input.batch.tokens());
        let mut elsewhere = vec![true; rows * tokens];
        for (row, range) in elsewhere.chunks_exact_mut(tokens.max(1)).zip(input.batch.row_ranges()) {
            if let Some(here) = row.get_mut(range) {
                here.fill(false);
            }
        }
        let elsewhere = Tensor::f_from_slice(&elsewhere)?
            .f_view([rows as i64, tokens as i64])?
            .f_to_device(input.batch.device())?;
        let shares = scores
            .f_masked_fill(&elsewhere, f64::NEG_INFINITY)?
            .f_softmax(-1, Kind::Float)?
            .f_to_kind(input.states.kind())?;
        Ok(Some(shares.f_matmul(input.states)?))
    }
}

impl Head for MentionPair {
    fn forward(&self, input: &HeadInput<'_>, mode: Mode<'_>) -> Result<Tensor> {
        let means = match self.needs_means() {
            true => Some([input.entity_mean(0)?, input.entity_mean(1)?]),
            false => None,
        };
        let mut features = Vec::new();
        for feature in self.config.features() {
            features.extend(self.feature(feature, input, means.as_ref())?);
        }
        self.classifier.forward(&features, mode)
    }
}

/// Both mentions of each row, where truncation left them.
fn pairs(batch: &TokenBatch) -> impl Iterator<Item = Option<[Range<usize>; 2]>> {
    batch.entity(0).zip(batch.entity(1)).map(|pair| match pair {
        (Some(subject), Some(object)) => Some([subject.range(), object.range()]),
        _ => None,
    })
}

/// The tokens between both mentions of each row, where there are any.
fn between(batch: &TokenBatch) -> Vec<Option<Range<usize>>> {
    let gap = |[subject, object]: [Range<usize>; 2]| {
        let gap = subject.end.min(object.end)..subject.start.max(object.start);
        Some(gap).filter(|gap| !gap.is_empty())
    };
    pairs(batch).map(|pair| pair.and_then(gap)).collect()
}

/// Number of tokens between the mentions in buckets 0, 1, 2, 3, 4, up to 7, 15, 31, 63 and more, those of objects before
/// subjects behind the others.
fn bucket(pair: Option<[Range<usize>; 2]>) -> i64 {
    let Some([subject, object]) = pair else { return BUCKETS - 1 };
    let gap = subject.start.max(object.start).saturating_sub(subject.end.min(object.end));
    let bucket = match gap {
        0..=4 => gap as i64,
        _ => (gap.ilog2() as i64 + 3).min(BUCKETS - 1),
    };
    if object.start < subject.start { BUCKETS + bucket } else { bucket }
}

/// Rows of a table, in the number format of the states.
fn lookup(table: Option<&Tensor>, rows: &[i64], input: &HeadInput<'_>) -> Result<Vec<Tensor>> {
    let Some(table) = table else { return Ok(Vec::new()) };
    let rows = Tensor::f_from_slice(rows)?.f_to_device(input.batch.device())?;
    Ok(vec![table.f_index_select(0, &rows)?.f_to_kind(input.states.kind())?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_the_tokens_between_and_know_the_order() {
        let of = |subject: Range<usize>, object: Range<usize>| bucket(Some([subject, object]));
        assert_eq!([of(1..2, 2..3), of(1..3, 2..4), of(1..2, 5..6)], [0, 0, 3]);
        assert_eq!([of(5..6, 1..2), of(0..1, 6..7), of(0..1, 8..9), of(0..1, 9..10)], [13, 5, 5, 6]);
        assert_eq!([of(0..1, 300..301), of(300..301, 0..1)], [9, 19]);
        assert_eq!(bucket(None), 9);
    }

    #[test]
    fn features_are_a_list_in_settings() {
        let config = MentionPairConfig::new(&[PairFeature::Types, PairFeature::Mean]);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(text, r#"{"features":["mean","types"],"types":0}"#);
        assert_eq!(serde_json::from_str::<MentionPairConfig>(&text).unwrap(), config);
        assert!(serde_json::from_str::<MentionPairConfig>(r#"{"features": []}"#).is_err());
        assert!(serde_json::from_str::<MentionPairConfig>(r#"{"features": ["middle"]}"#).is_err());
    }
}

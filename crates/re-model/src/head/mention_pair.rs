//! A head on pairs of mentions that stand in the text without markers.

use std::ops::Range;

use re_checkpoint::head::{BUCKETS, EMBEDDED, bucket};
pub use re_checkpoint::head::{MentionPairConfig, PairFeature};
use tch::{Kind, Tensor};

use super::{FeatureClassifier, Head, HeadInput};
use crate::batch::TokenBatch;
use crate::config::EncoderConfig;
use crate::error::Result;
use crate::ops::{Linear, Mode};
use crate::parameters::{Builder, Init};

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
    pairs(batch).map(|pair| pair.and_then(re_checkpoint::head::between)).collect()
}

/// Rows of a table, in the number format of the states.
fn lookup(table: Option<&Tensor>, rows: &[i64], input: &HeadInput<'_>) -> Result<Vec<Tensor>> {
    let Some(table) = table else { return Ok(Vec::new()) };
    let rows = Tensor::f_from_slice(rows)?.f_to_device(input.batch.device())?;
    Ok(vec![table.f_index_select(0, &rows)?.f_to_kind(input.states.kind())?])
}

//! The head on pairs of mentions that stand in the text without markers.

use std::ops::Range;

use re_checkpoint::head::{BUCKETS, EMBEDDED, between, bucket};
use re_checkpoint::{EncoderConfig, MentionPairConfig, PairFeature};

use super::input::{Features, HeadInput, row_ranges};
use super::{FeatureClassifier, apply};
use crate::error::Result;
use crate::kernel::values::{Softmax, dot};
use crate::linear::{Linear, Pass};
use crate::weights::Weights;

/// Width of the embeddings of types and distances.
const WIDTH: usize = EMBEDDED as usize;

/// Judges pairs of mentions by the states of the mentions and of the text around them.
#[derive(Debug)]
pub(crate) struct MentionPair {
    config: MentionPairConfig,
    /// `[types + 1, WIDTH]`.
    types: Vec<f32>,
    /// `[2 BUCKETS, WIDTH]`.
    distances: Vec<f32>,
    /// Query from both means, and key of each token.
    context: Option<[Linear; 2]>,
    width: usize,
    classifier: FeatureClassifier,
}

impl MentionPair {
    pub fn new(
        config: MentionPairConfig,
        encoder: &EncoderConfig,
        classes: usize,
        weights: &mut Weights<'_>,
    ) -> Result<Self> {
        let hidden = usize::try_from(encoder.hidden_size).unwrap_or_default();
        let has = |feature| config.features().any(|one| one == feature);
        let mut table = |wanted: bool, name: &str, rows: usize| match wanted {
            true => weights.tensor(&format!("head.{name}.weight"), &[rows, WIDTH]),
            false => Ok(Vec::new()),
        };
        let types = table(has(PairFeature::Types), "types", usize::from(config.types) + 1)?;
        let distances = table(has(PairFeature::Distance), "distances", 2 * BUCKETS as usize)?;
        let context = match has(PairFeature::Context) {
            false => None,
            true => Some([
                weights.linear("head.context.query", 2 * hidden, hidden)?,
                weights.linear("head.context.key", hidden, hidden)?,
            ]),
        };
        let width = config.features().map(|feature| feature.width(encoder.hidden_size)).sum::<i64>();
        let width = usize::try_from(width).unwrap_or_default();
        let classifier = FeatureClassifier::new(encoder, width, classes, weights)?;
        Ok(Self { config, types, distances, context, width, classifier })
    }

    pub fn forward(&self, input: &HeadInput<'_>, pass: Pass) -> Vec<f32> {
        let mut features = input.features(self.width);
        for feature in self.config.features() {
            self.add(feature, input, &mut features, pass);
        }
        self.classifier.forward(features.values, input.batch.len(), pass)
    }

    fn add(&self, feature: PairFeature, input: &HeadInput<'_>, features: &mut Features, pass: Pass) {
        let hidden = input.width;
        let pair = |row: usize| -> Option<[Range<usize>; 2]> {
            Some([input.entity(0, row)?, input.entity(1, row)?])
        };
        let lookup = |table: &[f32], row: usize, out: &mut [f32]| {
            out.copy_from_slice(table.get(row * WIDTH..(row + 1) * WIDTH).unwrap_or(&[0.0; WIDTH]));
        };
        let kind = |row: usize, entity: usize| {
            let kinds = input.batch.kinds.get(row).and_then(|kinds| kinds.get(entity));
            kinds.map_or(0, |kind| *kind as usize)
        };
        match feature {
            PairFeature::Mean => {
                features.add(hidden, |out, row| input.entity_mean(0, row, out));
                features.add(hidden, |out, row| input.entity_mean(1, row, out));
            }
            PairFeature::Max => {
                features.add(hidden, |out, row| input.entity_max(0, row, out));
                features.add(hidden, |out, row| input.entity_max(1, row, out));
            }
            PairFeature::Start => {
                features.add(hidden, |out, row| input.entity_start(0, row, out));
                features.add(hidden, |out, row| input.entity_start(1, row, out));
            }
            PairFeature::Product => {
                let means = means(input);
                features.add(hidden, |out, row| {
                    let means = means.get(row * 2 * hidden..(row + 1) * 2 * hidden).unwrap_or_default();
                    let (subject, object) = means.split_at(hidden.min(means.len()));
                    let products = subject.iter().zip(object).map(|(one, other)| one * other);
                    out.iter_mut().zip(products).for_each(|(out, product)| *out = product);
                });
            }
            PairFeature::Between => {
                features.add(hidden, |out, row| input.mean(pair(row).and_then(between), out));
            }
            PairFeature::BetweenMax => {
                features.add(hidden, |out, row| input.max(pair(row).and_then(between), out));
            }
            PairFeature::Distance => features.add(WIDTH, |out, row| {
                lookup(&self.distances, usize::try_from(bucket(pair(row))).unwrap_or_default(), out);
            }),
            PairFeature::Types => {
                features.add(WIDTH, |out, row| lookup(&self.types, kind(row, 0), out));
                features.add(WIDTH, |out, row| lookup(&self.types, kind(row, 1), out));
            }
            PairFeature::Context => self.add_context(input, features, pass),
            PairFeature::Sentence => features.add_means_of_rows(input),
        }
    }

    /// The states of each row's sequence, weighed by the row's pair.
    fn add_context(&self, input: &HeadInput<'_>, features: &mut Features, pass: Pass) {
        let (hidden, rows) = (input.width, input.batch.len());
        let Some([query, key]) = &self.context else { return };
        let queries = apply(query, &means(input), rows, None, pass);
        let keys = apply(key, input.states, input.batch.tokens(), None, pass);
        let scale = (hidden as f64).powf(-0.5) as f32;
        let ranges: Vec<Range<usize>> = row_ranges(input.batch).collect();
        features.add(hidden, |out, row| {
            let range = ranges.get(row).cloned().unwrap_or_default();
            let query = queries.get(row * hidden..(row + 1) * hidden).unwrap_or_default();
            let keys = keys.get(range.start * hidden..range.end * hidden).unwrap_or_default();
            let mut shares: Vec<f32> = keys.chunks_exact(hidden).map(|key| dot(query, key) * scale).collect();
            let count = shares.len();
            pass.kernel.run(Softmax { rows: &mut shares, stride: count, count });
            for (state, share) in input.of(range).zip(&shares) {
                out.iter_mut().zip(state).for_each(|(out, value)| *out += share * value);
            }
        });
    }
}

/// Means over both mentions of each row side by side, `[rows, 2 * width]`.
fn means(input: &HeadInput<'_>) -> Vec<f32> {
    let mut features = input.features(2 * input.width);
    features.add(input.width, |out, row| input.entity_mean(0, row, out));
    features.add(input.width, |out, row| input.entity_mean(1, row, out));
    features.values
}

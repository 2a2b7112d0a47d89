//! Heads: from hidden states to logits, as `re_model`'s of the same names compute them.

mod input;
mod mention_pair;

use re_checkpoint::config::{Activation, ClsLayout};
use re_checkpoint::{EncoderConfig, HeadConfig};
use re_data::Batch;

pub(crate) use self::input::{HeadInput, row_ranges};
use self::input::{first_tokens, flat};
use self::mention_pair::MentionPair;
use crate::error::Result;
use crate::kernel::values::Activate;
use crate::linear::{Linear, Norm, Pass};
use crate::weights::Weights;

/// What turns the encoder's hidden states into logits.
#[derive(Debug)]
pub(crate) enum Head {
    /// The checkpoint architecture's own classification head on the first token.
    Cls { layout: ClsLayout, dense: Linear, output: Linear },
    /// States at the first token of both entities.
    EntityStart(FeatureClassifier),
    /// Means over both entities, their product, and the mean over the row.
    EntityMean(FeatureClassifier),
    /// First token and both entity means, each through a dense layer.
    RBert { first: Linear, entity: Linear, output: Linear },
    /// Both mentions and what stands around them.
    MentionPair(Box<MentionPair>),
    /// A class for each token, or for each of its first characters.
    Tokens { output: Linear, others: Option<Linear>, places: usize },
}

impl Head {
    /// The head that settings name, for as many classes.
    pub fn new(
        head: HeadConfig,
        config: &EncoderConfig,
        classes: usize,
        weights: &mut Weights<'_>,
    ) -> Result<Self> {
        let hidden = usize::try_from(config.hidden_size).unwrap_or_default();
        let head = match head {
            HeadConfig::Cls => {
                let layout = config.cls_layout();
                Self::Cls {
                    layout,
                    dense: weights.linear(layout.dense, hidden, hidden)?,
                    output: weights.linear(layout.output, hidden, classes)?,
                }
            }
            HeadConfig::EntityStart => {
                Self::EntityStart(FeatureClassifier::new(config, 2 * hidden, classes, weights)?)
            }
            HeadConfig::EntityMean => {
                Self::EntityMean(FeatureClassifier::new(config, 4 * hidden, classes, weights)?)
            }
            HeadConfig::RBert => Self::RBert {
                first: weights.linear("head.cls", hidden, hidden)?,
                entity: weights.linear("head.entity", hidden, hidden)?,
                output: weights.linear("head.output", 3 * hidden, classes)?,
            },
            HeadConfig::MentionPair(pair) => {
                Self::MentionPair(Box::new(MentionPair::new(pair, config, classes, weights)?))
            }
        };
        weights.check()?;
        Ok(head)
    }

    /// The head of `transformers`' `AutoModelForTokenClassification`, with `places` classes for each token; `scope` stands
    /// before the names of its tensors.
    pub fn tokens(
        config: &EncoderConfig,
        classes: usize,
        places: usize,
        scope: &str,
        weights: &mut Weights<'_>,
    ) -> Result<Self> {
        let hidden = usize::try_from(config.hidden_size).unwrap_or_default();
        let output = weights.linear(&format!("{scope}classifier"), hidden, classes)?;
        let others = match places {
            ..=1 => None,
            _ => Some(weights.linear(&format!("{scope}head.places"), hidden, (places - 1) * classes)?),
        };
        weights.check()?;
        Ok(Self::Tokens { output, others, places })
    }

    /// The tokens whose states this head looks at, ascending; all where it does not say.
    pub fn positions(&self, batch: &Batch) -> Option<Vec<usize>> {
        let spans = |of: &[[Option<re_data::TokenSpan>; 2]]| -> Vec<_> {
            of.iter().flatten().flatten().map(|span| span.range()).collect()
        };
        let mut positions = match self {
            Self::Cls { .. } => flat(first_tokens(batch)),
            Self::EntityStart(_) => {
                flat(spans(&batch.marked).into_iter().map(|span| span.start..span.start + 1))
            }
            Self::RBert { .. } => flat(first_tokens(batch).chain(spans(&batch.entities))),
            Self::EntityMean(_) | Self::MentionPair(_) | Self::Tokens { .. } => return None,
        };
        positions.sort_unstable();
        positions.dedup();
        Some(positions)
    }

    /// Logits.
    ///
    /// # Shapes
    /// `[rows, classes]`, of tokens `[tokens, places * classes]`.
    pub fn forward(&self, input: &HeadInput<'_>, pass: Pass) -> Vec<f32> {
        let (rows, hidden) = (input.batch.len(), input.width);
        match self {
            Self::Cls { layout, dense, output } => {
                let first = input.first_token();
                let inner = apply(dense, &first, rows, Some(layout.activation), pass);
                apply(output, &inner, rows, None, pass)
            }
            Self::EntityStart(classifier) => {
                let mut features = input.features(2 * hidden);
                features.add(hidden, |out, row| input.entity_start(0, row, out));
                features.add(hidden, |out, row| input.entity_start(1, row, out));
                classifier.forward(features.values, rows, pass)
            }
            Self::EntityMean(classifier) => {
                let mut features = input.features(4 * hidden);
                features.add(hidden, |out, row| input.entity_mean(0, row, out));
                features.add(hidden, |out, row| input.entity_mean(1, row, out));
                features.add_product(hidden);
                features.add_means_of_rows(input);
                classifier.forward(features.values, rows, pass)
            }
            Self::RBert { first, entity, output } => {
                let dense = |layer: &Linear, mut states: Vec<f32>| {
                    pass.kernel.run(Activate { values: &mut states, curve: Activation::Tanh });
                    apply(layer, &states, rows, None, pass)
                };
                let mean = |entity: usize| {
                    let mut features = input.features(hidden);
                    features.add(hidden, |out, row| input.entity_mean(entity, row, out));
                    features.values
                };
                let parts =
                    [dense(first, input.first_token()), dense(entity, mean(0)), dense(entity, mean(1))];
                let mut features = input.features(3 * hidden);
                for part in &parts {
                    features.add(hidden, |out, row| {
                        out.copy_from_slice(part.get(row * hidden..(row + 1) * hidden).unwrap_or_default());
                    });
                }
                apply(output, &features.values, rows, None, pass)
            }
            Self::MentionPair(head) => head.forward(input, pass),
            Self::Tokens { output, others, places } => {
                let tokens = input.batch.tokens();
                let first = apply(output, input.states, tokens, None, pass);
                let Some(others) = others else { return first };
                let others_of = apply(others, input.states, tokens, None, pass);
                let classes = output.to();
                let mut all = Vec::with_capacity(tokens * places * classes);
                let tokens =
                    first.chunks_exact(classes.max(1)).zip(others_of.chunks_exact(others.to().max(1)));
                for (first, others) in tokens {
                    all.extend_from_slice(first);
                    for other in others.chunks_exact(classes) {
                        all.extend(other.iter().zip(first).map(|(other, first)| other + first));
                    }
                }
                all
            }
        }
    }
}

/// A layer's results for all rows.
fn apply(layer: &Linear, x: &[f32], rows: usize, curve: Option<Activation>, pass: Pass) -> Vec<f32> {
    let mut out = vec![0.0; rows * layer.to()];
    layer.forward(x, rows, curve, &mut out, pass);
    out
}

/// LayerNorm, a hidden layer with GELU, and the output layer, on concatenated features.
#[derive(Debug)]
pub(crate) struct FeatureClassifier {
    norm: Norm,
    dense: Linear,
    output: Linear,
}

impl FeatureClassifier {
    fn new(
        config: &EncoderConfig,
        features: usize,
        classes: usize,
        weights: &mut Weights<'_>,
    ) -> Result<Self> {
        let hidden = usize::try_from(config.hidden_size).unwrap_or_default();
        Ok(Self {
            norm: weights.norm("head.LayerNorm", features, config.layer_norm_eps)?,
            dense: weights.linear("head.dense", features, hidden)?,
            output: weights.linear("head.output", hidden, classes)?,
        })
    }

    fn forward(&self, mut features: Vec<f32>, rows: usize, pass: Pass) -> Vec<f32> {
        self.norm.forward(&mut features, &[], pass);
        let inner = apply(&self.dense, &features, rows, Some(Activation::Gelu), pass);
        apply(&self.output, &inner, rows, None, pass)
    }
}

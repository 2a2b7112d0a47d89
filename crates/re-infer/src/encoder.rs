//! One Transformer encoder for checkpoints of BERT, RoBERTa, ELECTRA, MPNet and DeBERTa, on the tokens of a batch laid end to end.

use re_checkpoint::EncoderConfig;
use re_checkpoint::config::ModelType;
use re_data::{Batch, TokenSpan};

use crate::attention::{Attended, DistanceProjections, DistanceTable, Distances, Shape};
use crate::computing::LayerProduct;
use crate::convolution::ConvolutionLayer;
use crate::error::{Error, Result};
use crate::head::row_ranges;
use crate::linear::{Linear, Norm, Pass};
use crate::weights::{Table, Weights};

/// A post-LayerNorm Transformer encoder (Vaswani et al. 2017, Devlin et al. 2019).
#[derive(Debug)]
pub(crate) struct Encoder {
    config: EncoderConfig,
    embeddings: Embeddings,
    distances: DistanceTable,
    layers: Vec<Layer>,
    convolution: Option<ConvolutionLayer>,
}

#[derive(Debug)]
struct Embeddings {
    width: usize,
    word: Option<Table>,
    token_type: Option<Table>,
    position: Option<Table>,
    norm: Norm,
    project: Option<Projection>,
}

/// Where embeddings of another width than the hidden states are projected.
#[derive(Debug)]
enum Projection {
    /// In front of the LayerNorm: DeBERTa.
    BeforeNorm(Linear),
    /// Behind it: ELECTRA.
    Last(Linear),
}

#[derive(Debug)]
struct Layer {
    /// With the factor of attention scores in it.
    query: Linear,
    key_value: Linear,
    distances: DistanceProjections,
    attention_output: Linear,
    attention_norm: Norm,
    intermediate: Linear,
    output: Linear,
    output_norm: Norm,
}

/// Memory for the states of a batch, kept from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    states: Vec<f32>,
    queried: Vec<f32>,
    query: Vec<f32>,
    key_value: Vec<f32>,
    context: Vec<f32>,
    attended: Vec<f32>,
    inner: Vec<f32>,
}

/// The first `size` values of a buffer, with any content.
fn sized(buffer: &mut Vec<f32>, size: usize) -> &mut [f32] {
    if buffer.len() < size {
        buffer.resize(size, 0.0);
    }
    buffer.split_at_mut(size).0
}

fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

impl Encoder {
    /// Takes the encoder's parameters from `weights`.
    pub fn new(config: EncoderConfig, weights: &mut Weights<'_>) -> Result<Self> {
        let prefix = config.prefix();
        let hidden = count(config.hidden_size);
        let embeddings = Embeddings::new(&config, weights)?;
        let distances = if let Some(shape) = config.relative_attention {
            let heads = count(config.num_attention_heads);
            let name = format!("{prefix}.encoder.relative_attention_bias.weight");
            DistanceTable::Bias { shape, heads, values: weights.tensor(&name, &[count(shape.rows), heads])? }
        } else if let Some(shape) = config.disentangled_attention {
            let name = format!("{prefix}.encoder.rel_embeddings.weight");
            let values = weights.tensor(&name, &[count(2 * shape.span), hidden])?;
            let mut norm =
                || weights.norm(&format!("{prefix}.encoder.LayerNorm"), hidden, config.layer_norm_eps);
            DistanceTable::Rows {
                shape,
                width: hidden,
                values,
                norm: shape.normalized.then(&mut norm).transpose()?,
            }
        } else {
            DistanceTable::None
        };
        weights.check()?;
        let mut layers = Vec::new();
        for number in 0..config.num_hidden_layers {
            layers.push(Layer::new(&config, &format!("{prefix}.encoder.layer.{number}"), weights)?);
            // The first layer that the file lacks says all: there may be names for thousands.
            weights.check()?;
        }
        weights.check_layers(config.num_hidden_layers)?;
        let convolution = config
            .convolution
            .map(|shape| ConvolutionLayer::new(weights, &format!("{prefix}.encoder.conv"), shape, &config));
        let convolution = convolution.transpose()?;
        weights.check()?;
        Ok(Self { config, embeddings, distances, layers, convolution })
    }

    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Makes sure that the tables have rows for all that a batch holds.
    pub fn check(&self, batch: &Batch) -> Result<()> {
        let (vocab_size, type_vocab_size) = (self.config.vocab_size, self.config.type_vocab_size);
        if let Some(&id) = batch.ids.iter().find(|id| !(0..vocab_size).contains(*id)) {
            return Err(Error::TokenId { id, vocab_size });
        }
        let types = 0..self.config.token_types() as i64;
        if let Some(&id) = batch.type_ids.iter().find(|id| !types.contains(*id)) {
            return Err(Error::TokenType { id, type_vocab_size });
        }
        let (tokens, max) = (batch.lengths().max().unwrap_or(0), self.config.max_length());
        if tokens > max {
            return Err(Error::TooLong { tokens, max });
        }
        let spans = batch.entities.iter().zip(&batch.marked).zip(row_ranges(batch));
        for ((entities, marked), row) in spans {
            let outside =
                |span: &&TokenSpan| span.start() < row.start || span.end() > row.end || span.is_empty();
            if let Some(span) = entities.iter().chain(marked).flatten().find(outside) {
                return Err(Error::Data(re_data::Error::Argument {
                    name: "entities",
                    found: format!("tokens {span} of a row from {} to {}", row.start, row.end),
                    expected: "tokens of the row",
                }));
            }
        }
        Ok(())
    }

    /// Hidden states of the last layer for the tokens at `positions`, ascending, or for all, in a batch that was checked.
    ///
    /// # Shapes
    /// `[positions, hidden_size]`.
    pub fn states<'a>(
        &self,
        batch: &Batch,
        positions: Option<&[usize]>,
        scratch: &'a mut Scratch,
        pass: Pass,
    ) -> &'a [f32] {
        let hidden = count(self.config.hidden_size);
        self.embeddings.forward(&self.config, batch, scratch, pass);
        let embedded = self
            .convolution
            .as_ref()
            .map(|_| scratch.states.get(..batch.tokens() * hidden).unwrap_or_default().to_vec());
        let reach = batch.lengths().max().unwrap_or(0).max(1);
        let distances = self.distances.within(reach, pass);
        for (number, layer) in self.layers.iter().enumerate() {
            let positions = positions.filter(|_| number + 1 == self.layers.len());
            layer.forward(&self.config, batch, positions, &distances, scratch, pass);
            if let (Some(convolution), Some(embedded), 0) = (&self.convolution, &embedded, number) {
                let size = positions.map_or(batch.tokens(), <[usize]>::len) * hidden;
                let states = sized(&mut scratch.states, size);
                convolution.forward(embedded, states, &batch.offsets, positions, pass);
            }
        }
        let results = positions.map_or(batch.tokens(), <[usize]>::len);
        sized(&mut scratch.states, results * hidden)
    }
}

impl Embeddings {
    fn new(config: &EncoderConfig, weights: &mut Weights<'_>) -> Result<Self> {
        let (prefix, width, hidden) =
            (config.prefix(), count(config.embedding_size), count(config.hidden_size));
        let mut table = |name: &str, rows: i64| {
            weights.table(&format!("{prefix}.embeddings.{name}.weight"), count(rows), width)
        };
        let word = table("word_embeddings", config.vocab_size)?;
        let position = match config.position_embeddings {
            true => table("position_embeddings", config.max_position_embeddings)?,
            false => None,
        };
        let token_type = match config.type_vocab_size {
            0 => None,
            rows => table("token_type_embeddings", rows)?,
        };
        let before_norm = config.model_type == ModelType::DebertaV2;
        let normed = if before_norm { hidden } else { width };
        let norm = weights.norm(&format!("{prefix}.embeddings.LayerNorm"), normed, config.layer_norm_eps)?;
        let project = match before_norm {
            _ if width == hidden => None,
            true => Some(Projection::BeforeNorm(weights.matrix(
                &format!("{prefix}.embeddings.embed_proj.weight"),
                width,
                hidden,
            )?)),
            false => Some(Projection::Last(weights.linear(
                &format!("{prefix}.embeddings_project"),
                width,
                hidden,
            )?)),
        };
        Ok(Self { width, word, token_type, position, norm, project })
    }

    /// Leaves what enters the first layer in `scratch.states`.
    fn forward(&self, config: &EncoderConfig, batch: &Batch, scratch: &mut Scratch, pass: Pass) {
        let (tokens, hidden) = (batch.tokens(), count(config.hidden_size));
        let Scratch { states, queried, .. } = scratch;
        let (sums, projected) = match self.project {
            None => (sized(states, tokens * self.width), None),
            Some(_) => (sized(queried, tokens * self.width), Some(sized(states, tokens * hidden))),
        };
        let positions = config.positions(batch);
        let ids = batch.ids.iter().zip(&batch.type_ids).zip(&positions);
        for (sum, ((id, kind), position)) in sums.chunks_exact_mut(self.width.max(1)).zip(ids) {
            sum.fill(0.0);
            for (table, row) in [(&self.word, id), (&self.token_type, kind), (&self.position, position)] {
                if let Some(table) = table {
                    table.add(count(*row), sum);
                }
            }
        }
        match (&self.project, projected) {
            (Some(Projection::BeforeNorm(project)), Some(projected)) => {
                project.forward(sums, tokens, None, projected, pass);
                self.norm.forward(projected, &[], pass);
            }
            (Some(Projection::Last(project)), Some(projected)) => {
                self.norm.forward(sums, &[], pass);
                project.forward(sums, tokens, None, projected, pass);
            }
            _ => self.norm.forward(sums, &[], pass),
        }
    }
}

impl Layer {
    fn new(config: &EncoderConfig, name: &str, weights: &mut Weights<'_>) -> Result<Self> {
        let (hidden, inner) = (count(config.hidden_size), count(config.intermediate_size));
        let (names, eps) = (config.layer_names(), config.layer_norm_eps);
        let width = config.hidden_size / config.num_attention_heads;
        // Scores are products with queries: their factor may as well be the queries'.
        let factor = ((width * config.score_terms) as f64).sqrt().recip() as f32;
        let part = |part: &str| format!("{name}.{part}");
        let query = weights.layer(LayerProduct::Query, &[&part(names.query)], hidden, hidden, factor)?;
        let key_value = weights.layer(
            LayerProduct::KeyValue,
            &[&part(names.key), &part(names.value)],
            hidden,
            hidden,
            1.0,
        )?;
        let distances = match config.disentangled_attention {
            None => DistanceProjections::default(),
            Some(shape) => {
                let shared = [names.query, names.key];
                DistanceProjections::new(weights, shape, name, shared, hidden, factor)?
            }
        };
        Ok(Self {
            query,
            key_value,
            distances,
            attention_output: weights.layer(
                LayerProduct::AttentionOutput,
                &[&part(names.attention_output)],
                hidden,
                hidden,
                1.0,
            )?,
            attention_norm: weights.norm(&part(names.attention_norm), hidden, eps)?,
            intermediate: weights.layer(
                LayerProduct::Intermediate,
                &[&part("intermediate.dense")],
                hidden,
                inner,
                1.0,
            )?,
            output: weights.layer(LayerProduct::Output, &[&part("output.dense")], inner, hidden, 1.0)?,
            output_norm: weights.norm(&part("output.LayerNorm"), hidden, eps)?,
        })
    }

    /// Replaces `scratch.states`, of all tokens, by the layer's, of all tokens or of those at `positions`.
    fn forward(
        &self,
        config: &EncoderConfig,
        batch: &Batch,
        positions: Option<&[usize]>,
        distances: &Distances,
        scratch: &mut Scratch,
        pass: Pass,
    ) {
        let (tokens, hidden) = (batch.tokens(), count(config.hidden_size));
        let results = positions.map_or(tokens, <[usize]>::len);
        let Scratch { states, queried, query, key_value, context, attended, inner } = scratch;
        let x = sized(states, tokens * hidden);
        let key_value = sized(key_value, tokens * 2 * hidden);
        self.key_value.forward(x, tokens, None, key_value, pass);
        let queried = match positions {
            None => &*x,
            Some(positions) => {
                let queried = sized(queried, results * hidden);
                for (to, position) in queried.chunks_exact_mut(hidden.max(1)).zip(positions) {
                    let from = x.get(position * hidden..(position + 1) * hidden);
                    to.copy_from_slice(from.unwrap_or_default());
                }
                &*queried
            }
        };
        let query = sized(query, results * hidden);
        self.query.forward(queried, results, None, query, pass);
        let context = sized(context, results * hidden);
        let heads = count(config.num_attention_heads);
        let shape = Shape { heads, width: hidden / heads.max(1) };
        Attended { queries: query, key_value, starts: &batch.offsets, positions }.attend(
            shape,
            distances,
            &self.distances,
            context,
            pass,
        );
        let attended = sized(attended, results * hidden);
        self.attention_output.forward(context, results, None, attended, pass);
        self.attention_norm.forward(attended, queried, pass);
        let inner = sized(inner, results * self.intermediate.to());
        self.intermediate.forward(attended, results, Some(config.hidden_act), inner, pass);
        let out = sized(states, results * hidden);
        self.output.forward(inner, results, None, out, pass);
        self.output_norm.forward(out, attended, pass);
    }
}

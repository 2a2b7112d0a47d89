//! One Transformer encoder for checkpoints of BERT, RoBERTa, ELECTRA, MPNet and DeBERTa.
//!
//! Linear layers run on the flat tokens of the batch; only attention sees rows side by side.

mod convolution;
mod layer;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tch::{Device, Kind, Tensor};

use self::convolution::ConvolutionLayer;
use self::layer::{Distances, Layer};
use crate::batch::{BatchSpec, TokenBatch};
use crate::config::{EncoderConfig, ModelType};
use crate::disentangled::DistanceTable;
use crate::error::{Error, Result};
use crate::ops::{LayerNorm, Linear, Mode, Precision, dropout, kind_of};
use crate::parameters::{Builder, Init, Part};
use crate::relative::RelativeBias;

/// A post-LayerNorm Transformer encoder (Vaswani et al. 2017, Devlin et al. 2019).
#[derive(Debug)]
pub struct Encoder {
    pub(crate) config: EncoderConfig,
    pub(crate) embeddings: Embeddings,
    relative_bias: Option<RelativeBias>,
    distance_table: Option<DistanceTable>,
    layers: Vec<Layer>,
    convolution: Option<ConvolutionLayer>,
    precision: Precision,
    /// Passes of all encoders that share these tensors.
    passes: Arc<AtomicU64>,
}

#[derive(Debug)]
pub(crate) struct Embeddings {
    pub(crate) word: Tensor,
    /// Row of `word` of every token id, -1 for none, where the vocabulary is trimmed.
    pub(crate) word_rows: Option<Vec<i64>>,
    /// Row of `word` that gets no gradient, -1 for none.
    pub(crate) padding_row: i64,
    /// None where the architecture has no token types.
    pub(crate) token_type: Option<Tensor>,
    /// None where positions are known by their distances alone.
    position: Option<Tensor>,
    norm: LayerNorm,
    project: Option<Projection>,
}

/// Where embeddings of another width than the hidden states are projected.
#[derive(Debug)]
enum Projection {
    /// In front of the LayerNorm, without a bias: DeBERTa.
    BeforeNorm(Tensor),
    /// Behind the dropout: ELECTRA.
    Last(Linear),
}

impl Encoder {
    /// Takes the encoder's parameters from `builder`.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    pub fn new(config: EncoderConfig, builder: &mut Builder<'_>) -> Result<Self> {
        builder.begin(Part::Encoder);
        builder.check_layers(&config)?;
        let prefix = config.prefix();
        let embeddings = Embeddings::new(&config, prefix, builder)?;
        let relative_bias = config.relative_attention.map(|shape| {
            let name = format!("{prefix}.encoder.relative_attention_bias.weight");
            RelativeBias::new(shape, &name, config.num_attention_heads, config.initializer_range, builder)
        });
        let relative_bias = relative_bias.transpose()?;
        let distance_table =
            config.disentangled_attention.map(|shape| DistanceTable::new(shape, prefix, &config, builder));
        let distance_table = distance_table.transpose()?;
        let layers = (0..config.num_hidden_layers)
            .map(|number| {
                let layer = Layer::new(&config, &format!("{prefix}.encoder.layer.{number}"), builder)?;
                builder.check_layer().map(|()| layer)
            })
            .collect::<Result<_>>()?;
        let convolution = config
            .convolution
            .map(|shape| ConvolutionLayer::new(shape, &format!("{prefix}.encoder.conv"), &config, builder));
        let convolution = convolution.transpose()?;
        let (precision, passes) = (Precision::default(), Arc::default());
        Ok(Self { config, embeddings, relative_bias, distance_table, layers, convolution, precision, passes })
    }

    /// The encoder `other` once more, of the same tensors, which `builder` gives ([`Builder::sharing`]).
    pub(crate) fn again(other: &Self, builder: &mut Builder<'_>) -> Result<Self> {
        let mut encoder = Self::new(other.config.clone(), builder)?;
        encoder.embeddings.word_rows.clone_from(&other.embeddings.word_rows);
        encoder.embeddings.padding_row = other.embeddings.padding_row;
        for (layer, theirs) in encoder.layers.iter_mut().zip(&other.layers) {
            layer.prepare_with(theirs);
        }
        Ok(Self { precision: other.precision, passes: Arc::clone(&other.passes), ..encoder })
    }

    /// How many batches went through it so far, those of models that share it included.
    pub fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }

    /// The encoder's shape.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Number format in which the layers compute.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Chooses the number format in which the layers compute.
    pub fn set_precision(&mut self, precision: Precision) {
        self.precision = precision;
    }

    /// Device that holds the parameters.
    pub fn device(&self) -> Device {
        self.embeddings.word.device()
    }

    /// What a batch for this encoder must fit.
    pub fn batch_spec(&self) -> BatchSpec<'_> {
        BatchSpec {
            config: &self.config,
            word_rows: self.embeddings.word_rows.as_deref(),
            device: self.device(),
            precision: self.precision,
        }
    }

    /// Hidden states of the last layer.
    ///
    /// # Shapes
    /// `[T, hidden_size]` for the `T` tokens of the batch.
    ///
    /// # Errors
    /// [`Error::Torch`].
    pub fn forward(&self, batch: &TokenBatch, mode: Mode<'_>) -> Result<Tensor> {
        self.states_of(batch, None, mode)
    }

    /// Hidden states of the last layer for some tokens, flat positions in ascending order, or for all. Of other tokens
    /// that layer computes no more than attention needs.
    ///
    /// # Shapes
    /// `[tokens, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`]; [`Error::Data`] where positions are not in ascending order.
    pub fn states_of(&self, batch: &TokenBatch, tokens: Option<&[i64]>, mode: Mode<'_>) -> Result<Tensor> {
        if let Some(unordered) = tokens.filter(|tokens| !tokens.is_sorted_by(|a, b| a < b)) {
            return Err(Error::Data(re_data::Error::Argument {
                name: "tokens",
                found: format!("{unordered:?}"),
                expected: "positions in ascending order, each once",
            }));
        }
        self.passes.fetch_add(1, Ordering::Relaxed);
        let query_positions = tokens.map(|tokens| self.even(tokens));
        let mut states =
            self.embeddings.forward(&self.config, batch, mode)?.f_to_kind(kind_of(self.precision))?;
        let distances = self.distances(batch)?;
        for number in 0..self.layers.len() {
            let is_last = number + 1 == self.layers.len();
            let query_positions = query_positions.as_deref().filter(|_| is_last);
            states = self.layer(number, &states, batch, &distances, query_positions, mode)?;
        }
        let results = tokens.map_or(batch.tokens(), <[i64]>::len);
        Ok(states.f_narrow(0, 0, results as i64)?.f_to_kind(Kind::Float)?)
    }

    /// One layer, and what stands beside it.
    fn layer(
        &self,
        number: usize,
        x: &Tensor,
        batch: &TokenBatch,
        distances: &Distances,
        query_positions: Option<&[i64]>,
        mode: Mode<'_>,
    ) -> Result<Tensor> {
        let Some(layer) = self.layers.get(number) else { return Ok(x.shallow_clone()) };
        let states = layer.forward(&self.config, x, batch, distances, query_positions, mode)?;
        match self.convolution.as_ref().filter(|_| number == 0) {
            None => Ok(states),
            Some(convolution) => convolution.forward(&self.config, x, &states, batch, query_positions, mode),
        }
    }

    /// What the scores of all layers know of distances.
    fn distances(&self, batch: &TokenBatch) -> Result<Distances> {
        if let Some(bias) = &self.relative_bias {
            return Ok(Distances::Bias(bias.by_distance(batch.reach())?));
        }
        let rows = self.distance_table.as_ref().map(|table| table.within(batch.reach())).transpose()?;
        Ok(rows.flatten().map_or(Distances::None, Distances::Rows))
    }

    /// Positions with the last one repeated, so that sizes repeat as those of batches do.
    fn even<'a>(&self, tokens: &'a [i64]) -> Cow<'a, [i64]> {
        match (tokens, self.batch_spec().even_tokens(tokens.len()) - tokens.len()) {
            ([.., last], fillers) if fillers > 0 => Cow::Owned([tokens, &vec![*last; fillers]].concat()),
            _ => Cow::Borrowed(tokens),
        }
    }

    /// Hidden states of the embeddings and of every layer, `num_hidden_layers + 1` tensors.
    ///
    /// # Shapes
    /// `[T, hidden_size]` each.
    ///
    /// # Errors
    /// [`Error::Torch`].
    pub fn hidden_states(&self, batch: &TokenBatch, mode: Mode<'_>) -> Result<Vec<Tensor>> {
        self.passes.fetch_add(1, Ordering::Relaxed);
        let embedded = self.embeddings.forward(&self.config, batch, mode)?;
        let mut all = vec![embedded.f_to_kind(kind_of(self.precision))?];
        let distances = self.distances(batch)?;
        for number in 0..self.layers.len() {
            if let Some(states) = all.last() {
                all.push(self.layer(number, states, batch, &distances, None, mode)?);
            }
        }
        all.iter().map(|states| Ok(states.f_narrow(0, 0, batch.tokens() as i64)?)).collect()
    }
}

impl Embeddings {
    fn new(config: &EncoderConfig, prefix: &str, builder: &mut Builder<'_>) -> Result<Self> {
        let (width, hidden) = (config.embedding_size, config.hidden_size);
        let std = config.initializer_range;
        let mut table = |name: &str, rows: i64| {
            let name = format!("{prefix}.embeddings.{name}.weight");
            builder.parameter(&name, &[rows, width], Init::Normal(std))
        };
        let word = table("word_embeddings", config.vocab_size)?;
        let position = match config.position_embeddings {
            false => None,
            true => Some(table("position_embeddings", config.max_position_embeddings)?),
        };
        let token_type = match config.type_vocab_size {
            0 => None,
            rows => Some(table("token_type_embeddings", rows)?),
        };
        let before_norm = config.model_type == ModelType::DebertaV2;
        let normed = if before_norm { hidden } else { width };
        let norm = format!("{prefix}.embeddings.LayerNorm");
        let norm = builder.layer_norm(&norm, normed, config.layer_norm_eps)?;
        let project = match before_norm {
            _ if width == hidden => None,
            true => {
                let name = format!("{prefix}.embeddings.embed_proj.weight");
                Some(Projection::BeforeNorm(builder.parameter(&name, &[hidden, width], Init::Normal(std))?))
            }
            false => {
                let name = format!("{prefix}.embeddings_project");
                Some(Projection::Last(builder.linear(&name, width, hidden, std)?))
            }
        };
        Ok(Self {
            word,
            word_rows: None,
            padding_row: config.pad_token_id.unwrap_or(-1),
            position,
            token_type,
            norm,
            project,
        })
    }

    fn forward(&self, config: &EncoderConfig, batch: &TokenBatch, mode: Mode<'_>) -> Result<Tensor> {
        let rows_of =
            |table: &Tensor, rows: &Tensor, padding| Tensor::f_embedding(table, rows, padding, false, false);
        let mut sum = rows_of(&self.word, &batch.ids, self.padding_row)?;
        if let Some(token_type) = &self.token_type {
            sum = sum.f_add(&rows_of(token_type, &batch.type_ids, -1)?)?;
        }
        if let Some(position) = &self.position {
            sum = sum.f_add(&rows_of(position, &batch.positions, config.position_offset - 1)?)?;
        }
        if let Some(Projection::BeforeNorm(weight)) = &self.project {
            sum = sum.f_linear(weight, None::<&Tensor>)?;
        }
        let states = dropout(&self.norm.forward(&sum)?, config.hidden_dropout_prob, mode)?;
        match &self.project {
            Some(Projection::Last(project)) => project.forward(&states),
            _ => Ok(states),
        }
    }
}

//! One Transformer encoder for checkpoints of BERT, RoBERTa, ELECTRA and MPNet.
//!
//! Linear layers run on the flat tokens of the batch; only attention sees rows side by side.

mod layer;

use std::borrow::Cow;

use tch::{Device, Kind, Tensor};

use self::layer::Layer;
use crate::batch::{BatchSpec, TokenBatch};
use crate::config::EncoderConfig;
use crate::error::{Error, Result};
use crate::ops::{LayerNorm, Linear, Mode, Precision, dropout};
use crate::parameters::{Builder, Init, Part};
use crate::relative::RelativeBias;

/// A post-LayerNorm Transformer encoder (Vaswani et al. 2017, Devlin et al. 2019).
#[derive(Debug)]
pub struct Encoder {
    pub(crate) config: EncoderConfig,
    pub(crate) embeddings: Embeddings,
    relative_bias: Option<RelativeBias>,
    layers: Vec<Layer>,
    precision: Precision,
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
    position: Tensor,
    norm: LayerNorm,
    project: Option<Linear>,
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
        let layers = (0..config.num_hidden_layers)
            .map(|number| {
                let layer = Layer::new(&config, &format!("{prefix}.encoder.layer.{number}"), builder)?;
                builder.check_layer().map(|()| layer)
            })
            .collect::<Result<_>>()?;
        Ok(Self { config, embeddings, relative_bias, layers, precision: Precision::default() })
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
        let query_positions = tokens.map(|tokens| self.even(tokens));
        let mut states =
            self.embeddings.forward(&self.config, batch, mode)?.f_to_kind(self.precision.kind())?;
        let bias = self.bias(batch)?;
        let bias = bias.as_ref();
        if let Some((last, before)) = self.layers.split_last() {
            for layer in before {
                states = layer.forward(&self.config, &states, batch, bias, None, mode)?;
            }
            states = last.forward(&self.config, &states, batch, bias, query_positions.as_deref(), mode)?;
        }
        let results = tokens.map_or(batch.tokens(), <[i64]>::len);
        Ok(states.f_narrow(0, 0, results as i64)?.f_to_kind(Kind::Float)?)
    }

    /// What all layers add to their scores, by head and distance.
    fn bias(&self, batch: &TokenBatch) -> Result<Option<Tensor>> {
        self.relative_bias.as_ref().map(|bias| bias.by_distance(batch.reach())).transpose()
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
        let embedded = self.embeddings.forward(&self.config, batch, mode)?;
        let mut all = vec![embedded.f_to_kind(self.precision.kind())?];
        let bias = self.bias(batch)?;
        for layer in &self.layers {
            if let Some(states) = all.last() {
                all.push(layer.forward(&self.config, states, batch, bias.as_ref(), None, mode)?);
            }
        }
        all.iter().map(|states| Ok(states.f_narrow(0, 0, batch.tokens() as i64)?)).collect()
    }
}

impl Embeddings {
    fn new(config: &EncoderConfig, prefix: &str, builder: &mut Builder<'_>) -> Result<Self> {
        let (width, std) = (config.embedding_size, config.initializer_range);
        let mut table = |name: &str, rows: i64| {
            builder.parameter(
                &format!("{prefix}.embeddings.{name}.weight"),
                &[rows, width],
                Init::Normal(std),
            )
        };
        Ok(Self {
            word: table("word_embeddings", config.vocab_size)?,
            word_rows: None,
            padding_row: config.pad_token_id.unwrap_or(-1),
            position: table("position_embeddings", config.max_position_embeddings)?,
            token_type: match config.type_vocab_size {
                0 => None,
                rows => Some(table("token_type_embeddings", rows)?),
            },
            norm: builder.layer_norm(
                &format!("{prefix}.embeddings.LayerNorm"),
                width,
                config.layer_norm_eps,
            )?,
            project: if width == config.hidden_size {
                None
            } else {
                Some(builder.linear(
                    &format!("{prefix}.embeddings_project"),
                    width,
                    config.hidden_size,
                    std,
                )?)
            },
        })
    }

    fn forward(&self, config: &EncoderConfig, batch: &TokenBatch, mode: Mode<'_>) -> Result<Tensor> {
        let rows_of =
            |table: &Tensor, rows: &Tensor, padding| Tensor::f_embedding(table, rows, padding, false, false);
        let mut sum = rows_of(&self.word, &batch.ids, self.padding_row)?;
        if let Some(token_type) = &self.token_type {
            sum = sum.f_add(&rows_of(token_type, &batch.type_ids, -1)?)?;
        }
        let sum = sum.f_add(&rows_of(&self.position, &batch.positions, config.position_offset - 1)?)?;
        let states = dropout(&self.norm.forward(&sum)?, config.hidden_dropout_prob, mode)?;
        match &self.project {
            None => Ok(states),
            Some(project) => project.forward(&states),
        }
    }
}

//! One Transformer encoder for BERT, RoBERTa and ELECTRA checkpoints.
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

/// A post-LayerNorm Transformer encoder (Vaswani et al. 2017, Devlin et al. 2019).
#[derive(Debug)]
pub struct Encoder {
    pub(crate) config: EncoderConfig,
    pub(crate) embeddings: Embeddings,
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
    pub(crate) token_type: Tensor,
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
        let layers = (0..config.num_hidden_layers)
            .map(|number| {
                let layer = Layer::new(&config, &format!("{prefix}.encoder.layer.{number}"), builder)?;
                builder.check_layer().map(|()| layer)
            })
            .collect::<Result<_>>()?;
        Ok(Self { config, embeddings, layers, precision: Precision::default() })
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
        if let Some((last, before)) = self.layers.split_last() {
            for layer in before {
                states = layer.forward(&self.config, &states, batch, None, mode)?;
            }
            states = last.forward(&self.config, &states, batch, query_positions.as_deref(), mode)?;
        }
        let results = tokens.map_or(batch.tokens(), <[i64]>::len);
        Ok(states.f_narrow(0, 0, results as i64)?.f_to_kind(Kind::Float)?)
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
        for layer in &self.layers {
            if let Some(states) = all.last() {
                all.push(layer.forward(&self.config, states, batch, None, mode)?);
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
            token_type: table("token_type_embeddings", config.type_vocab_size)?,
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
        let words = Tensor::f_embedding(&self.word, &batch.ids, self.padding_row, false, false)?;
        let sum = words
            .f_add(&Tensor::f_embedding(&self.token_type, &batch.type_ids, -1, false, false)?)?
            .f_add(&Tensor::f_embedding(
                &self.position,
                &batch.positions,
                config.position_offset - 1,
                false,
                false,
            )?)?;
        let states = dropout(&self.norm.forward(&sum)?, config.hidden_dropout_prob, mode)?;
        match &self.project {
            None => Ok(states),
            Some(project) => project.forward(&states),
        }
    }
}

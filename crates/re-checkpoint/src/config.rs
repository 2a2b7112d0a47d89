//! The encoder's shape, read from a checkpoint's `config.json`: the only place that knows architectures.

mod deberta;
mod fields;
#[cfg(test)]
mod tests;

use std::path::Path;

use re_data::{Batch, model_file};
use serde::Deserialize;
use serde_json::{Map, Value};

use self::deberta::Deberta;
use self::fields::Fields;
use crate::attention::{DisentangledAttention, RelativeAttention};
use crate::error::{Error, Result};

/// Far beyond what any checkpoint has; a table of so many rows, each so wide, can still be counted in bytes.
const MOST_ROWS: i64 = 1 << 24;
/// As [`MOST_ROWS`], for widths.
const WIDEST: i64 = 1 << 20;
/// As [`MOST_ROWS`], for layers: as many names of tensors are made as these have parameters.
const MOST_LAYERS: i64 = 1 << 12;

/// Architectures whose checkpoints can be loaded; they differ in defaults and names, not in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelType {
    /// BERT (Devlin et al. 2019).
    Bert,
    /// RoBERTa (Liu et al. 2019) and what shares its layout.
    #[serde(alias = "camembert")]
    Roberta,
    /// XLM-RoBERTa (Conneau et al. 2020).
    XlmRoberta,
    /// ELECTRA discriminators (Clark et al. 2020).
    Electra,
    /// MPNet (Song et al. 2020).
    Mpnet,
    /// DeBERTa in its second and third version (He et al. 2021, 2023).
    DebertaV2,
}

/// A non-linearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Exact GELU.
    #[serde(alias = "gelu_python")]
    Gelu,
    /// GELU in its tanh approximation.
    #[serde(alias = "gelu_new", alias = "gelu_fast", alias = "gelu_pytorch_tanh")]
    GeluTanh,
    /// Rectifier.
    Relu,
    /// SiLU, also called swish.
    #[serde(alias = "swish")]
    Silu,
    /// Hyperbolic tangent.
    Tanh,
}

/// How a checkpoint lays out its classification head on the first token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClsLayout {
    /// Name of the dense layer.
    pub dense: &'static str,
    /// Name of the layer that gives the logits.
    pub output: &'static str,
    /// Activation between the two.
    pub activation: Activation,
    /// Rate of the dropout before the dense layer, 0..1.
    pub dropout_first: f64,
}

/// A convolution over the tokens of a row beside the first layer, as DeBERTa's larger checkpoints have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Tokens that a result is computed from, an odd number: as many on either side of it.
    pub kernel_size: i64,
    /// Groups of columns that do not see each other, a divisor of `hidden_size`.
    pub groups: i64,
    /// Activation of its result.
    pub activation: Activation,
}

/// Names of the parts of a layer that architectures call differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerNames {
    /// Projection to queries.
    pub query: &'static str,
    /// Projection to keys.
    pub key: &'static str,
    /// Projection to values.
    pub value: &'static str,
    /// Projection of what attention gives.
    pub attention_output: &'static str,
    /// LayerNorm behind it.
    pub attention_norm: &'static str,
}

/// Shape and constants of an encoder, as the checkpoint's `config.json` gives them.
///
/// Fields that the file leaves out take the defaults that `transformers` gives to the architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderConfig {
    /// Architecture.
    pub model_type: ModelType,
    /// Rows of the word embeddings.
    pub vocab_size: i64,
    /// Width of the word embeddings; ELECTRA and DeBERTa project it to `hidden_size` where they differ.
    pub embedding_size: i64,
    /// Width of the hidden states.
    pub hidden_size: i64,
    /// Number of layers.
    pub num_hidden_layers: i64,
    /// Attention heads of each layer.
    pub num_attention_heads: i64,
    /// Width inside the feed-forward part.
    pub intermediate_size: i64,
    /// Activation of the feed-forward part.
    pub hidden_act: Activation,
    /// Dropout on embeddings, attention output and feed-forward output, 0..1.
    pub hidden_dropout_prob: f64,
    /// Dropout on attention weights, 0..1.
    pub attention_probs_dropout_prob: f64,
    /// Dropout in classification heads, 0..1.
    pub classifier_dropout: f64,
    /// Dropout before the output layer that classifies tokens, 0..1.
    pub token_dropout: f64,
    /// Rows of the position embeddings; without a table of them, the longest row all the same.
    pub max_position_embeddings: i64,
    /// Whether positions have embeddings, which are added to those of words.
    pub position_embeddings: bool,
    /// Position of a row's first token: 0, or `pad_token_id + 1` for RoBERTa's kin and MPNet, where a padding token within
    /// a row stands at `pad_token_id`, is not counted, and its position gets no gradient.
    pub position_offset: i64,
    /// Rows of the token-type table, 0 for an architecture that has none.
    pub type_vocab_size: i64,
    /// How attention scores depend on the distance of query and key alone, where they do.
    pub relative_attention: Option<RelativeAttention>,
    /// How they depend on the distance together with query or key, where they do.
    pub disentangled_attention: Option<DisentangledAttention>,
    /// Number of terms of an attention score: scores are divided by the root of a head's width times this number.
    pub score_terms: i64,
    /// The convolution beside the first layer, where there is one.
    pub convolution: Option<Convolution>,
    /// Activation between the two layers of DeBERTa's classification head, and the dropout before the first one.
    pooler: (Activation, f64),
    /// Epsilon of every LayerNorm.
    pub layer_norm_eps: f64,
    /// Standard deviation of freshly initialised weights.
    pub initializer_range: f64,
    /// Row of the word embeddings that gets no gradient, as in `transformers`.
    pub pad_token_id: Option<i64>,
    /// The file's own fields, kept so that saving loses none.
    pub raw: Map<String, Value>,
}

impl EncoderConfig {
    /// Reads `config.json` of a model folder.
    ///
    /// # Errors
    /// [`Error::Data`] for what stands in place of the file, see [`model_file::read_text`]; [`Error::Json`];
    /// [`Error::Config`] for an architecture, activation or position embedding that this encoder does not have, for numbers
    /// out of range, and for sizes that contradict each other.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        Self::parse(&model_file::read_text(&path)?, &path)
    }

    /// Parses the text of a `config.json`; `path` is named in errors.
    ///
    /// # Errors
    /// As [`EncoderConfig::from_folder`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let raw: Map<String, Value> =
            serde_json::from_str(text).map_err(|source| Error::Json { path: path.to_owned(), source })?;
        let fields = Fields { raw: &raw, path };

        let model_type: ModelType = fields.name(
            "model_type",
            None,
            "\"bert\", \"roberta\", \"xlm-roberta\", \"electra\", \"mpnet\" or \"deberta-v2\"",
        )?;
        let hidden_act = fields.activation("hidden_act", "gelu")?;
        if let Some(kind) = fields.get("position_embedding_type").filter(|kind| *kind != "absolute") {
            return Err(fields.fault("position_embedding_type", kind, "\"absolute\""));
        }
        for field in ["is_decoder", "add_cross_attention"] {
            if let Some(value) = fields.get(field).filter(|value| *value != false) {
                return Err(fields.fault(field, value, "false: encoders only"));
            }
        }

        let defaults = model_type.defaults();
        let vocab_size = fields.size("vocab_size", defaults.vocab_size, MOST_ROWS)?;
        let hidden_size = fields.size("hidden_size", defaults.hidden_size, WIDEST)?;
        let heads = fields.size("num_attention_heads", defaults.num_attention_heads, hidden_size)?;
        if hidden_size % heads != 0 {
            let expected = format!("a divisor of hidden_size {hidden_size}");
            return Err(fields.fault("num_attention_heads", heads, expected));
        }
        let pad_token_id = match raw.get("pad_token_id") {
            // A constant of the architecture, whatever the file says.
            _ if model_type == ModelType::Mpnet => Some(defaults.pad_token_id),
            None => Some(defaults.pad_token_id),
            Some(Value::Null) => None,
            Some(_) => Some(fields.whole("pad_token_id", 0, 0..=vocab_size - 1)?),
        };
        if let Some(id) = pad_token_id.filter(|id| *id >= vocab_size) {
            let expected = format!("an id below vocab_size {vocab_size}");
            return Err(fields.fault("pad_token_id", id, expected));
        }
        let position_offset = match model_type {
            ModelType::Roberta | ModelType::XlmRoberta | ModelType::Mpnet => pad_token_id.unwrap_or(1) + 1,
            ModelType::Bert | ModelType::Electra | ModelType::DebertaV2 => 0,
        };
        let max_position_embeddings = fields.size("max_position_embeddings", 512, MOST_ROWS)?;
        if max_position_embeddings <= position_offset {
            let expected = format!("more than the position offset {position_offset}");
            return Err(fields.fault("max_position_embeddings", max_position_embeddings, expected));
        }
        let hidden_dropout_prob = fields.rate("hidden_dropout_prob", 0.1)?;
        let classifier_dropout = match model_type {
            ModelType::DebertaV2 => "cls_dropout",
            _ => "classifier_dropout",
        };
        let classifier_dropout = fields.rate(classifier_dropout, hidden_dropout_prob)?;
        let deberta = match model_type {
            ModelType::DebertaV2 => Deberta::read(&fields, hidden_size, heads, max_position_embeddings)?,
            _ => Deberta::default(),
        };
        Ok(Self {
            model_type,
            vocab_size,
            embedding_size: match model_type {
                ModelType::Electra => fields.size("embedding_size", 128, WIDEST)?,
                ModelType::DebertaV2 => fields.size("embedding_size", hidden_size, WIDEST)?,
                _ => hidden_size,
            },
            hidden_size,
            num_hidden_layers: fields.size("num_hidden_layers", defaults.num_hidden_layers, MOST_LAYERS)?,
            num_attention_heads: heads,
            intermediate_size: fields.size("intermediate_size", defaults.intermediate_size, WIDEST)?,
            hidden_act,
            hidden_dropout_prob,
            attention_probs_dropout_prob: fields.rate("attention_probs_dropout_prob", 0.1)?,
            classifier_dropout,
            token_dropout: match model_type {
                ModelType::DebertaV2 => hidden_dropout_prob,
                _ => classifier_dropout,
            },
            max_position_embeddings,
            position_embeddings: deberta.position_embeddings,
            position_offset,
            type_vocab_size: match model_type {
                ModelType::Mpnet => 0,
                ModelType::DebertaV2 => fields.whole("type_vocab_size", 0, 0..=MOST_ROWS)?,
                _ => fields.size("type_vocab_size", 2, MOST_ROWS)?,
            },
            relative_attention: match model_type {
                // The number in the file is that of the table's rows alone: 32 ranges are a constant of the architecture.
                ModelType::Mpnet => Some(RelativeAttention {
                    rows: fields.whole("relative_attention_num_buckets", 32, 32..=MOST_ROWS)?,
                    buckets: 32,
                    max_distance: 128,
                }),
                _ => None,
            },
            disentangled_attention: deberta.attention,
            score_terms: deberta.score_terms,
            convolution: deberta.convolution,
            pooler: deberta.pooler,
            layer_norm_eps: fields.number(
                "layer_norm_eps",
                defaults.layer_norm_eps,
                |eps| eps > 0.0 && eps <= 1.0,
                "a number above 0, at most 1",
            )?,
            initializer_range: fields.number(
                "initializer_range",
                0.02,
                |std| (0.0..=100.0).contains(&std),
                "a number from 0 to 100",
            )?,
            pad_token_id,
            raw,
        })
    }

    /// Keeps the first `layers` layers.
    ///
    /// # Errors
    /// [`Error::Layers`] where `folder`, which the configuration is from, has fewer, or none are to be kept.
    pub fn keep_layers(&mut self, layers: i64, folder: &Path) -> Result<()> {
        if !(1..=self.num_hidden_layers).contains(&layers) {
            return Err(Error::Layers { folder: folder.to_owned(), layers, most: self.num_hidden_layers });
        }
        self.num_hidden_layers = layers;
        Ok(())
    }

    /// Longest row in tokens, special tokens counted.
    pub fn max_length(&self) -> usize {
        usize::try_from(self.max_position_embeddings - self.position_offset).unwrap_or(0)
    }

    /// Number of token types that rows may have: 1, which says nothing, for an architecture without a table of them.
    pub fn token_types(&self) -> usize {
        usize::try_from(self.type_vocab_size).unwrap_or(0).max(1)
    }

    /// Position ids of a batch as `transformers` counts them: where positions begin behind the padding id, a padding token within a
    /// row, which a sentence can spell out, stands at that id and is not counted.
    pub fn positions(&self, batch: &Batch) -> Vec<i64> {
        let pad = self.position_offset - 1;
        let mut positions = Vec::with_capacity(batch.ids.len());
        let mut ids = batch.ids.iter();
        for length in batch.lengths() {
            let mut next = self.position_offset;
            positions.extend(ids.by_ref().take(length).map(|&id| {
                if id == pad {
                    return pad;
                }
                next += 1;
                next - 1
            }));
        }
        positions
    }

    /// Prefix of the encoder's tensors in a checkpoint with a head, such as `bert`.
    pub fn prefix(&self) -> &'static str {
        match self.model_type {
            ModelType::Bert => "bert",
            ModelType::Roberta | ModelType::XlmRoberta => "roberta",
            ModelType::Electra => "electra",
            ModelType::Mpnet => "mpnet",
            ModelType::DebertaV2 => "deberta",
        }
    }

    /// How checkpoints of this architecture call the parts of a layer.
    pub fn layer_names(&self) -> LayerNames {
        match self.model_type {
            ModelType::Mpnet => LayerNames {
                query: "attention.attn.q",
                key: "attention.attn.k",
                value: "attention.attn.v",
                attention_output: "attention.attn.o",
                attention_norm: "attention.LayerNorm",
            },
            ModelType::DebertaV2 => LayerNames {
                query: "attention.self.query_proj",
                key: "attention.self.key_proj",
                value: "attention.self.value_proj",
                attention_output: "attention.output.dense",
                attention_norm: "attention.output.LayerNorm",
            },
            _ => LayerNames {
                query: "attention.self.query",
                key: "attention.self.key",
                value: "attention.self.value",
                attention_output: "attention.output.dense",
                attention_norm: "attention.output.LayerNorm",
            },
        }
    }

    /// Name of the word embeddings in a checkpoint with a head.
    pub fn word_embeddings(&self) -> String {
        format!("{}.embeddings.word_embeddings.weight", self.prefix())
    }

    /// How checkpoints of this architecture lay out their classification head.
    pub fn cls_layout(&self) -> ClsLayout {
        let of_two = |activation| ClsLayout {
            dense: "classifier.dense",
            output: "classifier.out_proj",
            activation,
            dropout_first: self.classifier_dropout,
        };
        match self.model_type {
            ModelType::Bert => ClsLayout {
                dense: "bert.pooler.dense",
                output: "classifier",
                activation: Activation::Tanh,
                dropout_first: 0.0,
            },
            ModelType::Roberta | ModelType::XlmRoberta | ModelType::Mpnet => of_two(Activation::Tanh),
            ModelType::Electra => of_two(Activation::Gelu),
            ModelType::DebertaV2 => ClsLayout {
                dense: "pooler.dense",
                output: "classifier",
                activation: self.pooler.0,
                dropout_first: self.pooler.1,
            },
        }
    }

    /// Name that `transformers` gives the class of this architecture for `task`, such as `ForSequenceClassification`.
    pub fn architecture(&self, task: &str) -> String {
        let stem = match self.model_type {
            ModelType::Bert => "Bert",
            ModelType::Roberta => "Roberta",
            ModelType::XlmRoberta => "XLMRoberta",
            ModelType::Electra => "Electra",
            ModelType::Mpnet => "MPNet",
            ModelType::DebertaV2 => "DebertaV2",
        };
        format!("{stem}{task}")
    }

    /// The text of `config.json` for the current sizes, with the file's other fields kept and `extra` added.
    pub fn to_json(&self, extra: Map<String, Value>) -> String {
        let mut raw = self.raw.clone();
        let mut sizes = vec![("vocab_size", self.vocab_size), ("num_hidden_layers", self.num_hidden_layers)];
        if self.type_vocab_size > 0 {
            sizes.push(("type_vocab_size", self.type_vocab_size));
        }
        raw.extend(sizes.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))));
        // The weights are written in 32-bit floats, whatever the checkpoint that training began from held.
        for name in ["torch_dtype", "dtype"] {
            if let Some(value) = raw.get_mut(name) {
                *value = Value::from("float32");
            }
        }
        raw.extend(extra);
        format!("{:#}\n", Value::Object(raw))
    }
}

struct Defaults {
    vocab_size: i64,
    hidden_size: i64,
    num_hidden_layers: i64,
    num_attention_heads: i64,
    intermediate_size: i64,
    pad_token_id: i64,
    layer_norm_eps: f64,
}

impl ModelType {
    fn defaults(self) -> Defaults {
        let base = Defaults {
            vocab_size: 30_522,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3_072,
            pad_token_id: 0,
            layer_norm_eps: 1e-12,
        };
        match self {
            Self::Bert => base,
            Self::Roberta => Defaults { vocab_size: 50_265, pad_token_id: 1, ..base },
            Self::XlmRoberta => Defaults { vocab_size: 30_522, pad_token_id: 1, ..base },
            Self::Mpnet => Defaults { vocab_size: 30_527, pad_token_id: 1, ..base },
            Self::Electra => {
                Defaults { hidden_size: 256, num_attention_heads: 4, intermediate_size: 1_024, ..base }
            }
            Self::DebertaV2 => Defaults {
                vocab_size: 128_100,
                hidden_size: 1_536,
                num_hidden_layers: 24,
                num_attention_heads: 24,
                intermediate_size: 6_144,
                layer_norm_eps: 1e-7,
                ..base
            },
        }
    }
}

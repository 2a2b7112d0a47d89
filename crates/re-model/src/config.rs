//! The encoder's shape, read from a checkpoint's `config.json`: the only place that knows architectures.

use std::ops::RangeInclusive;
use std::path::Path;

use re_data::model_file;
use re_data::text::brief;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::relative::RelativeAttention;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClsLayout {
    /// Name of the dense layer.
    pub dense: &'static str,
    /// Name of the layer that gives the logits.
    pub output: &'static str,
    /// Activation between the two.
    pub activation: Activation,
    /// Whether dropout also precedes the dense layer.
    pub dropout_first: bool,
}

/// Names of the parts of a layer that architectures call differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerNames {
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub attention_output: &'static str,
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
    /// Width of the word embeddings; ELECTRA projects it to `hidden_size` where they differ.
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
    /// Rows of the position embeddings.
    pub max_position_embeddings: i64,
    /// Position of a row's first token: 0, or `pad_token_id + 1` for RoBERTa's kin and MPNet, where a padding token within
    /// a row stands at `pad_token_id`, is not counted, and its position gets no gradient.
    pub position_offset: i64,
    /// Rows of the token-type table, 0 for an architecture that has none.
    pub type_vocab_size: i64,
    /// How attention scores depend on the distance of query and key, where they do.
    pub relative_attention: Option<RelativeAttention>,
    /// Epsilon of every LayerNorm.
    pub layer_norm_eps: f64,
    /// Standard deviation of freshly initialised weights.
    pub initializer_range: f64,
    /// Row of the word embeddings that gets no gradient, as in `transformers`.
    pub pad_token_id: Option<i64>,
    /// The file's own fields, kept so that saving loses none.
    pub(crate) raw: Map<String, Value>,
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
            "\"bert\", \"roberta\", \"xlm-roberta\", \"electra\" or \"mpnet\"",
        )?;
        let hidden_act = fields.name(
            "hidden_act",
            Some("gelu"),
            "\"gelu\", \"gelu_new\", \"relu\", \"silu\" or \"tanh\"",
        )?;
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
            ModelType::Bert | ModelType::Electra => 0,
        };
        let max_position_embeddings = fields.size("max_position_embeddings", 512, MOST_ROWS)?;
        if max_position_embeddings <= position_offset {
            let expected = format!("more than the position offset {position_offset}");
            return Err(fields.fault("max_position_embeddings", max_position_embeddings, expected));
        }
        let hidden_dropout_prob = fields.rate("hidden_dropout_prob", 0.1)?;
        Ok(Self {
            model_type,
            vocab_size,
            embedding_size: match model_type {
                ModelType::Electra => fields.size("embedding_size", 128, WIDEST)?,
                _ => hidden_size,
            },
            hidden_size,
            num_hidden_layers: fields.size("num_hidden_layers", 12, MOST_LAYERS)?,
            num_attention_heads: heads,
            intermediate_size: fields.size("intermediate_size", defaults.intermediate_size, WIDEST)?,
            hidden_act,
            hidden_dropout_prob,
            attention_probs_dropout_prob: fields.rate("attention_probs_dropout_prob", 0.1)?,
            classifier_dropout: fields.rate("classifier_dropout", hidden_dropout_prob)?,
            max_position_embeddings,
            position_offset,
            type_vocab_size: match model_type {
                ModelType::Mpnet => 0,
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
            layer_norm_eps: fields.number(
                "layer_norm_eps",
                1e-12,
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
    pub(crate) fn keep_layers(&mut self, layers: i64, folder: &Path) -> Result<()> {
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

    /// Prefix of the encoder's tensors in a checkpoint with a head, such as `bert`.
    pub fn prefix(&self) -> &'static str {
        match self.model_type {
            ModelType::Bert => "bert",
            ModelType::Roberta | ModelType::XlmRoberta => "roberta",
            ModelType::Electra => "electra",
            ModelType::Mpnet => "mpnet",
        }
    }

    /// How checkpoints of this architecture call the parts of a layer.
    pub(crate) fn layer_names(&self) -> LayerNames {
        match self.model_type {
            ModelType::Mpnet => LayerNames {
                query: "attention.attn.q",
                key: "attention.attn.k",
                value: "attention.attn.v",
                attention_output: "attention.attn.o",
                attention_norm: "attention.LayerNorm",
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
    pub(crate) fn word_embeddings(&self) -> String {
        format!("{}.embeddings.word_embeddings.weight", self.prefix())
    }

    /// How checkpoints of this architecture lay out their classification head.
    pub fn cls_layout(&self) -> ClsLayout {
        let (dense, output) = ("classifier.dense", "classifier.out_proj");
        match self.model_type {
            ModelType::Bert => ClsLayout {
                dense: "bert.pooler.dense",
                output: "classifier",
                activation: Activation::Tanh,
                dropout_first: false,
            },
            ModelType::Roberta | ModelType::XlmRoberta | ModelType::Mpnet => {
                ClsLayout { dense, output, activation: Activation::Tanh, dropout_first: true }
            }
            ModelType::Electra => {
                ClsLayout { dense, output, activation: Activation::Gelu, dropout_first: true }
            }
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
        };
        format!("{stem}{task}")
    }

    /// The text of `config.json` for the current sizes, with the file's other fields kept and `extra` added.
    pub(crate) fn to_json(&self, extra: Map<String, Value>) -> String {
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

/// The fields of a `config.json`; `null` stands for one that is left out.
struct Fields<'a> {
    raw: &'a Map<String, Value>,
    path: &'a Path,
}

impl Fields<'_> {
    fn get(&self, field: &str) -> Option<&Value> {
        self.raw.get(field).filter(|value| !value.is_null())
    }

    fn fault(&self, field: &'static str, found: impl ToString, expected: impl Into<String>) -> Error {
        let found = brief(&found.to_string());
        Error::Config { path: self.path.to_owned(), field, found, expected: expected.into() }
    }

    /// A value that is known by name.
    fn name<T: for<'a> Deserialize<'a>>(
        &self,
        field: &'static str,
        default: Option<&str>,
        expected: &str,
    ) -> Result<T> {
        let value = self.get(field).cloned().or_else(|| default.map(Value::from));
        let value = value.ok_or_else(|| self.fault(field, "nothing", expected))?;
        T::deserialize(&value).map_err(|_| self.fault(field, &value, expected))
    }

    fn whole(&self, field: &'static str, default: i64, range: RangeInclusive<i64>) -> Result<i64> {
        let Some(value) = self.get(field) else { return Ok(default) };
        let fits = value.as_i64().filter(|number| range.contains(number));
        let expected = || format!("a whole number from {} to {}", range.start(), range.end());
        fits.ok_or_else(|| self.fault(field, value, expected()))
    }

    fn size(&self, field: &'static str, default: i64, largest: i64) -> Result<i64> {
        self.whole(field, default, 1..=largest)
    }

    fn number(
        &self,
        field: &'static str,
        default: f64,
        fits: impl Fn(f64) -> bool,
        expected: &str,
    ) -> Result<f64> {
        let Some(value) = self.get(field) else { return Ok(default) };
        value.as_f64().filter(|number| fits(*number)).ok_or_else(|| self.fault(field, value, expected))
    }

    fn rate(&self, field: &'static str, default: f64) -> Result<f64> {
        let fits = |rate| (0.0..1.0).contains(&rate);
        self.number(field, default, fits, "a rate from 0 up to, not including, 1")
    }
}

struct Defaults {
    vocab_size: i64,
    hidden_size: i64,
    num_attention_heads: i64,
    intermediate_size: i64,
    pad_token_id: i64,
}

impl ModelType {
    fn defaults(self) -> Defaults {
        let base = Defaults {
            vocab_size: 30_522,
            hidden_size: 768,
            num_attention_heads: 12,
            intermediate_size: 3_072,
            pad_token_id: 0,
        };
        match self {
            Self::Bert => base,
            Self::Roberta => Defaults { vocab_size: 50_265, pad_token_id: 1, ..base },
            Self::XlmRoberta => Defaults { vocab_size: 30_522, pad_token_id: 1, ..base },
            Self::Mpnet => Defaults { vocab_size: 30_527, pad_token_id: 1, ..base },
            Self::Electra => {
                Defaults { hidden_size: 256, num_attention_heads: 4, intermediate_size: 1_024, ..base }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EncoderConfig> {
        EncoderConfig::parse(text, Path::new("config.json"))
    }

    #[test]
    fn missing_fields_take_the_defaults_of_the_architecture() {
        let bert = parse(r#"{"model_type": "bert"}"#).unwrap();
        assert_eq!((bert.vocab_size, bert.pad_token_id, bert.position_offset), (30_522, Some(0), 0));
        let xlmr = parse(r#"{"model_type": "xlm-roberta", "max_position_embeddings": 514}"#).unwrap();
        assert_eq!((xlmr.pad_token_id, xlmr.position_offset, xlmr.max_length()), (Some(1), 2, 512));
        let electra = parse(r#"{"model_type": "electra"}"#).unwrap();
        assert_eq!((electra.embedding_size, electra.hidden_size), (128, 256));
        let mpnet = parse(r#"{"model_type": "mpnet", "pad_token_id": 5}"#).unwrap();
        assert_eq!((mpnet.vocab_size, mpnet.pad_token_id, mpnet.position_offset), (30_527, Some(1), 2));
        assert_eq!((mpnet.type_vocab_size, mpnet.token_types()), (0, 1));
        assert_eq!(
            mpnet.relative_attention,
            Some(RelativeAttention { rows: 32, buckets: 32, max_distance: 128 })
        );
        let no_pad = parse(r#"{"model_type": "bert", "pad_token_id": null}"#).unwrap();
        assert_eq!(no_pad.pad_token_id, None);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let cases = [
            (r#"{"model_type": "t5"}"#, r#"model_type = "t5""#),
            (r#"{}"#, "model_type = nothing"),
            (r#"{"model_type": "bert", "hidden_act": "mish"}"#, r#"hidden_act = "mish""#),
            (
                r#"{"model_type": "bert", "position_embedding_type": "relative_key"}"#,
                r#"position_embedding_type = "relative_key""#,
            ),
            (r#"{"model_type": "bert", "num_attention_heads": 7}"#, "num_attention_heads = 7"),
            (r#"{"model_type": "bert", "hidden_size": 0}"#, "hidden_size = 0"),
            (r#"{"model_type": "bert", "hidden_dropout_prob": 1.5}"#, "hidden_dropout_prob = 1.5"),
            (r#"{"model_type": "roberta", "max_position_embeddings": 2}"#, "max_position_embeddings = 2"),
            (r#"{"model_type": "bert", "is_decoder": true}"#, "is_decoder = true"),
            (r#"{"model_type": ["bert"]}"#, r#"model_type = ["bert"]"#),
            (r#"{"model_type": "bert", "num_hidden_layers": 2000000000}"#, "num_hidden_layers = 2000000000"),
            (r#"{"model_type": "bert", "hidden_size": 9223372036854775807}"#, "hidden_size = 92233720368547"),
            (r#"{"model_type": "bert", "intermediate_size": 12.5}"#, "intermediate_size = 12.5"),
            (r#"{"model_type": "bert", "num_attention_heads": 0}"#, "num_attention_heads = 0"),
            (r#"{"model_type": "electra", "embedding_size": -1}"#, "embedding_size = -1"),
            (r#"{"model_type": "bert", "vocab_size": "x"}"#, r#"vocab_size = "x""#),
            (r#"{"model_type": "bert", "pad_token_id": "x"}"#, r#"pad_token_id = "x""#),
            (r#"{"model_type": "bert", "pad_token_id": -1}"#, "pad_token_id = -1"),
            (r#"{"model_type": "bert", "pad_token_id": 30522}"#, "pad_token_id = 30522"),
            (r#"{"model_type": "roberta", "pad_token_id": 9223372036854775807}"#, "pad_token_id = 92233720"),
            (r#"{"model_type": "roberta", "vocab_size": 1}"#, "pad_token_id = 1"),
            (r#"{"model_type": "mpnet", "vocab_size": 1}"#, "pad_token_id = 1"),
            (
                r#"{"model_type": "mpnet", "relative_attention_num_buckets": 8}"#,
                "relative_attention_num_buckets = 8, expected a whole number from 32 to",
            ),
            (r#"{"model_type": "bert", "layer_norm_eps": -1}"#, "layer_norm_eps = -1"),
            (r#"{"model_type": "bert", "layer_norm_eps": 0}"#, "layer_norm_eps = 0"),
            (r#"{"model_type": "bert", "initializer_range": 1e308}"#, "initializer_range = 1e+308"),
            (
                r#"{"model_type": "bert", "attention_probs_dropout_prob": 1}"#,
                "attention_probs_dropout_prob = 1",
            ),
            (r#"{"model_type": "bert", "classifier_dropout": true}"#, "classifier_dropout = true"),
            (r#"{"model_type": "bert", "is_decoder": "yes"}"#, r#"is_decoder = "yes""#),
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("config.json: {expected}")), "{error}");
        }
    }

    #[test]
    fn a_long_value_is_told_in_brief() {
        let text = format!(r#"{{"model_type": "{}"}}"#, "bert ".repeat(100_000));
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.len() < 400, "{} bytes", error.len());
    }

    #[test]
    fn saving_keeps_unknown_fields() {
        let config = parse(r#"{"model_type": "bert", "custom": [1], "torch_dtype": "float16"}"#).unwrap();
        let saved: Value = serde_json::from_str(&config.to_json(Map::new())).unwrap();
        assert_eq!(saved["custom"][0], 1);
        assert_eq!(saved["torch_dtype"], "float32");
        assert_eq!((&saved["vocab_size"], &saved["type_vocab_size"]), (&30_522.into(), &2.into()));
        // What the architecture has not, its file does not name.
        let config = parse(r#"{"model_type": "mpnet", "pad_token_id": 5}"#).unwrap();
        let saved: Value = serde_json::from_str(&config.to_json(Map::new())).unwrap();
        assert_eq!((saved.get("type_vocab_size"), &saved["pad_token_id"]), (None, &5.into()));
    }
}

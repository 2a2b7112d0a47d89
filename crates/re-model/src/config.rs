//! The encoder's shape, read from a checkpoint's `config.json`: the only place that knows architectures.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

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
    /// Position of a row's first token: 0, or `pad_token_id + 1` for RoBERTa's kin, where a padding token within a row
    /// stands at `pad_token_id`, is not counted, and its position gets no gradient.
    pub position_offset: i64,
    /// Rows of the token-type table.
    pub type_vocab_size: i64,
    /// Epsilon of every LayerNorm.
    pub layer_norm_eps: f64,
    /// Standard deviation of freshly initialised weights.
    pub initializer_range: f64,
    /// Row of the word embeddings that gets no gradient, as in `transformers`.
    pub pad_token_id: Option<i64>,
    /// The file's own fields, kept so that saving loses none.
    pub(crate) raw: Map<String, Value>,
}

/// The fields of `config.json` as they may stand there.
#[derive(Deserialize)]
struct RawConfig {
    model_type: Option<String>,
    vocab_size: Option<i64>,
    embedding_size: Option<i64>,
    hidden_size: Option<i64>,
    num_hidden_layers: Option<i64>,
    num_attention_heads: Option<i64>,
    intermediate_size: Option<i64>,
    hidden_act: Option<String>,
    hidden_dropout_prob: Option<f64>,
    attention_probs_dropout_prob: Option<f64>,
    classifier_dropout: Option<f64>,
    max_position_embeddings: Option<i64>,
    type_vocab_size: Option<i64>,
    layer_norm_eps: Option<f64>,
    initializer_range: Option<f64>,
    position_embedding_type: Option<String>,
    is_decoder: Option<bool>,
    add_cross_attention: Option<bool>,
}

impl EncoderConfig {
    /// Reads `config.json` of a model folder.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Json`], or [`Error::Config`] for an architecture, activation or position
    /// embedding that this encoder does not have, and for sizes that contradict each other.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?;
        Self::parse(&text, &path)
    }

    /// Parses the text of a `config.json`; `path` is named in errors.
    ///
    /// # Errors
    /// As [`EncoderConfig::from_folder`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let json = |source| Error::Json { path: path.to_owned(), source };
        let raw: Map<String, Value> = serde_json::from_str(text).map_err(json)?;
        let file: RawConfig = serde_json::from_str(text).map_err(json)?;
        let fault = |field, found: String, expected: &str| Error::Config {
            path: path.to_owned(),
            field,
            found,
            expected: expected.to_owned(),
        };
        let named = |field, name: &str, expected| fault(field, format!("{name:?}"), expected);

        let type_name = file.model_type.as_deref().unwrap_or("missing");
        let model_type: ModelType = parse_name(type_name).ok_or_else(|| {
            named("model_type", type_name, "\"bert\", \"roberta\", \"xlm-roberta\" or \"electra\"")
        })?;
        let act = file.hidden_act.as_deref().unwrap_or("gelu");
        let hidden_act = parse_name(act).ok_or_else(|| {
            named("hidden_act", act, "\"gelu\", \"gelu_new\", \"relu\", \"silu\" or \"tanh\"")
        })?;
        if let Some(kind) = file.position_embedding_type.as_deref().filter(|kind| *kind != "absolute") {
            return Err(named("position_embedding_type", kind, "\"absolute\""));
        }
        for (field, value) in
            [("is_decoder", file.is_decoder), ("add_cross_attention", file.add_cross_attention)]
        {
            if value == Some(true) {
                return Err(fault(field, "true".to_owned(), "false: encoders only"));
            }
        }

        let defaults = model_type.defaults();
        let hidden_size = file.hidden_size.unwrap_or(defaults.hidden_size);
        let hidden_dropout_prob = file.hidden_dropout_prob.unwrap_or(0.1);
        let pad_token_id = match raw.get("pad_token_id") {
            None => Some(defaults.pad_token_id),
            Some(value) => value.as_i64(),
        };
        let config = Self {
            model_type,
            vocab_size: file.vocab_size.unwrap_or(defaults.vocab_size),
            embedding_size: match model_type {
                ModelType::Electra => file.embedding_size.unwrap_or(128),
                _ => hidden_size,
            },
            hidden_size,
            num_hidden_layers: file.num_hidden_layers.unwrap_or(12),
            num_attention_heads: file.num_attention_heads.unwrap_or(defaults.num_attention_heads),
            intermediate_size: file.intermediate_size.unwrap_or(defaults.intermediate_size),
            hidden_act,
            hidden_dropout_prob,
            attention_probs_dropout_prob: file.attention_probs_dropout_prob.unwrap_or(0.1),
            classifier_dropout: file.classifier_dropout.unwrap_or(hidden_dropout_prob),
            max_position_embeddings: file.max_position_embeddings.unwrap_or(512),
            position_offset: match model_type {
                ModelType::Roberta | ModelType::XlmRoberta => pad_token_id.unwrap_or(1) + 1,
                ModelType::Bert | ModelType::Electra => 0,
            },
            type_vocab_size: file.type_vocab_size.unwrap_or(2),
            layer_norm_eps: file.layer_norm_eps.unwrap_or(1e-12),
            initializer_range: file.initializer_range.unwrap_or(0.02),
            pad_token_id,
            raw,
        };
        config.check(&fault)?;
        Ok(config)
    }

    fn check(&self, fault: &dyn Fn(&'static str, String, &str) -> Error) -> Result<()> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("embedding_size", self.embedding_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ];
        for (field, value) in sizes {
            if !(1..=1 << 31).contains(&value) {
                return Err(fault(field, value.to_string(), "a positive number"));
            }
        }
        if self.hidden_size % self.num_attention_heads != 0 {
            let expected = format!("a divisor of hidden_size {}", self.hidden_size);
            return Err(fault("num_attention_heads", self.num_attention_heads.to_string(), &expected));
        }
        let rates = [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
            ("classifier_dropout", self.classifier_dropout),
        ];
        for (field, value) in rates {
            if !(0.0..1.0).contains(&value) {
                return Err(fault(field, value.to_string(), "a rate from 0 up to, not including, 1"));
            }
        }
        if self.pad_token_id.is_some_and(|id| !(0..self.vocab_size).contains(&id)) {
            let expected = format!("an id below vocab_size {}", self.vocab_size);
            return Err(fault("pad_token_id", format!("{:?}", self.pad_token_id), &expected));
        }
        if self.max_length() == 0 {
            let expected = format!("more than the position offset {}", self.position_offset);
            return Err(fault(
                "max_position_embeddings",
                self.max_position_embeddings.to_string(),
                &expected,
            ));
        }
        Ok(())
    }

    /// Keeps the first `layers` layers.
    pub(crate) fn keep_layers(&mut self, layers: i64, folder: &Path) -> Result<()> {
        if !(1..=self.num_hidden_layers).contains(&layers) {
            return Err(Error::Config {
                path: folder.join("config.json"),
                field: "num_hidden_layers",
                found: self.num_hidden_layers.to_string(),
                expected: format!("at least the {layers} layers asked for, which must be 1 or more"),
            });
        }
        self.num_hidden_layers = layers;
        Ok(())
    }

    /// Longest row in tokens, special tokens counted.
    pub fn max_length(&self) -> usize {
        usize::try_from(self.max_position_embeddings - self.position_offset).unwrap_or(0)
    }

    /// Prefix of the encoder's tensors in a checkpoint with a head, such as `bert`.
    pub fn prefix(&self) -> &'static str {
        match self.model_type {
            ModelType::Bert => "bert",
            ModelType::Roberta | ModelType::XlmRoberta => "roberta",
            ModelType::Electra => "electra",
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
            ModelType::Roberta | ModelType::XlmRoberta => {
                ClsLayout { dense, output, activation: Activation::Tanh, dropout_first: true }
            }
            ModelType::Electra => {
                ClsLayout { dense, output, activation: Activation::Gelu, dropout_first: true }
            }
        }
    }

    /// Name that `transformers` gives the class of this architecture for `task`, such as `ForSequenceClassification`.
    pub(crate) fn architecture(&self, task: &str) -> String {
        let stem = match self.model_type {
            ModelType::Bert => "Bert",
            ModelType::Roberta => "Roberta",
            ModelType::XlmRoberta => "XLMRoberta",
            ModelType::Electra => "Electra",
        };
        format!("{stem}{task}")
    }

    /// The text of `config.json` for the current sizes, with the file's other fields kept and `extra` added.
    pub(crate) fn to_json(&self, extra: Map<String, Value>) -> String {
        let mut raw = self.raw.clone();
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("type_vocab_size", self.type_vocab_size),
            ("num_hidden_layers", self.num_hidden_layers),
        ];
        raw.extend(sizes.map(|(name, value)| (name.to_owned(), Value::from(value))));
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
            Self::Electra => {
                Defaults { hidden_size: 256, num_attention_heads: 4, intermediate_size: 1_024, ..base }
            }
        }
    }
}

fn parse_name<T: for<'a> Deserialize<'a>>(name: &str) -> Option<T> {
    serde_json::from_value(Value::from(name)).ok()
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
        let no_pad = parse(r#"{"model_type": "bert", "pad_token_id": null}"#).unwrap();
        assert_eq!(no_pad.pad_token_id, None);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let cases = [
            (r#"{"model_type": "t5"}"#, r#"model_type = "t5""#),
            (r#"{}"#, r#"model_type = "missing""#),
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
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("config.json: {expected}")), "{error}");
        }
    }

    #[test]
    fn saving_keeps_unknown_fields() {
        let config = parse(r#"{"model_type": "bert", "custom": [1], "torch_dtype": "float16"}"#).unwrap();
        let saved: Value = serde_json::from_str(&config.to_json(Map::new())).unwrap();
        assert_eq!(saved["custom"][0], 1);
        assert_eq!(saved["torch_dtype"], "float32");
        assert_eq!(saved["vocab_size"], 30_522);
    }
}

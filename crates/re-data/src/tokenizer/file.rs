//! The files with a vocabulary: `tokenizer.json` in its parts, and `vocab.txt`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::{BertNormalizer, Precompiled};
use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
};

use super::file_fault;
use super::model::{VocabularyModel, gaps};
use super::settings::added_token;
use crate::error::Result;
use crate::model_file;
use crate::text::quoted;

/// What a tokenizer is made of.
pub(super) struct Parts {
    pub normalizer: Option<NormalizerWrapper>,
    pub pre_tokenizer: Option<PreTokenizerWrapper>,
    pub model: VocabularyModel,
    pub post_processor: Option<PostProcessorWrapper>,
    pub decoder: Option<DecoderWrapper>,
    /// Tokens beside the model's, with their ids.
    pub added: Vec<(u32, AddedToken)>,
    /// The token that padding is made of.
    pub padding: Option<String>,
}

/// `tokenizer.json`; its truncation and padding are for whoever encodes with them.
#[derive(Deserialize)]
struct Content {
    version: Option<String>,
    padding: Option<Value>,
    #[serde(default)]
    added_tokens: Vec<Value>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    post_processor: Option<PostProcessorWrapper>,
    decoder: Option<DecoderWrapper>,
    model: VocabularyModel,
}

impl Parts {
    /// Reads a `tokenizer.json`.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = model_file::read(path)?;
        let malformed = |e: serde_json::Error| file_fault(path, "not a tokenizer file", Some(e.into()));
        let content: Content = serde_json::from_slice(&bytes).map_err(malformed)?;
        if let Some(version) = content.version.filter(|version| version != "1.0") {
            let reason = format!("it has the version {}, expected \"1.0\"", quoted(&version));
            return Err(file_fault(path, reason, None));
        }
        let numbered = content.added_tokens.iter().map(|value| {
            let id = value.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
            let token = id.and_then(|id| Some((id, added_token(value, false)?)));
            token.ok_or_else(|| file_fault(path, "an element of added_tokens is no token with an id", None))
        });
        let added = numbered.collect::<Result<_>>()?;
        let normalizer = match content.normalizer {
            None => None,
            Some(value) => {
                check_tables(&value).map_err(|reason| file_fault(path, reason, None))?;
                Some(NormalizerWrapper::deserialize(&value).map_err(malformed)?)
            }
        };
        Ok(Self {
            normalizer,
            pre_tokenizer: content.pre_tokenizer,
            model: content.model,
            post_processor: content.post_processor,
            decoder: content.decoder,
            added,
            padding: content.padding.and_then(|padding| Some(padding.get("pad_token")?.as_str()?.to_owned())),
        })
    }

    /// Reads a WordPiece vocabulary with one token per line. One with capitals was not made from lower-cased text, and
    /// says so by its normalizer.
    pub(super) fn from_vocabulary(path: &Path) -> Result<Self> {
        let bytes = model_file::read(path)?;
        let unreadable =
            |e| file_fault(path, "not a WordPiece vocabulary (one token per line, UTF-8)", Some(e));
        let mut vocabulary = WordPiece::read_bytes(&bytes).map_err(unreadable)?;
        let cased =
            vocabulary.keys().any(|token| !token.starts_with('[') && token.chars().any(char::is_uppercase));
        vocabulary.extend(gaps(vocabulary.values().copied()));
        let model = WordPiece::builder().vocab(vocabulary).build().map_err(unreadable)?;
        let keeps_case = cased.then(|| BertNormalizer::new(true, true, None, false).into());
        Ok(Self {
            normalizer: keeps_case,
            pre_tokenizer: None,
            model: VocabularyModel::from(ModelWrapper::from(model)),
            post_processor: None,
            decoder: None,
            added: Vec::new(),
            padding: None,
        })
    }
}

/// Makes sure that the tables of SentencePiece among the normalizers are what they say: the crate takes memory for as
/// many units as the first four bytes name.
fn check_tables(normalizer: &Value) -> std::result::Result<(), String> {
    match normalizer {
        Value::Array(parts) => parts.iter().try_for_each(check_tables),
        Value::Object(fields) => {
            if let Some(table) = fields.get("precompiled_charsmap") {
                let expected = "precompiled_charsmap is no table of SentencePiece";
                let text = table.as_str().ok_or_else(|| format!("{expected}: it is no text"))?;
                let named = named_units(text).ok_or_else(|| {
                    format!("{expected}: it is too short, or names more units than it holds, or none")
                })?;
                // In this way the crate answers with an error where it panics otherwise.
                let parsed: Result<Precompiled, _> = serde_json::from_str(&normalizer.to_string());
                parsed.map_err(|e| format!("{expected} of {named} units: {e}"))?;
            }
            fields.values().try_for_each(check_tables)
        }
        _ => Ok(()),
    }
}

/// Number of units that a table in base64 says it has; `None` where it has not as many, or none.
fn named_units(text: &str) -> Option<usize> {
    let sextet = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(u64::from(byte - b'A')),
        b'a'..=b'z' => Some(u64::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u64::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let beginning =
        text.as_bytes().get(..8)?.iter().try_fold(0, |bits, byte| Some(bits << 6 | sextet(byte)?))?;
    let [_, _, a, b, c, d, ..] = u64::to_be_bytes(beginning);
    let size = u32::from_le_bytes([a, b, c, d]) as usize;
    let length = text.len() / 4 * 3;
    (size >= 4 && size + 4 <= length).then_some(size / 4)
}

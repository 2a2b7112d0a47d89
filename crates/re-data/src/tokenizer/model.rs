//! The model of a tokenizer: our own where there is one, else the crate's.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::unigram::UnigramTrainer;
use tokenizers::{
    DecoderWrapper, Model, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    Result, Token, TokenizerImpl,
};

use super::unigram::Unigram;
use crate::files;

/// The crate's pipeline around a model of either kind.
pub(super) type Inner = TokenizerImpl<
    VocabularyModel,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// From words to tokens.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum VocabularyModel {
    Unigram(Unigram),
    Other(ModelWrapper),
}

impl VocabularyModel {
    /// Name of the kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Unigram(_) | Self::Other(ModelWrapper::Unigram(_)) => "Unigram",
            Self::Other(ModelWrapper::WordPiece(_)) => "WordPiece",
            Self::Other(ModelWrapper::WordLevel(_)) => "WordLevel",
            Self::Other(ModelWrapper::BPE(_)) => "BPE",
        }
    }

    /// Largest id + 1.
    pub(super) fn ids(&self) -> usize {
        match self {
            Self::Unigram(model) => model.len(),
            Self::Other(model) => model.get_vocab().values().max().map_or(0, |&id| id as usize + 1),
        }
    }
}

impl Model for VocabularyModel {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, word: &str) -> Result<Vec<Token>> {
        match self {
            Self::Unigram(model) => model.tokenize(word),
            Self::Other(model) => model.tokenize(word),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            Self::Unigram(model) => model.id(token),
            Self::Other(model) => model.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Self::Unigram(model) => model.token(id).map(str::to_owned),
            Self::Other(model) => model.id_to_token(id),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Self::Unigram(model) => model.map(),
            Self::Other(model) => model.get_vocab(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            Self::Unigram(model) => model.len(),
            Self::Other(model) => model.get_vocab_size(),
        }
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> Result<Vec<PathBuf>> {
        match self {
            Self::Unigram(model) => {
                let name =
                    prefix.map_or("unigram.json".to_owned(), |prefix| format!("{prefix}-unigram.json"));
                let path = folder.join(name);
                files::write(&path, serde_json::to_string_pretty(model)?)?;
                Ok(vec![path])
            }
            Self::Other(model) => model.save(folder, prefix),
        }
    }

    fn get_trainer(&self) -> TrainerWrapper {
        match self {
            Self::Unigram(_) => UnigramTrainer::default().into(),
            Self::Other(model) => model.get_trainer(),
        }
    }
}

impl<'de> Deserialize<'de> for VocabularyModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = VocabularyModel;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a model of a tokenizer")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut fields: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                // As every writer puts the type first, a large vocabulary is read straight into place.
                let mut buffered = Map::new();
                while let Some(key) = fields.next_key::<String>()? {
                    let value: Value = fields.next_value()?;
                    if buffered.is_empty() && key == "type" && value == "Unigram" {
                        return Unigram::deserialize(MapAccessDeserializer::new(fields))
                            .map(VocabularyModel::Unigram);
                    }
                    buffered.insert(key, value);
                }
                let unigram = buffered.get("type").is_some_and(|kind| kind == "Unigram");
                if buffered.get("type").is_some_and(|kind| kind == "WordPiece")
                    && let Some(Value::Object(vocab)) = buffered.get_mut("vocab")
                {
                    let ids = vocab.values().filter_map(|id| u32::try_from(id.as_u64()?).ok());
                    let gaps = gaps(ids);
                    vocab.extend(gaps.into_iter().map(|(token, id)| (token, id.into())));
                }
                let model = Value::Object(buffered);
                if unigram {
                    return serde_json::from_value(model)
                        .map(VocabularyModel::Unigram)
                        .map_err(de::Error::custom);
                }
                serde_json::from_value(model).map(VocabularyModel::Other).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl From<ModelWrapper> for VocabularyModel {
    fn from(model: ModelWrapper) -> Self {
        Self::Other(model)
    }
}

/// Names for the ids that no token has, as where a vocabulary holds a line twice.
///
/// New tokens get the number of tokens as id. Without these that would be the id of another token. The spaces in the names
/// keep words from ever being spelled with them. A vocabulary with more gaps than tokens stays as it is.
pub(super) fn gaps(ids: impl Iterator<Item = u32>) -> Vec<(String, u32)> {
    let known: HashSet<u32> = ids.collect();
    let end = known.iter().max().map_or(0, |&id| id as usize + 1);
    if end > 2 * known.len() {
        return Vec::new();
    }
    let missing = (0..u32::try_from(end).unwrap_or(u32::MAX)).filter(|id| !known.contains(id));
    missing.map(|id| (format!("[no token has the id {id}]"), id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_decides_wherever_it_stands() {
        let vocab = r#""vocab": [["<unk>", 0.0], ["a", -1.0]]"#;
        for text in [
            format!(r#"{{"type": "Unigram", "unk_id": 0, {vocab}}}"#),
            format!(r#"{{"unk_id": 0, {vocab}, "type": "Unigram", "byte_fallback": false}}"#),
        ] {
            let model: VocabularyModel = serde_json::from_str(&text).unwrap();
            assert!(matches!(model, VocabularyModel::Unigram(_)), "{text}");
            assert_eq!((model.ids(), model.token_to_id("a")), (2, Some(1)));
        }
        let text = r#"{"type": "WordLevel", "vocab": {"a": 0, "b": 7}, "unk_token": "a"}"#;
        let model: VocabularyModel = serde_json::from_str(text).unwrap();
        assert_eq!((model.ids(), model.token_to_id("b")), (8, Some(7)));
        assert!(serde_json::from_str::<VocabularyModel>(r#"{"type": "Unigram"}"#).is_err());
    }
}

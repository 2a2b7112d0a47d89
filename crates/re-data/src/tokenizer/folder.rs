//! Reading and writing the files of a checkpoint folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, ModelWrapper, NormalizerWrapper};

use super::model::{Inner, VocabularyModel};
use super::special::{SpecialTokens, token_name};
use super::{Tokenizer, fault, file_fault};
use crate::error::{Error, Result};
use crate::files;

const TOKENIZER: &str = "tokenizer.json";
const VOCABULARY: &str = "vocab.txt";
const CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
/// Classes for which `transformers` takes `tokenizer.json` as it stands.
const GENERIC_CLASSES: [&str; 2] = ["PreTrainedTokenizerFast", "TokenizersBackend"];

pub(super) fn load(folder: &Path) -> Result<Tokenizer> {
    let config = read_object(&folder.join(CONFIG))?;
    let special_map = read_object(&folder.join(SPECIAL_TOKENS))?;
    let settings = [&config, &special_map];
    let (file, vocabulary) = (folder.join(TOKENIZER), folder.join(VOCABULARY));
    let (path, mut inner) = if files::exists(&file)? {
        let bytes = fs::read(&file).map_err(|e| Error::io(&file, e))?;
        let inner =
            Inner::from_bytes(bytes).map_err(|e| file_fault(&file, "not a tokenizer file", Some(e)))?;
        (file, inner)
    } else if files::exists(&vocabulary)? {
        let inner = from_vocabulary(&vocabulary, settings)?;
        (vocabulary, inner)
    } else {
        let reason = format!("found neither {TOKENIZER} nor {VOCABULARY}");
        return Err(file_fault(folder, reason, None));
    };
    let named = |error| match error {
        Error::Tokenizer { path: None, reason, source } => {
            Error::Tokenizer { path: Some(path.clone()), reason, source }
        }
        other => other,
    };
    apply_class(&mut inner, &config)?;
    let special = SpecialTokens::find(&inner, settings).map_err(named)?;
    inner.with_padding(None);
    inner.with_truncation(None).map_err(|e| fault("truncation cannot be switched off", e))?;
    add_listed(&mut inner, &special, settings).map_err(named)?;
    Tokenizer::new(inner, special, config).map_err(named)
}

/// WordPiece over a vocabulary with one token per line, with the rules of BERT.
fn from_vocabulary(path: &Path, settings: [&Map<String, Value>; 2]) -> Result<Inner> {
    let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
    let unreadable = |e| file_fault(path, "not a WordPiece vocabulary (one token per line, UTF-8)", Some(e));
    let vocabulary = WordPiece::read_bytes(&bytes).map_err(unreadable)?;
    let name = |key: &str, customary: &str| {
        settings.iter().find_map(|map| token_name(map.get(key)?)).unwrap_or_else(|| customary.to_owned())
    };
    let special = |key, customary| {
        let content = name(key, customary);
        match vocabulary.get(&content) {
            Some(&id) => Ok((content, id)),
            None => Err(file_fault(path, format!("no line holds the {key} {content:?}"), None)),
        }
    };
    // A vocabulary in which only special tokens have capitals was made from lower-cased text.
    let cased =
        vocabulary.keys().any(|token| !token.starts_with('[') && token.chars().any(char::is_uppercase));
    let (sep, cls) = (special("sep_token", "[SEP]")?, special("cls_token", "[CLS]")?);
    let (unknown, _) = special("unk_token", "[UNK]")?;
    let model = WordPiece::builder().vocab(vocabulary).unk_token(unknown).build().map_err(unreadable)?;
    let mut inner = Inner::new(VocabularyModel::from(ModelWrapper::from(model)));
    inner
        .with_normalizer(Some(BertNormalizer::new(true, true, None, !cased)))
        .map_err(|e| fault("BERT's normalizer cannot be used", e))?
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_post_processor(Some(BertProcessing::new(sep, cls)))
        .with_decoder(Some(WordPieceDecoder::default()));
    Ok(inner)
}

/// Settings that `transformers` takes from the tokenizer's class rather than from `tokenizer.json`.
fn apply_class(inner: &mut Inner, config: &Map<String, Value>) -> Result<()> {
    let class = config.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default();
    let normalizer = match inner.get_normalizer() {
        Some(NormalizerWrapper::BertNormalizer(normalizer)) if !GENERIC_CLASSES.contains(&class) => {
            let mut normalizer = *normalizer;
            let setting = |key: &str| config.get(key).and_then(Value::as_bool);
            normalizer.lowercase = setting("do_lower_case").unwrap_or(normalizer.lowercase);
            normalizer.handle_chinese_chars =
                setting("tokenize_chinese_chars").unwrap_or(normalizer.handle_chinese_chars);
            normalizer.strip_accents = setting("strip_accents").or(normalizer.strip_accents);
            Some(NormalizerWrapper::BertNormalizer(normalizer))
        }
        Some(normalizer) if class.starts_with("XLMRobertaTokenizer") => {
            let marks = config.get("add_prefix_space").and_then(Value::as_bool).unwrap_or(true);
            let scheme = if marks { PrependScheme::Always } else { PrependScheme::Never };
            let precompiled = precompiled(normalizer).cloned();
            inner.with_pre_tokenizer(Some(Sequence::new(vec![
                PreTokenizerWrapper::WhitespaceSplit(WhitespaceSplit),
                PreTokenizerWrapper::Metaspace(Metaspace::new('▁', scheme, true)),
            ])));
            precompiled
        }
        _ => return Ok(()),
    };
    inner.with_normalizer(normalizer).map_err(|e| fault("the normalizer cannot be used", e))?;
    Ok(())
}

/// The table of SentencePiece among the normalizers.
fn precompiled(normalizer: &NormalizerWrapper) -> Option<&NormalizerWrapper> {
    match normalizer {
        NormalizerWrapper::Precompiled(_) => Some(normalizer),
        NormalizerWrapper::Sequence(sequence) => sequence.as_ref().iter().find_map(precompiled),
        _ => None,
    }
}

/// Makes every token that the settings list one token of the text: roles, `added_tokens_decoder`,
/// `additional_special_tokens` and `extra_special_tokens`.
fn add_listed(inner: &mut Inner, special: &SpecialTokens, settings: [&Map<String, Value>; 2]) -> Result<()> {
    let mut tokens: Vec<(AddedToken, Option<u32>)> = Vec::new();
    for map in settings {
        let Some(listed) = map.get("added_tokens_decoder").and_then(Value::as_object) else { continue };
        let numbered: BTreeMap<u32, &Value> =
            listed.iter().filter_map(|(id, token)| Some((id.parse().ok()?, token))).collect();
        for (id, value) in numbered {
            let Some(content) = token_name(value) else { continue };
            let flag = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or_default();
            let token = AddedToken::from(content, flag("special"))
                .single_word(flag("single_word"))
                .lstrip(flag("lstrip"))
                .rstrip(flag("rstrip"))
                .normalized(flag("normalized"));
            tokens.push((token, Some(id)));
        }
    }
    tokens.extend(special.named().map(|(_, token)| (AddedToken::from(&token.content, true), Some(token.id))));
    for key in ["additional_special_tokens", "extra_special_tokens"] {
        let lists = settings.iter().filter_map(|map| map.get(key)?.as_array());
        tokens
            .extend(lists.flatten().filter_map(token_name).map(|name| (AddedToken::from(name, true), None)));
    }
    for (token, expected) in tokens {
        let content = token.content.clone();
        if inner.get_added_vocabulary().get_vocab().contains_key(&content) {
            continue;
        }
        inner.add_tokens([token]).map_err(|e| fault("a listed token cannot be added", e))?;
        let found = inner.token_to_id(&content);
        if expected.is_some() && found != expected {
            return Err(Error::Tokenizer {
                path: None,
                reason: format!("added token {content:?} has id {found:?}, expected {expected:?}"),
                source: None,
            });
        }
    }
    Ok(())
}

pub(super) fn save(tokenizer: &Tokenizer, folder: &Path) -> Result<()> {
    let path = folder.join(TOKENIZER);
    let text = tokenizer
        .inner
        .to_string(false)
        .map_err(|e| file_fault(&path, "the tokenizer cannot be written", Some(e)))?;
    files::write(path, text)?;

    let roles: Map<String, Value> = tokenizer
        .special
        .named()
        .map(|(key, token)| (key.to_owned(), Value::from(token.content.as_str())))
        .collect();
    let mut config = tokenizer.config.clone();
    // The token list stands in tokenizer.json; a copy would have to be kept equal to it.
    config.remove("added_tokens_decoder");
    for (key, token) in &roles {
        config.insert(key.clone(), token.clone());
    }
    let bert = match tokenizer.inner.get_normalizer() {
        Some(NormalizerWrapper::BertNormalizer(normalizer)) => Some(*normalizer),
        _ => None,
    };
    config
        .entry("tokenizer_class")
        .or_insert_with(|| Value::from(if bert.is_some() { "BertTokenizer" } else { GENERIC_CLASSES[0] }));
    if let Some(normalizer) = bert {
        // The class in transformers lower-cases unless it is told otherwise.
        config.insert("do_lower_case".into(), normalizer.lowercase.into());
        config.insert("tokenize_chinese_chars".into(), normalizer.handle_chinese_chars.into());
        config.insert("strip_accents".into(), normalizer.strip_accents.into());
    }
    write_object(&folder.join(CONFIG), config)?;
    write_object(&folder.join(SPECIAL_TOKENS), roles)
}

/// A JSON object, empty where the file does not exist.
fn read_object(path: &Path) -> Result<Map<String, Value>> {
    if !files::exists(path)? {
        return Ok(Map::new());
    }
    let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| file_fault(path, "not a JSON object", Some(e.into())))
}

fn write_object(path: &Path, object: Map<String, Value>) -> Result<()> {
    files::write(path, format!("{:#}\n", Value::Object(object)))
}

//! Reading and writing the files of a checkpoint folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::NormalizerWrapper;

use super::class::{Class, Source, as_it_stands};
use super::file::Parts;
use super::settings::{ADDED_TOKENS, CONFIG, ROLES, SPECIAL_TOKENS, Settings, added_token, read_object};
use super::{Tokenizer, fault, file_fault, guarded, in_file};
use crate::error::{Error, Result};
use crate::files::{self, exists};

const TOKENIZER: &str = "tokenizer.json";
const VOCABULARY: &str = "vocab.txt";
const MODEL: &str = "config.json";
/// Files that a tokenizer is read from, beside the model's configuration.
pub(super) const FILES: [&str; 5] = [TOKENIZER, VOCABULARY, CONFIG, SPECIAL_TOKENS, ADDED_TOKENS];
/// Files with a vocabulary that are not read here.
const OTHERS: [&str; 6] = [
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
    "tokenizer_78b3253a26.model",
];

/// Reads a tokenizer by the rules of `transformers`.
pub(super) fn load(folder: &Path) -> Result<Tokenizer> {
    let path = find(folder)?;
    guarded(|| read(folder, &path)).map_err(|error| in_file(error, &path))
}

/// Reads a tokenizer that was saved with a trained model: what its model was trained with stands in `tokenizer.json`.
pub(super) fn load_saved(folder: &Path) -> Result<Tokenizer> {
    let path = folder.join(TOKENIZER);
    // Put together by hand: `save` writes the file in any case.
    if !exists(&path)? {
        return load(folder);
    }
    guarded(|| {
        let parts = Parts::read(&path)?;
        let padding = parts.padding.clone();
        let (config, special) =
            (read_object(&folder.join(CONFIG))?, read_object(&folder.join(SPECIAL_TOKENS))?);
        let named = [&config, &special].into_iter().flat_map(|map| {
            ROLES.into_iter().filter_map(|role| Some((role, added_token(map.get(role)?, true)?)))
        });
        let roles: Vec<_> = named.collect();
        Tokenizer::new(as_it_stands(parts)?, &roles, padding, config, path.clone())
    })
    .map_err(|error| in_file(error, &path))
}

fn read(folder: &Path, path: &Path) -> Result<Tokenizer> {
    let has_file = path.ends_with(TOKENIZER);
    let parts = if has_file { Parts::read(path)? } else { Parts::from_vocabulary(path)? };
    let settings = Settings::read(folder, path, &parts.added)?;
    let model_path = folder.join(MODEL);
    let said = Class::of(&settings, &read_object(&model_path)?, &model_path)?;
    let class = said.unwrap_or(if has_file { Class::Generic } else { Class::Bert });
    if !class.is_word_piece() && !has_file {
        let reason =
            format!("the class {} is not made from {VOCABULARY}: {TOKENIZER} is missing", class.name());
        return Err(file_fault(path, reason, None));
    }
    let roles = settings.roles(class)?;
    let padding = parts.padding.clone();
    let inner = class.build(parts, &settings, &roles, &Source { path, said: said.is_some() })?;
    let mut config = settings.config;
    config.entry("tokenizer_class").or_insert_with(|| class.name().into());
    if class.is_word_piece()
        && let Some(NormalizerWrapper::BertNormalizer(normalizer)) = inner.get_normalizer()
    {
        // The class lower-cases unless it is told otherwise.
        config.insert("do_lower_case".into(), normalizer.lowercase.into());
        config.insert("tokenize_chinese_chars".into(), normalizer.handle_chinese_chars.into());
        config.insert("strip_accents".into(), normalizer.strip_accents.into());
    }
    Tokenizer::new(inner, &roles, padding, config, path.to_owned())
}

/// The file with the vocabulary.
fn find(folder: &Path) -> Result<PathBuf> {
    fs::metadata(folder).map_err(|source| Error::io(folder, source))?;
    for name in [TOKENIZER, VOCABULARY] {
        let path = folder.join(name);
        if exists(&path)? {
            return Ok(path);
        }
    }
    let mut reason = format!("found neither {TOKENIZER} nor {VOCABULARY}");
    for name in OTHERS {
        if exists(folder.join(name))? {
            reason += &format!(
                ", but {name}, which is not read: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) of \
                 transformers makes {TOKENIZER} from it"
            );
            return Err(file_fault(folder, reason, None));
        }
    }
    if !exists(folder.join(MODEL))? {
        reason += &format!(", and no {MODEL}: this is not the folder of a model");
    }
    Err(file_fault(folder, reason, None))
}

pub(super) fn save(tokenizer: &Tokenizer, folder: &Path) -> Result<()> {
    let path = folder.join(TOKENIZER);
    let text =
        guarded(|| tokenizer.inner.to_string(false).map_err(|e| fault("the tokenizer cannot be written", e)))
            .map_err(|error| in_file(error, &path))?;
    files::write(path, text)?;

    let roles: Map<String, Value> = tokenizer
        .special
        .named()
        .map(|(key, token)| (key.to_owned(), Value::from(token.content.as_str())))
        .collect();
    let mut config = tokenizer.config.clone();
    // The token list stands in tokenizer.json; a copy would have to be kept equal to it.
    config.shift_remove("added_tokens_decoder");
    for (key, token) in &roles {
        config.insert(key.clone(), token.clone());
    }
    write_object(&folder.join(CONFIG), config)?;
    write_object(&folder.join(SPECIAL_TOKENS), roles)
}

fn write_object(path: &Path, object: Map<String, Value>) -> Result<()> {
    files::write(path, format!("{:#}\n", Value::Object(object)))
}

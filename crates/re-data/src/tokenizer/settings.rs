//! What the settings files of a folder say about tokens, read as `transformers` 5.24 reads them.
//!
//! `docs/TOKENIZERS.md` lists every key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::class::Class;
use super::model::Inner;
use super::{fault, file_fault};
use crate::error::{Error, Result};
use crate::text::brief;
use crate::{files, model_file};

pub(super) const CONFIG: &str = "tokenizer_config.json";
pub(super) const SPECIAL_TOKENS: &str = "special_tokens_map.json";
pub(super) const ADDED_TOKENS: &str = "added_tokens.json";
const ADDED_TOKENS_DECODER: &str = "added_tokens_decoder";
const ADDITIONAL: &str = "additional_special_tokens";
const EXTRA: &str = "extra_special_tokens";

/// Keys of the tokens with a role, in the order in which those that the vocabulary lacks get their ids.
pub(super) const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The settings files of a folder, merged.
#[derive(Debug)]
pub(super) struct Settings {
    /// `tokenizer_config.json` as it stands.
    pub config: Map<String, Value>,
    config_path: PathBuf,
    /// The same, with what `special_tokens_map.json` says instead.
    merged: Map<String, Value>,
    /// Tokens that are listed with their ids, and the file of each.
    listed: BTreeMap<u32, (AddedToken, PathBuf)>,
    /// Tokens under names of their own, such as `image_token`.
    named: Vec<AddedToken>,
    /// Tokens that are listed without ids.
    extra: Vec<AddedToken>,
}

impl Settings {
    /// Reads the settings of `folder`, whose tokenizer file `file` lists the tokens `of_file`.
    pub(super) fn read(folder: &Path, file: &Path, of_file: &[(u32, AddedToken)]) -> Result<Self> {
        let config_path = folder.join(CONFIG);
        let config = read_object(&config_path)?;
        let mut settings = Self {
            merged: config.clone(),
            config,
            config_path,
            listed: BTreeMap::new(),
            named: Vec::new(),
            extra: Vec::new(),
        };
        settings.refuse_what_has_no_place()?;
        let mut explicit = settings.take_named();
        // Of both keys the newer one counts, unless it is empty.
        if let Some(tokens) = settings.merged.get(ADDITIONAL).cloned()
            && settings.merged.get(EXTRA).is_none_or(is_empty)
        {
            settings.merged.shift_remove(ADDITIONAL);
            settings.merged.insert(EXTRA.to_owned(), tokens);
        }
        explicit.extend(settings.take_object_of_extra()?);
        if let Some(listed) = settings.config.get(ADDED_TOKENS_DECODER) {
            // This list takes the place of all others.
            settings.listed = settings.decoder(listed)?;
        } else {
            settings.merge_special_tokens(&folder.join(SPECIAL_TOKENS))?;
            explicit.extend(settings.take_object_of_extra()?);
            settings.list_added_tokens(&folder.join(ADDED_TOKENS))?;
            let of_file = of_file.iter().map(|(id, token)| (*id, (token.clone(), file.to_owned())));
            settings.listed.extend(of_file);
        }
        settings.named = settings.take_named().into_iter().chain(explicit).collect();
        let extra = settings.merged.get(EXTRA).or(settings.merged.get(ADDITIONAL));
        settings.extra = match extra {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(tokens)) => {
                tokens.iter().map(|token| settings.token(EXTRA, token, true)).collect::<Result<_>>()?
            }
            Some(other) => return Err(settings.unusable(EXTRA, other, "a list of tokens")),
        };
        Ok(settings)
    }

    /// Settings that change ids in ways that rows with marked entities cannot follow.
    fn refuse_what_has_no_place(&self) -> Result<()> {
        let refused = [
            ("split_special_tokens", "false: entities are marked by special tokens in the text"),
            ("init_inputs", "no arguments without a name"),
            ("model_specific_special_tokens", "the tokens in extra_special_tokens"),
        ];
        for (key, expected) in refused {
            match self.config.get(key) {
                None | Some(Value::Bool(false)) => {}
                Some(value) if is_empty(value) => {}
                Some(value) => return Err(self.unusable(key, value, expected)),
            }
        }
        match self.config.get("fast_tokenizer_files") {
            Some(files) if *files != serde_json::json!(["tokenizer.json"]) && !is_empty(files) => {
                Err(self.unusable("fast_tokenizer_files", files, "tokenizer.json alone"))
            }
            _ => Ok(()),
        }
    }

    /// Takes the tokens under other names than those of roles.
    fn take_named(&mut self) -> Vec<AddedToken> {
        let named = |(key, value): (&String, &Value)| {
            let own = key.ends_with("_token") && !ROLES.contains(&key.as_str());
            own.then(|| Some((key.clone(), added_token(value, true)?))).flatten()
        };
        let found: Vec<(String, AddedToken)> = self.merged.iter().filter_map(named).collect();
        for (key, _) in &found {
            self.merged.shift_remove(key);
        }
        found.into_iter().map(|(_, token)| token).collect()
    }

    /// Takes `extra_special_tokens` where it gives names to its tokens.
    fn take_object_of_extra(&mut self) -> Result<Vec<AddedToken>> {
        let Some(Value::Object(tokens)) = self.merged.get(EXTRA) else { return Ok(Vec::new()) };
        let tokens = tokens.values().map(|token| self.token(EXTRA, token, true)).collect();
        self.merged.shift_remove(EXTRA);
        tokens
    }

    /// `added_tokens_decoder`: tokens by their ids.
    fn decoder(&self, listed: &Value) -> Result<BTreeMap<u32, (AddedToken, PathBuf)>> {
        let expected = "an object of ids with their tokens";
        let Value::Object(listed) = listed else {
            return Err(self.unusable(ADDED_TOKENS_DECODER, listed, expected));
        };
        let numbered = listed.iter().map(|(id, token)| {
            let number = id.parse();
            let number =
                number.map_err(|_| self.unusable(ADDED_TOKENS_DECODER, &id.as_str().into(), expected))?;
            Ok((number, (self.token(ADDED_TOKENS_DECODER, token, false)?, self.config_path.clone())))
        });
        numbered.collect()
    }

    fn merge_special_tokens(&mut self, path: &Path) -> Result<()> {
        for (key, value) in read_object(path)? {
            let known = self.merged.get(EXTRA).and_then(Value::as_array);
            let value = match (key.as_str(), value) {
                (EXTRA, Value::Array(tokens)) => {
                    let mut joined = known.cloned().unwrap_or_default();
                    let new: Vec<Value> =
                        tokens.into_iter().filter(|token| !joined.contains(token)).collect();
                    joined.extend(new);
                    Value::Array(joined)
                }
                (_, value) => value,
            };
            self.merged.insert(key, value);
        }
        Ok(())
    }

    fn list_added_tokens(&mut self, path: &Path) -> Result<()> {
        let name = |value: &Value| added_token(value, true).map(|token| token.content);
        let special: Vec<String> = ROLES.iter().filter_map(|role| name(self.merged.get(*role)?)).collect();
        let extra = self.merged.get(EXTRA).and_then(Value::as_array);
        let extra: Vec<String> = extra.into_iter().flatten().filter_map(name).collect();
        for (token, id) in read_object(path)? {
            let number = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let number = number.ok_or_else(|| setting_fault(path, &token, &id, "the id of the token"))?;
            let token = AddedToken::from(&token, special.contains(&token) || extra.contains(&token));
            self.listed.insert(number, (token, path.to_owned()));
        }
        Ok(())
    }

    /// Whether a token is listed with an id.
    pub(super) fn lists(&self, content: &str) -> bool {
        self.listed.values().any(|(token, _)| token.content == content)
    }

    /// A setting that is true or false.
    pub(super) fn flag(&self, key: &'static str) -> Result<Option<bool>> {
        match self.config.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.unusable(key, other, "true or false")),
        }
    }

    /// The tokens with a role: those that are named, and where one is not, that of the class.
    pub(super) fn roles(&self, class: Class) -> Result<Vec<(&'static str, AddedToken)>> {
        let mut roles = Vec::new();
        for role in ROLES {
            let named = match self.merged.get(role) {
                None => class.token(role).map(|name| class.added_token(role, name)),
                Some(Value::Null) => None,
                Some(Value::String(name)) => Some(class.added_token(role, name)),
                Some(value) => Some(self.token(role, value, true)?),
            };
            let Some(token) = named else { continue };
            // As it is listed it counts, with how it takes spaces beside it.
            let listed = self.listed.values().find(|(listed, _)| listed.content == token.content);
            let token = listed.map_or(token, |(listed, _)| listed.clone().special(true));
            roles.push((role, token));
        }
        Ok(roles)
    }

    /// Adds all tokens that are listed, have a role or a name; those that the vocabulary lacks get the next ids.
    pub(super) fn add_tokens(&self, inner: &mut Inner, roles: &[(&str, AddedToken)]) -> Result<()> {
        let is_role = |content: &str| roles.iter().any(|(_, token)| token.content == content);
        let listed = self.listed.values().map(|(token, _)| {
            let special = token.special || is_role(&token.content);
            token.clone().special(special)
        });
        let mut tokens: Vec<AddedToken> = listed.collect();
        let others = roles.iter().map(|(_, token)| token).chain(&self.named).chain(&self.extra);
        for token in others {
            let known = inner.get_added_vocabulary().get_vocab().contains_key(&token.content);
            if !known && !tokens.iter().any(|listed| listed.content == token.content) {
                tokens.push(token.clone());
            }
        }
        inner.add_tokens(tokens).map_err(|e| fault("the listed tokens cannot be added", e))?;
        for (id, (token, path)) in &self.listed {
            let found = inner.token_to_id(&token.content);
            if found != Some(*id) && !token.content.is_empty() {
                let expected = match found {
                    Some(id) => format!("the id {id} that the vocabulary gives this token"),
                    None => "a token of the vocabulary".to_owned(),
                };
                return Err(setting_fault(path, &token.content, &Value::from(*id), expected));
            }
        }
        Ok(())
    }

    fn token(&self, key: &str, value: &Value, special: bool) -> Result<AddedToken> {
        added_token(value, special).ok_or_else(|| self.unusable(key, value, "a token"))
    }

    /// The error that `tokenizer_config.json` must say which of two values a setting has.
    pub(super) fn undecided(&self, key: &str, why: [(&str, &str); 2]) -> Error {
        let [(first, first_why), (second, second_why)] = why;
        let mut expected = format!("{first}, {first_why}, or {second}, {second_why}");
        if let Ok(false) = files::exists(&self.config_path) {
            expected += &format!("; the file is missing, {{\"{key}\": {first}}} alone will do");
        }
        let (path, field) = (self.config_path.clone(), key.into());
        Error::TokenizerSetting { path, field, found: None, expected }
    }

    /// The error that a setting of `tokenizer_config.json` cannot be followed.
    pub(super) fn unusable(&self, key: &str, found: &Value, expected: impl Into<String>) -> Error {
        setting_fault(&self.config_path, key, found, expected)
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// A token in a settings file: its text, or an object with a `content`.
pub(super) fn added_token(value: &Value, special: bool) -> Option<AddedToken> {
    if let Some(content) = value.as_str() {
        return Some(AddedToken::from(content, special));
    }
    let flag = |key: &str| value.get(key).and_then(Value::as_bool);
    let special = special || flag("special").unwrap_or_default();
    let token = AddedToken::from(value.get("content")?.as_str()?, special)
        .single_word(flag("single_word").unwrap_or_default())
        .lstrip(flag("lstrip").unwrap_or_default())
        .rstrip(flag("rstrip").unwrap_or_default());
    Some(match flag("normalized") {
        Some(normalized) => token.normalized(normalized),
        None => token,
    })
}

/// The error that a file says something that cannot be followed.
pub(super) fn setting_fault(path: &Path, field: &str, found: &Value, expected: impl Into<String>) -> Error {
    let (field, found) = (brief(field).into(), Some(brief(&found.to_string())));
    Error::TokenizerSetting { path: path.to_owned(), field, found, expected: expected.into() }
}

/// A JSON object, empty where the file does not exist.
pub(super) fn read_object(path: &Path) -> Result<Map<String, Value>> {
    if !files::exists(path)? {
        return Ok(Map::new());
    }
    let bytes = model_file::read(path)?;
    serde_json::from_slice(&bytes).map_err(|e| file_fault(path, "not a JSON object", Some(e.into())))
}

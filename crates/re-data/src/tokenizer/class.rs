//! What `transformers` 5.24 makes of a folder's files by the class of its tokenizer.
//!
//! `AutoTokenizer` takes from `tokenizer.json` the vocabulary alone where the class is one of a model, and builds the other
//! parts itself; only the class without a model takes the file as it stands. This module does the same. Where a file
//! says something else than the class, and no setting decides between them, it is refused: one of both is wrong.

use std::path::Path;

use serde_json::{Map, Value};
use tokenizers::decoders::byte_level::ByteLevel as ByteLevelDecoder;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper};

use super::deberta;
use super::file::Parts;
use super::model::{Inner, VocabularyModel};
use super::settings::{Settings, setting_fault};
use super::{fault, file_fault};
use crate::error::Result;
use crate::text::quoted;

/// The classes of tokenizers whose rules are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Bert,
    Roberta,
    XlmRoberta,
    Mpnet,
    DebertaV2,
    /// `tokenizer.json` as it stands.
    Generic,
}

/// Where the tokenizer of a folder comes from.
pub(super) struct Source<'a> {
    /// `tokenizer.json`, or the vocabulary.
    pub path: &'a Path,
    /// Whether the folder says its class. Where it does not, what the file says counts.
    pub said: bool,
}

const TOKENIZER_CLASS: &str = "tokenizer_class";
const GENERIC: &str = "PreTrainedTokenizerFast";

impl Class {
    /// The class that a folder says: by name, or by the type of its model in `config.json`.
    pub(super) fn of(
        settings: &Settings,
        model: &Map<String, Value>,
        model_path: &Path,
    ) -> Result<Option<Self>> {
        let named = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
        if let Some(name) = named(settings.config.get(TOKENIZER_CLASS)) {
            let class = name.as_str().and_then(Self::from_name);
            return class.map(Some).ok_or_else(|| settings.unusable(TOKENIZER_CLASS, &name, known_classes()));
        }
        if let Some(name) = named(model.get(TOKENIZER_CLASS)) {
            let class = name.as_str().and_then(Self::from_name);
            return class
                .map(Some)
                .ok_or_else(|| setting_fault(model_path, TOKENIZER_CLASS, &name, known_classes()));
        }
        match model.get("model_type").map(Value::as_str) {
            None => Ok(None),
            Some(Some("bert" | "electra")) => Ok(Some(Self::Bert)),
            Some(Some("roberta")) => Ok(Some(Self::Roberta)),
            Some(Some("xlm-roberta")) => Ok(Some(Self::XlmRoberta)),
            Some(Some("mpnet")) => Ok(Some(Self::Mpnet)),
            Some(Some("deberta-v2")) => Ok(Some(Self::DebertaV2)),
            Some(other) => {
                let expected = "bert, electra, roberta, xlm-roberta, mpnet or deberta-v2, or a tokenizer_class \
                                in tokenizer_config.json";
                Err(setting_fault(model_path, "model_type", &other.into(), expected))
            }
        }
    }

    /// The class of a name. Some classes have several, and all had one that ends in `Fast`.
    fn from_name(name: &str) -> Option<Self> {
        Some(match name.strip_suffix("Fast").unwrap_or(name) {
            "BertTokenizer"
            | "ElectraTokenizer"
            | "DistilBertTokenizer"
            | "MobileBertTokenizer"
            | "SqueezeBertTokenizer"
            | "LayoutLMTokenizer" => Self::Bert,
            "RobertaTokenizer" | "BartTokenizer" | "LongformerTokenizer" => Self::Roberta,
            "XLMRobertaTokenizer" => Self::XlmRoberta,
            "MPNetTokenizer" => Self::Mpnet,
            "DebertaV2Tokenizer" => Self::DebertaV2,
            "PreTrainedTokenizer" | "TokenizersBackend" => Self::Generic,
            _ => return None,
        })
    }

    /// The name under which a tokenizer of this class is saved.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bert => "BertTokenizer",
            Self::Roberta => "RobertaTokenizer",
            Self::XlmRoberta => "XLMRobertaTokenizer",
            Self::Mpnet => "MPNetTokenizer",
            Self::DebertaV2 => "DebertaV2Tokenizer",
            Self::Generic => GENERIC,
        }
    }

    /// Whether it is made from a `vocab.txt`, by BERT's rules.
    pub(super) fn is_word_piece(self) -> bool {
        matches!(self, Self::Bert | Self::Mpnet)
    }

    /// What the class makes of the name of a token with a role.
    pub(super) fn added_token(self, role: &str, name: &str) -> AddedToken {
        AddedToken::from(name, true).lstrip(self == Self::Mpnet && role == "mask_token")
    }

    /// The token that has a role where the folder names none.
    pub(super) fn token(self, role: &str) -> Option<&'static str> {
        match (self, role) {
            (Self::Generic, _) | (Self::Bert, "bos_token" | "eos_token") => None,
            (Self::Bert | Self::Mpnet | Self::DebertaV2, "unk_token") => Some("[UNK]"),
            (Self::Bert, "sep_token") | (Self::DebertaV2, "sep_token" | "eos_token") => Some("[SEP]"),
            (Self::Bert, "cls_token") | (Self::DebertaV2, "cls_token" | "bos_token") => Some("[CLS]"),
            (Self::Bert | Self::DebertaV2, "pad_token") => Some("[PAD]"),
            (Self::Bert | Self::DebertaV2, "mask_token") => Some("[MASK]"),
            (_, "bos_token" | "cls_token") => Some("<s>"),
            (_, "eos_token" | "sep_token") => Some("</s>"),
            (_, "unk_token") => Some("<unk>"),
            (_, "pad_token") => Some("<pad>"),
            (_, "mask_token") => Some("<mask>"),
            _ => None,
        }
    }

    /// The roles without which a row cannot be written: their tokens are in the vocabulary.
    fn needed(self) -> &'static [&'static str] {
        match self {
            Self::Bert | Self::Mpnet | Self::DebertaV2 => &["unk_token", "sep_token", "cls_token"],
            Self::Roberta => &["sep_token", "cls_token"],
            Self::XlmRoberta => &["bos_token", "eos_token"],
            Self::Generic => &[],
        }
    }

    /// The tokenizer of the parts in a file, with all tokens that the settings name.
    pub(super) fn build(
        self,
        parts: Parts,
        settings: &Settings,
        roles: &[(&'static str, AddedToken)],
        source: &Source<'_>,
    ) -> Result<Inner> {
        let mut inner = match self {
            Self::Bert | Self::Mpnet => word_piece(self, parts, settings, source)?,
            Self::Roberta => roberta(parts, settings, source)?,
            Self::XlmRoberta => xlm_roberta(parts, settings, source)?,
            Self::DebertaV2 => deberta::build(parts, settings, source)?,
            Self::Generic => as_it_stands(parts)?,
        };
        for (role, AddedToken { content, .. }) in
            roles.iter().filter(|(role, _)| self.needed().contains(role))
        {
            if inner.token_to_id(content).is_none() && !settings.lists(content) {
                let reason = format!("the vocabulary lacks the {role} {}", quoted(content));
                return Err(file_fault(source.path, reason, None));
            }
        }
        if let VocabularyModel::Other(ModelWrapper::BPE(model)) = inner.get_model()
            && let Some(dropout) = model.dropout.filter(|dropout| *dropout > 0.0)
        {
            let expected = "0 or null: the ids of a text are the same each time";
            return Err(setting_fault(source.path, "model.dropout", &dropout.into(), expected));
        }
        settings.add_tokens(&mut inner, roles)?;
        if self == Self::Generic {
            return Ok(inner);
        }
        let id = |role: &str| {
            let token = roles.iter().find(|(name, _)| *name == role)?;
            Some((token.1.content.clone(), inner.token_to_id(&token.1.content)?))
        };
        let [Some(first), Some(last)] = (match self {
            Self::XlmRoberta => [id("bos_token"), id("eos_token")],
            _ => [id("cls_token"), id("sep_token")],
        }) else {
            return Err(contradiction(source, self.needed().join(" or "), "null", "a token"));
        };
        match self {
            Self::Bert => inner.with_post_processor(Some(BertProcessing::new(last, first))),
            Self::Roberta => {
                let prefix = settings.flag("add_prefix_space")?.unwrap_or(false);
                let trim = settings.flag("trim_offsets")?.unwrap_or(true);
                let rows = RobertaProcessing::new(last, first).add_prefix_space(prefix).trim_offsets(trim);
                inner.with_post_processor(Some(rows))
            }
            Self::Mpnet => {
                inner.with_post_processor(Some(RobertaProcessing::new(last, first).add_prefix_space(false)))
            }
            Self::DebertaV2 => inner.with_post_processor(Some(deberta::rows(first, last)?)),
            _ => inner.with_post_processor(Some(rows_of_xlm_roberta(first, last)?)),
        };
        Ok(inner)
    }
}

fn known_classes() -> String {
    let known = [Class::Bert, Class::Roberta, Class::XlmRoberta, Class::Mpnet, Class::DebertaV2];
    let known = known.map(Class::name).join(", ");
    format!("{known}, or {GENERIC}, which takes tokenizer.json as it stands")
}

/// A tokenizer of exactly these parts.
pub(super) fn as_it_stands(parts: Parts) -> Result<Inner> {
    let mut inner = Inner::new(parts.model);
    inner
        .with_normalizer(parts.normalizer)
        .map_err(|e| fault("the normalizer cannot be used", e))?
        .with_pre_tokenizer(parts.pre_tokenizer)
        .with_post_processor(parts.post_processor)
        .with_decoder(parts.decoder);
    inner
        .add_tokens(parts.added.into_iter().map(|(_, token)| token))
        .map_err(|e| fault("a token cannot be added", e))?;
    Ok(inner)
}

fn word_piece(class: Class, parts: Parts, settings: &Settings, source: &Source<'_>) -> Result<Inner> {
    let as_it_has = |what: &str| format!("{what}, as {} has it", class.name());
    let found = parts.model.kind();
    let VocabularyModel::Other(ModelWrapper::WordPiece(mut model)) = parts.model else {
        return Err(contradiction(source, "model", found, &as_it_has("WordPiece")));
    };
    let stated = match &parts.normalizer {
        None => None,
        Some(NormalizerWrapper::BertNormalizer(normalizer)) => Some(normalizer),
        Some(other) => {
            return Err(contradiction(source, "normalizer", &kind(other), &as_it_has("BertNormalizer")));
        }
    };
    match &parts.pre_tokenizer {
        None | Some(PreTokenizerWrapper::BertPreTokenizer(_)) => {}
        Some(other) => {
            return Err(contradiction(source, "pre_tokenizer", &kind(other), &as_it_has("BertPreTokenizer")));
        }
    }
    let decide = |key, stated: Option<bool>, default| decide(settings, source, key, stated, default);
    let lowercase = decide("do_lower_case", stated.map(|n| n.lowercase), true)?;
    let chinese = decide("tokenize_chinese_chars", stated.map(|n| n.handle_chinese_chars), true)?;
    let strip_accents = match settings.config.get("strip_accents") {
        Some(Value::Null) => None,
        Some(_) => settings.flag("strip_accents")?,
        None => match stated.and_then(|n| n.strip_accents) {
            Some(stated) if source.said => {
                return Err(undecided(settings, source, "strip_accents", stated, "null"));
            }
            stated => stated,
        },
    };
    if let Some(false) = stated.map(|n| n.clean_text) {
        return Err(contradiction(source, "normalizer.clean_text", "false", &as_it_has("true")));
    }
    if let Some((_, unknown)) = settings.roles(class)?.into_iter().find(|(role, _)| *role == "unk_token") {
        model.unk_token = unknown.content;
    }
    model.continuing_subword_prefix = "##".to_owned();
    model.max_input_chars_per_word = 100;
    let mut inner = Inner::new(VocabularyModel::from(ModelWrapper::from(model)));
    inner
        .with_normalizer(Some(BertNormalizer::new(true, chinese, strip_accents, lowercase)))
        .map_err(|e| fault("BERT's normalizer cannot be used", e))?
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_decoder(Some(WordPieceDecoder::default()));
    Ok(inner)
}

fn roberta(parts: Parts, settings: &Settings, source: &Source<'_>) -> Result<Inner> {
    let found = parts.model.kind();
    let VocabularyModel::Other(ModelWrapper::BPE(mut model)) = parts.model else {
        return Err(contradiction(source, "model", found, "BPE, as RobertaTokenizer has it"));
    };
    if let Some(normalizer) = &parts.normalizer {
        return Err(contradiction(
            source,
            "normalizer",
            &kind(normalizer),
            "none, as RobertaTokenizer has it",
        ));
    }
    let stated = match &parts.pre_tokenizer {
        None => None,
        Some(PreTokenizerWrapper::ByteLevel(bytes)) if bytes.use_regex => Some(bytes.add_prefix_space),
        Some(other) => {
            let expected = "ByteLevel with its pattern, as RobertaTokenizer has it";
            return Err(contradiction(source, "pre_tokenizer", &kind(other), expected));
        }
    };
    for (field, affix) in [
        ("model.continuing_subword_prefix", &model.continuing_subword_prefix),
        ("model.end_of_word_suffix", &model.end_of_word_suffix),
    ] {
        if let Some(affix) = affix.as_ref().filter(|affix| !affix.is_empty()) {
            return Err(contradiction(source, field, affix, "none, as RobertaTokenizer has it"));
        }
    }
    let prefix = decide(settings, source, "add_prefix_space", stated, false)?;
    (model.dropout, model.unk_token) = (None, None);
    (model.fuse_unk, model.byte_fallback, model.ignore_merges) = (false, false, false);
    let mut inner = Inner::new(VocabularyModel::from(ModelWrapper::from(model)));
    inner
        .with_pre_tokenizer(Some(ByteLevel::new(prefix, true, true)))
        .with_decoder(Some(ByteLevelDecoder::default()));
    Ok(inner)
}

fn xlm_roberta(parts: Parts, settings: &Settings, source: &Source<'_>) -> Result<Inner> {
    let VocabularyModel::Unigram(model) = &parts.model else {
        return Err(contradiction(
            source,
            "model",
            parts.model.kind(),
            "Unigram, as XLMRobertaTokenizer has it",
        ));
    };
    if model.unknown() != Some(3) {
        let found = model.unknown().map_or("null".to_owned(), |id| id.to_string());
        return Err(contradiction(source, "model.unk_id", &found, "3, as XLMRobertaTokenizer has it"));
    }
    if !model.knows_unknown() {
        let expected = "false, as XLMRobertaTokenizer has it";
        return Err(contradiction(source, "model.byte_fallback", "true", expected));
    }
    // The table of SentencePiece is all that the class keeps of the normalizers.
    let table = match parts.normalizer {
        Some(NormalizerWrapper::Sequence(sequence)) => {
            let tables = |part: &&NormalizerWrapper| matches!(part, NormalizerWrapper::Precompiled(_));
            sequence.as_ref().iter().find(tables).cloned()
        }
        table @ Some(NormalizerWrapper::Precompiled(_)) => table,
        _ => None,
    };
    let marks = match settings.config.get("add_prefix_space") {
        // The class asks whether the setting is a true one.
        Some(Value::Null) => false,
        _ => settings.flag("add_prefix_space")?.unwrap_or(true),
    };
    let scheme = if marks { PrependScheme::Always } else { PrependScheme::Never };
    let metaspace = Metaspace::new('▁', scheme, true);
    let mut inner = Inner::new(parts.model);
    inner
        .with_normalizer(table)
        .map_err(|e| fault("the table of SentencePiece cannot be used", e))?
        .with_pre_tokenizer(Some(Sequence::new(vec![
            PreTokenizerWrapper::WhitespaceSplit(WhitespaceSplit),
            PreTokenizerWrapper::Metaspace(metaspace.clone()),
        ])))
        .with_decoder(Some(metaspace));
    Ok(inner)
}

fn rows_of_xlm_roberta(begin: (String, u32), end: (String, u32)) -> Result<TemplateProcessing> {
    let (b, e) = (begin.0.as_str(), end.0.as_str());
    let owned = |pieces: &[&str]| pieces.iter().map(|piece| (*piece).to_owned()).collect();
    let (single, pair) = (owned(&[b, "$A", e]), owned(&[b, "$A", e, e, "$B", e]));
    template(single, pair, vec![begin, end])
}

/// How one text and two stand among special tokens.
pub(super) fn template(
    single: Vec<String>,
    pair: Vec<String>,
    tokens: Vec<(String, u32)>,
) -> Result<TemplateProcessing> {
    let unusable = |reason: String| fault("its tokens cannot stand around a row", reason.into());
    let mut builder = TemplateProcessing::builder();
    builder.try_single(single).map_err(unusable)?.try_pair(pair).map_err(unusable)?;
    builder.special_tokens(tokens).build().map_err(|e| unusable(e.to_string()))
}

/// What a setting says; where it is not given, the class's default, which must be what the file states.
pub(super) fn decide(
    settings: &Settings,
    source: &Source<'_>,
    key: &'static str,
    stated: Option<bool>,
    default: bool,
) -> Result<bool> {
    match (settings.flag(key)?, stated) {
        (Some(setting), _) => Ok(setting),
        (None, Some(stated)) if stated != default && source.said => {
            Err(undecided(settings, source, key, stated, &default.to_string()))
        }
        (None, stated) => Ok(stated.unwrap_or(default)),
    }
}

/// The error that a setting is missing where the class's default is not what the file states.
fn undecided(
    settings: &Settings,
    source: &Source<'_>,
    key: &'static str,
    stated: bool,
    default: &str,
) -> crate::Error {
    let file = source.path.file_name().unwrap_or_default().to_string_lossy();
    let (stated, as_made) = (stated.to_string(), format!("as {file} is made"));
    settings
        .undecided(key, [(&stated, &as_made), (default, "which transformers takes where nothing is said")])
}

/// The error that a file has a part that its class has otherwise.
pub(super) fn contradiction(
    source: &Source<'_>,
    field: impl AsRef<str>,
    found: &str,
    expected: &str,
) -> crate::Error {
    let expected = format!("{expected}; the tokenizer_class {GENERIC} takes the file as it stands");
    setting_fault(source.path, field.as_ref(), &found.into(), expected)
}

/// Name of the kind of a part.
fn kind(part: &impl serde::Serialize) -> String {
    let kind = serde_json::to_value(part).ok().and_then(|part| Some(part.get("type")?.as_str()?.to_owned()));
    kind.unwrap_or_else(|| "another kind".to_owned())
}

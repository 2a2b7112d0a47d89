//! What `transformers` makes of the vocabulary of a DeBERTa.

use serde_json::Value;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Lowercase, NFC, Replace, Sequence as Normalizers, Strip};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::tokenizer::normalizer::SplitDelimiterBehavior;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

use super::class::{Class, Source, contradiction, decide, template};
use super::fault;
use super::file::Parts;
use super::model::{Inner, VocabularyModel};
use super::settings::Settings;
use crate::error::Result;

/// White space that becomes a space.
const SPACES: &str = r"\s{2,}|[\n\r\t]";

/// The tokenizer around the vocabulary; SentencePiece's table of the file is left out as `transformers` leaves it out.
pub(super) fn build(parts: Parts, settings: &Settings, source: &Source<'_>) -> Result<Inner> {
    let as_it_has = |what: &str| format!("{what}, as {} has it", Class::DebertaV2.name());
    let VocabularyModel::Unigram(model) = &parts.model else {
        return Err(contradiction(source, "model", parts.model.kind(), &as_it_has("Unigram")));
    };
    let roles = settings.roles(Class::DebertaV2)?;
    let unknown = roles.iter().find(|(role, _)| *role == "unk_token").map(|(_, token)| &token.content);
    // The class looks for the token among those without a probability, and takes the second one where it finds none.
    let expected = unknown.and_then(|token| model.id(token)).filter(|id| model.score(*id) == Some(0.0));
    let expected = expected.unwrap_or(1);
    if model.unknown() != Some(expected) {
        let found = model.unknown().map_or("null".to_owned(), |id| id.to_string());
        return Err(contradiction(source, "model.unk_id", &found, &as_it_has(&expected.to_string())));
    }
    if !model.knows_unknown() {
        return Err(contradiction(source, "model.byte_fallback", "true", &as_it_has("false")));
    }
    let (normalizers, splits) = (parts.normalizer.as_ref(), parts.pre_tokenizer.as_ref());
    let lowers = normalizers.map(|normalizer| {
        all_normalizers(normalizer).iter().any(|part| matches!(part, NormalizerWrapper::Lowercase(_)))
    });
    let splits_punctuation = splits.map(|splits| {
        all_splits(splits).iter().any(|part| matches!(part, PreTokenizerWrapper::Punctuation(_)))
    });
    let marks = splits.and_then(|splits| {
        all_splits(splits).iter().find_map(|part| match part {
            PreTokenizerWrapper::Metaspace(marks) => Some(marks.prepend_scheme == PrependScheme::Always),
            _ => None,
        })
    });
    let setting = |key, stated, default| match settings.config.get(key) {
        // The class asks whether the setting is a true one.
        Some(Value::Null) => Ok(false),
        _ => decide(settings, source, key, stated, default),
    };
    let lowers = setting("do_lower_case", lowers, false)?;
    let splits_punctuation = setting("split_by_punct", splits_punctuation, false)?;
    let marks = setting("add_prefix_space", marks, true)?;

    let spaces = Replace::new(ReplacePattern::Regex(SPACES.to_owned()), " ")
        .map_err(|e| fault("the pattern of white space cannot be used", e))?;
    let mut normalizers: Vec<NormalizerWrapper> =
        vec![spaces.into(), NFC.into(), Strip::new(false, true).into()];
    if lowers {
        normalizers.insert(0, Lowercase.into());
    }
    let scheme = if marks { PrependScheme::Always } else { PrependScheme::First };
    let metaspace = Metaspace::new('▁', scheme, true);
    let mut splits = vec![PreTokenizerWrapper::Metaspace(metaspace.clone())];
    if splits_punctuation {
        splits.insert(0, Punctuation::new(SplitDelimiterBehavior::Isolated).into());
    }
    let mut inner = Inner::new(parts.model);
    inner
        .with_normalizer(Some(Normalizers::new(normalizers)))
        .map_err(|e| fault("the normalizer of DebertaV2Tokenizer cannot be used", e))?
        .with_pre_tokenizer(Some(Sequence::new(splits)))
        .with_decoder(Some(metaspace));
    Ok(inner)
}

/// `[CLS] A [SEP] B [SEP]`, where all behind the first separator is of the second type.
pub(super) fn rows(first: (String, u32), last: (String, u32)) -> Result<TemplateProcessing> {
    let typed = |piece: &str, kind: usize| format!("{piece}:{kind}");
    let single = vec![typed(&first.0, 0), typed("$A", 0), typed(&last.0, 0)];
    let pair = [single.clone(), vec![typed("$B", 1), typed(&last.0, 1)]].concat();
    template(single, pair, vec![first, last])
}

fn all_normalizers(normalizer: &NormalizerWrapper) -> &[NormalizerWrapper] {
    match normalizer {
        NormalizerWrapper::Sequence(sequence) => sequence.as_ref(),
        one => std::slice::from_ref(one),
    }
}

fn all_splits(splits: &PreTokenizerWrapper) -> &[PreTokenizerWrapper] {
    match splits {
        PreTokenizerWrapper::Sequence(sequence) => sequence.as_ref(),
        one => std::slice::from_ref(one),
    }
}

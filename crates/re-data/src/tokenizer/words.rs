//! A memory of tokenized words, so that a corpus is tokenized once per distinct word instead of once per word.
//!
//! Text is cut before each space and around each added token, and every piece (a word with the space before it) is
//! tokenized alone, once. Joining the pieces gives exactly the tokens of the whole text if nothing in the
//! tokenizer looks across such a cut. That is so where
//! - the normalizer maps characters or grapheme clusters one by one, no cluster spans a cut, and runs of
//!   spaces, which some normalizers shorten, do not arise;
//! - the pre-tokenizer always splits at spaces;
//! - the model, as every one of the crate does, sees one pre-token at a time, and does so without chance;
//! - no added token holds white space or swallows it on its right.
//!
//! [`Words::new`] checks the tokenizer, [`Words::tokenize`] the text; where either does not qualify, the
//! crate tokenizes the whole text, so that the result is the same in every case.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock};

use serde_json::json;
use tokenizers::normalizer::NormalizedString;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{
    AddedToken, Model, ModelWrapper, Normalizer, NormalizerWrapper, OffsetType, PreTokenizer,
    PreTokenizerWrapper,
};

use super::direct::{Direct, stands_alone};
use super::model::{Inner, VocabularyModel};
use super::{Pieces, fault};
use crate::error::{Error, Result};
use crate::span::without_white_space;

/// Independent parts of the memory, so that threads rarely wait for one another.
const SHARDS: usize = 64;
/// Words remembered in one shard at most: the memory stays below about 100 MiB however much text comes.
const WORDS_PER_SHARD: usize = 1 << 13;
/// How byte-level tokenizers write a space.
const SPACE_BYTE: char = 'Ġ';
/// Longer words are not remembered: they hardly ever come twice.
const LONGEST_WORD: usize = 128;
/// Bytes of the longest text that the crate tokenizes as a whole, for which it takes some 500 times as much memory.
const LONGEST_WHOLE: usize = 1 << 21;

/// Tokens of one word: `(id, start, end)`, bytes from the start of the word. `None` where the word has to be
/// tokenized together with its neighbours.
type Word = Option<Box<[(u32, u32, u32)]>>;

/// The memory, and what of the tokenizer decides whether it may be used.
#[derive(Debug)]
pub(super) struct Words {
    /// `None` where the tokenizer looks across spaces.
    cuts: Option<Cuts>,
    hasher: RandomState,
    shards: Vec<RwLock<HashMap<Box<str>, Word>>>,
}

/// How text may be cut.
#[derive(Debug, Clone)]
struct Cuts {
    /// The way around the general machinery for plain words, where there is one.
    direct: Option<Direct>,
    /// Whether a word is to be refused if the normalizer makes white space of it.
    refuse_white_space: bool,
    /// Added tokens that are matched in the text itself, longest first, with whether text may be cut there.
    tokens: Vec<(String, u32, bool)>,
    /// Bytes that such tokens begin with.
    first_bytes: [bool; 256],
}

impl Clone for Words {
    fn clone(&self) -> Self {
        Self::with_cuts(self.cuts.clone())
    }
}

impl Words {
    pub(super) fn new(inner: &Inner) -> Self {
        Self::with_cuts(Cuts::of(inner))
    }

    fn with_cuts(cuts: Option<Cuts>) -> Self {
        let shards = if cuts.is_some() { SHARDS } else { 0 };
        Self { cuts, hasher: RandomState::new(), shards: (0..shards).map(|_| RwLock::default()).collect() }
    }

    /// Appends the tokens of `text` to `pieces`. Returns false, with anything appended, where the text has to
    /// be tokenized as a whole.
    pub(super) fn tokenize(&self, inner: &Inner, text: &str, pieces: &mut Pieces) -> Result<bool> {
        let Some(cuts) = &self.cuts else { return Ok(false) };
        let mut start = 0;
        while start < text.len() {
            let rest = text.get(start..).unwrap_or_default();
            let end = rest.bytes().skip(1).position(|byte| byte == b' ').map_or(rest.len(), |at| at + 1);
            let word = rest.get(..end).unwrap_or_default();
            // One of a run of spaces, which the pre-tokenizer drops.
            if word == " " && !cuts.refuse_white_space {
                start += end;
                continue;
            }
            if !is_separable(word) || !self.split(cuts, inner, word, start, pieces)? {
                return Ok(false);
            }
            start += end;
        }
        Ok(true)
    }

    /// Cuts a word around the added tokens in it.
    fn split(&self, cuts: &Cuts, inner: &Inner, word: &str, at: usize, pieces: &mut Pieces) -> Result<bool> {
        let (mut done, mut position) = (0, 0);
        while position < word.len() {
            let Some((content, id, separable)) = cuts.token_at(word, position) else {
                position += 1;
                continue;
            };
            if !separable {
                // Its neighbours matter: the word is tokenized as a whole, with what was cut already.
                return Ok(done == 0 && self.remember(cuts, inner, word, at, pieces)?);
            }
            let before = word.get(done..position).unwrap_or_default();
            if !before.is_empty() && !self.remember(cuts, inner, before, at + done, pieces)? {
                return Ok(false);
            }
            pieces.ids.push(*id);
            pieces.offsets.push(((at + position) as u32, (at + position + content.len()) as u32));
            position += content.len();
            done = position;
        }
        let rest = word.get(done..).unwrap_or_default();
        Ok(rest.is_empty() || self.remember(cuts, inner, rest, at + done, pieces)?)
    }

    /// Appends the tokens of a word from the memory, or tokenizes and remembers it.
    fn remember(
        &self,
        cuts: &Cuts,
        inner: &Inner,
        word: &str,
        at: usize,
        pieces: &mut Pieces,
    ) -> Result<bool> {
        let mut append = |tokens: &Word| {
            let Some(tokens) = tokens else { return false };
            pieces.ids.extend(tokens.iter().map(|&(id, ..)| id));
            pieces.offsets.extend(tokens.iter().map(|&(_, start, end)| (at as u32 + start, at as u32 + end)));
            true
        };
        if word.len() > LONGEST_WORD {
            return Ok(append(&cuts.tokenize(inner, word)?));
        }
        let shard = self.shards.get(self.hasher.hash_one(word) as usize % SHARDS);
        let Some(shard) = shard else { return Ok(false) };
        // A poisoned lock is harmless: entries are written whole.
        if let Some(tokens) = shard.read().unwrap_or_else(PoisonError::into_inner).get(word) {
            return Ok(append(tokens));
        }
        let tokens = cuts.tokenize(inner, word)?;
        let appended = append(&tokens);
        let mut words = shard.write().unwrap_or_else(PoisonError::into_inner);
        if words.len() < WORDS_PER_SHARD {
            words.insert(word.into(), tokens);
        }
        Ok(appended)
    }
}

impl Cuts {
    /// The cuts that `inner` allows.
    fn of(inner: &Inner) -> Option<Self> {
        let chance = match inner.get_model() {
            VocabularyModel::Other(ModelWrapper::BPE(model)) => model.dropout.is_some_and(|p| p > 0.0),
            _ => false,
        };
        if chance || inner.get_truncation().is_some() || !inner.get_normalizer().is_none_or(is_local) {
            return None;
        }
        let removes_white_space = split_at_spaces(inner.get_pre_tokenizer()?)?;
        let mut tokens = Vec::new();
        for (id, token) in inner.get_added_vocabulary().get_added_tokens_decoder() {
            let AddedToken { content, single_word, lstrip, rstrip, normalized, .. } = token;
            if *rstrip || content.chars().any(char::is_whitespace) || (*normalized && !content.is_ascii()) {
                return None;
            }
            if !normalized {
                tokens.push((content.clone(), *id, !(*single_word || *lstrip)));
            }
        }
        tokens.sort_by_key(|(content, ..)| std::cmp::Reverse(content.len()));
        let mut first_bytes = [false; 256];
        for first in tokens.iter().filter_map(|(content, ..)| content.bytes().next()) {
            if let Some(flag) = first_bytes.get_mut(usize::from(first)) {
                *flag = true;
            }
        }
        Some(Self {
            direct: Direct::of(inner),
            refuse_white_space: !removes_white_space,
            tokens,
            first_bytes,
        })
    }

    /// The longest added token that begins at a byte of `word`.
    fn token_at(&self, word: &str, position: usize) -> Option<&(String, u32, bool)> {
        let rest = word.as_bytes().get(position..)?;
        if !*self.first_bytes.get(usize::from(*rest.first()?))? {
            return None;
        }
        self.tokens.iter().find(|(content, ..)| rest.starts_with(content.as_bytes()))
    }

    fn tokenize(&self, inner: &Inner, word: &str) -> Result<Word> {
        if let Some(direct) = &self.direct
            && (0..word.len()).all(|at| self.token_at(word, at).is_none())
            && let Some(tokens) = direct.tokenize(inner, word)
        {
            return Ok(Some(tokens.into()));
        }
        if self.refuse_white_space
            && let Some(normalizer) = inner.get_normalizer()
        {
            let mut normalized = NormalizedString::from(word);
            normalizer.normalize(&mut normalized).map_err(|e| fault("the normalizer fails", e))?;
            // A space before the word is one that no normalizer touches alone.
            let letters = normalized.get().strip_prefix(' ').unwrap_or(normalized.get());
            if word.len() > 1 && (letters.is_empty() || letters.contains(char::is_whitespace)) {
                return Ok(None);
            }
        }
        let mut pieces = Pieces::default();
        tokenize_whole(inner, word, &mut pieces)?;
        Ok(Some(
            pieces.ids.iter().zip(&pieces.offsets).map(|(&id, &(start, end))| (id, start, end)).collect(),
        ))
    }
}

/// Appends the tokens of a text as the crate gives them, each with the bytes that it covers.
///
/// White space at the ends of a token belongs to no word. The mark that byte-level tokenizers write for a space is such
/// white space even where the tokenizer has added it before the first word.
pub(super) fn tokenize_whole(inner: &Inner, text: &str, pieces: &mut Pieces) -> Result<()> {
    if text.len() > LONGEST_WHOLE {
        let reason = format!(
            "cannot cut a text of {} bytes into words, expected at most {LONGEST_WHOLE} of such a text",
            text.len()
        );
        return Err(Error::Tokenizer { path: None, reason, source: None });
    }
    let failed = |e| fault("a text cannot be tokenized", e);
    let mut parts = inner.get_added_vocabulary().extract_and_normalize(inner.get_normalizer(), text);
    if let Some(pre_tokenizer) = inner.get_pre_tokenizer() {
        pre_tokenizer.pre_tokenize(&mut parts).map_err(failed)?;
    }
    inner.get_model().tokenize_in_pretokenized(&mut parts, None).map_err(failed)?;
    let encoding = parts.into_encoding(None, 0, OffsetType::Byte).map_err(failed)?;
    let byte_level = inner.get_pre_tokenizer().is_some_and(is_byte_level);
    let covered = encoding.get_offsets().iter().zip(encoding.get_tokens()).map(|(&(start, end), token)| {
        if byte_level && token.chars().all(|c| c == SPACE_BYTE) {
            return (end as u32, end as u32);
        }
        let (start, end) = without_white_space(text, start, end);
        (start as u32, end as u32)
    });
    pieces.ids.extend_from_slice(encoding.get_ids());
    pieces.offsets.extend(covered);
    Ok(())
}

fn is_byte_level(pre_tokenizer: &PreTokenizerWrapper) -> bool {
    match pre_tokenizer {
        PreTokenizerWrapper::ByteLevel(_) => true,
        PreTokenizerWrapper::Sequence(sequence) => sequence.as_ref().iter().any(is_byte_level),
        _ => false,
    }
}

/// Whether a word, with the space before it, may be tokenized without its neighbours: it is more than the space,
/// and neither its first nor its last character can join a grapheme cluster or a run of white space with
/// what stands beside it.
fn is_separable(word: &str) -> bool {
    let letters = word.strip_prefix(' ').unwrap_or(word);
    let mut ends = letters.chars();
    let (Some(first), last) = (ends.next(), ends.next_back()) else { return false };
    stands_alone(first) && last.is_none_or(stands_alone)
}

/// Whether a normalizer maps characters or grapheme clusters one by one, spaces aside.
fn is_local(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::BertNormalizer(_)
        | NormalizerWrapper::StripAccents(_)
        | NormalizerWrapper::NFC(_)
        | NormalizerWrapper::NFD(_)
        | NormalizerWrapper::NFKC(_)
        | NormalizerWrapper::NFKD(_)
        | NormalizerWrapper::Lowercase(_)
        | NormalizerWrapper::Nmt(_)
        | NormalizerWrapper::Precompiled(_) => true,
        NormalizerWrapper::Sequence(sequence) => sequence.as_ref().iter().all(is_local),
        // The customary way to shorten runs of spaces, which the cuts never meet.
        NormalizerWrapper::Replace(replace) => {
            let shortening = json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "});
            serde_json::to_value(replace).is_ok_and(|replace| replace == shortening)
        }
        _ => false,
    }
}

/// Whether a pre-tokenizer splits at every space, and if so whether it drops all white space.
fn split_at_spaces(pre_tokenizer: &PreTokenizerWrapper) -> Option<bool> {
    match pre_tokenizer {
        PreTokenizerWrapper::BertPreTokenizer(_)
        | PreTokenizerWrapper::Whitespace(_)
        | PreTokenizerWrapper::WhitespaceSplit(_) => Some(true),
        PreTokenizerWrapper::Metaspace(metaspace)
            if metaspace.split && metaspace.prepend_scheme != PrependScheme::First =>
        {
            Some(false)
        }
        PreTokenizerWrapper::Sequence(sequence) => {
            let mut parts = sequence.as_ref().iter();
            let first = split_at_spaces(parts.next()?)?;
            let rest = parts.all(|part| match part {
                PreTokenizerWrapper::Metaspace(metaspace) => metaspace.prepend_scheme != PrependScheme::First,
                PreTokenizerWrapper::Punctuation(_) | PreTokenizerWrapper::Digits(_) => true,
                other => split_at_spaces(other).is_some(),
            });
            rest.then_some(first)
        }
        _ => None,
    }
}

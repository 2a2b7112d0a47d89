//! Tokenizing a plain word without the general machinery.
//!
//! For words of common characters that the normalizer leaves alone, most of the crate's time goes into tracking
//! how normalized text maps to the original. This module takes such words straight to the model, for
//! the two kinds of tokenizer that BERT and XLM-R use, and gives the same tokens. Every other word is refused.

use std::sync::atomic::{AtomicU8, Ordering};

use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizer::NormalizedString;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{
    Model, ModelWrapper, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    PreTokenizerWrapper,
};

use super::model::{Inner, VocabularyModel};
use super::unigram::Tokens;

/// SentencePiece's mark of a word start.
const WORD_START: char = '▁';

/// What the tokenizer does with a character, learned when it is first met.
const UNSEEN: u8 = 0;
const OTHER: u8 = 1;
const LETTER: u8 = 2;
const PUNCTUATION: u8 = 3;

/// A way from words to tokens that is equal to the tokenizer's own.
#[derive(Debug)]
pub(super) struct Direct {
    kind: Kind,
    /// One entry for each character of the Basic Multilingual Plane.
    characters: Box<[AtomicU8]>,
}

#[derive(Debug, Clone)]
enum Kind {
    /// `BertPreTokenizer` and WordPiece.
    WordPiece { unknown: u32 },
    /// White-space split, a mark before each word, and Unigram.
    Unigram,
}

impl Clone for Direct {
    fn clone(&self) -> Self {
        Self::with_kind(self.kind.clone())
    }
}

impl Direct {
    /// The direct way, where the tokenizer is of a kind that has one.
    pub(super) fn of(inner: &Inner) -> Option<Self> {
        let added = inner.get_added_vocabulary().get_added_tokens_decoder();
        if added.values().any(|token| token.normalized) {
            return None;
        }
        match (inner.get_pre_tokenizer()?, inner.get_model()) {
            (
                PreTokenizerWrapper::BertPreTokenizer(_),
                VocabularyModel::Other(ModelWrapper::WordPiece(model)),
            ) => {
                let unknown = model.token_to_id(&model.unk_token)?;
                Some(Self::with_kind(Kind::WordPiece { unknown }))
            }
            (PreTokenizerWrapper::Sequence(sequence), VocabularyModel::Unigram(model))
                if model.knows_unknown() =>
            {
                match sequence.as_ref() {
                    [PreTokenizerWrapper::WhitespaceSplit(_), PreTokenizerWrapper::Metaspace(metaspace)]
                        if metaspace.prepend_scheme == PrependScheme::Always
                            && metaspace.get_replacement() == WORD_START =>
                    {
                        Some(Self::with_kind(Kind::Unigram))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn with_kind(kind: Kind) -> Self {
        Self { kind, characters: (0..=u16::MAX).map(|_| AtomicU8::new(UNSEEN)).collect() }
    }

    /// The tokens of a word with at most one space before it and no added token in it, or `None` where it
    /// takes the tokenizer itself.
    pub(super) fn tokenize(&self, inner: &Inner, word: &str) -> Option<Tokens> {
        let letters = word.strip_prefix(' ').unwrap_or(word);
        let offset = word.len() - letters.len();
        let first = letters.chars().next()?;
        if letters.chars().any(|c| self.class(inner, c) == OTHER) {
            return None;
        }
        let mut tokens = Tokens::with_capacity(letters.len() / 4 + 2);
        match (&self.kind, inner.get_model()) {
            (Kind::WordPiece { unknown }, VocabularyModel::Other(ModelWrapper::WordPiece(model))) => {
                let mut start = 0;
                for (at, c) in letters.char_indices() {
                    if self.class(inner, c) == PUNCTUATION {
                        let end = at + c.len_utf8();
                        word_piece(model, *unknown, letters.get(start..at)?, offset + start, &mut tokens)?;
                        word_piece(model, *unknown, letters.get(at..end)?, offset + at, &mut tokens)?;
                        start = end;
                    }
                }
                word_piece(model, *unknown, letters.get(start..)?, offset + start, &mut tokens)?;
            }
            (Kind::Unigram, VocabularyModel::Unigram(model)) => {
                model.best_path(&format!("{WORD_START}{letters}"), &mut tokens)?;
                // The mark has no byte of its own: alone, it counts as the first character.
                let (mark, first) = (WORD_START.len_utf8() as u32, first.len_utf8() as u32);
                for (_, start, end) in &mut tokens {
                    *start = offset as u32 + start.saturating_sub(mark);
                    *end = offset as u32 + if *end <= mark { first } else { *end - mark };
                }
            }
            _ => return None,
        }
        Some(tokens)
    }

    fn class(&self, inner: &Inner, c: char) -> u8 {
        let Some(known) = self.characters.get(c as usize) else { return OTHER };
        match known.load(Ordering::Relaxed) {
            UNSEEN => {
                let class = self.probe(inner, c).unwrap_or(OTHER);
                known.store(class, Ordering::Relaxed);
                class
            }
            class => class,
        }
    }

    /// What the tokenizer's own parts do with the character alone; `None` where they fail.
    fn probe(&self, inner: &Inner, c: char) -> Option<u8> {
        let mut buffer = [0; 4];
        let text: &str = c.encode_utf8(&mut buffer);
        let mut normalized = NormalizedString::from(text);
        if let Some(normalizer) = inner.get_normalizer() {
            normalizer.normalize(&mut normalized).ok()?;
        }
        if !stands_alone(c) || c == WORD_START || normalized.get() != text {
            return Some(OTHER);
        }
        if matches!(self.kind, Kind::Unigram) {
            return Some(LETTER);
        }
        let mut between = PreTokenizedString::from(format!("a{c}a"));
        inner.get_pre_tokenizer()?.pre_tokenize(&mut between).ok()?;
        Some(match between.get_splits(OffsetReferential::Original, OffsetType::Byte).len() {
            1 => LETTER,
            3 => PUNCTUATION,
            _ => OTHER,
        })
    }
}

/// WordPiece: the longest token at each place, or one unknown token for the whole word.
fn word_piece(model: &WordPiece, unknown: u32, word: &str, offset: usize, tokens: &mut Tokens) -> Option<()> {
    if word.is_empty() {
        return Some(());
    }
    let whole = (unknown, offset as u32, (offset + word.len()) as u32);
    if word.chars().count() > model.max_input_chars_per_word {
        tokens.push(whole);
        return Some(());
    }
    let known = tokens.len();
    let mut start = 0;
    // Each candidate is a slice of what remains of the word, behind the first token with the prefix.
    let mut remains = word.to_owned();
    let mut prefix = 0;
    while start < word.len() {
        let ends = remains.char_indices().map(|(at, c)| at + c.len_utf8());
        let found = ends
            .rev()
            .take_while(|end| *end > prefix)
            .find_map(|end| Some((model.token_to_id(remains.get(..end)?)?, end - prefix)));
        let Some((id, length)) = found else {
            tokens.truncate(known);
            tokens.push(whole);
            return Some(());
        };
        tokens.push((id, (offset + start) as u32, (offset + start + length) as u32));
        start += length;
        prefix = model.continuing_subword_prefix.len();
        remains.clear();
        remains.push_str(&model.continuing_subword_prefix);
        remains.push_str(word.get(start..)?);
    }
    Some(())
}

/// Characters known not to combine with a space beside them; a list of the common ones is enough.
pub(super) fn stands_alone(c: char) -> bool {
    matches!(c,
        '!'..='~' | '«' | '·' | '»' | 'À'..='ÿ'
        | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}'
        | '\u{2190}'..='\u{23ff}' | '\u{25a0}'..='\u{26ff}'
        | '、'..='〗' | 'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ㄱ'..='ㅣ' | '一'..='鿿' | '가'..='힣'
        | '！'..='～')
}

//! Tokenizing a plain word without the general machinery.
//!
//! For words of common characters that the normalizer leaves alone, most of the crate's time goes into tracking
//! how normalized text maps to the original. This module takes such words straight to the model, for
//! the two kinds of tokenizer that BERT and XLM-R use, and gives the same tokens. Every other word is refused.

use std::sync::atomic::{AtomicU8, Ordering};

use tokenizers::models::unigram::Unigram;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizer::NormalizedString;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{
    Model, ModelWrapper, Normalizer, OffsetReferential, OffsetType, PostProcessorWrapper, PreTokenizedString,
    PreTokenizer, PreTokenizerWrapper, Tokenizer as Inner,
};

use super::words::stands_alone;

/// SentencePiece's mark of a word start.
const WORD_START: char = '▁';
/// Score of an unknown character below the lowest of the vocabulary, as SentencePiece and the crate have it.
const UNKNOWN_PENALTY: f64 = 10.0;

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
    Unigram(Scores),
}

/// What a path through a word needs to know of a Unigram vocabulary.
#[derive(Debug, Clone)]
struct Scores {
    /// By token id.
    of_tokens: Vec<f64>,
    unknown: u32,
    of_unknown: f64,
    /// Bytes of the longest token.
    longest: usize,
}

/// Tokens of a word: `(id, start, end)` in bytes.
pub(super) type Tokens = Vec<(u32, u32, u32)>;

impl Clone for Direct {
    fn clone(&self) -> Self {
        Self::with_kind(self.kind.clone())
    }
}

impl Direct {
    /// The direct way, where the tokenizer is of a kind that has one.
    pub(super) fn of(inner: &Inner) -> Option<Self> {
        // Others move offsets even where they add nothing.
        let neutral = inner.get_post_processor().is_none_or(|processor| {
            matches!(processor, PostProcessorWrapper::Bert(_) | PostProcessorWrapper::Template(_))
        });
        let added = inner.get_added_vocabulary().get_added_tokens_decoder();
        if !neutral || added.values().any(|token| token.normalized) {
            return None;
        }
        match (inner.get_pre_tokenizer()?, inner.get_model()) {
            (PreTokenizerWrapper::BertPreTokenizer(_), ModelWrapper::WordPiece(model)) => {
                let unknown = model.token_to_id(&model.unk_token)?;
                Some(Self::with_kind(Kind::WordPiece { unknown }))
            }
            (PreTokenizerWrapper::Sequence(sequence), ModelWrapper::Unigram(model)) => {
                match sequence.as_ref() {
                    [PreTokenizerWrapper::WhitespaceSplit(_), PreTokenizerWrapper::Metaspace(metaspace)]
                        if metaspace.prepend_scheme == PrependScheme::Always
                            && metaspace.get_replacement() == WORD_START =>
                    {
                        Some(Self::with_kind(Kind::Unigram(Scores::of(model)?)))
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
            (Kind::WordPiece { unknown }, ModelWrapper::WordPiece(model)) => {
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
            (Kind::Unigram(scores), ModelWrapper::Unigram(model)) => {
                scores.best_path(model, &format!("{WORD_START}{letters}"), &mut tokens)?;
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
        if matches!(self.kind, Kind::Unigram(_)) {
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

/// The best way to a place in a word: its last token, where that begins, and the sum of scores.
#[derive(Debug, Clone, Copy)]
struct Step {
    id: u32,
    start: usize,
    score: f64,
}

/// Keeps the better of two ways to a place; the earlier one where they are equal.
fn improve(best: &mut [Option<Step>], end: usize, step: Step) {
    if let Some(known) = best.get_mut(end)
        && known.is_none_or(|known| step.score > known.score)
    {
        *known = Some(step);
    }
}

impl Scores {
    /// Unigram: the path of tokens with the highest sum of scores, unknown characters beside one another joined.
    fn best_path(&self, model: &Unigram, word: &str, tokens: &mut Tokens) -> Option<()> {
        let mut best: Vec<Option<Step>> = vec![None; word.len() + 1];
        for (start, first) in word.char_indices() {
            let so_far = if start == 0 { 0.0 } else { best.get(start).copied().flatten()?.score };
            let rest = word.get(start..)?;
            let mut single = false;
            for (at, c) in rest.char_indices() {
                let length = at + c.len_utf8();
                if length > self.longest {
                    break;
                }
                let Some(id) = model.token_to_id(rest.get(..length)?) else { continue };
                let score = self.of_tokens.get(id as usize)? + so_far;
                improve(&mut best, start + length, Step { id, start, score });
                single |= at == 0;
            }
            if !single {
                let step = Step { id: self.unknown, start, score: self.of_unknown + so_far };
                improve(&mut best, start + first.len_utf8(), step);
            }
        }
        let (from, mut end) = (tokens.len(), word.len());
        let mut joins = false;
        while end > 0 {
            let Step { id, start, .. } = best.get(end).copied().flatten()?;
            let unknown = id == self.unknown;
            match tokens.last_mut() {
                Some(last) if unknown && joins => last.1 = start as u32,
                _ => tokens.push((id, start as u32, end as u32)),
            }
            (joins, end) = (unknown, start);
        }
        for (id, start, end) in tokens.get_mut(from..)?.iter_mut().filter(|(id, ..)| *id == self.unknown) {
            // Joined characters may happen to spell a token that lost as a whole.
            *id = model.token_to_id(word.get(*start as usize..*end as usize)?).unwrap_or(self.unknown);
        }
        tokens.get_mut(from..)?.reverse();
        Some(())
    }

    fn of(model: &Unigram) -> Option<Self> {
        // The model keeps its unknown id to itself, but gives it to a character that it cannot know.
        let strange = ('\u{e000}'..='\u{f8ff}').map(String::from).find(|c| model.token_to_id(c).is_none())?;
        let unknown = match model.tokenize(&strange).ok()?.as_slice() {
            [token] if token.value == strange => token.id,
            _ => return None,
        };
        Some(Self {
            unknown,
            of_unknown: model.min_score - UNKNOWN_PENALTY,
            of_tokens: model.iter().map(|(_, score)| *score).collect(),
            longest: model.iter().map(|(token, _)| token.len()).max()?,
        })
    }
}

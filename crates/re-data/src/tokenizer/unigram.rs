//! The Unigram model of SentencePiece (Kudo 2018) over a vocabulary in one piece of memory.
//!
//! It gives the tokens of the `tokenizers` crate's model, whose trie of hash tables takes most of the time and memory
//! of loading a large tokenizer.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::de::{self, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokenizers::Token;

/// Score of an unknown character below the lowest of the vocabulary, as SentencePiece has it.
const UNKNOWN_PENALTY: f64 = 10.0;

/// Tokens of a word: `(id, start, end)` in bytes.
pub(super) type Tokens = Vec<(u32, u32, u32)>;

/// A vocabulary of tokens with their log probabilities.
#[derive(Clone)]
pub(super) struct Unigram {
    vocabulary: Vocabulary,
    unknown: Option<u32>,
    byte_fallback: bool,
    lowest: f64,
    /// Bytes of the longest token.
    longest: usize,
}

/// Tokens by id, and ids by token.
#[derive(Clone, Default)]
struct Vocabulary {
    /// All tokens, one after the other.
    text: String,
    /// Where each token ends.
    ends: Vec<u32>,
    scores: Vec<f64>,
    ids: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// The best way to a place in a word: its last token, where that begins, and the sum of scores.
#[derive(Debug, Clone, Copy)]
struct Step {
    id: Option<u32>,
    start: usize,
    score: f64,
}

impl Vocabulary {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn token(&self, id: u32) -> Option<&str> {
        let start = match id.checked_sub(1) {
            Some(before) => *self.ends.get(before as usize)? as usize,
            None => 0,
        };
        self.text.get(start..*self.ends.get(id as usize)? as usize)
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.ids.find(self.hasher.hash_one(token), |&id| self.token(id) == Some(token)).copied()
    }

    /// Appends a token; of tokens that are written alike, the last one counts.
    fn push(&mut self, token: &str, score: f64) -> Option<()> {
        let id = u32::try_from(self.len()).ok()?;
        self.text.push_str(token);
        self.ends.push(u32::try_from(self.text.len()).ok()?);
        self.scores.push(score);
        let Self { text, ends, ids, hasher, .. } = self;
        let at = |id: u32| {
            let start = id
                .checked_sub(1)
                .map_or(0, |before| ends.get(before as usize).map_or(0, |&end| end as usize));
            let end = ends.get(id as usize).map_or(0, |&end| end as usize);
            text.get(start..end).unwrap_or_default()
        };
        match ids.find_mut(hasher.hash_one(token), |&known| at(known) == token) {
            Some(known) => *known = id,
            None => {
                ids.insert_unique(hasher.hash_one(token), id, |&id| hasher.hash_one(at(id)));
            }
        }
        Some(())
    }
}

impl Unigram {
    fn new(vocabulary: Vocabulary, unknown: Option<usize>, byte_fallback: bool) -> Result<Self, String> {
        let unknown = match unknown {
            Some(id) if id >= vocabulary.len() => {
                return Err(format!("unk_id is {id}, but the vocabulary has {} tokens", vocabulary.len()));
            }
            Some(id) => Some(u32::try_from(id).map_err(|e| e.to_string())?),
            None => None,
        };
        let mut start = 0;
        let lengths = vocabulary.ends.iter().map(|&end| {
            let length = end - start;
            start = end;
            length as usize
        });
        let longest = lengths.max().unwrap_or(0);
        let lowest = vocabulary.scores.iter().copied().fold(f64::INFINITY, f64::min);
        Ok(Self { vocabulary, unknown, byte_fallback, lowest, longest })
    }

    /// Number of tokens; ids are the numbers below it.
    pub(super) fn len(&self) -> usize {
        self.vocabulary.len()
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.vocabulary.id(token)
    }

    pub(super) fn token(&self, id: u32) -> Option<&str> {
        self.vocabulary.token(id)
    }

    /// Logarithm of a token's probability.
    pub(super) fn score(&self, id: u32) -> Option<f64> {
        self.vocabulary.scores.get(id as usize).copied()
    }

    pub(super) fn map(&self) -> HashMap<String, u32> {
        let ids = self.vocabulary.ids.iter();
        ids.filter_map(|&id| Some((self.token(id)?.to_owned(), id))).collect()
    }

    /// Id of the token for unknown characters.
    pub(super) fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// Whether every text becomes tokens, one for each stretch of unknown characters.
    pub(super) fn knows_unknown(&self) -> bool {
        self.unknown.is_some() && !self.byte_fallback
    }

    /// The path of tokens with the highest sum of scores, unknown characters beside one another joined; `None` where
    /// there are some and the vocabulary has no token for them.
    pub(super) fn best_path(&self, word: &str, tokens: &mut Tokens) -> Option<()> {
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
                let Some(id) = self.id(rest.get(..length)?) else { continue };
                let score = self.vocabulary.scores.get(id as usize)? + so_far;
                improve(&mut best, start + length, Step { id: Some(id), start, score });
                single |= at == 0;
            }
            if !single {
                let score = self.lowest - UNKNOWN_PENALTY + so_far;
                improve(&mut best, start + first.len_utf8(), Step { id: None, start, score });
            }
        }
        let (from, mut end) = (tokens.len(), word.len());
        let mut joins = false;
        while end > 0 {
            let Step { id, start, .. } = best.get(end).copied().flatten()?;
            // The unknown token itself may be spelled out in a text: it joins, too.
            let unknown = id.is_none() || id == self.unknown;
            let id = id.or(self.unknown)?;
            match tokens.last_mut() {
                Some(last) if unknown && joins => last.1 = start as u32,
                _ => tokens.push((id, start as u32, end as u32)),
            }
            (joins, end) = (unknown, start);
        }
        for (id, start, end) in
            tokens.get_mut(from..)?.iter_mut().filter(|(id, ..)| Some(*id) == self.unknown)
        {
            // Joined characters may happen to spell a token that lost as a whole.
            *id = self.id(word.get(*start as usize..*end as usize)?).unwrap_or(*id);
        }
        tokens.get_mut(from..)?.reverse();
        Some(())
    }

    /// Tokens of a word as the crate's pipeline wants them.
    pub(super) fn tokenize(&self, word: &str) -> tokenizers::Result<Vec<Token>> {
        let mut path = Tokens::new();
        if self.best_path(word, &mut path).is_none() {
            return Err("a character is unknown, and the vocabulary has no token for that (unk_id)".into());
        }
        let mut tokens = Vec::with_capacity(path.len());
        for (id, start, end) in path {
            let text = word.get(start as usize..end as usize).unwrap_or_default();
            let offsets = (start as usize, end as usize);
            match self.bytes(id, text) {
                Some(bytes) => {
                    tokens.extend(bytes.into_iter().map(|(id, name)| Token::new(id, name, offsets)));
                }
                None => tokens.push(Token::new(id, text.to_owned(), offsets)),
            }
        }
        Ok(tokens)
    }

    /// The tokens of an unknown text's bytes, where the vocabulary has all of them and wants them to be used.
    fn bytes(&self, id: u32, text: &str) -> Option<Vec<(u32, String)>> {
        if !self.byte_fallback || Some(id) != self.unknown || self.id(text).is_some() {
            return None;
        }
        let name = |byte| format!("<0x{byte:02X}>");
        text.bytes().map(|byte| Some((self.id(&name(byte))?, name(byte)))).collect()
    }
}

/// Keeps the better of two ways to a place; the earlier one where they are equal.
fn improve(best: &mut [Option<Step>], end: usize, step: Step) {
    if let Some(known) = best.get_mut(end)
        && known.is_none_or(|known| step.score > known.score)
    {
        *known = Some(step);
    }
}

impl fmt::Debug for Unigram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unigram").field("tokens", &self.len()).field("unknown", &self.unknown).finish()
    }
}

impl Serialize for Unigram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut model = serializer.serialize_struct("Unigram", 4)?;
        model.serialize_field("type", "Unigram")?;
        model.serialize_field("unk_id", &self.unknown)?;
        model.serialize_field("vocab", &self.vocabulary)?;
        model.serialize_field("byte_fallback", &self.byte_fallback)?;
        model.end()
    }
}

impl Serialize for Vocabulary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        for (id, score) in (0..).zip(&self.scores) {
            list.serialize_element(&(self.token(id).unwrap_or_default(), score))?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tokens with their scores")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vocabulary, A::Error> {
                let mut vocabulary = Vocabulary::default();
                while let Some((token, score)) = list.next_element::<(String, f64)>()? {
                    let pushed = vocabulary.push(&token, score);
                    pushed.ok_or_else(|| de::Error::custom("the vocabulary has more than 4 GiB"))?;
                }
                Ok(vocabulary)
            }
        }
        deserializer.deserialize_seq(Pairs)
    }
}

impl<'de> Deserialize<'de> for Unigram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            vocab: Vocabulary,
            #[serde(default)]
            unk_id: Option<usize>,
            #[serde(default)]
            byte_fallback: bool,
        }
        let Fields { vocab, unk_id, byte_fallback } = Fields::deserialize(deserializer)?;
        Self::new(vocab, unk_id, byte_fallback).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::Model;
    use tokenizers::models::unigram::Unigram as Reference;

    use super::*;

    fn both(vocab: &[(&str, f64)], unknown: Option<usize>, byte_fallback: bool) -> (Unigram, Reference) {
        let owned = vocab.iter().map(|(token, score)| ((*token).to_owned(), *score)).collect();
        let reference = Reference::from(owned, unknown, byte_fallback).unwrap();
        (serde_json::from_str(&serde_json::to_string(&reference).unwrap()).unwrap(), reference)
    }

    fn assert_equal(ours: &Unigram, reference: &Reference, text: &str) {
        // Without an unknown token the crate refuses text that has a character alone unknown, ours only where it must.
        if let Ok(expected) = reference.tokenize(text) {
            assert_eq!(ours.tokenize(text).unwrap(), expected, "{text:?}");
        }
    }

    const VOCABULARY: [(&str, f64); 12] = [
        ("<unk>", 0.0),
        ("a", -1.0),
        ("b", -2.0),
        ("ab", -2.5),
        ("abc", -1.5),
        ("가", -3.0),
        ("가나", -3.0),
        ("▁", -1.0),
        ("▁a", -1.5),
        ("ab", -1.75),
        ("x", -4.0),
        ("xy", -4.0),
    ];

    proptest! {
        #[test]
        fn tokens_equal_those_of_the_crate(text in "(a|b|c|가|나|▁|x|y|z|<unk>|é){0,12}") {
            for unknown in [Some(0), None] {
                let (ours, reference) = both(&VOCABULARY, unknown, false);
                assert_equal(&ours, &reference, &text);
            }
        }

        #[test]
        fn bytes_stand_for_unknown_characters(text in "(a|b|é|나){0,6}") {
            let names: Vec<String> = (0..=255u8).map(|byte| format!("<0x{byte:02X}>")).collect();
            for count in [256, 200] {
                let bytes = names.iter().take(count).map(|name| (name.as_str(), -5.0));
                let vocab: Vec<(&str, f64)> = VOCABULARY.into_iter().chain(bytes).collect();
                let (ours, reference) = both(&vocab, Some(0), true);
                assert_equal(&ours, &reference, &text);
            }
        }
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let (ours, reference) = both(&VOCABULARY, Some(0), false);
        assert_eq!(serde_json::to_value(&ours).unwrap(), serde_json::to_value(&reference).unwrap());
        assert_eq!(ours.map(), reference.get_vocab());
        assert_eq!((ours.id("ab"), ours.token(3), ours.token(12)), (Some(9), Some("ab"), None));
        let wrong = r#"{"type": "Unigram", "unk_id": 3, "vocab": [["a", -1.0]]}"#;
        let error = serde_json::from_str::<Unigram>(wrong).unwrap_err().to_string();
        assert!(error.contains("unk_id is 3"), "{error}");
    }
}

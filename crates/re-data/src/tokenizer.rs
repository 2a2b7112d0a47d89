//! A checkpoint's tokenizer: text to ids and byte spans, special tokens, added tokens, loading and saving.
//!
//! The work is done by the `tokenizers` crate. This module adds what a relation classifier needs around it:
//! the roles of the special tokens, a vocabulary that grows safely, and two means that make encoding a corpus
//! several times faster than the crate alone at equal ids: a memory of words (module `words`), and a direct
//! way to the model for words that the normalizer leaves alone (module `direct`).

mod direct;
mod folder;
mod model;
mod special;
mod template;
mod unigram;
mod words;

use std::path::{Path, PathBuf};

use tokenizers::AddedToken;

use crate::encoded::Encoded;
use crate::error::{Error, Result};
use crate::files::NewFolder;
use crate::span::{ByteSpan, TokenSpan};

pub use special::{SpecialToken, SpecialTokens};
pub use template::{Part, Template};

use model::Inner;
use words::Words;

/// Tokens of one text without special tokens around them: ids and the bytes that each one covers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pieces {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Bytes of the text that each token comes from, `(start, end)`.
    pub offsets: Vec<(u32, u32)>,
}

impl Pieces {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Removes all tokens and keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.offsets.clear();
    }

    /// The smallest span of tokens that holds every token sharing a byte with `bytes`; `None` where there
    /// is none. Tokens that cover no byte never count.
    pub fn covering(&self, bytes: ByteSpan) -> Option<TokenSpan> {
        let overlaps = |&(start, end): &(u32, u32)| {
            (start as usize) < bytes.end() && bytes.start() < end as usize && start < end
        };
        let start = self.offsets.iter().position(overlaps)?;
        let end = self.offsets.iter().rposition(overlaps)? + 1;
        TokenSpan::new(start, end)
    }
}

/// A tokenizer with the special tokens of its checkpoint.
///
/// A clone starts with an empty memory of words.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Inner,
    special: SpecialTokens,
    single: Template,
    pair: Template,
    words: Words,
    vocab_size: usize,
    /// `tokenizer_config.json` of the checkpoint, kept so that what is saved loads as the same class.
    config: serde_json::Map<String, serde_json::Value>,
}

impl Tokenizer {
    /// Reads the tokenizer of a checkpoint folder.
    ///
    /// `tokenizer.json` is taken where it exists, otherwise a WordPiece `vocab.txt` with BERT's rules,
    /// cased as `do_lower_case` in `tokenizer_config.json` says or, without it, as the vocabulary itself is. The settings in `tokenizer_config.json` count as
    /// `transformers` 5 lets them count: a BERT-like class applies its `do_lower_case`, `strip_accents` and
    /// `tokenize_chinese_chars`, and `XLMRobertaTokenizer` splits at white space before it marks word starts.
    /// Truncation and padding stored in the file are switched off.
    ///
    /// A role (class, separator, padding, unknown, mask) is filled by the first of these that the vocabulary
    /// holds: the token named in `tokenizer_config.json`, in `special_tokens_map.json`, by the tokenizer
    /// file itself (post-processor, padding, unknown token of the model), and the customary spellings
    /// (`[CLS]`, `<s>` and so on). Each of them is matched in text as one token.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read, [`Error::Tokenizer`] where it is malformed or neither file
    /// exists.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self> {
        folder::load(folder.as_ref())
    }

    /// Saves `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json` as the folder `folder`, which is
    /// created, and appears when it is complete. `transformers.AutoTokenizer` loads the same tokenizer from there.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be written, [`Error::NotEmpty`] where `folder` holds files already.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = NewFolder::create_with_parents(folder)?;
        self.save_into(folder.path())?;
        folder.commit()
    }

    /// Writes the same files into a folder that exists, beside what else a model consists of.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be written.
    pub fn save_into(&self, folder: &Path) -> Result<()> {
        folder::save(self, folder)
    }

    fn new(
        inner: Inner,
        special: SpecialTokens,
        config: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self> {
        let (single, pair) = (Template::probe(&inner, false)?, Template::probe(&inner, true)?);
        let words = Words::new(&inner);
        let added = inner.get_added_vocabulary().get_added_tokens_decoder().keys().max();
        let vocab_size = inner.get_model().ids().max(added.map_or(0, |&id| id as usize + 1));
        Ok(Self { inner, special, single, pair, words, vocab_size, config })
    }

    /// The tokens with a role.
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// Where special tokens stand around one segment, or around two.
    pub fn template(&self, pair: bool) -> &Template {
        if pair { &self.pair } else { &self.single }
    }

    /// Largest id + 1: the number of rows that an embedding table needs at least.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Token of an id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Text of some ids.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        self.inner.decode(ids, skip_special_tokens).map_err(|e| fault("a row cannot be decoded", e))
    }

    /// Makes each of `tokens` one special token and returns how many were new to the vocabulary. New ones get
    /// the ids from [`vocab_size`](Self::vocab_size) on, in the order given; a model's embeddings must
    /// grow with them.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where a token is empty, or where the tokenizer assigns an id that is already taken
    /// (a vocabulary with gaps or repeated lines).
    pub fn add_tokens<S: AsRef<str>>(&mut self, tokens: &[S]) -> Result<usize> {
        let mut added = 0;
        for token in tokens.iter().map(AsRef::as_ref) {
            let known = self.inner.token_to_id(token);
            if self.inner.get_added_vocabulary().get_vocab().contains_key(token) {
                continue;
            }
            let special = [AddedToken::from(token, true)];
            self.inner.add_special_tokens(special).map_err(|e| fault("a token cannot be added", e))?;
            match (known, self.inner.token_to_id(token)) {
                (Some(_), Some(_)) => {}
                (None, Some(id)) if id as usize == self.vocab_size => {
                    self.vocab_size += 1;
                    added += 1;
                }
                (_, id) => {
                    return Err(Error::Tokenizer {
                        path: None,
                        reason: format!("added token {token:?} has id {id:?}, expected {}", self.vocab_size),
                        source: None,
                    });
                }
            }
        }
        self.words = Words::new(&self.inner);
        Ok(added)
    }

    /// Tokenizes `text` without special tokens.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the tokenizer fails, such as a model without a token for unknown text.
    pub fn pieces(&self, text: &str) -> Result<Pieces> {
        let mut pieces = Pieces::default();
        self.pieces_into(text, &mut pieces)?;
        Ok(pieces)
    }

    /// As [`pieces`](Self::pieces), into `pieces`, which is cleared first.
    ///
    /// # Errors
    /// As [`pieces`](Self::pieces).
    pub fn pieces_into(&self, text: &str, pieces: &mut Pieces) -> Result<()> {
        pieces.clear();
        if self.words.tokenize(&self.inner, text, pieces)? {
            return Ok(());
        }
        pieces.clear();
        words::tokenize_whole(&self.inner, text, pieces)
    }

    /// Tokenizes one text, or two as a pair, with special tokens and the tokenizer's own type ids; no
    /// entities, no truncation.
    ///
    /// # Errors
    /// As [`pieces`](Self::pieces).
    pub fn encode(&self, first: &str, second: Option<&str>) -> Result<Encoded> {
        let first = self.pieces(first)?;
        let second = second.map(|text| self.pieces(text)).transpose()?;
        let segments = [Some(first.ids.as_slice()), second.as_ref().map(|s| s.ids.as_slice())];
        let mut row = Encoded::default();
        self.template(second.is_some()).assemble(segments, &mut row.ids, &mut row.type_ids);
        Ok(row)
    }
}

/// An error that came from the `tokenizers` crate.
fn fault(reason: &str, source: tokenizers::Error) -> Error {
    Error::Tokenizer { path: None, reason: reason.into(), source: Some(source) }
}

/// An error about a file.
fn file_fault(
    path: impl Into<PathBuf>,
    reason: impl Into<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Tokenizer { path: Some(path.into()), reason: reason.into(), source }
}

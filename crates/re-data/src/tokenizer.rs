//! A checkpoint's tokenizer: text to ids and byte spans, special tokens, added tokens, loading and saving.
//!
//! The work is done by the `tokenizers` crate. This module adds what a relation classifier needs around it:
//! the roles of the special tokens, a vocabulary that grows safely, and two means that make encoding a corpus
//! several times faster than the crate alone at equal ids: a memory of words (module `words`), and a direct
//! way to the model for words that the normalizer leaves alone (module `direct`).

mod class;
mod deberta;
mod direct;
mod file;
mod folder;
mod model;
mod settings;
mod special;
mod template;
mod unigram;
mod words;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

use tokenizers::AddedToken;

use crate::encoded::Encoded;
use crate::error::{Error, Result};
use crate::files::NewFolder;
use crate::span::{ByteSpan, TokenSpan};
use crate::text::quoted;

pub use special::{SpecialToken, SpecialTokens};
pub use template::{Part, Template};

use model::Inner;
use words::Words;

/// Tokens of one text without special tokens around them: ids and the bytes that each one covers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pieces {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Bytes of the text that each token comes from, `(start, end)`, without white space at its ends.
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
    /// `tokenizer_config.json` of the checkpoint, with its class: what is saved loads as the same.
    config: serde_json::Map<String, serde_json::Value>,
    /// The file with the vocabulary, for messages.
    path: PathBuf,
}

impl Tokenizer {
    /// Names of the files that a tokenizer is read from, where they exist, beside the model's `config.json`.
    pub const FILES: [&'static str; 5] = folder::FILES;

    /// Reads the tokenizer of a checkpoint folder, as `AutoTokenizer` of `transformers` 5.24 reads it.
    ///
    /// `tokenizer.json` is taken where it exists, otherwise a WordPiece `vocab.txt`. The class of the tokenizer, named in
    /// `tokenizer_config.json` or else given by the type of the model in `config.json`, decides what becomes of them: the
    /// classes of BERT, RoBERTa, XLM-R and MPNet take the vocabulary alone and build everything else themselves, the class
    /// `PreTrainedTokenizerFast` takes `tokenizer.json` as it stands. So does a folder that says no class; a `vocab.txt`
    /// is then read by BERT's rules, cased as the vocabulary itself is.
    ///
    /// Added tokens come from all files that list them: `tokenizer.json`, `added_tokens.json`, `tokenizer_config.json`
    /// and `special_tokens_map.json`. What would change ids and cannot be followed is refused; `docs/TOKENIZERS.md` of
    /// the repository lists every key. Truncation and padding stored in the file are switched off.
    ///
    /// A role (class, separator, padding, unknown, mask) that neither settings nor class fill is filled by the first of
    /// these that the vocabulary holds: the token used by the tokenizer file itself (post-processor, padding, unknown
    /// token of the model), and the customary spellings (`[CLS]`, `<s>` and so on). Each token with a role is matched in
    /// text as one token.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read, [`Error::ModelFile`] where something else stands in its place,
    /// [`Error::TokenizerSetting`] where a setting cannot be followed or contradicts another, [`Error::Tokenizer`] where a
    /// file is malformed or missing.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self> {
        folder::load(folder.as_ref())
    }

    /// Reads the tokenizer that [`save`](Self::save) wrote beside a trained model: `tokenizer.json` as it stands, which is
    /// what the model was trained with, whatever else the settings say. A folder without that file is read as
    /// [`from_folder`](Self::from_folder) does.
    ///
    /// # Errors
    /// As [`from_folder`](Self::from_folder).
    pub fn from_saved(folder: impl AsRef<Path>) -> Result<Self> {
        folder::load_saved(folder.as_ref())
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

    /// A tokenizer whose settings name the tokens `roles`, and whose file pads with `padding`.
    fn new(
        mut inner: Inner,
        roles: &[(&'static str, AddedToken)],
        padding: Option<String>,
        config: serde_json::Map<String, serde_json::Value>,
        path: PathBuf,
    ) -> Result<Self> {
        let special = SpecialTokens::find(&inner, roles, padding)?;
        let added = inner.get_added_vocabulary().get_vocab();
        let unmatched = special.named().filter(|(_, token)| !added.contains_key(&token.content));
        let unmatched: Vec<AddedToken> =
            unmatched.map(|(_, token)| AddedToken::from(&token.content, true)).collect();
        inner.add_tokens(unmatched).map_err(|e| fault("a token with a role cannot be added", e))?;
        let (single, pair) = (Template::probe(&inner, false)?, Template::probe(&inner, true)?);
        let words = Words::new(&inner);
        let added = inner.get_added_vocabulary().get_added_tokens_decoder().keys().max();
        let vocab_size = inner.get_model().ids().max(added.map_or(0, |&id| id as usize + 1));
        Ok(Self { inner, special, single, pair, words, vocab_size, config, path })
    }

    /// Whether the folder's settings let `transformers` cut long rows at their beginning.
    pub(crate) fn cuts_beginnings(&self) -> bool {
        self.config.get("truncation_side").is_some_and(|side| side == "left")
    }

    /// The file that the vocabulary was read from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
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
        let decode = || self.inner.decode(ids, skip_special_tokens);
        self.named(guarded(|| decode().map_err(|e| fault("a row cannot be decoded", e))))
    }

    /// Makes each of `tokens` one special token and returns how many were new to the vocabulary. New ones get
    /// the ids from [`vocab_size`](Self::vocab_size) on, in the order given; a model's embeddings must
    /// grow with them.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where a token is empty, or where its id would be that of another token, as in a vocabulary
    /// whose ids have gaps.
    pub fn add_tokens<S: AsRef<str>>(&mut self, tokens: &[S]) -> Result<usize> {
        let result = guarded(|| self.add(tokens));
        self.words = Words::new(&self.inner);
        self.named(result)
    }

    fn add<S: AsRef<str>>(&mut self, tokens: &[S]) -> Result<usize> {
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
                (_, None) => {
                    return Err(Error::Tokenizer {
                        path: None,
                        reason: format!("{} cannot be added as a token", quoted(token)),
                        source: None,
                    });
                }
                (_, Some(id)) => {
                    return Err(Error::Tokenizer {
                        path: None,
                        reason: format!(
                            "the added token {} would get the id {id}, which another token may have: the ids \
                             below {} have gaps",
                            quoted(token),
                            self.vocab_size
                        ),
                        source: None,
                    });
                }
            }
        }
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
        self.named(guarded(|| {
            pieces.clear();
            if self.words.tokenize(&self.inner, text, pieces)? {
                return Ok(());
            }
            pieces.clear();
            words::tokenize_whole(&self.inner, text, pieces)
        }))
    }

    /// The same result, with the name of the file in its error.
    fn named<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| in_file(error, &self.path))
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

thread_local! {
    /// How many guarded calls this thread is in.
    static GUARDED: Cell<usize> = const { Cell::new(0) };
}

/// Calls what may end in a panic of the `tokenizers` crate, as its parsers do on files that no writer writes. Its error
/// says what the panic would have said.
fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    // Every thread has the same hook: it is set once, and asks whether the thread that panics is in such a call.
    QUIET.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if GUARDED.get() == 0 {
                others(panic);
            }
        }));
    });
    GUARDED.set(GUARDED.get() + 1);
    // What is left behind half-way is dropped: a tokenizer that is being read, or the tokens of one text.
    let result = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(GUARDED.get() - 1);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(Error::Tokenizer {
            path: None,
            reason: "the tokenizers crate cannot work with this file".into(),
            source: Some(text.into()),
        })
    })
}

/// The same error with the name of a file, where it has none.
fn in_file(error: Error, path: &Path) -> Error {
    match error {
        Error::Tokenizer { path: None, reason, source } => {
            Error::Tokenizer { path: Some(path.to_owned()), reason, source }
        }
        other => other,
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

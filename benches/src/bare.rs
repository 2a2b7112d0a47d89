//! The plain `tokenizers` crate on the strings that our encoder tokenizes: the peer that does less.

use anyhow::{Result, anyhow};
use re_data::{ExampleEncoder, RelationExample};
use tokenizers::{EncodeInput, TruncationParams};

/// A tokenizer of the `tokenizers` crate that truncates as `transformers` does.
#[derive(Clone)]
pub struct Bare {
    inner: tokenizers::Tokenizer,
    separator: String,
}

impl Bare {
    /// The tokenizer of `encoder`, without anything that this project puts around it.
    ///
    /// # Errors
    /// It cannot be saved to a temporary folder and loaded from there.
    pub fn new(encoder: &ExampleEncoder) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        encoder.tokenizer().save(folder.path())?;
        let mut inner =
            tokenizers::Tokenizer::from_file(folder.path().join("tokenizer.json")).map_err(|e| anyhow!(e))?;
        let truncation =
            TruncationParams { max_length: encoder.options().max_length, ..TruncationParams::default() };
        inner.with_truncation(Some(truncation)).map_err(|e| anyhow!(e))?;
        let separator = encoder.tokenizer().special().sep.as_ref().map(|token| token.content.clone());
        Ok(Self { inner, separator: separator.unwrap_or_default() })
    }

    /// The strings that `encoder` would tokenize.
    ///
    /// # Errors
    /// The markup refuses an example.
    pub fn strings(
        &self,
        encoder: &ExampleEncoder,
        examples: &[RelationExample],
    ) -> Result<Vec<EncodeInput<'static>>> {
        let write = |example| {
            let text = encoder.markup().write(example, &self.separator)?;
            Ok(match text.first {
                Some(first) => EncodeInput::Dual(first.into(), text.sentence.into()),
                None => EncodeInput::Single(text.sentence.into()),
            })
        };
        examples.iter().map(write).collect()
    }

    /// Token ids of all strings, in parallel, with the byte offsets that entities would need.
    ///
    /// # Errors
    /// The crate refuses a string.
    pub fn encode(&self, strings: Vec<EncodeInput<'static>>) -> Result<Vec<tokenizers::Encoding>> {
        self.inner.encode_batch(strings, true).map_err(|e| anyhow!(e))
    }
}

//! Adding tokens and token types to a model and its tokenizer in one step.

use re_data::Tokenizer;
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::model::RelationModel;
use crate::parameters::{Init, initial};

/// What [`RelationModel::extend_vocabulary`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VocabularyReport {
    /// Tokens that the tokenizer did not know yet, with their ids.
    pub added: Vec<(String, u32)>,
    /// Rows of the word embeddings before and after.
    pub vocab_size: (i64, i64),
    /// Rows of the token-type table before and after.
    pub type_vocab_size: (i64, i64),
}

impl RelationModel {
    /// Makes tokenizer and model agree on `tokens` and on at least `type_vocab_size` token types.
    ///
    /// Tokens that the tokenizer lacks are added to it as special tokens; the word embeddings grow until
    /// every id of the tokenizer has a row; the token-type table grows to `type_vocab_size`. New rows start at
    /// the mean of the old ones plus normal noise of the configuration's `initializer_range`, so that they are
    /// neither outliers nor equal. Nothing shrinks, and a second call with the same arguments changes nothing.
    ///
    /// # Errors
    /// [`Error::Data`] where the tokenizer refuses a token; [`Error::NoTokenTypes`] where the architecture has none, and
    /// more than one is asked for.
    pub fn extend_vocabulary(
        &mut self,
        tokenizer: &mut Tokenizer,
        tokens: &[String],
        type_vocab_size: usize,
    ) -> Result<VocabularyReport> {
        let _guard = tch::no_grad_guard();
        if self.encoder.embeddings.token_type.is_none() && type_vocab_size > 1 {
            let architecture = self.config().architecture("Model");
            return Err(Error::NoTokenTypes { architecture, needed: type_vocab_size });
        }
        self.restore_vocabulary()?;
        let mut unknown: Vec<&String> = tokens.iter().filter(|token| tokenizer.id(token).is_none()).collect();
        unknown.dedup();
        tokenizer.add_tokens(tokens)?;
        let added: Vec<(String, u32)> =
            unknown.into_iter().filter_map(|token| Some((token.clone(), tokenizer.id(token)?))).collect();
        let config = self.encoder.config.clone();
        let vocab_size = config.vocab_size.max(tokenizer.vocab_size() as i64);

        let table = config.word_embeddings();
        let fresh: Vec<i64> =
            added.iter().map(|(_, id)| i64::from(*id)).chain(config.vocab_size..vocab_size).collect();
        let word = self.with_fresh_rows(&self.encoder.embeddings.word, &table, vocab_size, fresh)?;
        self.parameters.replace(&table, word.shallow_clone(), None);
        self.encoder.embeddings.word = word;

        let mut type_rows = config.type_vocab_size;
        if let Some(types) = &self.encoder.embeddings.token_type {
            type_rows = type_rows.max(type_vocab_size as i64);
            let table = format!("{}.embeddings.token_type_embeddings.weight", config.prefix());
            let fresh = (config.type_vocab_size..type_rows).collect();
            let types = self.with_fresh_rows(types, &table, type_rows, fresh)?;
            self.parameters.replace(&table, types.shallow_clone(), None);
            self.encoder.embeddings.token_type = Some(types);
        }

        self.encoder.config.vocab_size = vocab_size;
        self.encoder.config.type_vocab_size = type_rows;
        Ok(VocabularyReport {
            added,
            vocab_size: (config.vocab_size, vocab_size),
            type_vocab_size: (config.type_vocab_size, type_rows),
        })
    }

    /// `table` with `rows` rows, the ones in `fresh` initialised; the table itself where nothing is to do.
    fn with_fresh_rows(&self, table: &Tensor, name: &str, rows: i64, mut fresh: Vec<i64>) -> Result<Tensor> {
        if fresh.is_empty() {
            return Ok(table.shallow_clone());
        }
        fresh.sort_unstable();
        fresh.dedup();
        let width = table.size().last().copied().unwrap_or(0);
        let known: Vec<i64> = (0..table.size().first().copied().unwrap_or(0))
            .filter(|row| fresh.binary_search(row).is_err())
            .collect();
        let index = |rows: &[i64]| Ok::<_, Error>(Tensor::f_from_slice(rows)?.f_to_device(table.device())?);
        let mean = table.f_index_select(0, &index(&known)?)?.f_mean_dim(0, true, Kind::Float)?;
        let noise = Init::Normal(self.encoder.config.initializer_range);
        let values = initial(&format!("{name} added"), &[fresh.len() as i64, width], noise, self.seed())?
            .f_to_device(table.device())?
            .f_add(&mean)?;
        let mut grown = Tensor::f_zeros([rows, width], (table.kind(), table.device()))?;
        grown.f_narrow(0, 0, table.size().first().copied().unwrap_or(0))?.f_copy_(table)?;
        let _ = grown.f_index_copy_(0, &index(&fresh)?, &values)?;
        Ok(grown.f_set_requires_grad(table.requires_grad())?)
    }
}

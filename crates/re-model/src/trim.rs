//! Vocabulary trimming: only the word embeddings that the data can touch are held and updated.
//!
//! Training sees no difference: a row that no batch holds gets no gradient, and what weight decay would do to it
//! is done when the table is saved.

use tch::Tensor;

use crate::error::{Error, Result};
use crate::model::RelationModel;
use crate::parameters::Rest;

/// Trimming pays where at most this share of the rows is used.
const LARGEST_SHARE: f64 = 0.75;

impl RelationModel {
    /// Keeps only the word embeddings of `ids` in reach of training and inference, until
    /// [`restore_vocabulary`](Self::restore_vocabulary); saving writes the whole table.
    ///
    /// A batch with any other id is an [`Error::TrimmedToken`]. Nothing happens where most rows are used anyway.
    /// Returns the number of rows that are held.
    ///
    /// # Errors
    /// [`Error::TokenId`] where an id lies outside the vocabulary.
    pub fn trim_vocabulary(&mut self, ids: impl IntoIterator<Item = u32>) -> Result<usize> {
        self.restore_vocabulary()?;
        let vocab_size = self.config().vocab_size;
        let mut rows = vec![-1i64; usize::try_from(vocab_size).unwrap_or(0)];
        for id in ids {
            match rows.get_mut(id as usize) {
                Some(row) => *row = 0,
                None => return Err(Error::TokenId { id: i64::from(id), vocab_size }),
            }
        }
        let mut held = Vec::new();
        for (id, row) in rows.iter_mut().enumerate().filter(|(_, row)| **row == 0) {
            *row = held.len() as i64;
            held.push(id as i64);
        }
        if held.is_empty() || held.len() as f64 > LARGEST_SHARE * rows.len() as f64 {
            return Ok(rows.len());
        }
        let _guard = tch::no_grad_guard();
        let table = self.encoder.embeddings.word.f_detach()?;
        let index = Tensor::f_from_slice(&held)?.f_to_device(table.device())?;
        let word = table
            .f_index_select(0, &index)?
            .f_set_requires_grad(self.encoder.embeddings.word.requires_grad())?;
        let padding = self.config().pad_token_id.and_then(|id| rows.get(usize::try_from(id).ok()?).copied());
        let name = self.config().word_embeddings();
        let rest = Rest::new(table, index);
        self.parameters.replace(&name, word.shallow_clone(), Some(rest));
        let embeddings = &mut self.encoder.embeddings;
        (embeddings.word, embeddings.word_rows, embeddings.padding_row) =
            (word, Some(rows), padding.unwrap_or(-1));
        Ok(held.len())
    }

    /// Ends [`trim_vocabulary`](Self::trim_vocabulary): the whole table, with what training changed, is in place.
    ///
    /// # Errors
    /// [`Error::Torch`].
    pub fn restore_vocabulary(&mut self) -> Result<()> {
        let name = self.config().word_embeddings();
        let padding = self.config().pad_token_id.unwrap_or(-1);
        let embeddings = &mut self.encoder.embeddings;
        let Some(parameter) = self.parameters.get(&name).filter(|p| p.rest.is_some()) else { return Ok(()) };
        let word = parameter.stored()?.f_set_requires_grad(embeddings.word.requires_grad())?;
        (embeddings.word_rows, embeddings.padding_row) = (None, padding);
        embeddings.word = word.shallow_clone();
        self.parameters.replace(&name, word, None);
        Ok(())
    }
}

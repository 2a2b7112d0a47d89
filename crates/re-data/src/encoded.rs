//! Token ids of rows, and batches of them without padding.

use crate::error::{Error, Result};
use crate::span::TokenSpan;

/// One row as a model reads it: no padding, special tokens included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoded {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Token type (segment) ids, one for each token.
    pub type_ids: Vec<u32>,
    /// Tokens of each entity's surface form; `None` where truncation removed it.
    pub entities: [Option<TokenSpan>; 2],
    /// Tokens of each entity together with the markers around it; equal to `entities` where the
    /// markup writes none.
    pub marked: [Option<TokenSpan>; 2],
    /// Tokens of the segment that holds the entities, as far as truncation left it; `None` where the row was not made
    /// from an example.
    pub sentence: Option<TokenSpan>,
}

impl Encoded {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// Rows laid end to end: flat ids with cumulative lengths, the layout of variable-length kernels.
///
/// Row `r` covers the flat positions `offsets[r]..offsets[r + 1]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Token ids of all rows.
    pub ids: Vec<i64>,
    /// Token type ids of all rows.
    pub type_ids: Vec<i64>,
    /// Cumulative lengths: `rows + 1` flat positions, the first one 0.
    pub offsets: Vec<usize>,
    /// Entities of each row in flat positions; `None` where truncation removed one.
    pub entities: Vec<[Option<TokenSpan>; 2]>,
    /// Entities with their markers, in flat positions.
    pub marked: Vec<[Option<TokenSpan>; 2]>,
    /// Class of each row; empty where the batch has no labels.
    pub classes: Vec<i64>,
}

impl Batch {
    /// Lays `rows` end to end. `classes` gives the label of each row, or is empty.
    ///
    /// # Errors
    /// [`Error::Argument`] where a row is empty, has not one type id per token, or where the number of
    /// classes is neither 0 nor that of the rows.
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a Encoded>, classes: &[usize]) -> Result<Self> {
        let mut batch = Self { offsets: vec![0], ..Self::default() };
        for row in rows {
            if row.is_empty() || row.type_ids.len() != row.len() {
                return Err(Error::Argument {
                    name: "rows",
                    found: format!("a row of {} ids and {} type ids", row.len(), row.type_ids.len()),
                    expected: "at least one token, and one type id per token",
                });
            }
            let start = batch.ids.len();
            batch.ids.extend(row.ids.iter().map(|&id| i64::from(id)));
            batch.type_ids.extend(row.type_ids.iter().map(|&id| i64::from(id)));
            let flat = |spans: [Option<TokenSpan>; 2]| spans.map(|s| s.map(|s| s.shifted(start)));
            batch.entities.push(flat(row.entities));
            batch.marked.push(flat(row.marked));
            batch.offsets.push(batch.ids.len());
        }
        if !classes.is_empty() && classes.len() != batch.len() {
            return Err(Error::Argument {
                name: "classes",
                found: format!("{} classes for {} rows", classes.len(), batch.len()),
                expected: "one class per row, or none",
            });
        }
        batch.classes = classes.iter().map(|&class| class as i64).collect();
        Ok(batch)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of tokens of all rows together.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Lengths of the rows in tokens.
    pub fn lengths(&self) -> impl ExactSizeIterator<Item = usize> {
        self.offsets.windows(2).map(|pair| match pair {
            [start, end] => end - start,
            _ => 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_laid_end_to_end() {
        let row = |ids: &[u32], at| Encoded {
            ids: ids.to_vec(),
            type_ids: vec![0; ids.len()],
            entities: [Some(TokenSpan::with_len(at, 1)), None],
            marked: [Some(TokenSpan::with_len(at, 1)), None],
            sentence: None,
        };
        let rows = [row(&[5, 6, 7], 1), row(&[8, 9], 0)];
        let batch = Batch::new(&rows, &[3, 4]).unwrap();
        assert_eq!(batch.ids, [5, 6, 7, 8, 9]);
        assert_eq!(batch.offsets, [0, 3, 5]);
        assert_eq!(batch.entities[1], [Some(TokenSpan::with_len(3, 1)), None]);
        assert_eq!(batch.lengths().collect::<Vec<_>>(), [3, 2]);
        assert!(Batch::new(&rows, &[1]).is_err());
    }
}

//! Token ids of rows, and batches of them without padding.

use std::collections::HashMap;

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
    /// Type of each entity: its place among [`Markup::entity_types`](crate::Markup::entity_types), counted from 1; 0 for
    /// an entity without one of them.
    pub kinds: [u32; 2],
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

    /// All that an encoder sees of the row: ids and types. Rows with the same share one pass.
    pub fn sequence(&self) -> (&[u32], &[u32]) {
        (&self.ids, &self.type_ids)
    }
}

/// Rows as sequences laid end to end: flat ids with cumulative lengths, the layout of variable-length kernels.
///
/// Rows of equal ids and types share one sequence, as the pairs of entities of one sentence do where the markup writes no
/// markers: an encoder reads it once, and a head judges each row. Sequence `s` covers the flat positions
/// `offsets[s]..offsets[s + 1]`, row `r` reads the sequence `sequences[r]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Token ids of all sequences.
    pub ids: Vec<i64>,
    /// Token type ids of all sequences.
    pub type_ids: Vec<i64>,
    /// Cumulative lengths: one flat position more than sequences, the first one 0.
    pub offsets: Vec<usize>,
    /// Number of the sequence that each row reads; without shared sequences `0, 1, ..`.
    pub sequences: Vec<usize>,
    /// Entities of each row in flat positions; `None` where truncation removed one.
    pub entities: Vec<[Option<TokenSpan>; 2]>,
    /// Entities with their markers, in flat positions.
    pub marked: Vec<[Option<TokenSpan>; 2]>,
    /// Types of the entities of each row, as [`Encoded::kinds`] has them.
    pub kinds: Vec<[u32; 2]>,
    /// Class of each row; empty where the batch has no labels.
    pub classes: Vec<i64>,
}

impl Batch {
    /// Lays the sequences of `rows` end to end, in the order in which rows first have them. `classes` gives the label of each row, or is empty.
    ///
    /// # Errors
    /// [`Error::Argument`] where a row is empty, has not one type id per token, or where the number of
    /// classes is neither 0 nor that of the rows.
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a Encoded>, classes: &[usize]) -> Result<Self> {
        let mut batch = Self { offsets: vec![0], ..Self::default() };
        let mut known = HashMap::new();
        for row in rows {
            if row.is_empty() || row.type_ids.len() != row.len() {
                return Err(Error::Argument {
                    name: "rows",
                    found: format!("a row of {} ids and {} type ids", row.len(), row.type_ids.len()),
                    expected: "at least one token, and one type id per token",
                });
            }
            let (sequence, start) = *known.entry(row.sequence()).or_insert_with(|| {
                let place = (batch.offsets.len() - 1, batch.ids.len());
                batch.ids.extend(row.ids.iter().map(|&id| i64::from(id)));
                batch.type_ids.extend(row.type_ids.iter().map(|&id| i64::from(id)));
                batch.offsets.push(batch.ids.len());
                place
            });
            let flat = |spans: [Option<TokenSpan>; 2]| spans.map(|s| s.map(|s| s.shifted(start)));
            batch.sequences.push(sequence);
            batch.entities.push(flat(row.entities));
            batch.marked.push(flat(row.marked));
            batch.kinds.push(row.kinds);
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
        self.sequences.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of tokens of all sequences together.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Lengths of the sequences in tokens.
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
            ..Encoded::default()
        };
        let rows = [row(&[5, 6, 7], 1), row(&[8, 9], 0)];
        let batch = Batch::new(&rows, &[3, 4]).unwrap();
        assert_eq!(batch.ids, [5, 6, 7, 8, 9]);
        assert_eq!(batch.offsets, [0, 3, 5]);
        assert_eq!(batch.entities[1], [Some(TokenSpan::with_len(3, 1)), None]);
        assert_eq!(batch.lengths().collect::<Vec<_>>(), [3, 2]);
        assert_eq!(batch.sequences, [0, 1]);
        assert!(Batch::new(&rows, &[1]).is_err());
    }

    #[test]
    fn equal_rows_share_a_sequence() {
        let row = |ids: [u32; 2], types: [u32; 2], at| Encoded {
            ids: ids.to_vec(),
            type_ids: types.to_vec(),
            entities: [Some(TokenSpan::with_len(at, 1)), Some(TokenSpan::with_len(0, 2))],
            ..Encoded::default()
        };
        let rows =
            [row([5, 6], [0, 0], 0), row([7, 6], [0, 0], 0), row([5, 6], [0, 0], 1), row([5, 6], [0, 1], 1)];
        let batch = Batch::new(&rows, &[]).unwrap();
        assert_eq!((batch.len(), batch.tokens()), (4, 6));
        assert_eq!(
            (batch.sequences.as_slice(), batch.offsets.as_slice()),
            (&[0, 1, 0, 2][..], &[0, 2, 4, 6][..])
        );
        let starts = |row: usize| batch.entities[row].map(|span| span.unwrap().start());
        assert_eq!([0, 1, 2, 3].map(starts), [[0, 0], [2, 2], [1, 0], [5, 4]]);
    }
}

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

/// How large the [`groups`] of rows may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// Most tokens, those of a sequence that several rows have counted once.
    pub tokens: usize,
    /// Most rows, at least 1.
    pub rows: usize,
    /// Most rows times tokens.
    pub cells: usize,
}

/// The numbers of the rows in groups for one pass of a model each, within the limits; at least one sequence each, short ones
/// first. Rows of equal input stand in one group, as far as its size allows.
pub fn groups(rows: &[Encoded], limits: &GroupLimits) -> Vec<Vec<usize>> {
    let mut known = HashMap::new();
    let mut sequences: Vec<(usize, Vec<usize>)> = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let sequence = *known.entry(row.sequence()).or_insert_with(|| {
            sequences.push((row.len(), Vec::new()));
            sequences.len() - 1
        });
        if let Some((_, members)) = sequences.get_mut(sequence) {
            members.push(number);
        }
    }
    sequences.sort_by_key(|(length, _)| *length);
    let (mut groups, mut group, mut tokens) = (Vec::new(), Vec::new(), 0);
    for (length, members) in sequences {
        for part in members.chunks(limits.rows.max(1)) {
            let (all_tokens, all_rows) = (tokens + length, group.len() + part.len());
            let full = all_tokens > limits.tokens
                || all_rows > limits.rows
                || all_tokens.saturating_mul(all_rows) > limits.cells;
            if full && !group.is_empty() {
                groups.push(std::mem::take(&mut group));
                tokens = 0;
            }
            group.extend_from_slice(part);
            tokens += length;
        }
    }
    if !group.is_empty() {
        groups.push(group);
    }
    groups
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

    const LIMITS: GroupLimits = GroupLimits { tokens: 4096, rows: 4096, cells: 1 << 22 };

    fn rows(lengths: &[usize]) -> Vec<Encoded> {
        let row = |(number, &n): (usize, &usize)| Encoded {
            ids: vec![number as u32; n],
            type_ids: vec![0; n],
            ..Encoded::default()
        };
        lengths.iter().enumerate().map(row).collect()
    }

    #[test]
    fn groups_respect_the_limit_of_tokens_and_lose_no_row() {
        assert_eq!(groups(&rows(&[10, 3000, 1200, 5000, 20]), &LIMITS), [&[0, 4, 2][..], &[1], &[3]]);
        assert!(groups(&[], &LIMITS).is_empty());
    }

    #[test]
    fn rows_of_one_sequence_count_its_tokens_once_and_stand_together() {
        let [long, short] = [&rows(&[3000])[0], &rows(&[0, 500])[1]].map(Clone::clone);
        let mixed: Vec<Encoded> = [&long, &short, &long, &short, &long].map(Clone::clone).into();
        assert_eq!(groups(&mixed, &LIMITS), [[1, 3, 0, 2, 4]]);
        // More rows than a batch may have: the sequence is read again.
        let many: Vec<Encoded> = std::iter::once(short).chain(vec![long; LIMITS.rows + 5]).collect();
        let sizes: Vec<usize> = groups(&many, &LIMITS).iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, LIMITS.rows, 5]);
        // Forty sentences of fifty tokens with a hundred rows each: four thousand rows of two thousand tokens are too many.
        let sentences: Vec<Encoded> = rows(&[50; 40]).iter().flat_map(|row| vec![row.clone(); 100]).collect();
        let sizes: Vec<usize> = groups(&sentences, &LIMITS).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2800, 1200]);
    }
}

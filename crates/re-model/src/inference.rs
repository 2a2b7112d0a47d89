//! Running a model over many rows.

use std::collections::HashMap;

use ndarray::Array2;
use re_data::{Batch, Encoded};
use tch::{Device, Kind, Tensor};

use crate::batch::TokenBatch;
use crate::error::{Error, Result};
use crate::model::RelationModel;

/// Tokens of one forward pass of inference: large enough to keep the cores busy, small enough for memory.
const TOKENS_PER_BATCH: usize = 4096;

/// Most rows that are judged at once. Rows that share no sequence reach the limit of tokens first.
const ROWS_PER_BATCH: usize = 4096;

/// Most rows times tokens of a batch: heads make means by products with a matrix of that size.
const CELLS_PER_BATCH: usize = 1 << 22;

/// Calls `each` with batches of rows of similar length, and the numbers of their rows, until the model is to stop. Rows of
/// equal input stand in one batch, where they share an encoder pass, as far as its size allows.
///
/// # Errors
/// [`Error::Interrupted`] where the model is to stop; those of batching and of `each`.
pub fn in_batches(
    rows: &[Encoded],
    model: &RelationModel,
    mut each: impl FnMut(&[usize], &TokenBatch) -> Result<()>,
) -> Result<()> {
    for group in groups(rows) {
        if model.stops() {
            return Err(Error::Interrupted);
        }
        let batch = Batch::new(group.iter().filter_map(|&row| rows.get(row)), &[])?;
        each(&group, &TokenBatch::new(&batch, &model.encoder().batch_spec())?)?;
    }
    Ok(())
}

/// The numbers of the rows in groups of at most [`TOKENS_PER_BATCH`] tokens, those of a sequence counted once, and
/// [`ROWS_PER_BATCH`] rows, [`CELLS_PER_BATCH`] of both; at least one sequence each, short ones first.
fn groups(rows: &[Encoded]) -> Vec<Vec<usize>> {
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
        for part in members.chunks(ROWS_PER_BATCH) {
            let (all_tokens, all_rows) = (tokens + length, group.len() + part.len());
            let full = all_tokens > TOKENS_PER_BATCH
                || all_rows > ROWS_PER_BATCH
                || all_tokens.saturating_mul(all_rows) > CELLS_PER_BATCH;
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

/// All values of a tensor, flat.
///
/// # Errors
/// [`Error::Torch`].
pub fn floats(tensor: &Tensor) -> Result<Vec<f32>> {
    let tensor = tensor.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut values = vec![0f32; tensor.numel()];
    tensor.f_copy_data(&mut values, tensor.numel())?;
    Ok(values)
}

/// A tensor of `rows` rows and `columns` columns as a matrix; `what` gave it.
///
/// # Errors
/// [`Error::Torch`]; [`Error::Data`] where it has another shape.
pub fn matrix(tensor: &Tensor, rows: usize, columns: usize, what: &'static str) -> Result<Array2<f32>> {
    let fault = || {
        Error::Data(re_data::Error::Argument {
            name: what,
            found: format!("a tensor of shape {:?} for {rows} rows", tensor.size()),
            expected: "one row for each example, one column for each class or feature",
        })
    };
    if tensor.size() != [rows as i64, columns as i64] {
        return Err(fault());
    }
    Array2::from_shape_vec((rows, columns), floats(tensor)?).map_err(|_| fault())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(groups(&rows(&[10, 3000, 1200, 5000, 20])), [&[0, 4, 2][..], &[1], &[3]]);
        assert!(groups(&[]).is_empty());
    }

    #[test]
    fn rows_of_one_sequence_count_its_tokens_once_and_stand_together() {
        let [long, short] = [&rows(&[3000])[0], &rows(&[0, 500])[1]].map(Clone::clone);
        let mixed: Vec<Encoded> = [&long, &short, &long, &short, &long].map(Clone::clone).into();
        assert_eq!(groups(&mixed), [[1, 3, 0, 2, 4]]);
        // More rows than a batch may have: the sequence is read again.
        let many: Vec<Encoded> = std::iter::once(short).chain(vec![long; ROWS_PER_BATCH + 5]).collect();
        let sizes: Vec<usize> = groups(&many).iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, ROWS_PER_BATCH, 5]);
        // Forty sentences of fifty tokens with a hundred rows each: four thousand rows of two thousand tokens are too many.
        let sentences: Vec<Encoded> = rows(&[50; 40]).iter().flat_map(|row| vec![row.clone(); 100]).collect();
        let sizes: Vec<usize> = groups(&sentences).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2800, 1200]);
    }
}

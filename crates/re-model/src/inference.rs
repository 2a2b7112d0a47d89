//! Running a model over many rows.

use re_data::{Batch, Encoded};
use tch::{Device, Kind, Tensor};

use crate::batch::TokenBatch;
use crate::error::{Error, Result};
use crate::model::RelationModel;

/// Tokens of one forward pass of inference: large enough to keep the cores busy, small enough for memory.
const TOKENS_PER_BATCH: usize = 4096;

/// Calls `each` with batches of rows of similar length, and the numbers of their rows, until the model is to stop.
///
/// # Errors
/// [`Error::Interrupted`] where the model is to stop; those of batching and of `each`.
pub fn in_batches(
    rows: &[Encoded],
    model: &RelationModel,
    mut each: impl FnMut(&[usize], &TokenBatch) -> Result<()>,
) -> Result<()> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&row| rows.get(row).map_or(0, Encoded::len));
    for group in token_groups(&order, rows) {
        if model.stops() {
            return Err(Error::Interrupted);
        }
        let batch = Batch::new(group.iter().filter_map(|&row| rows.get(row)), &[])?;
        each(group, &TokenBatch::new(&batch, model.encoder())?)?;
    }
    Ok(())
}

/// Cuts rows sorted by length into groups of at most [`TOKENS_PER_BATCH`] tokens, at least one row each.
fn token_groups<'a>(order: &'a [usize], rows: &[Encoded]) -> Vec<&'a [usize]> {
    let mut groups = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (at, &row) in order.iter().enumerate() {
        let length = rows.get(row).map_or(0, Encoded::len);
        if at > start && tokens + length > TOKENS_PER_BATCH {
            groups.extend(order.get(start..at));
            (start, tokens) = (at, 0);
        }
        tokens += length;
    }
    groups.extend(order.get(start..).filter(|rest| !rest.is_empty()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_respect_the_budget_and_lose_no_row() {
        let rows: Vec<Encoded> = [10, 3000, 1200, 5000, 20]
            .map(|n| Encoded { ids: vec![0; n], type_ids: vec![0; n], ..Encoded::default() })
            .into();
        let order = [0, 4, 2, 1, 3];
        let groups = token_groups(&order, &rows);
        assert_eq!(groups, [&[0, 4, 2][..], &[1], &[3]]);
        assert!(token_groups(&[], &[]).is_empty());
    }
}

//! Running a model over many rows.

use ndarray::Array2;
use re_data::encoded::{GroupLimits, groups};
use re_data::{Batch, Encoded};
use tch::{Device, Kind, Tensor};

use crate::batch::TokenBatch;
use crate::error::{Error, Result};
use crate::model::RelationModel;

/// Large enough to keep the cores busy, small enough for memory. Rows that share no sequence reach the limit of tokens first;
/// heads make means by products with a matrix of rows times tokens.
const LIMITS: GroupLimits = GroupLimits { tokens: 4096, rows: 4096, cells: 1 << 22 };

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
    for group in groups(rows, &LIMITS) {
        if model.stops() {
            return Err(Error::Interrupted);
        }
        let batch = Batch::new(group.iter().filter_map(|&row| rows.get(row)), &[])?;
        each(&group, &TokenBatch::new(&batch, &model.encoder().batch_spec())?)?;
    }
    Ok(())
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

//! A bias on attention scores that depends on how far query and key stand apart, shared by all layers (Raffel et al. 2020).

pub use re_checkpoint::attention::RelativeAttention;
use tch::Tensor;

use crate::error::Result;
use crate::parameters::{Builder, Init};

/// The table of biases, `[rows, heads]`.
#[derive(Debug)]
pub(crate) struct RelativeBias {
    shape: RelativeAttention,
    weight: Tensor,
}

impl RelativeBias {
    pub fn new(
        shape: RelativeAttention,
        name: &str,
        heads: i64,
        std: f64,
        builder: &mut Builder<'_>,
    ) -> Result<Self> {
        Ok(Self { shape, weight: builder.parameter(name, &[shape.rows, heads], Init::Normal(std))? })
    }

    /// The biases of all distances in rows of up to `reach` tokens, with that of distance 0 in the middle.
    ///
    /// # Shapes
    /// `[heads, 2 * reach - 1]`.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn by_distance(&self, reach: i64) -> Result<Tensor> {
        let buckets: Vec<i64> = (1 - reach..reach).map(|distance| self.shape.bucket(distance)).collect();
        let buckets = Tensor::f_from_slice(&buckets)?.f_to_device(self.weight.device())?;
        let biases = Tensor::f_embedding(&self.weight, &buckets, -1, false, false)?;
        Ok(biases.f_transpose(0, 1)?.f_contiguous()?)
    }
}

/// The biases of all pairs of a query and a key in rows of `length` tokens, of those by distance.
///
/// # Shapes
/// `[heads, 2 * reach - 1]` to `[heads, length, length]`, where `length` is at most `reach`.
///
/// # Errors
/// [`Error::Torch`](crate::Error::Torch).
pub(crate) fn of_pairs(by_distance: &Tensor, length: i64) -> Result<Tensor> {
    let columns = by_distance.size().last().copied().unwrap_or(0);
    let distances = by_distance.f_narrow(1, columns.div_euclid(2) + 1 - length, 2 * length - 1)?;
    // The last query's distances come first: its keys lie farthest back.
    Ok(distances.f_unfold(1, length, 1)?.f_flip([1])?)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    /// `fixtures/golden/make.py` wrote the ranges.
    #[test]
    fn distances_fall_into_the_buckets_of_transformers() {
        let path = "../../fixtures/golden/relative_buckets/expected.safetensors";
        let golden = Tensor::read_safetensors(path).unwrap();
        assert_eq!(golden.len(), 4);
        for (name, expected) in golden {
            let numbers: Vec<i64> = name.split('.').map(|number| number.parse().unwrap()).collect();
            let shape = RelativeAttention { rows: numbers[0], buckets: numbers[0], max_distance: numbers[1] };
            let expected = Vec::<i64>::try_from(expected).unwrap();
            let reach = expected.len().div_ceil(2) as i64;
            let found: Vec<i64> = (1 - reach..reach).map(|distance| shape.bucket(distance)).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn pairs_have_the_bias_of_their_distance() {
        let by_distance = Tensor::arange_start(-4, 5, (Kind::Int64, Device::Cpu));
        let by_distance = Tensor::stack(&[&by_distance, &(&by_distance * 10)], 0);
        for length in 1..=5 {
            let pairs = of_pairs(&by_distance, length).unwrap();
            assert_eq!(pairs.size(), [2, length, length]);
            for (query, key) in (0..length).flat_map(|query| (0..length).map(move |key| (query, key))) {
                assert_eq!(pairs.int64_value(&[0, query, key]), key - query);
                assert_eq!(pairs.int64_value(&[1, query, key]), 10 * (key - query));
            }
        }
        assert!(of_pairs(&by_distance, 6).is_err());
    }
}

//! Dropout whose masks follow from a seed alone.
//!
//! libtorch draws its masks from one generator for the whole process, value by value on one core. This module keeps no
//! state beside the [`Masks`] that its caller gives, so that models in one process train independently; on the CPU it
//! fills masks on all cores at once.

use std::cell::Cell;

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::ops::Mode;

/// Values that one thread fills at a time.
const CHUNK: usize = 1 << 14;
/// Masks compare 16 random bits with the rate.
const LEVELS: f64 = 65_536.0;

/// A stream of dropout masks. The masks follow from its seed and from their order alone.
#[derive(Debug)]
pub struct Masks {
    next: Cell<u64>,
}

impl Masks {
    /// The stream of `seed`. Training takes a new one for each micro-batch.
    pub fn new(seed: u64) -> Self {
        Self { next: Cell::new(scramble(seed)) }
    }

    /// The seed of the next mask.
    pub(crate) fn next_seed(&self) -> u64 {
        let seed = self.next.get();
        self.next.set(scramble(seed));
        seed
    }
}

/// Dropout with rate `rate` (to the nearest 1/65536 for floats and bfloat16 on the CPU) while training, the identity
/// otherwise.
///
/// # Errors
/// [`Error::Data`] where `rate` is not from 0 up to, not including, 1; [`Error::Torch`].
pub fn dropout(x: &Tensor, rate: f64, mode: Mode<'_>) -> Result<Tensor> {
    if !(0.0..1.0).contains(&rate) {
        return Err(Error::Data(re_data::Error::Argument {
            name: "rate",
            found: rate.to_string(),
            expected: "a rate of dropout from 0 up to, not including, 1",
        }));
    }
    let Mode::Train(masks) = mode else { return Ok(x.shallow_clone()) };
    if rate == 0.0 {
        return Ok(x.shallow_clone());
    }
    let seed = masks.next_seed();
    let mask = match (x.device(), x.kind()) {
        (Device::Cpu, Kind::Float | Kind::BFloat16) => mask(&x.size(), x.kind(), rate, seed)?,
        _ => re_native::dropout_mask(x, rate, seed)?,
    };
    Ok(x.f_mul(&mask)?)
}

/// Zeros with probability `rate`, else `1 / (1 - rate)`; floats or bfloat16, on the CPU.
#[allow(unsafe_code)]
fn mask(shape: &[i64], kind: Kind, rate: f64, stream: u64) -> Result<Tensor> {
    let threshold = (rate * LEVELS).round() as u16;
    let kept = (1.0 / (1.0 - rate)) as f32;
    let tensor = Tensor::f_empty(shape, (kind, Device::Cpu))?;
    // SAFETY: nobody else has the tensor yet.
    unsafe {
        match kind {
            // The upper half of a 32-bit float, rounded to nearest, is a bfloat16.
            Kind::BFloat16 => {
                let kept = ((kept.to_bits() + 0x8000) >> 16) as u16;
                fill(re_native::values_mut(&tensor)?, stream, threshold, kept);
            }
            _ => fill(re_native::values_mut(&tensor)?, stream, threshold, kept),
        }
    }
    Ok(tensor)
}

fn fill<V: Copy + Default + Send + Sync>(values: &mut [V], stream: u64, threshold: u16, kept: V) {
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
        let first = stream.wrapping_add((chunk * CHUNK) as u64);
        for (at, four) in values.chunks_mut(4).enumerate() {
            let bits = scramble(first.wrapping_add(at as u64));
            for (value, shift) in four.iter_mut().zip([0, 16, 32, 48]) {
                *value = if ((bits >> shift) as u16) < threshold { V::default() } else { kept };
            }
        }
    });
}

/// The output function of SplitMix64 (Steele et al. 2014) at the next position of the stream.
fn scramble(state: u64) -> u64 {
    let mut z = state.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_the_rate_and_keep_the_mean() {
        // Half stands for what the CPU has no masks of its own for.
        for kind in [Kind::Float, Kind::BFloat16, Kind::Half] {
            for rate in [0.1, 0.5, 0.9] {
                let ones = Tensor::ones([1000, 1001], (kind, Device::Cpu));
                let masks = Masks::new(3);
                let dropped = dropout(&ones, rate, Mode::Train(&masks)).unwrap().to_kind(Kind::Float);
                let zeros = dropped.eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
                assert!((zeros - rate).abs() < 2e-3, "{zeros} of {rate}");
                let mean = dropped.mean(Kind::Double).double_value(&[]);
                assert!((mean - 1.0).abs() < 2e-2, "{mean}");
                // Neither rows nor columns share their masks.
                for dim in [0, 1] {
                    let means = dropped.eq(0.0).to_kind(Kind::Double).mean_dim(dim, false, Kind::Double);
                    assert!((means.max().double_value(&[]) - rate).abs() < 0.08);
                }
            }
        }
    }

    #[test]
    fn masks_follow_from_the_seed_and_from_their_order() {
        for kind in [Kind::Float, Kind::Half] {
            let ones = Tensor::ones([64], (kind, Device::Cpu));
            let two = |seed| {
                let masks = Masks::new(seed);
                [0, 1].map(|_| dropout(&ones, 0.5, Mode::Train(&masks)).unwrap())
            };
            let ([a, b], [c, d]) = (two(1), two(1));
            assert!(a == c && b == d);
            assert!(a != b && a != two(2)[0]);
            assert!(dropout(&ones, 0.5, Mode::Eval).unwrap() == ones);
        }
    }

    /// Runs that were recorded drew these.
    #[test]
    fn masks_stay_what_they_were() {
        let masks = Masks::new(42);
        let ones = Tensor::ones([12], tch::kind::FLOAT_CPU);
        let drawn = dropout(&ones, 0.5, Mode::Train(&masks)).unwrap();
        assert_eq!(
            Vec::<f32>::try_from(drawn).unwrap(),
            [0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 2.0, 0.0, 2.0, 0.0]
        );
        assert_eq!(masks.next_seed(), 0x6fbc5a8fa0c617c1);
    }

    #[test]
    fn a_rate_out_of_range_is_an_error() {
        let masks = Masks::new(1);
        for rate in [-0.1, 1.0, 1.5, f64::NAN, f64::INFINITY] {
            for kind in [Kind::Float, Kind::Half] {
                let ones = Tensor::ones([4], (kind, Device::Cpu));
                assert!(matches!(dropout(&ones, rate, Mode::Train(&masks)), Err(Error::Data(_))), "{rate}");
                assert!(re_native::dropout_mask(&ones, rate, 1).is_err(), "{rate}");
            }
        }
        let none = Tensor::ones([0, 3], tch::kind::FLOAT_CPU);
        assert_eq!(dropout(&none, 0.5, Mode::Train(&masks)).unwrap().size(), [0, 3]);
    }
}

//! Dropout whose masks follow from a seed alone.
//!
//! libtorch draws its masks from one generator for the whole process, value by value on one core. On the CPU this
//! module makes them itself: all cores at once, and independent of what else the process draws.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::ops::Mode;

/// Values that one thread fills at a time.
const CHUNK: usize = 1 << 14;
/// Masks compare 16 random bits with the rate.
const LEVELS: f64 = 65_536.0;

thread_local! {
    /// State of this thread's stream of masks; each mask moves it on.
    static STREAM: Cell<u64> = const { Cell::new(0) };
}

/// Runs `f` with random numbers that follow from `seed`: the masks of [`dropout`], and libtorch's own generator.
///
/// libtorch has one generator for the whole process: threads that call this at the same time take turns, so that
/// none draws from another's stream.
pub fn with_seed<T>(seed: i64, f: impl FnOnce() -> T) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    STREAM.set(scramble(seed.cast_unsigned()));
    f()
}

/// Dropout with rate `rate` (to the nearest 1/65536) while training, the identity otherwise.
///
/// # Errors
/// [`Error::Torch`](crate::Error::Torch).
pub fn dropout(x: &Tensor, rate: f64, mode: Mode) -> Result<Tensor> {
    if mode == Mode::Eval || rate == 0.0 {
        return Ok(x.shallow_clone());
    }
    match (x.device(), x.kind()) {
        (Device::Cpu, Kind::Float | Kind::BFloat16) => Ok(x.f_mul(&mask(&x.size(), x.kind(), rate)?)?),
        _ => Ok(x.f_dropout(rate, true)?),
    }
}

/// The seed of this thread's next mask.
pub(crate) fn next_seed() -> u64 {
    let stream = STREAM.get();
    STREAM.set(scramble(stream));
    stream
}

/// Zeros with probability `rate`, else `1 / (1 - rate)`.
fn mask(shape: &[i64], kind: Kind, rate: f64) -> Result<Tensor> {
    let stream = next_seed();
    let threshold = (rate * LEVELS).round() as u16;
    let kept = (1.0 / (1.0 - rate)) as f32;
    let tensor = Tensor::f_empty(shape, (kind, Device::Cpu))?;
    let count = tensor.numel();
    match kind {
        // The upper half of a 32-bit float, rounded to nearest, is a bfloat16.
        Kind::BFloat16 => {
            fill(values(&tensor, count), stream, threshold, ((kept.to_bits() + 0x8000) >> 16) as u16)
        }
        _ => fill(values(&tensor, count), stream, threshold, kept),
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

/// The memory of a tensor that was just made, of `V`s.
#[allow(unsafe_code, clippy::mut_from_ref)]
fn values<V>(tensor: &Tensor, count: usize) -> &mut [V] {
    // SAFETY: `mask` made the tensor contiguous on the CPU, with values of V's size, and nobody else has it.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_the_rate_and_keep_the_mean() {
        for kind in [Kind::Float, Kind::BFloat16] {
            for rate in [0.1, 0.5, 0.9] {
                let ones = Tensor::ones([1000, 1001], (kind, Device::Cpu));
                let dropped =
                    with_seed(3, || dropout(&ones, rate, Mode::Train)).unwrap().to_kind(Kind::Float);
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
        let ones = Tensor::ones([64], tch::kind::FLOAT_CPU);
        let two = |seed| with_seed(seed, || [0, 1].map(|_| dropout(&ones, 0.5, Mode::Train).unwrap()));
        let ([a, b], [c, d]) = (two(1), two(1));
        assert!(a == c && b == d);
        assert!(a != b && a != two(2)[0]);
        assert!(dropout(&ones, 0.5, Mode::Eval).unwrap() == ones);
    }
}

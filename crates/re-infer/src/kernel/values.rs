//! Functions of single values and of rows, written so that the compiler makes vector instructions of them.

pub(crate) use re_checkpoint::config::Activation as Curve;

use super::Task;
use super::lanes::Lanes;

/// Values whose sums are kept apart, so that they are added in vectors: as many with every kernel.
const LANES: usize = 16;

#[inline(always)]
fn multiply_add<L: Lanes>(a: f32, b: f32, sum: f32) -> f32 {
    if L::FUSED { a.mul_add(b, sum) } else { a * b + sum }
}

/// `e` to the power `x`, to about one unit in the last place; 0 and infinity are approached, never reached.
#[inline(always)]
fn exponential<L: Lanes>(x: f32) -> f32 {
    /// Added to a small number, it leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // What is smaller would be computed with numbers whose exponent is exhausted, which takes a hundred times as long.
    let x = if x < -80.0 { -80.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let rounded = multiply_add::<L>(x, std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    // The logarithm of 2 in two parts, the first of few bits, so that their products with `n` are exact.
    let r = multiply_add::<L>(n, -0.693_359_4, x);
    let r = multiply_add::<L>(n, 2.121_944_4e-4, r);
    let p = multiply_add::<L>(1.987_569_2e-4, r, 1.398_199_9e-3);
    let p = multiply_add::<L>(p, r, 8.333_452e-3);
    let p = multiply_add::<L>(p, r, 4.166_579_6e-2);
    let p = multiply_add::<L>(p, r, 1.666_666_5e-1);
    let p = multiply_add::<L>(p, r, 0.5);
    let e = multiply_add::<L>(p * r, r, r) + 1.0;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    e * power
}

/// Hyperbolic tangent to an absolute error of 1e-7.
#[inline(always)]
fn tangent<L: Lanes>(x: f32) -> f32 {
    1.0 - 2.0 / (exponential::<L>(2.0 * x) + 1.0)
}

/// `x` times the normal distribution function, by Abramowitz and Stegun's 7.1.26: absolute error below 1e-7.
#[inline(always)]
fn gelu<L: Lanes>(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / multiply_add::<L>(0.327_591_1, z, 1.0);
    let p = multiply_add::<L>(1.061_405_4, t, -1.453_152);
    let p = multiply_add::<L>(p, t, 1.421_413_7);
    let p = multiply_add::<L>(p, t, -0.284_496_74);
    let p = multiply_add::<L>(p, t, 0.254_829_6) * t;
    let tail = 0.5 * p * exponential::<L>(-z * z);
    let below = if x < 0.0 { tail } else { 1.0 - tail };
    x * below
}

#[inline(always)]
fn gelu_tanh<L: Lanes>(x: f32) -> f32 {
    let inner = 0.797_884_6 * multiply_add::<L>(0.044_715 * x * x, x, x);
    0.5 * x * (1.0 + tangent::<L>(inner))
}

/// Puts the curve of each value in its place.
#[inline(always)]
pub(super) fn activate<L: Lanes>(curve: Curve, values: &mut [f32]) {
    match curve {
        Curve::Gelu => values.iter_mut().for_each(|x| *x = gelu::<L>(*x)),
        Curve::GeluTanh => values.iter_mut().for_each(|x| *x = gelu_tanh::<L>(*x)),
        // What is not a number stays so.
        Curve::Relu => values.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x }),
        Curve::Silu => values.iter_mut().for_each(|x| *x /= 1.0 + exponential::<L>(-*x)),
        // Few values go through it, those of heads.
        Curve::Tanh => values.iter_mut().for_each(|x| *x = x.tanh()),
    }
}

/// The sum of what `term` makes of each value.
#[inline(always)]
fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += term(*value));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, value)| *sum += term(*value));
    let mut half = LANES / 2;
    while half > 0 {
        let (low, high) = sums.split_at_mut(half);
        low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
        half /= 2;
    }
    let [total, ..] = sums;
    total
}

/// The sum of the products of values in the same places.
#[inline(always)]
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    for (left, right) in left.iter().zip(right) {
        sums.iter_mut().zip(left.iter().zip(right)).for_each(|(sum, (left, right))| *sum += left * right);
    }
    let rest = left_rest.iter().zip(right_rest);
    sums.iter_mut().zip(rest).for_each(|(sum, (left, right))| *sum += left * right);
    sums.iter().sum()
}

/// The largest value.
#[inline(always)]
fn maximum(values: &[f32]) -> f32 {
    let mut largest = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    let larger =
        |(largest, value): (&mut f32, &f32)| *largest = if *value > *largest { *value } else { *largest };
    for chunk in whole {
        largest.iter_mut().zip(chunk).for_each(larger);
    }
    largest.iter_mut().zip(rest).for_each(larger);
    largest.into_iter().fold(f32::NEG_INFINITY, |one, other| if other > one { other } else { one })
}

/// Softmax of each row, in place: the first `count` values of each `stride`.
pub(crate) struct Softmax<'a> {
    pub rows: &'a mut [f32],
    pub stride: usize,
    pub count: usize,
}

impl Task for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for row in self.rows.chunks_exact_mut(self.stride.max(1)) {
            let Some(row) = row.get_mut(..self.count) else { return };
            let largest = maximum(row);
            row.iter_mut().for_each(|x| *x = exponential::<L>(*x - largest));
            let share = 1.0 / sum(row, |x| x);
            row.iter_mut().for_each(|x| *x *= share);
        }
    }
}

/// LayerNorm of rows, or of the sums of two rows, in the place of the first.
pub(crate) struct Normalize<'a> {
    pub rows: &'a mut [f32],
    /// What is added before, as many rows; nothing where it is empty.
    pub residual: &'a [f32],
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    pub eps: f64,
}

impl Task for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let width = self.weight.len().max(1);
        let mut residual = self.residual.chunks_exact(width);
        for row in self.rows.chunks_exact_mut(width) {
            if let Some(residual) = residual.next() {
                row.iter_mut().zip(residual).for_each(|(x, y)| *x += y);
            }
            let mean = sum(row, |x| x) / width as f32;
            let spread = sum(row, |x| (x - mean) * (x - mean));
            let scale = (1.0 / (f64::from(spread) / width as f64 + self.eps).sqrt()) as f32;
            for ((x, weight), bias) in row.iter_mut().zip(self.weight).zip(self.bias) {
                *x = multiply_add::<L>((*x - mean) * scale, *weight, *bias);
            }
        }
    }
}

/// The curve of each value, in place.
pub(crate) struct Activate<'a> {
    pub values: &'a mut [f32],
    pub curve: Curve,
}

impl Task for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        activate::<L>(self.curve, self.values);
    }
}

//! What products multiply: floats, pairs of bfloat16 numbers, and fours of whole numbers of eight bits, which take four bytes each.
#![allow(unsafe_code)]

use super::lanes::Lanes;
use super::panels::Tile;
use super::tiles::Multiply;
use super::{Kernel, Task};

/// A number of a product, or several that lie side by side along its depth, in four bytes.
///
/// # Safety
/// All functions are called within [`Task::run`](super::Task::run) alone, for rows and columns that a tile has.
pub(crate) trait Packed: Copy + Sync {
    /// A vector of the right factor.
    type Right<L: Lanes>: Copy;
    /// A vector of sums.
    type Sum<L: Lanes>: Copy;
    /// How tiles of registers multiply them, where processors have such.
    const TILES: Option<Multiply>;
    /// Whether a tile of fewer rows than there can be is computed as a whole one: then rows to fill it lie behind the last.
    const WHOLE: bool;

    /// Runs a task that multiplies them.
    fn run<T: Task>(kernel: Kernel, task: T) -> T::Output;

    /// Reads a vector, at any alignment.
    unsafe fn load<L: Lanes>(from: *const Self) -> Self::Right<L>;
    /// Adds the products of `left` with each of `right`.
    unsafe fn add<L: Lanes>(left: Self, right: Self::Right<L>, sum: Self::Sum<L>) -> Self::Sum<L>;
    /// What the sums of a row and a vector of columns begin with.
    unsafe fn start<L: Lanes>(tile: &Tile<Self>, row: usize, vector: usize) -> Self::Sum<L>;
    /// The results that sums stand for.
    unsafe fn finish<L: Lanes>(tile: &Tile<Self>, row: usize, vector: usize, sum: Self::Sum<L>) -> L::Vector;
}

/// The bias of a vector of columns.
#[inline(always)]
unsafe fn bias<P, L: Lanes>(tile: &Tile<P>, vector: usize) -> L::Vector {
    // SAFETY: the caller's.
    unsafe {
        match tile.bias {
            None => L::splat(0.0),
            Some(bias) => L::load(bias.add(vector * L::WIDTH)),
        }
    }
}

impl Packed for f32 {
    type Right<L: Lanes> = L::Vector;
    type Sum<L: Lanes> = L::Vector;
    const TILES: Option<Multiply> = None;
    const WHOLE: bool = false;

    fn run<T: Task>(kernel: Kernel, task: T) -> T::Output {
        kernel.run(task)
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const Self) -> L::Vector {
        // SAFETY: the caller's.
        unsafe { L::load(from) }
    }

    #[inline(always)]
    unsafe fn add<L: Lanes>(left: Self, right: L::Vector, sum: L::Vector) -> L::Vector {
        // SAFETY: the caller's.
        unsafe { L::multiply_add(L::splat(left), right, sum) }
    }

    #[inline(always)]
    unsafe fn start<L: Lanes>(tile: &Tile<Self>, _row: usize, vector: usize) -> L::Vector {
        // SAFETY: the caller's.
        unsafe { bias::<Self, L>(tile, vector) }
    }

    #[inline(always)]
    unsafe fn finish<L: Lanes>(_tile: &Tile<Self>, _row: usize, _vector: usize, sum: L::Vector) -> L::Vector {
        sum
    }
}

/// Two bfloat16 numbers, the first one in the low half.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Bf16x2(u32);

impl Bf16x2 {
    /// Rounds the values of a row; what the row lacks is zero.
    #[inline(always)]
    pub fn pack(row: &[f32], out: &mut [Self]) {
        // SAFETY: each is two numbers of two bytes, of any bits.
        let out = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().cast::<u16>(), 2 * out.len()) };
        let (numbers, behind) = out.split_at_mut(row.len().min(out.len()));
        numbers.iter_mut().zip(row).for_each(|(slot, value)| *slot = bf16(*value).to_le());
        behind.fill(0);
    }
}

/// The nearest bfloat16 number, of two equally near ones the even one. What is not a number stays so.
#[inline(always)]
fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    let quiet = bits | 0x0040_0000;
    ((if value.is_nan() { quiet } else { rounded }) >> 16) as u16
}

impl Packed for Bf16x2 {
    type Right<L: Lanes> = L::Pairs;
    type Sum<L: Lanes> = L::Vector;
    const TILES: Option<Multiply> = Some(Multiply::Pairs);
    const WHOLE: bool = true;

    fn run<T: Task>(kernel: Kernel, task: T) -> T::Output {
        kernel.run_pairs(task)
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const Self) -> L::Pairs {
        // SAFETY: the caller's.
        unsafe { L::load_pairs(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add<L: Lanes>(left: Self, right: L::Pairs, sum: L::Vector) -> L::Vector {
        // SAFETY: the caller's.
        unsafe { L::add_pairs(left.0, right, sum) }
    }

    #[inline(always)]
    unsafe fn start<L: Lanes>(tile: &Tile<Self>, _row: usize, vector: usize) -> L::Vector {
        // SAFETY: the caller's.
        unsafe { bias::<Self, L>(tile, vector) }
    }

    #[inline(always)]
    unsafe fn finish<L: Lanes>(_tile: &Tile<Self>, _row: usize, _vector: usize, sum: L::Vector) -> L::Vector {
        sum
    }
}

/// Four whole numbers of eight bits: of the left factor from -127 to 127, of the right one 128 more than that, and so without a
/// sign. That is what instructions multiply, and [`RowScale::offset`] makes up for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Int8x4(u32);

/// What sums of products of [`Int8x4`] are multiplied by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scales<'a> {
    /// Of each column of the right factor, as many as the panels have.
    pub columns: &'a [f32],
    /// Of each row of the left factor.
    pub rows: &'a [RowScale],
}

/// What a row of the left factor was divided by.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RowScale {
    pub scale: f32,
    /// 128 times the negative sum of the row's whole numbers.
    pub offset: i32,
}

/// The largest whole number.
const MOST: f32 = 127.0;

impl Int8x4 {
    /// Zeros of the right factor.
    pub const ZERO: Self = Self(0x8080_8080);

    /// The same numbers as values of the right factor.
    pub fn right(self) -> Self {
        Self(self.0 ^ Self::ZERO.0)
    }

    /// Divides the values of a row by a share of the largest one and rounds them; what the row lacks is zero.
    #[inline(always)]
    pub fn pack(row: &[f32], out: &mut [Self]) -> RowScale {
        // SAFETY: each is four numbers of a byte, of any bits.
        let out = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().cast::<i8>(), 4 * out.len()) };
        let (numbers, behind) = out.split_at_mut(row.len().min(out.len()));
        let scale = whole_numbers(row, numbers);
        behind.fill(0);
        let sum: i32 = numbers.iter().map(|number| i32::from(*number)).sum();
        RowScale { scale, offset: -128 * sum }
    }
}

/// Rounds the values of a row, divided by the scale that is returned, to whole numbers from -127 to 127.
#[inline(always)]
pub(crate) fn whole_numbers(row: &[f32], out: &mut [i8]) -> f32 {
    let most = most(row);
    let factor = if most > 0.0 { MOST / most } else { 0.0 };
    out.iter_mut().zip(row).for_each(|(slot, value)| *slot = whole_number(value * factor) as i8);
    most / MOST
}

/// The largest absolute value of a row; not a number where one of its values is none.
#[inline(always)]
fn most(row: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut bits = [0u32; LANES];
    // Of numbers without a sign the larger one has the larger bits, and what is not a number has the largest.
    let larger = |(most, value): (&mut u32, &f32)| *most = (*most).max(value.to_bits() & 0x7fff_ffff);
    let (whole, rest) = row.as_chunks::<LANES>();
    whole.iter().for_each(|chunk| bits.iter_mut().zip(chunk).for_each(larger));
    bits.iter_mut().zip(rest).for_each(larger);
    f32::from_bits(bits.into_iter().max().unwrap_or(0))
}

/// The nearest whole number, of two equally near ones the even one.
#[inline(always)]
fn whole_number(value: f32) -> i32 {
    /// Added to a small number, it leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    (value + ROUND).to_bits().cast_signed().wrapping_sub(ROUND.to_bits().cast_signed())
}

impl Packed for Int8x4 {
    type Right<L: Lanes> = L::Bytes;
    type Sum<L: Lanes> = L::Integers;
    const TILES: Option<Multiply> = Some(Multiply::Bytes);
    const WHOLE: bool = true;

    fn run<T: Task>(kernel: Kernel, task: T) -> T::Output {
        kernel.run_bytes(task)
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const Self) -> L::Bytes {
        // SAFETY: the caller's.
        unsafe { L::load_bytes(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add<L: Lanes>(left: Self, right: L::Bytes, sum: L::Integers) -> L::Integers {
        // SAFETY: the caller's.
        unsafe { L::add_bytes(left.0, right, sum) }
    }

    #[inline(always)]
    unsafe fn start<L: Lanes>(tile: &Tile<Self>, row: usize, _vector: usize) -> L::Integers {
        // SAFETY: the caller's.
        unsafe { L::splat_integer(tile.scales.map_or(0, |(_, rows)| (*rows.add(row)).offset)) }
    }

    #[inline(always)]
    unsafe fn finish<L: Lanes>(tile: &Tile<Self>, row: usize, vector: usize, sum: L::Integers) -> L::Vector {
        // SAFETY: the caller's.
        unsafe {
            let (sums, bias) = (L::floats(sum), bias::<Self, L>(tile, vector));
            let Some((columns, rows)) = tile.scales else { return sums };
            let zero = L::splat(0.0);
            let scale = L::multiply_add(
                L::load(columns.add(vector * L::WIDTH)),
                L::splat((*rows.add(row)).scale),
                zero,
            );
            L::multiply_add(sums, scale, bias)
        }
    }
}

/// Packs rows, side by side.
pub(crate) struct Pack<'a, P> {
    /// As many values of each row as it has.
    pub rows: &'a [f32],
    pub width: usize,
    pub out: &'a mut [P],
    pub depth: usize,
    /// Of each row, where those are needed.
    pub scales: &'a mut [RowScale],
}

impl Task for Pack<'_, Bf16x2> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let rows = self.rows.chunks_exact(self.width.max(1));
        self.out.chunks_exact_mut(self.depth.max(1)).zip(rows).for_each(|(out, row)| Bf16x2::pack(row, out));
    }
}

impl Task for Pack<'_, Int8x4> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let rows = self.rows.chunks_exact(self.width.max(1)).zip(self.scales);
        for (out, (row, scale)) in self.out.chunks_exact_mut(self.depth.max(1)).zip(rows) {
            *scale = Int8x4::pack(row, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_rounded_to_whole_numbers_of_their_largest_value() {
        let mut out = [Int8x4(7); 3];
        let row = [0.5, -1.0, 0.25, 0.0, 1.0 / 127.0];
        let scale = Int8x4::pack(&row, &mut out);
        let numbers = [64i8, -127, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0].map(i8::cast_unsigned);
        assert_eq!(out.map(|four| four.0.to_le_bytes()).as_flattened(), numbers);
        assert_eq!(scale, RowScale { scale: 1.0 / 127.0, offset: 128 * 30 });
        assert_eq!(Int8x4::pack(&[0.0; 4], &mut out), RowScale { scale: 0.0, offset: 0 });
        assert_eq!(out.map(Int8x4::right), [Int8x4::ZERO; 3]);
        assert!(Int8x4::pack(&[1.0, f32::NAN], &mut out).scale.is_nan());
    }

    #[test]
    fn pairs_are_rounded_to_even() {
        let mut out = [Bf16x2(7); 3];
        Bf16x2::pack(&[1.0, f32::from_bits(0x3f80_8000), f32::from_bits(0x3f81_8000)], &mut out);
        assert_eq!(out, [Bf16x2(0x3f80_3f80), Bf16x2(0x3f82), Bf16x2(0)]);
        Bf16x2::pack(&[f32::INFINITY, f32::NAN, f32::MAX], &mut out);
        assert_eq!(out, [Bf16x2(0x7fc0_7f80), Bf16x2(0x7f80), Bf16x2(0)]);
    }
}

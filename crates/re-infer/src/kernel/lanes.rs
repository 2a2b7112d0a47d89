//! Vectors of each set of instructions.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Vectors of 32-bit floats of one set of instructions.
///
/// # Safety
/// All functions need a processor that has the instructions: they are called within [`Task::run`](super::Task::run) alone.
pub(crate) trait Lanes: Copy {
    /// A vector.
    type Vector: Copy;
    /// Values in a vector.
    const WIDTH: usize;
    /// Most rows of a tile of two vectors each, as far as registers suffice.
    const ROWS: usize;
    /// Whether products and sums are rounded once.
    const FUSED: bool;

    /// The same value everywhere.
    unsafe fn splat(value: f32) -> Self::Vector;
    /// Reads `WIDTH` values, at any alignment.
    unsafe fn load(from: *const f32) -> Self::Vector;
    /// Writes `WIDTH` values, at any alignment.
    unsafe fn store(vector: Self::Vector, to: *mut f32);
    /// `a * b + sum`.
    unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, sum: Self::Vector) -> Self::Vector;
}

/// What every processor has: four values, which compilers put into one register.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Lanes for Portable {
    type Vector = [f32; 4];
    const WIDTH: usize = 4;
    const ROWS: usize = 6;
    const FUSED: bool = cfg!(target_arch = "aarch64");

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 4] {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 4] {
        // SAFETY: the caller's.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(vector: [f32; 4], to: *mut f32) {
        // SAFETY: the caller's.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(vector) }
    }

    #[inline(always)]
    unsafe fn multiply_add(
        [a0, a1, a2, a3]: [f32; 4],
        [b0, b1, b2, b3]: [f32; 4],
        [s0, s1, s2, s3]: [f32; 4],
    ) -> [f32; 4] {
        match Self::FUSED {
            true => [a0.mul_add(b0, s0), a1.mul_add(b1, s1), a2.mul_add(b2, s2), a3.mul_add(b3, s3)],
            false => [a0 * b0 + s0, a1 * b1 + s1, a2 * b2 + s2, a3 * b3 + s3],
        }
    }
}

/// AVX2 with FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

// SAFETY of all blocks: the caller has made sure of the instructions and the places in memory.
#[cfg(target_arch = "x86_64")]
impl Lanes for Avx2 {
    type Vector = __m256;
    const WIDTH: usize = 8;
    const ROWS: usize = 6;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(vector: __m256, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, vector) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: __m256, b: __m256, sum: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, sum) }
    }
}

/// AVX-512F.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Lanes for Avx512 {
    type Vector = __m512;
    const WIDTH: usize = 16;
    const ROWS: usize = 12;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(vector: __m512, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, vector) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: __m512, b: __m512, sum: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }
}

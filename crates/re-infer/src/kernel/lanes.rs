//! Vectors of each set of instructions.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::{arch::x86_64::*, mem::transmute};

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

    /// `WIDTH` pairs of bfloat16 numbers.
    type Pairs: Copy;
    /// Reads `WIDTH` pairs, at any alignment.
    unsafe fn load_pairs(from: *const u32) -> Self::Pairs;
    /// Adds the products of a pair with each of `pairs`.
    unsafe fn add_pairs(pair: u32, pairs: Self::Pairs, sum: Self::Vector) -> Self::Vector;

    /// `WIDTH` times four bytes without a sign.
    type Bytes: Copy;
    /// `WIDTH` whole numbers of 32 bits.
    type Integers: Copy;
    /// The same number everywhere.
    unsafe fn splat_integer(value: i32) -> Self::Integers;
    /// Reads `WIDTH` times four bytes, at any alignment.
    unsafe fn load_bytes(from: *const u32) -> Self::Bytes;
    /// Adds the products of four bytes with a sign and each four of `bytes`. Sums are exact.
    unsafe fn add_bytes(four: u32, bytes: Self::Bytes, sum: Self::Integers) -> Self::Integers;
    /// The nearest floats.
    unsafe fn floats(integers: Self::Integers) -> Self::Vector;
}

/// The numbers of a pair of bfloat16 numbers: those in the low and in the high half.
const fn numbers(pair: u32) -> (f32, f32) {
    (f32::from_bits(pair << 16), f32::from_bits(pair & 0xffff_0000))
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

    type Pairs = [u32; 4];
    type Bytes = [[u8; 4]; 4];
    type Integers = [i32; 4];

    #[inline(always)]
    unsafe fn load_pairs(from: *const u32) -> [u32; 4] {
        // SAFETY: the caller's.
        unsafe { from.cast::<[u32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn add_pairs(pair: u32, pairs: [u32; 4], sum: [f32; 4]) -> [f32; 4] {
        let ((low, high), others) = (numbers(pair), pairs.map(numbers));
        // SAFETY: these instructions are there in any case.
        unsafe {
            let sum = Self::multiply_add([low; 4], others.map(|(low, _)| low), sum);
            Self::multiply_add([high; 4], others.map(|(_, high)| high), sum)
        }
    }

    #[inline(always)]
    unsafe fn splat_integer(value: i32) -> [i32; 4] {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u32) -> [[u8; 4]; 4] {
        // SAFETY: the caller's.
        unsafe { from.cast::<[[u8; 4]; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn add_bytes(four: u32, bytes: [[u8; 4]; 4], sum: [i32; 4]) -> [i32; 4] {
        let [a, b, c, d] = four.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
        let [s0, s1, s2, s3] = sum;
        let products = bytes.map(|others| {
            let [e, f, g, h] = others.map(i32::from);
            a * e + b * f + c * g + d * h
        });
        let [p0, p1, p2, p3] = products;
        [s0 + p0, s1 + p1, s2 + p2, s3 + p3]
    }

    #[inline(always)]
    unsafe fn floats(integers: [i32; 4]) -> [f32; 4] {
        integers.map(|integer| integer as f32)
    }
}

/// AVX2 with FMA and, where `VNNI` says so, sums of products of bytes.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2<const VNNI: bool>;

// SAFETY of all blocks: the caller has made sure of the instructions and the places in memory.
#[cfg(target_arch = "x86_64")]
impl<const VNNI: bool> Lanes for Avx2<VNNI> {
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

    type Pairs = __m256i;
    type Bytes = __m256i;
    type Integers = __m256i;

    #[inline(always)]
    unsafe fn load_pairs(from: *const u32) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add_pairs(pair: u32, pairs: __m256i, sum: __m256) -> __m256 {
        let (low, high) = numbers(pair);
        unsafe {
            let of_low = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs));
            let of_high = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(!0xffff)));
            let sum = _mm256_fmadd_ps(_mm256_set1_ps(low), of_low, sum);
            _mm256_fmadd_ps(_mm256_set1_ps(high), of_high, sum)
        }
    }

    #[inline(always)]
    unsafe fn splat_integer(value: i32) -> __m256i {
        unsafe { _mm256_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u32) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add_bytes(four: u32, bytes: __m256i, sum: __m256i) -> __m256i {
        unsafe {
            let four = _mm256_set1_epi32(four.cast_signed());
            if VNNI {
                return _mm256_dpbusd_avx_epi32(sum, bytes, four);
            }
            // In numbers of 16 bits, as sums of products of bytes would not fit into those: every other byte, and the rest.
            let even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(four));
            let even = _mm256_madd_epi16(even, _mm256_and_si256(bytes, _mm256_set1_epi16(0xff)));
            let odd = _mm256_madd_epi16(_mm256_srai_epi16::<8>(four), _mm256_srli_epi16::<8>(bytes));
            _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
        }
    }

    #[inline(always)]
    unsafe fn floats(integers: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(integers) }
    }
}

/// AVX-512 for floats, bytes and words and, where `VNNI` and `BF16` say so, sums of products of bytes and of bfloat16 numbers.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const VNNI: bool, const BF16: bool>;

#[cfg(target_arch = "x86_64")]
impl<const VNNI: bool, const BF16: bool> Lanes for Avx512<VNNI, BF16> {
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

    type Pairs = __m512i;
    type Bytes = __m512i;
    type Integers = __m512i;

    #[inline(always)]
    unsafe fn load_pairs(from: *const u32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add_pairs(pair: u32, pairs: __m512i, sum: __m512) -> __m512 {
        unsafe {
            if BF16 {
                let numbers = |bits| transmute::<__m512i, __m512bh>(bits);
                let pair = _mm512_set1_epi32(pair.cast_signed());
                return _mm512_dpbf16_ps(sum, numbers(pairs), numbers(pair));
            }
            let (low, high) = numbers(pair);
            let of_low = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs));
            let of_high = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(!0xffff)));
            let sum = _mm512_fmadd_ps(_mm512_set1_ps(low), of_low, sum);
            _mm512_fmadd_ps(_mm512_set1_ps(high), of_high, sum)
        }
    }

    #[inline(always)]
    unsafe fn splat_integer(value: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add_bytes(four: u32, bytes: __m512i, sum: __m512i) -> __m512i {
        unsafe {
            let four = _mm512_set1_epi32(four.cast_signed());
            if VNNI {
                return _mm512_dpbusd_epi32(sum, bytes, four);
            }
            // As with AVX2.
            let even = _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(four));
            let even = _mm512_madd_epi16(even, _mm512_and_si512(bytes, _mm512_set1_epi16(0xff)));
            let odd = _mm512_madd_epi16(_mm512_srai_epi16::<8>(four), _mm512_srli_epi16::<8>(bytes));
            _mm512_add_epi32(sum, _mm512_add_epi32(even, odd))
        }
    }

    #[inline(always)]
    unsafe fn floats(integers: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(integers) }
    }
}

//! Random tensors from generators of their own: the one that libtorch keeps for a device is shared by all that a process
//! does.

use std::ffi::c_char;

use tch::{TchError, Tensor};
use torch_sys::C_tensor;

use crate::check;

unsafe extern "C" {
    fn re_native_normal(
        shape: *const i64,
        dimensions: usize,
        seed: u64,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn re_native_dropout_mask(
        like: *const C_tensor,
        rate: f64,
        seed: u64,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
}

/// 32-bit floats on the CPU, normally distributed with mean 0 and deviation 1: the numbers that libtorch's own generator
/// gives after `manual_seed(seed)`, from a generator that this call alone draws from.
///
/// # Errors
/// [`TchError`] for a shape with a negative size, or more values than memory holds.
pub fn normal(shape: &[i64], seed: u64) -> Result<Tensor, TchError> {
    let mut out = std::ptr::null_mut();
    // SAFETY: the pointers are to living objects of the types that the other side declares.
    unsafe {
        check(re_native_normal(shape.as_ptr(), shape.len(), seed, &raw mut out))?;
        Ok(Tensor::from_ptr(out))
    }
}

/// A mask of dropout for `like`, of its shape, kind and device: zero with probability `rate`, else `1 / (1 - rate)`, from
/// a generator of that device that this call alone draws from.
///
/// # Errors
/// [`TchError`] where `rate` is not from 0 up to, not including, 1, and for kinds other than floating-point numbers.
pub fn dropout_mask(like: &Tensor, rate: f64, seed: u64) -> Result<Tensor, TchError> {
    let mut out = std::ptr::null_mut();
    // SAFETY: the pointers are to living objects of the types that the other side declares.
    unsafe {
        check(re_native_dropout_mask(like.as_ptr(), rate, seed, &raw mut out))?;
        Ok(Tensor::from_ptr(out))
    }
}

//! The memory of tensors as slices.

use std::ffi::{c_char, c_void};

use tch::{Kind, TchError, Tensor};
use torch_sys::C_tensor;

use crate::check;

unsafe extern "C" {
    fn re_native_values(
        tensor: *const C_tensor,
        width: usize,
        data: *mut *mut c_void,
        count: *mut usize,
    ) -> *mut c_char;
    fn re_native_written(tensor: *const C_tensor) -> *mut c_char;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for u16 {}
}

/// What the values of a tensor are in Rust.
pub trait Stored: sealed::Sealed {
    /// The tensor's kind.
    const KIND: Kind;
}

impl Stored for f32 {
    const KIND: Kind = Kind::Float;
}

/// The bits of a bfloat16.
impl Stored for u16 {
    const KIND: Kind = Kind::BFloat16;
}

/// The values of a tensor that stand side by side in main memory, in the order of its indices.
///
/// # Errors
/// [`TchError`] for tensors of another kind, on other devices, or whose values do not stand side by side.
///
/// # Safety
/// As long as the slice lives, nothing writes to the tensor or to others on the same memory.
pub unsafe fn values<V: Stored>(tensor: &Tensor) -> Result<&[V], TchError> {
    let (data, count) = place(tensor)?;
    // SAFETY: `place` has checked that these are `count` values of this type; the caller keeps others from writing.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

/// As [`values`], to be changed. libtorch takes the tensor for changed from now on.
///
/// # Errors
/// As [`values`].
///
/// # Safety
/// As long as the slice lives, nothing else reads or writes the tensor or others on the same memory.
#[allow(clippy::mut_from_ref)]
pub unsafe fn values_mut<V: Stored>(tensor: &Tensor) -> Result<&mut [V], TchError> {
    let (data, count) = place(tensor)?;
    // SAFETY: the tensor lives.
    unsafe { check(re_native_written(tensor.as_ptr()))? };
    // SAFETY: as in `values`; the caller keeps others from reading as well.
    Ok(unsafe { std::slice::from_raw_parts_mut(data, count) })
}

/// Where the values stand, and how many they are.
fn place<V: Stored>(tensor: &Tensor) -> Result<(*mut V, usize), TchError> {
    let kind = tensor.f_kind()?;
    if kind != V::KIND {
        return Err(TchError::Kind(format!("the values of a tensor are {kind:?}, expected {:?}", V::KIND)));
    }
    let (mut data, mut count) = (std::ptr::null_mut(), 0);
    // SAFETY: all pointers are to living objects of the types that the other side declares.
    unsafe { check(re_native_values(tensor.as_ptr(), size_of::<V>(), &raw mut data, &raw mut count))? };
    // An empty tensor may have no memory, which an empty slice must have.
    let data = if count == 0 { std::ptr::NonNull::dangling().as_ptr() } else { data.cast() };
    Ok((data, count))
}

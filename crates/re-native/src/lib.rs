#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]
#![allow(unsafe_code)]

mod cuda;
mod prepared;
mod random;
mod values;

pub use cuda::load_cuda_part;
#[cfg(target_os = "linux")]
pub use cuda::{leave_cuda_part_to_main, load_cuda_part_with_driver};
pub use random::{dropout_mask, normal};
pub use values::{Stored, values, values_mut};

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Arc;

use rayon::prelude::*;
pub use re_checkpoint::FileMap;
use tch::{TchError, Tensor};
use torch_sys::C_tensor;

pub use prepared::PreparedWeights;

/// Number of parameters of an encoder layer.
pub const LAYER_PARAMETERS: usize = 16;

/// Rows of a matrix product from which on it gains more than another layout of its weights takes. Such a product is
/// compiled for each number of rows and kept, as every product in bfloat16 is.
pub const PACKED_ROWS: usize = 1024;

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
static re_native_packed_rows: i64 = PACKED_ROWS as i64;

/// The activation between the two products of the feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Activation {
    /// `x` times the normal distribution function (Hendrycks and Gimpel 2016).
    Gelu = 0,
    /// Its approximation by a hyperbolic tangent.
    GeluTanh = 1,
    /// The positive part.
    Relu = 2,
    /// `x` times its logistic function.
    Silu = 3,
    /// Hyperbolic tangent.
    Tanh = 4,
}

/// What a layer computes, besides its parameters.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct LayerSettings {
    /// Attention heads, a divisor of the hidden size.
    pub heads: i64,
    /// Added to the variance in LayerNorm.
    pub eps: f64,
    /// The activation.
    pub activation: Activation,
    /// Dropout rate of the attention weights, 0..1 (to the nearest 1/65536); 0 in evaluation.
    pub attention_dropout: f64,
    /// Dropout rate of what is added to the residual stream, 0..1; 0 in evaluation.
    pub hidden_dropout: f64,
    /// What the masks of dropout follow from.
    pub seed: u64,
    /// Number of terms of an attention score, at least 1: scores are divided by the root of a head's width times it.
    pub score_terms: i64,
}

// As the other side lays it out.
const _: () = assert!(size_of::<LayerSettings>() == 56);

/// What attention scores get from the distance `d` of key and query, the former minus the latter.
#[derive(Debug, Clone, Copy, Default)]
pub enum Distances<'a> {
    /// Nothing.
    #[default]
    None,
    /// A bias by head and distance, `[heads, 2 * reach - 1]`, 32-bit floats, for rows of up to `reach` tokens: that of `d`
    /// stands at column `d` counted from the middle one (Raffel et al. 2020).
    Bias(&'a Tensor),
    /// Terms with the content of the query or of the key (He et al. 2021), `[rows, hidden]`, 32-bit floats.
    Rows {
        /// Distances as keys, by whose product with the query scores grow.
        keys: Option<&'a Tensor>,
        /// Distances as queries, by whose product with the key scores grow.
        queries: Option<&'a Tensor>,
        /// The row of each distance in these tables: that of `d` stands at `d` counted from the middle. It never rises as
        /// `d` grows.
        row_of: &'a [i64],
    },
}

/// The same as the other side reads it.
#[repr(C)]
struct GivenDistances {
    bias: *const C_tensor,
    keys: *const C_tensor,
    queries: *const C_tensor,
    row_of: *const i64,
    row_count: usize,
}

impl From<Distances<'_>> for GivenDistances {
    fn from(distances: Distances<'_>) -> Self {
        let pointer = |tensor: Option<&Tensor>| tensor.map_or(std::ptr::null(), Tensor::as_ptr);
        let (bias, keys, queries, row_of) = match distances {
            Distances::None => (None, None, None, [].as_slice()),
            Distances::Bias(bias) => (Some(bias), None, None, [].as_slice()),
            Distances::Rows { keys, queries, row_of } => (None, keys, queries, row_of),
        };
        let (bias, keys, queries) = (pointer(bias), pointer(keys), pointer(queries));
        Self { bias, keys, queries, row_of: row_of.as_ptr(), row_count: row_of.len() }
    }
}

/// Kinds of processors that the layer has kernels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Kernels {
    /// Any processor.
    Generic = 0,
    /// x86 with AVX2 and FMA.
    Avx2 = 1,
    /// x86 with AVX-512 (F, BW, VL, DQ).
    Avx512 = 2,
}

/// Chooses the kernels of the whole process; false where this processor cannot run them. The widest are used where
/// nobody chooses: this is for tests of the others.
pub fn use_kernels(kernels: Kernels) -> bool {
    // SAFETY: the other side takes any number.
    unsafe { re_native_use_kernels(kernels as c_int) != 0 }
}

unsafe extern "C" {
    fn re_native_use_kernels(number: c_int) -> c_int;
    fn re_native_encoder_layer(
        x: *const C_tensor,
        parameters: *const *const C_tensor,
        count: usize,
        distances: *const GivenDistances,
        settings: *const LayerSettings,
        starts: *const i64,
        starts_count: usize,
        query_positions: *const i64,
        query_count: usize,
        prepared: *mut prepared::Opaque,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn re_native_borrow(
        data: *mut c_void,
        owner: *mut c_void,
        shape: *const i64,
        dimensions: usize,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn free(pointer: *mut c_void);
}

/// A post-LayerNorm Transformer encoder layer (Vaswani et al. 2017) on rows laid end to end, differentiable once.
///
/// `parameters` are weight and bias of query, key, value, attention output, LayerNorm, intermediate, output, LayerNorm,
/// 32-bit floats. Row `r` of the batch has the tokens `starts[r]..starts[r + 1]`; tokens after the last one belong to
/// no row. Everything but the matrix products is computed in 32-bit floats, whatever `x` is stored as.
///
/// Attention adds to the score of a query and a key what `distances` gives for theirs. The gradients of its tensors are sums
/// over all pairs of tokens in a row, taken in an order that does not depend on the number of threads.
///
/// With `query_positions`, positions within the rows in their order, the states of those tokens alone are computed: of all
/// others no more than their keys and values.
///
/// Each pass begins with preparing the weights: those of queries, keys and values are joined, and all become numbers of
/// the kind of `x`. Without gradients, `prepared` saves that for the passes after the first.
///
/// # Shapes
/// `[tokens, hidden]` to the same, or to `[query_positions, hidden]`; `x` of 32-bit floats or bfloat16, contiguous, on the CPU.
/// No row is longer than `distances` reaches.
///
/// # Errors
/// [`TchError`] where shapes or kinds do not fit.
pub fn encoder_layer(
    x: &Tensor,
    parameters: [&Tensor; LAYER_PARAMETERS],
    distances: Distances<'_>,
    starts: &[i64],
    query_positions: Option<&[i64]>,
    settings: &LayerSettings,
    prepared: Option<&mut PreparedWeights>,
) -> Result<Tensor, TchError> {
    let pointers = parameters.map(Tensor::as_ptr);
    let distances = GivenDistances::from(distances);
    let mut out = std::ptr::null_mut();
    // SAFETY: all pointers are to living objects of the types that the other side declares.
    unsafe {
        check(re_native_encoder_layer(
            x.as_ptr(),
            pointers.as_ptr(),
            pointers.len(),
            &raw const distances,
            settings,
            starts.as_ptr(),
            starts.len(),
            query_positions.map_or(std::ptr::null(), <[i64]>::as_ptr),
            query_positions.map_or(0, <[i64]>::len),
            prepared.map_or(std::ptr::null_mut(), |prepared| prepared.as_mut_ptr()),
            &raw mut out,
        ))?;
        Ok(Tensor::from_ptr(out))
    }
}

/// A tensor of 32-bit floats that lies on a map of a file, which it keeps alive; nothing is copied.
///
/// What is written to the tensor stays in memory, and is seen by other tensors on the same part of the map.
///
/// # Errors
/// [`TchError`] where the values reach past the end of the map or do not begin at a multiple of four bytes.
pub fn tensor_on_map(map: &Arc<FileMap>, offset: usize, shape: &[i64]) -> Result<Tensor, TchError> {
    let fault =
        |reason: &str| TchError::Shape(format!("a tensor of shape {shape:?} at byte {offset}: {reason}"));
    let count = shape.iter().try_fold(4usize, |bytes, &n| bytes.checked_mul(usize::try_from(n).ok()?));
    let end = count.and_then(|bytes| bytes.checked_add(offset)).ok_or_else(|| fault("impossible size"))?;
    if end > map.len() {
        return Err(fault(&format!("the file has {} bytes", map.len())));
    }
    // The map itself need not be aligned: it may begin anywhere in its file.
    if !(map.as_ptr() as usize).wrapping_add(offset).is_multiple_of(align_of::<f32>()) {
        return Err(fault("not aligned"));
    }
    let owner = Box::into_raw(Box::new(Arc::clone(map)));
    let mut out = std::ptr::null_mut();
    // SAFETY: the memory lies within the map, which lives until the other side gives `owner` back, as it does once in
    // any case; the map is private and mutable, so that writing through the tensor is allowed.
    unsafe {
        let data = map.as_ptr().add(offset).cast_mut();
        check(re_native_borrow(data.cast(), owner.cast(), shape.as_ptr(), shape.len(), &raw mut out))?;
        Ok(Tensor::from_ptr(out))
    }
}

#[unsafe(no_mangle)]
extern "C" fn re_native_release(owner: *mut c_void) {
    // SAFETY: `tensor_on_map` made the pointer, and the other side gives it back once.
    drop(unsafe { Box::from_raw(owner.cast::<Arc<FileMap>>()) });
}

/// The error that the other side's message tells of.
unsafe fn check(message: *mut c_char) -> Result<(), TchError> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: the other side made the message with strdup.
    unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        free(message.cast());
        Err(TchError::Torch(text))
    }
}

#[unsafe(no_mangle)]
extern "C" fn re_native_parallel(
    tasks: usize,
    body: extern "C" fn(*mut c_void, usize),
    context: *mut c_void,
) {
    struct Context(*mut c_void);
    // SAFETY: the other side's body may be called on several threads at once.
    unsafe impl Sync for Context {}
    let context = Context(context);
    let context = &context;
    if tasks == 1 {
        return body(context.0, 0);
    }
    (0..tasks).into_par_iter().for_each(|task| body(context.0, task));
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" {
        fn re_native_throw_in_loop(tasks: usize, done: *mut usize) -> *mut c_char;
    }

    #[test]
    fn exceptions_of_a_loop_end_behind_it() {
        for tasks in [2, 101] {
            let mut done = 0;
            // SAFETY: the pointer is to a living number.
            let error = unsafe { check(re_native_throw_in_loop(tasks, &raw mut done)) }.unwrap_err();
            assert!(error.to_string().contains("a task that throws"), "{error}");
            assert_eq!(done, tasks.div_ceil(2));
        }
    }
}

//! What a layer makes of its weights before it uses them.

/// The other side's object.
#[repr(C)]
pub(crate) struct Opaque {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn re_native_prepared_weights() -> *mut Opaque;
    fn re_native_free_prepared_weights(prepared: *mut Opaque);
}

/// The weights of one layer in the form in which its products read them, kept from one pass without gradients to the next
/// (see [`encoder_layer`](crate::encoder_layer)).
///
/// They are made anew where the layer's parameters are other tensors, were changed, or `x` is of another kind. Their
/// memory: of a layer of hidden size `h` and feed-forward size `f`, `3 h h` floats for `x` of 32-bit floats, and
/// `4 h h + 2 h f` numbers of two bytes for bfloat16.
#[derive(Debug)]
pub struct PreparedWeights(*mut Opaque);

// SAFETY: nothing else has the pointer, and tensors may move between threads.
unsafe impl Send for PreparedWeights {}

impl PreparedWeights {
    /// None yet.
    pub fn new() -> Self {
        // SAFETY: takes nothing, and gives null where there is no memory.
        Self(unsafe { re_native_prepared_weights() })
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut Opaque {
        self.0
    }
}

impl Default for PreparedWeights {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PreparedWeights {
    fn drop(&mut self) {
        // SAFETY: `new` made the pointer, and it is given back once.
        unsafe { re_native_free_prepared_weights(self.0) };
    }
}

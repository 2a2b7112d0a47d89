//! What a pickle of a state dict can hold besides plain values.

use safetensors::Dtype;

/// A tensor as its pickle describes it: nothing of it has been checked against the file.
#[derive(Clone)]
pub(super) struct Tensor<'a> {
    pub storage: Storage<'a>,
    /// Elements of the storage before the first one.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// Elements from one to the next in each dimension; as many as `shape` has.
    pub strides: Vec<usize>,
}

/// A reference to numbers beside the pickle.
#[derive(Clone, Copy)]
pub(super) struct Storage<'a> {
    pub dtype: Dtype,
    pub key: &'a str,
    /// Length in elements.
    pub elements: usize,
}

/// What the functions, classes and references of a state dict stand for.
pub(super) enum Object<'a> {
    Global(Global),
    Storage(Storage<'a>),
    Tensor(Box<Tensor<'a>>),
}

/// The functions and classes that a state dict refers to.
#[derive(Clone, Copy)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
}

impl Global {
    pub fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "DoubleStorage") => Self::Storage(Dtype::F64),
            ("torch", "FloatStorage") => Self::Storage(Dtype::F32),
            ("torch", "HalfStorage") => Self::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Dtype::BF16),
            ("torch", "LongStorage") => Self::Storage(Dtype::I64),
            ("torch", "IntStorage") => Self::Storage(Dtype::I32),
            ("torch", "ShortStorage") => Self::Storage(Dtype::I16),
            ("torch", "CharStorage") => Self::Storage(Dtype::I8),
            ("torch", "ByteStorage") => Self::Storage(Dtype::U8),
            ("torch", "BoolStorage") => Self::Storage(Dtype::BOOL),
            _ => return None,
        })
    }
}

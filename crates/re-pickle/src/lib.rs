//! Python pickles that hold data, read without Python.
//!
//! A pickle is a program that may call any Python function. The machine here knows the instructions that build plain values,
//! in all protocols, and asks the caller's [`Objects`] what a class or function stands for; nothing is run, and what the
//! caller does not know is refused where it is named. Values lie in one list and refer to each other by number, so that
//! neither sharing nor cycles cost time or memory beyond the length of the program. Reference: Python's `pickletools`.
//! (The `serde-pickle` crate nests and copies, and can be made to exhaust memory or stack by a few bytes.)
//!
//! ```
//! use re_pickle::{Plain, Value, read};
//! // {'a': 7}, as `pickle.dumps` writes it.
//! let (values, root) = read(b"\x80\x04\x95\x0a\0\0\0\0\0\0\0}\x94\x8c\x01a\x94K\x07s.", &mut Plain)?;
//! let Value::Dict(items) = values.value(root) else { panic!("{}", values.value(root).kind()) };
//! assert!(matches!(items.as_slice(), &[(_, seven)] if matches!(values.value(seven), Value::Int(7))));
//! # Ok::<(), re_pickle::Fault>(())
//! ```

mod fault;
mod machine;
mod reader;
mod value;

pub use fault::Fault;
pub use machine::{Called, Objects, Plain, read};
pub use value::{Id, Value, Values};

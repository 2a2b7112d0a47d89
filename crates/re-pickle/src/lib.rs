#![doc = include_str!("../README.md")]

mod fault;
mod machine;
mod reader;
mod value;

pub use fault::Fault;
pub use machine::{Called, Objects, Plain, read};
pub use value::{Id, Value, Values};

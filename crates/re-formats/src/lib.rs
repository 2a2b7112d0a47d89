#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod augment;
mod by_name;
pub mod convert;
pub mod documents;
pub mod error;
pub mod graphs;
pub mod json;
pub mod layout;
pub mod read;
mod tokens;
pub mod write;

pub use augment::{Augmentation, Augmenter, AugmenterConfig};
pub use error::{Error, RecordError, Result, UnwritableError};
pub use layout::{Layout, LayoutName};

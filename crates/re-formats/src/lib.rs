#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod augment;
pub mod convert;
pub mod error;
pub mod json;
pub mod read;
pub mod write;

pub use augment::{Augmentation, Augmenter, AugmenterConfig};
pub use error::{Error, RecordError, Result, UnwritableError};

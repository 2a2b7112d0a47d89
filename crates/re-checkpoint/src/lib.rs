#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod attention;
pub mod classifier;
pub mod config;
pub mod error;
pub mod file_map;
pub mod head;
pub mod json;
pub mod precision;
pub mod tagging;
pub mod tensors;

pub use config::EncoderConfig;
pub use error::{Error, Result};
pub use file_map::FileMap;
pub use head::{HeadConfig, MentionPairConfig, PairFeature};
pub use precision::Precision;
pub use tensors::{StoredTensor, TensorFile};

#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod attention;
pub mod classifier;
mod computing;
mod convolution;
mod encoder;
pub mod error;
mod head;
mod kernel;
mod linear;
mod model;
pub mod quantize;
pub mod token_classifier;
mod weights;

pub use classifier::{InferenceParts, RelationClassifier};
pub use computing::{LayerProduct, NumberFormat};
pub use error::{Error, Result};
pub use kernel::Kernel;

pub use quantize::{QuantizeOptions, QuantizeReport, QuantizeRows, quantize};
pub use token_classifier::{TaggingOptions, TokenClassifier};

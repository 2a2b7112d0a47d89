#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod batch;
pub mod classifier;
pub mod device;
pub mod disentangled;
mod dropout;
pub mod encoder;
pub mod error;
pub mod head;
pub mod hub;
pub mod inference;
pub mod joint;
pub mod json;
mod kept;
pub mod model;
pub mod ops;
pub mod parameters;
pub mod relative;
pub mod save;
pub mod token_classifier;
mod trim;
pub mod vocabulary;
pub mod weights;

pub use re_checkpoint::config;

pub use batch::{BatchSpec, TokenBatch};
pub use classifier::{
    ClassifierOptions, HeadChoice, MarkupChoice, PredictedChunk, PredictedPairs, RelationClassifier,
    TrainedParts,
};
pub use config::EncoderConfig;
pub use encoder::Encoder;
pub use error::{Error, Result};
pub use head::{Head, HeadConfig, HeadInput};
pub use joint::JointModel;
pub use model::RelationModel;
pub use ops::{Masks, Mode, Precision};
pub use parameters::{Builder, Init, LoadReport};
pub use token_classifier::{PreparedText, TaggingOptions, TokenClassifier, TokenClassifierOptions};
pub use weights::Weights;

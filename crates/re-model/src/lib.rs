//! Encoders, heads and weights of relation classifiers, in Hugging Face layout, on libtorch.

pub mod batch;
pub mod classifier;
pub mod config;
pub mod device;
pub mod encoder;
pub mod error;
pub mod head;
pub mod model;
pub mod ops;
pub mod parameters;
pub mod save;
mod trim;
pub mod vocabulary;
pub mod weights;

pub use batch::TokenBatch;
pub use classifier::{ClassifierOptions, HeadChoice, MarkupChoice, RelationClassifier, TrainedParts};
pub use config::EncoderConfig;
pub use encoder::Encoder;
pub use error::{Error, Result};
pub use head::{Head, HeadConfig, HeadInput};
pub use model::RelationModel;
pub use ops::Mode;
pub use parameters::{Builder, Init, LoadReport};
pub use weights::Weights;

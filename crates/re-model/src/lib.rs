//! Encoders, heads and weights of relation classifiers, in Hugging Face layout, on libtorch.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use re_data::{ByteSpan, Entity, LabelSet, Predictor, RelationExample};
//! use re_model::{ClassifierOptions, RelationClassifier};
//!
//! // A folder of a pretrained encoder; this one has no weights and starts at random.
//! let folder = "../../fixtures/embedded/model";
//! let options = ClassifierOptions { random_weights: true, ..ClassifierOptions::default() };
//! let (classifier, _) = RelationClassifier::new(folder, LabelSet::new(["관계_없음", "배우자"])?, options)?;
//!
//! let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
//! let example = RelationExample::new("1", "하늘은 바다와 결혼했다.", [entity(0, 6), entity(10, 6)])?;
//! let probabilities = classifier.predict(&[example])?;
//! assert!((probabilities.values().iter().sum::<f32>() - 1.0).abs() < 1e-6);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod batch;
pub mod classifier;
pub mod config;
pub mod device;
mod dropout;
pub mod encoder;
pub mod error;
pub mod head;
pub mod hub;
pub mod inference;
pub mod json;
pub mod model;
pub mod ops;
pub mod parameters;
pub mod save;
pub mod token_classifier;
mod trim;
pub mod vocabulary;
pub mod weights;

pub use batch::{BatchSpec, TokenBatch};
pub use classifier::{
    ClassifierOptions, HeadChoice, MarkupChoice, PredictedChunk, PredictedPairs, RelationClassifier,
    TrainedParts,
};
pub use config::EncoderConfig;
pub use encoder::Encoder;
pub use error::{Error, Result};
pub use head::{Head, HeadConfig, HeadInput};
pub use model::RelationModel;
pub use ops::{Masks, Mode, Precision};
pub use parameters::{Builder, Init, LoadReport};
pub use token_classifier::{PreparedText, TaggingOptions, TokenClassifier, TokenClassifierOptions};
pub use weights::Weights;

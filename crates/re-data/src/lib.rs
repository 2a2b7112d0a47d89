#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod document;
pub mod edit;
pub mod encode;
pub mod encoded;
pub mod error;
pub mod example;
pub mod files;
pub mod korean;
pub mod labels;
mod literal;
pub mod manifest;
pub mod markup;
pub mod metrics;
pub mod model_file;
pub mod outcomes;
pub mod predict;
pub mod predictor;
pub mod random;
pub mod span;
pub mod split;
pub mod stats;
pub mod stream;
pub mod tagger;
pub mod tally;
pub mod text;
pub mod tokenizer;
mod window;

pub use document::{Document, Mention, Pair, PairRule, Relation};
pub use encode::{EncodeOptions, EncodeReport, ExampleEncoder, LostEntities, Truncation};
pub use encoded::{Batch, Encoded};
pub use error::{Error, Result};
pub use example::{Entity, RelationExample};
pub use labels::{LabelSet, NoRelation};
pub use literal::TokensInText;
pub use markup::{Markup, MarkupConfig};
pub use outcomes::{Outcomes, RowError};
pub use predict::{Prediction, Probabilities};
pub use predictor::{PredictError, Predictor, SharedPredictor};
pub use span::{ByteSpan, CharSpan, TokenSpan};
pub use tagger::Tagger;
pub use tally::Tally;
pub use tokenizer::Tokenizer;

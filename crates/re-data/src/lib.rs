//! What a text with two entities is, and how it is encoded: examples, labels, splits, metrics, markup, tokens; no files of
//! rows (those are `re-formats`) and no deep-learning library.
//!
//! Data flows one way: a markup writes the pair of entities of a [`RelationExample`] into its text, the encoder turns it
//! into [`Encoded`] rows, and a [`Batch`] lays rows end to end.
//!
//! ```
//! # fn main() -> re_data::Result<()> {
//! use re_data::{Batch, ByteSpan, EncodeOptions, Entity, ExampleEncoder, MarkupConfig, RelationExample, Tokenizer};
//!
//! let entities = [Entity::new(ByteSpan::with_len(0, 5)), Entity::new(ByteSpan::with_len(12, 6))];
//! let rows = [RelationExample::new("1", "Marie loves Pierre.", entities)?];
//! let tokenizer = Tokenizer::from_folder("../../fixtures/embedded/model")?;
//! let encoder = ExampleEncoder::new(tokenizer, MarkupConfig::Pair {}.build()?, EncodeOptions::default())?;
//! let (encoded, report) = encoder.encode_batch(&rows)?;
//! let batch = Batch::new(&encoded, &[])?;
//! assert_eq!(batch.tokens(), report.tokens);
//! # Ok(())
//! # }
//! ```

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
pub mod tags;
pub mod tally;
pub mod text;
pub mod text_encoder;
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
pub use tags::{TagScheme, TagSet, TagUnit};
pub use tally::Tally;
pub use text_encoder::{EncodedText, TextEncoder, WindowOptions};
pub use tokenizer::Tokenizer;

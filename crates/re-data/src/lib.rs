//! Examples, readers, splits, markup and encoding for relation extraction; no deep-learning library.
//!
//! Data flows one way: a reader gives [`RelationExample`]s and a [`LabelSet`], a markup writes the pair of
//! entities into the text, the encoder turns it into [`Encoded`] rows, and a [`Batch`] lays rows end to end.
//!
//! ```
//! # fn main() -> re_data::Result<()> {
//! use re_data::read::{self, ReadOptions};
//! use re_data::{Batch, EncodeOptions, ExampleEncoder, MarkupConfig, Tokenizer};
//!
//! let rows = read::examples("../../fixtures/embedded/dev.tsv", &ReadOptions::default())?;
//! let tokenizer = Tokenizer::from_folder("../../fixtures/embedded/model")?;
//! let encoder = ExampleEncoder::new(tokenizer, MarkupConfig::Pair {}.build()?, EncodeOptions::default())?;
//! let (encoded, report) = encoder.encode_batch(&rows.examples)?;
//! let batch = Batch::new(&encoded, &[])?;
//! assert_eq!(batch.tokens(), report.tokens);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod augment;
pub mod convert;
pub mod encode;
pub mod encoded;
pub mod error;
pub mod example;
pub mod files;
mod json;
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
pub mod questions;
pub mod random;
pub mod read;
pub mod span;
pub mod split;
pub mod stats;
pub mod text;
pub mod tokenizer;
mod window;
pub mod write;

pub use augment::{Augmentation, Augmenter, AugmenterConfig};
pub use encode::{EncodeOptions, EncodeReport, ExampleEncoder, LostEntities, Truncation};
pub use encoded::{Batch, Encoded};
pub use error::{Error, RecordError, Result, UnwritableError};
pub use example::{Entity, RelationExample};
pub use labels::{LabelSet, NoRelation};
pub use literal::TokensInText;
pub use markup::{Markup, MarkupConfig};
pub use outcomes::{Outcomes, RowError};
pub use predict::{Prediction, Probabilities};
pub use predictor::{PredictError, Predictor, SharedPredictor};
pub use questions::Questions;
pub use span::{ByteSpan, CharSpan, TokenSpan};
pub use tokenizer::Tokenizer;

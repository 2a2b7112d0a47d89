//! How files of examples, documents, labels and predictions look: readers, writers, converters, and augmentation, which
//! reads paraphrases; what an example or a document is stands in [`re_data`].
//!
//! ```
//! use re_formats::read::{self, ExampleReader, Format, ReadOptions};
//! use re_formats::write::ExampleWriter;
//!
//! let rows = read::examples("../../fixtures/embedded/dev.tsv", &ReadOptions::default())?.examples;
//! let mut writer = ExampleWriter::new(Vec::new(), "-", Format::Jsonl);
//! rows.iter().try_for_each(|row| writer.write(row))?;
//! let file = writer.finish()?;
//! let again = ExampleReader::new(file.as_slice(), "dev.jsonl", &ReadOptions::default())?;
//! assert_eq!(again.collect::<re_formats::Result<Vec<_>>>()?, rows);
//! # Ok::<(), re_formats::Error>(())
//! ```

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod augment;
pub mod convert;
pub mod documents;
pub mod error;
pub mod graphs;
pub mod json;
pub mod read;
mod tokens;
pub mod write;

pub use augment::{Augmentation, Augmenter, AugmenterConfig};
pub use error::{Error, RecordError, Result, UnwritableError};

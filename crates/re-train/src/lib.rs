//! Training relation classifiers: trainer, optimizer, schedules, checkpoints and observers.
//!
//! A [`Trainer`] trains a [`Task`]; [`ClassificationTask`] is the one of classifiers. Whole experiments from TOML files are
//! those of `re-experiment`.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use re_data::LabelSet;
//! use re_formats::read;
//! use re_model::{ClassifierOptions, RelationClassifier};
//! use re_train::{ClassificationTask, LabelledRows, Start, TrainConfig, Trainer};
//!
//! # std::env::set_current_dir("../..")?;
//! let labels = read::labels("fixtures/embedded/labels.json")?;
//! let rows = read::examples("fixtures/embedded/dev.tsv", &read::ReadOptions::default())?.examples;
//! let options = ClassifierOptions { random_weights: true, ..ClassifierOptions::default() };
//! let (classifier, report) = RelationClassifier::new("fixtures/embedded/model", labels, options)?;
//! println!("{report}");
//!
//! let config = TrainConfig { steps: 2, learning_rate: 1e-3, ..TrainConfig::default() };
//! let (rows, _) = LabelledRows::new(&classifier, &rows)?;
//! let task = ClassificationTask::new(classifier, rows, LabelledRows::default(), &config)?;
//! # let folder = tempfile::tempdir()?;
//! # let run = folder.path();
//! let outcome = Trainer::new(config, run)?.train(&task, Start::Fresh)?;
//! let trained = RelationClassifier::from_pretrained(&outcome.last.path)?;
//! # assert_eq!(trained.labels().len(), 42);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod adamw;
pub mod checkpoint;
pub mod config;
pub mod difference;
pub mod error;
pub mod hash;
pub mod loss;
pub mod observer;
pub mod sampler;
pub mod schedule;
pub mod tagging;
pub mod task;
pub mod trainer;
mod variants;

pub use adamw::{AdamW, AdamWConfig};
pub use checkpoint::Checkpoint;
pub use config::{Metric, TrainConfig};
pub use error::{Error, Result};
pub use loss::{ClassWeights, Loss, LossConfig, OwnLoss};
pub use observer::{Evaluation, Event, JsonlLog, Observer, StopReason, Terminal};
pub use schedule::{Decay, Schedule};
pub use tagging::{TaggedRows, TaggingTask};
pub use task::{ClassificationTask, LabelledRows, OwnMetric};
pub use trainer::{Outcome, Start, Task, Trainer};
pub use variants::AugmentationReport;

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

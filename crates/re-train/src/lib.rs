#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod adamw;
pub mod checkpoint;
pub mod config;
pub mod difference;
pub mod error;
pub mod hash;
pub mod joint;
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
pub use joint::JointTask;
pub use loss::{ClassWeights, Loss, LossConfig, OwnLoss};
pub use observer::{Evaluation, Event, JsonlLog, Observer, StopReason, Terminal};
pub use schedule::{Decay, Schedule};
pub use tagging::{TaggedRows, TaggingTask};
pub use task::{ClassificationTask, LabelledRows, OwnMetric};
pub use trainer::{Outcome, Start, Task, Trainer};
pub use variants::AugmentationReport;

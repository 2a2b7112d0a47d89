//! Training relation classifiers: trainer, optimizer, schedules, checkpoints and observers.

pub mod adamw;
pub mod checkpoint;
pub mod config;
pub mod error;
pub mod experiment;
pub mod observer;
pub mod sampler;
pub mod schedule;
pub mod task;
pub mod trainer;

pub use adamw::{AdamW, AdamWConfig};
pub use checkpoint::Checkpoint;
pub use config::{Metric, TrainConfig};
pub use error::{Error, Result};
pub use experiment::Experiment;
pub use observer::{Evaluation, Event, JsonlLog, Observer, StopReason, Terminal};
pub use schedule::{Decay, Schedule};
pub use task::{ClassificationTask, LabelledRows};
pub use trainer::{Outcome, Start, Task, Trainer};

//! Whole experiments: settings in TOML files, plans of several trainings, and the folders in which they run, are locked and
//! go on after they were stopped.
//!
//! An [`Experiment`] is what the settings say, a [`Plan`] which trainings it makes of them, a [`RunFolder`] where they are.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use re_experiment::{Experiment, RunFolder, load_predictor};
//! use re_train::{Start, TrainConfig};
//!
//! # std::env::set_current_dir("../..")?;
//! let settings = r#"
//!     model = { folder = "fixtures/embedded/model", random_weights = true, layers = 1 }
//!     data = { train = "fixtures/embedded/dev.tsv", val_size = 0.25 }
//!     training = { steps = 2, batch_size = 4, precision = "fp32" }
//!     plan.name = "step_transfer"
//! "#;
//! let experiment = Experiment::parse(settings, "experiment.toml")?;
//! # let folder = tempfile::tempdir()?;
//! # let runs = folder.path();
//! let run = RunFolder::free(runs, "mine")?;
//! let summary = run.run(&experiment, Start::Fresh, Vec::new(), Default::default())?;
//! println!("{summary}");
//! let predictor = load_predictor(run.path(), &TrainConfig::default())?;
//! # assert_eq!(summary.parts.len(), 1);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod adapt;
pub mod config;
pub mod data;
pub mod error;
pub mod experiment;
pub mod folder;
pub mod layers;
mod nested;
pub mod own;
pub mod pairs;
mod plans;
mod run;
mod session;
pub mod tagging;
pub mod trained;

pub use config::{DataConfig, EncodingConfig, Fold, ModelConfig, Target};
pub use data::ExperimentData;
pub use error::{Error, Result};
pub use experiment::{Experiment, MemberConfig, Plan, VoteConfig};
pub use folder::{Part, Rows, RunFolder, Summary, model_folder};
pub use layers::{Encoders, Layers, assignment};
pub use own::{OwnHead, OwnParts, PartNames};
pub use pairs::PairConfig;
pub use tagging::TaggingConfig;
pub use trained::{load_predictor, load_predictor_with, trained_precision};

#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod adapt;
pub mod config;
pub mod data;
mod documents;
pub mod error;
pub mod experiment;
pub mod extraction;
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
pub use experiment::{Experiment, MemberConfig, Plan};
pub use extraction::{ExtractionModels, load_extractor, load_models};
pub use folder::{Part, Rows, RunFolder, Summary};
pub use layers::{Encoders, Layers, assignment};
pub use own::{OwnHead, OwnParts, PartNames};
pub use pairs::PairConfig;
pub use re_trained::{VoteConfig, graph_settings, model_folder};
pub use tagging::TaggingConfig;
pub use trained::{
    load_predictor, load_predictor_with, load_tagger, load_tagger_with, tagger_beside, trained_precision,
};

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

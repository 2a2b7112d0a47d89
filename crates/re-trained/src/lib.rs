#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod error;
pub mod extraction;
pub mod folder;
mod load;
mod record;
pub mod votes;

pub use error::{Error, Result};
pub use extraction::{ExtractionModels, graph_settings, load_extractor, load_models};
pub use folder::{model_folder, split_step, unfinished_step};
pub use load::{Options, is_quantized, load_predictor, load_tagger, tagger_beside};
pub use record::VoteConfig;

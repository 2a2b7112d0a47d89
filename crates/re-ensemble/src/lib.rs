#![doc = include_str!("../README.md")]
//!
//! | to | use |
//! |---|---|
//! | vote with saved predictions | [`Members::align`], [`Members::vote`] |
//! | vote with loaded models; a vote can be a member of another one | [`Ensemble`] |
//! | decide "related or not" first | [`TwoStage`] |
//! | tune weights and measure them on other rows | [`OutOfFold::tune`] |
//! | move to data with other class frequencies | [`shift_prior`], [`estimate_prior`] |
//! | choose members | [`advise()`] |
//! | measure predictions | [`evaluate()`] |
//! | test whether a difference is significant | [`compare`] |

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod advice;
pub mod advise;
pub mod ensemble;
pub mod error;
pub mod evaluate;
pub mod gold;
mod log_linear;
pub mod members;
mod part;
pub mod prior;
mod search;
pub mod significance;
pub mod tune;
pub mod two_stage;
pub mod vote;

pub use advice::Advice;
pub use advise::{AdviceOptions, advise};
pub use ensemble::{Ensemble, Voter};
pub use error::{Error, Result};
pub use evaluate::{Evaluation, evaluate};
pub use gold::Gold;
pub use members::{Member, Members};
pub use prior::{Prior, PriorEstimate, estimate_prior, shift_prior};
pub use significance::{Bootstrap, Comparison, Estimate, compare, compare_outcomes, mcnemar, wilson};
pub use tune::{Nested, OutOfFold, Tuned, Tuning};
pub use two_stage::{Gate, TwoStage};
pub use vote::{PROBABILITY_FLOOR, Vote};

//! Combines the predictions of several relation classifiers, and says which of them to combine. No
//! deep-learning library: predictions come from files or from anything that implements
//! [`re_data::Predictor`].
//!
//! | to | use |
//! |---|---|
//! | vote with saved predictions | [`Members::align`], [`Members::vote`] |
//! | vote with live predictors, nested at will | [`Ensemble`] |
//! | decide "related or not" first | [`TwoStage`] |
//! | tune weights without fooling oneself | [`OutOfFold::tune`] |
//! | move to data with other class frequencies | [`shift_prior`], [`estimate_prior`] |
//! | choose members | [`advise()`] |
//! | measure predictions | [`evaluate()`] |
//! | tell a difference from luck | [`compare`] |
//!
//! Labels are aligned by name and rows by id; what does not match is an error that names the member.
//! No result depends on the order in which members are given.
//!
//! ```
//! use std::sync::Arc;
//! use re_data::{LabelSet, Probabilities};
//! use re_ensemble::{AdviceOptions, Gold, Member, Members, Vote, advise};
//!
//! let ids = || ["1", "2", "3"].map(String::from).to_vec();
//! let labels = Arc::new(LabelSet::new(["no_relation", "spouse"])?);
//! let a = Probabilities::new(ids(), labels.clone(), vec![0.9, 0.1, 0.6, 0.4, 0.3, 0.7])?;
//! let b = Probabilities::new(ids(), labels, vec![0.4, 0.6, 0.1, 0.9, 0.2, 0.8])?;
//!
//! let members = Members::align([Member::new("a", a), Member::new("b", b).with_weight(0.5)])?;
//! let vote = members.vote(Vote::Mean)?;
//! assert_eq!(vote.classes(), [0, 1, 1]);
//!
//! let gold = Gold::new([("1", "no_relation"), ("2", "spouse"), ("3", "spouse")])?;
//! let advice = advise(&members, &gold, &AdviceOptions::default())?;
//! assert_eq!(advice.recommended, ["a", "b"]);
//! println!("{advice}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

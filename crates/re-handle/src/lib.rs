#![doc = include_str!("../README.md")]
//!
//! | about | see |
//! |---|---|
//! | how much is queued, and how large batches are | [`HandleOptions`] |
//! | deadlines, full queues, whose turn it is | [`RequestOptions`] |
//! | what a request gets: one outcome for each row | [`re_data::Outcomes`] |
//! | why it may get none | [`RequestError`] |
//! | cancelling | [`Pending`] |
//! | queue length, waiting times, batch sizes | [`Metrics`] |

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod client;
pub mod error;
pub mod handle;
pub mod metrics;
pub mod options;
pub mod pending;
mod queue;
mod turns;
mod worker;

pub use error::{RequestError, StartError};
pub use handle::Handle;
pub use metrics::{Counts, Distribution, Metrics};
pub use options::{HandleOptions, RequestOptions, WhenFull};
pub use pending::Pending;

#![doc = include_str!("../README.md")]
//!
//! [`Report`] makes the page; [`results`] writes the tables of a document such as `docs/RESULTS.md` from the run folders below a folder.
//!
//! [`GraphPage`] shows documents with their mentions and relations.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod analysis;
pub mod error;
mod gold;
pub mod graph_page;
mod number;
mod page;
pub mod report;
pub mod results;
pub mod run;

pub use analysis::confusion::{Confusion, Mistake};
pub use analysis::lengths::{LengthBin, by_length};
pub use error::{Error, Result};
pub use graph_page::{GraphPage, GraphPageOptions};
pub use report::{Report, ReportOptions};
pub use run::{RowSet, Run};

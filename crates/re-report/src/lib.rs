//! Pages on runs of relation extraction, made from their folders alone, and on documents; no deep-learning library.
//!
//! [`Report`] shows one run or several as one self-contained HTML page: learning curves, figures by label,
//! confusion matrix, calibration, accuracy by sentence length, comparison with significance, disagreements,
//! settings that differ, errors. [`results`] writes the tables of a document such as `docs/RESULTS.md` from the
//! run folders below a folder.
//!
//! [`GraphPage`] shows documents with their mentions and relations.
//!
//! A run's folder holds `config.toml`, `metrics.jsonl`, `summary.json`, saved probabilities and, where the run
//! consists of several, a folder like it for each. Files may be missing; the report then says what it lacks.
//!
//! ```
//! use re_report::{Report, ReportOptions};
//! # let out = tempfile::tempdir().expect("a folder");
//! # let path = out.path().join("report.html");
//! let report = Report::new(&["../../results/mbert_baseline-seed7"], &ReportOptions::default())?;
//! report.write(&path)?;
//! # Ok::<(), re_report::Error>(())
//! ```

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

pub use analysis::calibration::{Bin, Calibration};
pub use analysis::confusion::{Confusion, Mistake};
pub use analysis::lengths::{LengthBin, by_length};
pub use error::{Error, Result};
pub use graph_page::{GraphPage, GraphPageOptions};
pub use report::{Report, ReportOptions};
pub use run::{RowSet, Run};

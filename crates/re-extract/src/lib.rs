//! From text to a graph of who is related to whom: mentions, candidate pairs, judged pairs, what is left of them, and how
//! good that is.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod calibrate;
mod candidates;
pub mod constraints;
pub mod coverage;
mod decide;
pub mod error;
pub mod extractor;
pub mod outcome;
pub mod properties;
pub mod score;
pub mod settings;
pub mod threshold;

pub use calibrate::{Calibration, CalibrationOptions};
pub use constraints::{TypeConstraints, TypePair};
pub use coverage::{RiskCoverage, RiskPoint};
pub use error::{DocumentError, Error, Result};
pub use extractor::{ExtractOptions, Extraction, Extractor, MentionSource};
pub use outcome::{Abstained, ExtractReport, Extracted, Outcome, PairCounts, Reason};
pub use properties::RelationProperties;
pub use score::{Scores, character_scores, score, unrelated_pairs};
pub use settings::GraphSettings;
pub use threshold::{Answer, Threshold, ThresholdOptions, Thresholds};

//! Published results to stand beside ours.

use std::path::Path;

use serde::Deserialize;

use super::findings::Finding;
use super::recorded::toml_file;
use crate::error::Result;

/// Name of the file below the folder of the runs.
const FILE: &str = "report.toml";

/// Somebody else's report.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Report {
    #[serde(rename = "experiment")]
    pub experiments: Vec<Published>,
    #[serde(rename = "finding")]
    pub findings: Vec<Finding>,
}

/// An experiment of somebody else's.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    /// What they call it.
    pub name: String,
    /// The experiment of ours that repeats it.
    pub example: String,
    /// What it is, in words.
    pub what: String,
    /// What they found.
    pub results: Vec<Found>,
}

/// Accuracies in percent, of one checkpoint or one combination.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Found {
    pub step: Option<u64>,
    /// What it is of, where there is no step.
    pub of: Option<String>,
    pub validation: Option<f64>,
    pub leaderboard: Option<f64>,
}

/// What is published in `folder`; nothing where there is no such file.
pub(super) fn read(folder: &Path) -> Result<Report> {
    Ok(toml_file(&folder.join(FILE))?.unwrap_or_default())
}

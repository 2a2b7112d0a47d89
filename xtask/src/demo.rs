//! `cargo xtask demo`: the main job on the embedded default.

use std::process::ExitCode;

use anyhow::Result;

use crate::layout::Layout;
use crate::{cargo, setup};

/// Sets up and trains; the example's exit status.
///
/// # Errors
/// The set-up fails or cargo cannot be started.
pub fn run(layout: &Layout, rest: &[String]) -> Result<ExitCode> {
    setup::run(layout, false)?;
    let job = ["run", "--release", "--package", "re-examples", "--example", "xlmr_full_data", "--"];
    cargo::run(layout, job.into_iter().chain(rest.iter().map(String::as_str)))
}

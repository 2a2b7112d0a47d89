//! `cargo xtask test`: every test.

use std::process::ExitCode;

use anyhow::Result;

use crate::layout::Layout;
use crate::{cargo, setup};

/// Sets up and runs the tests; cargo's exit status.
///
/// # Errors
/// The set-up fails or cargo cannot be started.
pub fn run(layout: &Layout, rest: &[String]) -> Result<ExitCode> {
    setup::run(layout, false)?;
    cargo::run(layout, ["test", "--workspace"].into_iter().chain(rest.iter().map(String::as_str)))
}

//! `cargo xtask results`: the tables of `docs/RESULTS.md`.

use std::process::ExitCode;

use anyhow::Result;

use crate::cargo;
use crate::layout::Layout;

/// Has the report's crate renew or check the tables; its exit status. It needs no libtorch, so nothing is set up.
///
/// # Errors
/// cargo cannot be started.
pub fn run(layout: &Layout, rest: &[String]) -> Result<ExitCode> {
    // In a process of its own, so that setting up a bare machine does not begin with building tokenizers.
    let program = ["run", "--quiet", "--package", "re-report", "--example", "results", "--"];
    cargo::run(layout, program.into_iter().chain(rest.iter().map(String::as_str)))
}

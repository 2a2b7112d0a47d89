//! Runs cargo on the workspace.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::layout::Layout;

fn command(layout: &Layout) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // With the variable gone, cargo sets it to the link, as in any shell of the user's: nothing is built twice.
    command.current_dir(&layout.root).env_remove("LIBTORCH");
    command
}

/// Runs cargo in the foreground; its exit status as our own.
///
/// # Errors
/// cargo cannot be started.
pub fn run<'a>(layout: &Layout, arguments: impl IntoIterator<Item = &'a str>) -> Result<ExitCode> {
    run_with(layout, &[], arguments)
}

/// [`run`] with environment variables.
///
/// # Errors
/// cargo cannot be started.
pub fn run_with<'a>(
    layout: &Layout,
    variables: &[(&str, &PathBuf)],
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<ExitCode> {
    let mut command = command(layout);
    command.envs(variables.iter().copied()).args(arguments);
    let status = command.status().context("cargo cannot be started")?;
    // No code means killed by a signal.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// Has cargo build a package anew next time.
///
/// # Errors
/// cargo cannot be started.
pub fn forget(layout: &Layout, package: &str) -> Result<()> {
    for profile in ["dev", "release"] {
        let mut command = command(layout);
        command.args(["clean", "--quiet", "--package", package, "--profile", profile]);
        command.status().context("cargo cannot be started")?;
    }
    Ok(())
}

//! `cargo xtask peers`: our speed and memory beside those of the Python stack, in one run.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::layout::Layout;
use crate::{cargo, python, setup};

/// The peers and their versions, relative to the workspace's root.
const REQUIREMENTS: &str = "benches/peers/requirements.txt";

/// A peer in Rust, apart from the workspace, relative to its root.
const CANDLE: &str = "benches/peers/candle/Cargo.toml";

/// Sets up, builds our side and has `benches/peers/run.py` measure; its exit status.
///
/// # Errors
/// The set-up or the build fails, or the peers cannot be installed.
pub fn run(layout: &Layout, rest: &[String]) -> Result<ExitCode> {
    setup::run(layout, false)?;
    let python = match std::env::var_os("RE_PEERS_PYTHON").filter(|value| !value.is_empty()) {
        Some(named) => PathBuf::from(named),
        None => environment(layout)?,
    };
    let built = cargo::run(layout, ["build", "--release", "--package", "re-benches", "--bin", "workload"])?;
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }
    let cache = layout.cache.join("peers");
    let candle = cache.join("candle-target");
    let folder = candle.to_string_lossy();
    let candle_build = ["build", "--release", "--manifest-path", CANDLE, "--target-dir", &folder];
    if cargo::run(layout, candle_build)? != ExitCode::SUCCESS {
        eprintln!("candle could not be built; the others are measured without it");
    }
    let mut command = Command::new(&python);
    command.arg(layout.root.join("benches/peers/run.py"));
    command.arg("--workload").arg(target(&layout.root).join("release/workload"));
    command.arg("--candle").arg(candle.join("release/peer-candle"));
    command.arg("--cache").arg(cache);
    command.args(rest);
    let status = command.status().with_context(|| format!("{} cannot be started", python.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where cargo builds.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

/// The interpreter of an environment in the cache that holds the peers in their versions.
fn environment(layout: &Layout) -> Result<PathBuf> {
    let folder = layout.cache.join("peers/venv");
    let interpreter = folder.join("bin/python");
    let wanted = std::fs::read_to_string(layout.root.join(REQUIREMENTS)).context(REQUIREMENTS)?;
    // Written when the installation has ended: what was installed.
    let installed = folder.join("requirements.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        return Ok(interpreter);
    }
    python::require()?;
    println!("installing the peers into {} (several GB)", folder.display());
    python::environment(&folder)?;
    let mut pip = Command::new(&interpreter);
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--requirement", REQUIREMENTS]);
    if !pip.current_dir(&layout.root).status().context("pip cannot be started")?.success() {
        bail!(
            "pip could not install the peers; name an interpreter that has them by RE_PEERS_PYTHON, or run \
             this command again"
        );
    }
    std::fs::write(&installed, wanted).with_context(|| installed.display().to_string())?;
    Ok(interpreter)
}

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
    let python = interpreter(layout)?;
    for built in [["re-benches", "--bin", "workload"], ["re-infer", "--example", "rows"]] {
        let arguments = ["build", "--release", "--package"].into_iter().chain(built);
        let built = cargo::run(layout, arguments)?;
        if built != ExitCode::SUCCESS {
            return Ok(built);
        }
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
    command.arg("--engine").arg(target(&layout.root).join("release/examples/rows"));
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

/// An interpreter that has the peers: the one that the user names, or that of an environment in the cache, which is made.
///
/// # Errors
/// The peers cannot be installed.
pub fn interpreter(layout: &Layout) -> Result<PathBuf> {
    match installed(layout)? {
        Some(python) => Ok(python),
        None => environment(layout),
    }
}

/// As [`interpreter`], if nothing needs to be installed.
///
/// # Errors
/// The list of the peers cannot be read.
pub fn installed(layout: &Layout) -> Result<Option<PathBuf>> {
    if let Some(named) = std::env::var_os("RE_PEERS_PYTHON").filter(|value| !value.is_empty()) {
        return Ok(Some(PathBuf::from(named)));
    }
    let wanted = std::fs::read_to_string(layout.root.join(REQUIREMENTS)).context(REQUIREMENTS)?;
    let folder = venv(layout);
    let there = std::fs::read_to_string(folder.join(INSTALLED)).is_ok_and(|found| found == wanted);
    Ok(there.then(|| folder.join("bin/python")))
}

/// The stand-in encoder that is made of packages, relative to the cache.
pub const ENCODER: &str = "peers/e5-small";

/// Written into the environment when the installation has ended: what was installed.
const INSTALLED: &str = "requirements.txt";

fn venv(layout: &Layout) -> PathBuf {
    layout.cache.join("peers/venv")
}

fn environment(layout: &Layout) -> Result<PathBuf> {
    let folder = venv(layout);
    let interpreter = folder.join("bin/python");
    let wanted = std::fs::read_to_string(layout.root.join(REQUIREMENTS)).context(REQUIREMENTS)?;
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
    let installed = folder.join(INSTALLED);
    std::fs::write(&installed, wanted).with_context(|| installed.display().to_string())?;
    Ok(interpreter)
}

//! The Python environment: it may hold a torch, and its pip downloads one.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::machine::output_of;

const PYTHON: &str = "python3";
// Without importing torch, which takes seconds.
const FIND_TORCH: &str = "import importlib.util as u; s = u.find_spec('torch'); \
                          print(list(s.submodule_search_locations or [''])[0] if s else '')";

/// The interpreter's version, like `Python 3.12.3`.
pub fn version() -> Option<String> {
    output_of(PYTHON, &["--version"])
}

/// What `pip --version` says.
pub fn pip_version() -> Option<String> {
    output_of(PYTHON, &["-m", "pip", "--version"])
}

/// The folder of the environment's torch package.
pub fn torch_folder() -> Option<PathBuf> {
    output_of(PYTHON, &["-c", FIND_TORCH]).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Both are needed for a download.
///
/// # Errors
/// Which one is absent.
pub fn require() -> Result<()> {
    if version().is_none() {
        bail!("python3 was not found; install it, for example with `apt install python3 python3-pip`");
    }
    if pip_version().is_none() {
        bail!(
            "python3 has no pip; install it, for example with `apt install python3-pip` or \
             `python3 -m ensurepip`"
        );
    }
    Ok(())
}

/// Has pip download one wheel, for Linux x86-64 and any Python 3.
///
/// # Errors
/// pip fails: the last thing that it said.
pub fn download(requirement: &str, folder: &Path) -> Result<()> {
    let mut command = Command::new(PYTHON);
    command.args([
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]);
    command.args(["--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"]);
    // Old versions of pip do not know that a system takes wheels made for older ones.
    for tag in ["manylinux_2_28", "manylinux_2_27", "manylinux_2_25", "manylinux_2_17", "manylinux2014"] {
        command.args(["--platform", &format!("{tag}_x86_64")]);
    }
    command.arg("--dest").arg(folder).arg(requirement);
    // Nothing is installed, so a rule against installing outside of an environment does not matter.
    command.env("PIP_REQUIRE_VIRTUALENV", "0").stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("python3 cannot be started")?;
    let mut said = VecDeque::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            eprintln!("{line}");
            said.push_back(line);
        }
    }
    if child.wait()?.success() {
        return Ok(());
    }
    let last = last_error(said.make_contiguous()).unwrap_or("nothing");
    bail!("pip could not download {requirement}; it said: {last}")
}

/// Makes a virtual environment in a folder.
///
/// # Errors
/// The interpreter cannot make one.
pub fn environment(folder: &Path) -> Result<()> {
    let mut command = Command::new(PYTHON);
    command.args(["-m", "venv"]).arg(folder);
    if !command.status().context("python3 cannot be started")?.success() {
        bail!("python3 cannot make a virtual environment in {}", folder.display());
    }
    Ok(())
}

/// The last line that pip marks as an error, else the last line that is not empty.
fn last_error(lines: &[String]) -> Option<&str> {
    let mut filled = lines.iter().rev().map(|line| line.trim()).filter(|line| !line.is_empty());
    let last = filled.clone().next();
    filled.find(|line| line.starts_with("ERROR")).or(last)
}

/// Runs one of our scripts with arguments.
///
/// # Errors
/// It fails: the last line of what it said.
pub fn script(text: &str, arguments: &[&Path]) -> Result<String> {
    let output = Command::new(PYTHON)
        .args(["-c", text])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("python3 cannot be started")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}", said.lines().last().unwrap_or("python3 failed without a word"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_tells_most_is_chosen() {
        let lines = ["WARNING: retrying", "ERROR: No matching distribution", "", "[notice] update pip"];
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        assert_eq!(last_error(&lines), Some("ERROR: No matching distribution"));
        assert_eq!(last_error(&lines[..1]), Some("WARNING: retrying"));
        assert_eq!(last_error(&[]), None);
    }
}

//! `cargo xtask test`: every test.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::layout::Layout;
use crate::{cargo, peers, setup};

/// How the names of tests end that need more than the checkout.
const IN_SHARED_DATA: &str = "_in_shared_data";
const WITH_TRANSFORMERS: &str = "_with_transformers";
const WITH_E5: &str = "_with_e5";
const WITH_MPNET: &str = "_with_mpnet";
/// Where an English encoder of base size lies, below the cache.
const MPNET: &str = "mpnet-base";

/// Sets up and runs the tests; cargo's exit status. Those that need more than the checkout are ignored by plain
/// `cargo test`: they run where what they need is at hand, or is installed because of `all`, and the others are named.
///
/// # Errors
/// The set-up fails or cargo cannot be started.
pub fn run(layout: &Layout, all: bool, rest: &[String]) -> Result<ExitCode> {
    setup::run(layout, false)?;
    let tests = ["test", "--workspace"];
    let code = cargo::run(layout, tests.into_iter().chain(rest.iter().map(String::as_str)))?;
    if code != ExitCode::SUCCESS || !rest.is_empty() {
        return Ok(code);
    }
    let needs = needs(layout, all)?;
    let variables: Vec<_> =
        needs.iter().filter_map(|need| Some((need.variable, need.found.as_ref().ok()?))).collect();
    let names = needs.iter().filter(|need| need.found.is_ok()).map(|need| need.names);
    let arguments: Vec<&str> = tests.into_iter().chain(["--tests", "--", "--ignored"]).chain(names).collect();
    let code = if variables.is_empty() { code } else { cargo::run_with(layout, &variables, arguments)? };
    for Need { names, found, .. } in &needs {
        if let Err(reason) = found {
            println!("left out: tests with names that end in {names}: {reason:#}");
        }
    }
    Ok(code)
}

/// What some tests need besides the checkout.
struct Need {
    /// How the names of these tests end.
    names: &'static str,
    /// What tells them where it lies.
    variable: &'static str,
    found: Result<PathBuf>,
}

fn needs(layout: &Layout, all: bool) -> Result<[Need; 4]> {
    let shared = layout.shared();
    let data = if shared.join("data").is_dir() {
        Ok(shared.clone())
    } else {
        Err(anyhow::anyhow!("{} has no data/; RE_SHARED names the folder that holds it", shared.display()))
    };
    let python = match peers::installed(layout)? {
        Some(python) => Ok(python),
        None if all => peers::interpreter(layout),
        None => Err(anyhow::anyhow!(
            "`--all` installs what they need, RE_PEERS_PYTHON names an interpreter that has it"
        )),
    };
    let encoder = |variable, folder, script| {
        let python = python.as_ref().ok().filter(|_| all);
        encoder(layout, variable, folder, &shared.join("tools").join(script), python)
    };
    let e5 = encoder("RE_E5", peers::ENCODER, "make_e5_small.py");
    let mpnet = encoder("RE_MPNET", MPNET, "make_mpnet_base.py");
    Ok([
        Need { names: IN_SHARED_DATA, variable: "RE_SHARED", found: data },
        Need { names: WITH_TRANSFORMERS, variable: "RE_PYTHON", found: python },
        Need { names: WITH_E5, variable: "RE_E5", found: e5 },
        Need { names: WITH_MPNET, variable: "RE_MPNET", found: mpnet },
    ])
}

/// The encoder that `variable` names or that of the cache, which `python` makes with `script` where it is not there.
fn encoder(
    layout: &Layout,
    variable: &str,
    folder: &str,
    script: &Path,
    python: Option<&PathBuf>,
) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(variable).filter(|value| !value.is_empty()) {
        return Ok(layout.root.join(named));
    }
    let folder = layout.cache.join(folder);
    if folder.join("model.safetensors").is_file() {
        return Ok(folder);
    }
    let Some(python) = python else {
        bail!("{} is not there; `--all` makes it", folder.display());
    };
    let status = Command::new(python).arg(script).arg(&folder).status();
    let status = status.with_context(|| format!("{} cannot be started", python.display()))?;
    if !status.success() {
        bail!("{} failed", script.display());
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tests below a folder that are ignored for what they need.
    fn needy(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                needy(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let mut lines = text.lines();
                while lines.any(|line| line.trim_start().starts_with("#[ignore = \"needs ")) {
                    let name =
                        lines.find_map(|line| line.trim_start().strip_prefix("fn ")?.split('(').next());
                    found.push(name.unwrap().to_owned());
                }
            }
        }
    }

    #[test]
    fn ignored_tests_are_named_after_what_they_need() {
        let mut found = Vec::new();
        needy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates"), &mut found);
        for name in &found {
            assert!(
                [IN_SHARED_DATA, WITH_TRANSFORMERS, WITH_E5, WITH_MPNET]
                    .iter()
                    .any(|end| name.ends_with(end)),
                "{name}"
            );
        }
        assert!(found.len() >= 14, "{found:?}");
    }
}

//! Every crate below `crates/` can be published: `cargo package` takes it, and what readers of a registry look for is there.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use toml::Table;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn crates() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|path| path.is_dir()).collect()
}

#[test]
fn crates_say_what_they_are() {
    for folder in crates() {
        let name = folder.display();
        let manifest: Table = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let package = manifest["package"].as_table().unwrap();
        for key in ["description", "documentation", "license", "keywords", "categories", "include"] {
            assert!(package.contains_key(key), "{name}: no {key}");
        }
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            let text = std::fs::read_to_string(folder.join(file));
            assert!(text.is_ok_and(|text| !text.trim().is_empty()), "{name}: no {file}");
        }
    }
}

/// Not compiled from their packages, which would take half an hour for libtorch's part.
#[test]
fn crates_can_be_packaged() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--no-verify", "--allow-dirty", "--offline", "--quiet", "--manifest-path"]);
    cargo.arg(root().join("Cargo.toml"));
    let target = tempfile::tempdir().unwrap();
    cargo.arg("--target-dir").arg(target.path());
    for folder in crates() {
        cargo.arg("--package").arg(folder.file_name().unwrap());
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What runs where there is no libtorch, as `docs/ARCHITECTURE.md` says.
#[test]
fn crates_below_the_line_need_no_libtorch() {
    const BELOW: [&str; 10] = [
        "re-pickle",
        "re-data",
        "re-checkpoint",
        "re-formats",
        "re-ensemble",
        "re-extract",
        "re-handle",
        "re-infer",
        "re-report",
        "xtask",
    ];
    for name in BELOW {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["tree", "--offline", "--edges", "normal,build", "--prefix", "none", "--package", name]);
        let output = cargo.arg("--manifest-path").arg(root().join("Cargo.toml")).output().unwrap();
        let tree = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && tree.contains(name),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let above = ["tch ", "torch-sys ", "re-native ", "re-model "];
        let found: Vec<&str> =
            tree.lines().filter(|line| above.iter().any(|name| line.starts_with(name))).collect();
        assert!(found.is_empty(), "{name} needs {found:?}");
    }
}

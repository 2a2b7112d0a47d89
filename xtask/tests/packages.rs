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

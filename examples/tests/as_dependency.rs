//! A crate outside the workspace trains and predicts through the public API alone.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::process::Command;

#[test]
fn a_crate_of_its_own_trains_and_predicts() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = examples.parent().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let project = outside.path().join("my-relations");
    for name in ["src/main.rs", "build.rs", "Cargo.toml", ".cargo/config.toml"] {
        let target = project.join(name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let text = std::fs::read_to_string(examples.join("as_dependency").join(name)).unwrap();
        let moved = text.replace("../../", &format!("{}/", root.display())).replace(", relative = true", "");
        std::fs::write(target, moved).unwrap();
    }
    // The same versions and the same build folder as the workspace: nothing is compiled twice.
    std::fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--"])
        .arg(root.join("fixtures/embedded"))
        .arg(outside.path().join("run"))
        .current_dir(&project)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(out.matches("loss").count(), 20, "{out}");
    assert_eq!(out.matches("predicted").count(), 2, "{out}");
    assert_eq!(out.matches("served").count(), 3, "{out}");
}

/// The packages that one is built from.
fn tree(package: &str, features: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--edges", "normal,build", "--prefix", "none", "--package", package])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(tree.starts_with(package), "{}", String::from_utf8_lossy(&output.stderr));
    tree
}

#[test]
fn data_formats_ensembles_and_handles_need_no_libtorch() {
    for package in ["re-data", "re-formats", "re-ensemble", "re-handle"] {
        assert!(!tree(package, &[]).contains("torch-sys"), "{package}");
    }
}

#[test]
fn a_program_that_only_predicts_needs_neither_csv_nor_pickle() {
    let packages = |tree: String| -> Vec<String> {
        tree.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect()
    };
    let (with, without) =
        (packages(tree("re-model", &[])), packages(tree("re-model", &["--no-default-features"])));
    assert!(with.contains(&"re-pickle".to_owned()), "{with:?}");
    for left_out in ["csv", "re-formats", "re-pickle", "rawzip"] {
        assert!(!without.contains(&left_out.to_owned()), "{left_out}: {without:?}");
    }
    assert!(!with.contains(&"csv".to_owned()), "{with:?}");
}

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

#[test]
fn data_ensembles_and_handles_need_no_libtorch() {
    for package in ["re-data", "re-ensemble", "re-handle"] {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--edges", "normal,build", "--package", package])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let tree = String::from_utf8_lossy(&output.stdout);
        assert!(tree.starts_with(package), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!tree.contains("torch-sys"), "{tree}");
    }
}

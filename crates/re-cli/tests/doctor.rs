//! `re doctor` on models.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::PathBuf;

use common::*;
use serde_json::{Value, json};

/// A copy of the trained model, whose `config.json` has been changed, and without the manifest and the files that are left out.
fn changed(folder: &Folder, name: &str, change: impl FnOnce(&mut Value), without: &[&str]) -> String {
    let summary: Value = serde_json::from_str(&trained().read("run/summary.json")).unwrap();
    let model = PathBuf::from(trained().path("run")).join(summary["model"].as_str().unwrap());
    let copy = folder.path(name);
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(model).unwrap().map(|file| file.unwrap()) {
        let left_out = |name: &&str| file.file_name() == **name;
        if !without.iter().chain(&["manifest.json"]).any(left_out) {
            std::fs::copy(file.path(), format!("{copy}/{}", file.file_name().to_str().unwrap())).unwrap();
        }
    }
    let config = format!("{name}/config.json");
    let mut value = serde_json::from_str(&folder.read(&config)).unwrap();
    change(&mut value);
    folder.file(&config, &value.to_string());
    copy
}

#[test]
fn the_doctor_finds_what_prediction_fails_on() {
    let folder = Folder::new();
    let test = trained().path("test.tsv");
    let unchanged = changed(&folder, "unchanged", |_| (), &[]);
    assert!(output(&["doctor", &unchanged]).contains("unchanged: trained, "));
    let rows = |config: &mut Value| config["vocab_size"] = json!(config["vocab_size"].as_i64().unwrap() + 15);
    let classes = |config: &mut Value| config["id2label"] = json!({"0": "관계_없음", "1": "x"});
    let positions = |config: &mut Value| config["max_position_embeddings"] = json!(12);
    for bad in [
        changed(&folder, "rows", rows, &[]),
        changed(&folder, "classes", classes, &[]),
        changed(&folder, "positions", positions, &[]),
        changed(&folder, "weightless", |_| (), &["model.safetensors"]),
    ] {
        let reason = error(1, &["predict", &bad, &test]);
        let reason = reason.trim().strip_prefix("error: ").unwrap();
        assert!(reason.starts_with(&bad), "{reason}");
        let assert = re(&["doctor", &bad]).assert().code(1);
        let found = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        assert!(found.contains(&format!("MEND model          {reason}\n")), "{reason}\n{found}");
    }
}

/// As from a version that knew nothing of classes: the settings name one that cannot be followed.
#[test]
fn a_trained_folder_keeps_the_tokenizer_that_it_was_saved_with() {
    let folder = Folder::new();
    let trained = changed(&folder, "trained", |_| (), &[]);
    let before = output(&["doctor", &trained]);
    folder.file("trained/tokenizer_config.json", "{\"tokenizer_class\": \"KoBertTokenizer\"}");
    assert_eq!(output(&["doctor", &trained]), before);
    std::fs::remove_file(folder.path("trained/relation_classifier.json")).unwrap();
    let assert = re(&["doctor", &trained]).assert().code(1);
    let found = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(found.contains("tokenizer_class = \"KoBertTokenizer\""), "{found}");
}

#[test]
fn the_doctor_tries_an_encoder_that_is_to_be_trained() {
    let folder = Folder::new();
    let settings = &["relation_classifier.json"];
    let encoder = changed(&folder, "encoder", |_| (), settings);
    assert!(output(&["doctor", &encoder]).contains("encoder: to be trained, "));
    let short = |config: &mut Value| config["intermediate_size"] = json!(8);
    let bad = changed(&folder, "short", short, settings);
    let assert = re(&["doctor", &bad]).assert().code(1);
    let found = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(found.contains("another shape than the model"), "{found}");
}

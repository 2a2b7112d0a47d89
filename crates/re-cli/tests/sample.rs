//! `re sample`: what comes out is annotated, and trained on.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::documents::*;
use common::*;
use serde_json::{Value, json};

/// Documents of which no two have the same text.
fn different(documents: usize) -> String {
    let changed = |(number, line): (usize, &str)| {
        let mut document: Value = serde_json::from_str(line).unwrap();
        let text = format!("{} 문장{number}", document["text"].as_str().unwrap());
        document["text"] = text.into();
        document.to_string() + "\n"
    };
    korean(documents, 3).lines().enumerate().map(changed).collect()
}

fn ids(picked: &[Value]) -> Vec<String> {
    picked.iter().map(|document| document["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_same_documents_are_picked_whatever_their_order_and_layout() {
    let folder = Folder::new();
    let run = trained().path("run");
    let documents = different(12);
    let path = folder.file("documents.jsonl", &documents);
    let pick = |extra: &[&str]| {
        let assert =
            re(&[&["sample", &run, &path, "--count", "4", "--json"], extra].concat()).assert().success();
        let ended = assert.get_output();
        (lines(&String::from_utf8_lossy(&ended.stdout)), summary(&ended.stderr))
    };
    let (picked, told) = pick(&[]);
    assert_eq!((picked.len(), &told["picked"], &told["documents"]), (4, &4.into(), &12.into()));
    assert_eq!(told["pairs"]["possible"], 12 * 6);
    let [most, least] = [0, 1].map(|end| told["doubt"][end].as_f64().unwrap());
    assert!((0.0..=1.0).contains(&least) && least <= most && most <= 1.0, "{told}");
    let relations: usize =
        picked.iter().map(|document| document["relations"].as_array().unwrap().len()).sum();
    assert_eq!(told["relations"], relations);
    assert_eq!(pick(&[]).0, picked);
    let turned: String = documents.lines().rev().map(|line| format!("{line}\n")).collect();
    let again = lines(&with_input(&["sample", &run, "-", "--count", "4", "--quiet"], &turned));
    assert_eq!(ids(&again), ids(&picked));
    for format in ["label-studio", "spert"] {
        let written = output(&["sample", &run, &path, "--count", "4", "--format", format, "--quiet"]);
        assert_eq!(ids(&lines(&with_input(&["convert", "-", "--to", "jsonl"], &written))), ids(&picked));
    }
    // Doubt alone, and a draw.
    assert_eq!(pick(&["--pool", "1", "--by", "entropy"]).0.len(), 4);
    let drawn = |seed: &str| {
        let mut drawn = ids(&pick(&["--by", "random", "--seed", seed]).0);
        drawn.sort();
        drawn
    };
    assert_eq!(drawn("1"), drawn("1"));
    assert!((2..6).any(|seed| drawn(&seed.to_string()) != drawn("1")));
    assert_eq!(ids(&lines(&output(&["sample", &run, &path, "--count", "100", "--quiet"]))).len(), 12);
}

#[test]
fn what_is_annotated_is_left_out_by_its_text() {
    let folder = Folder::new();
    let run = trained().path("run");
    let documents = different(6);
    let path = folder.file("documents.jsonl", &documents);
    // Another id and other spaces, and the same id with another text.
    let first: Value = serde_json::from_str(documents.lines().next().unwrap()).unwrap();
    let text = first["text"].as_str().unwrap().replace(' ', "  ");
    let annotated = [json!({"id": "x", "text": text}), json!({"id": "1", "text": "다른 문장."})];
    let annotated: String = annotated.iter().map(|document| format!("{document}\n")).collect();
    let annotated = folder.file("annotated.jsonl", &annotated);
    let twice = folder.file(
        "twice.jsonl",
        &format!("{documents}{}\n", documents.lines().last().unwrap().replace("\"5\"", "\"6\"")),
    );
    let assert = re(&["sample", &run, &twice, "--count", "9", "--exclude", &annotated]).assert().success();
    let ended = assert.get_output();
    let mut picked = ids(&lines(&String::from_utf8_lossy(&ended.stdout)));
    picked.sort();
    assert_eq!(picked.len(), 5);
    assert_eq!(&picked[..4], ["1", "2", "3", "4"]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("5 documents picked, doubt "), "{said}");
    assert!(said.ends_with("; 1 in --exclude; 1 with the text of another one\n"), "{said}");
    let all = output(&["sample", &run, &path, "--count", "9", "--exclude", &path, "--quiet"]);
    assert_eq!(all, "");
    let text = error(1, &["sample", &run, &path, "--count", "1", "--exclude", "/absent.jsonl"]);
    assert!(text.contains("/absent.jsonl"), "{text}");
    let text = error(2, &["sample", &run, &path, "--count", "1", "--exclude", "-", "--output", &path]);
    assert!(text.contains("the output is the input"), "{text}");
}

#[test]
fn a_document_that_fails_is_not_picked() {
    let folder = Folder::new();
    let run = trained().path("run");
    let bad = r#"{"id":"x","text":"Ann","mentions":[{"start":0,"end":4}]}"#;
    let path = folder.file("documents.jsonl", &format!("{}{bad}\n", different(2)));
    let assert = re(&["sample", &run, &path, "--count", "5"]).assert().success();
    let ended = assert.get_output();
    assert_eq!(lines(&String::from_utf8_lossy(&ended.stdout)).len(), 2);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("document x: reading failed: ") && said.contains("1 documents failed"), "{said}");
    let only = folder.file("only.jsonl", &format!("{bad}\n"));
    let out = folder.path("picked.jsonl");
    let text = error(1, &["sample", &run, &only, "--count", "5", "--output", &out]);
    assert!(text.contains("none is left"), "{text}");
    assert!(!folder.names().contains(&"picked.jsonl".to_owned()));
}

#[test]
fn annotated_documents_train_the_next_models() {
    let folder = Folder::new();
    let run = trained().path("run");
    let tagger = tagger(&folder);
    let texts: String = (0..12).map(|number| format!("김철수는 서울 {number}동에 산다.\n")).collect();
    let texts = folder.file("texts.txt", &texts);
    let tasks = folder.path("tasks.json");
    let to = ["--format", "label-studio", "--output", &tasks, "--quiet"];
    output(&[&["sample", &tagger, &run, &texts, "--lines", "--count", "8"], &to[..]].concat());
    // A person says what holds in each.
    let mut tasks: Value = serde_json::from_str(&folder.read("tasks.json")).unwrap();
    for task in tasks.as_array_mut().unwrap() {
        let region = |id: &str, start: usize, end: usize, kind: &str| {
            json!({"id": id, "type": "labels", "from_name": "label", "to_name": "text",
                "value": {"start": start, "end": end, "labels": [kind]}})
        };
        let link = json!({"type": "relation", "from_id": "a", "to_id": "b", "labels": ["lives_in"]});
        task["annotations"] = json!([{"result": [region("a", 0, 3, "PER"), region("b", 5, 7, "LOC"), link]}]);
    }
    let export = folder.file("export.json", &tasks.to_string());
    let annotated = folder.path("annotated.jsonl");
    output(&["convert", &export, "--output", &annotated]);
    let converted = lines(&folder.read("annotated.jsonl"));
    assert_eq!(converted.len(), 8);
    assert!(converted.iter().all(|document| document["relations"][0]["label"] == "lives_in"));
    let settings = |data: &str| {
        format!(
            "{data}\nmodel = {{ folder = {:?}, random_weights = true }}\n\
             training = {{ steps = 2, batch_size = 4, eval_steps = 2, save_steps = 2, precision = \"fp32\" }}\n\
             [data]\ntrain = {annotated:?}\nval_size = 0.25\n",
            embedded("model")
        )
    };
    let pairs = settings("head = \"entity_mean\"") + "pairs = { negatives = 1.0 }\n";
    let pairs = folder.file("pairs.toml", &pairs);
    let next = folder.path("next");
    output(&["train", &pairs, "--out", &next, "--quiet"]);
    let tagging = folder.file("tagger.toml", &settings("tagging = { scheme = \"bio\" }"));
    let next_tagger = folder.path("next_tagger");
    output(&["train", &tagging, "--out", &next_tagger, "--quiet"]);
    // The next round leaves out what was annotated in this one.
    let again = ["sample", &next_tagger, &next, &texts, "--lines", "--count", "12", "--json"];
    let assert = re(&[&again[..], &["--exclude", &annotated]].concat()).assert().success();
    let told = summary(&assert.get_output().stderr);
    assert_eq!((&told["picked"], &told["excluded"]), (&4.into(), &8.into()));
}

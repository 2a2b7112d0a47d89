//! `re encode`, `re stats` and `re convert`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use serde_json::Value;

#[test]
fn rows_are_shown_as_a_model_reads_them() {
    let (model, dev) = (embedded("model"), embedded("dev.tsv"));
    let text = output(&["encode", &model, &dev, "--limit", "2"]);
    assert_eq!(text.matches("sentence  ").count(), 2);
    assert!(text.starts_with("id        embedded-4526-1-23-25-5-12\nlabel     인물:소속단체\n"), "{text}");
    assert!(text.contains("entity 1  장하아: tokens "), "{text}");
    assert!(text.contains(" [2 ") && text.contains(" 2] "), "{text}");

    let marked =
        output(&["encode", &model, &dev, "--markup", "entity_tokens", "--id", "embedded-4528-1-0-3-9-14"]);
    assert!(marked.contains("[ENT]") && marked.contains(", with markers "), "{marked}");
    assert_eq!(marked.matches("sentence  ").count(), 1);
    let text = error(1, &["encode", &model, &dev, "--id", "nobody"]);
    assert!(text.contains("dev.tsv: no row with id nobody"), "{text}");
    output(&["encode", &model, &dev, "--id", "nobody", "--limit", "0"]);
    for typed in [
        ["encode", &model, &dev, "--markup", "typed_punct"],
        ["stats", &dev, "--model", &model, "--markup=typed_punct"],
    ] {
        let said = stderr(&typed);
        assert!(said.contains("dev.tsv: 300 rows without entity types"), "{said}");
    }
    // Rows behind the last one that is asked for are not read.
    let folder = Folder::new();
    let bad = folder.file("bad.tsv", &format!("{}x\ttoo few\n", rows("dev.tsv", 1)));
    output(&["encode", &model, &bad, "--id", "embedded-4526-1-23-25-5-12"]);
}

#[test]
fn machines_get_json() {
    let (model, dev) = (embedded("model"), embedded("dev.tsv"));
    let settings = r#"{"name": "entity_tokens", "pair": true}"#;
    let text = output(&["encode", &model, &dev, "--json", "--markup", settings, "--quiet"]);
    assert_eq!(text.lines().count(), 300);
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let length = row["ids"].as_array().unwrap().len();
        assert_eq!(
            (row["tokens"].as_array().unwrap().len(), row["type_ids"].as_array().unwrap().len()),
            (length, length)
        );
        for entity in 0..2 {
            let at = |field: &str, end: usize| row[field][entity][end].as_u64().unwrap();
            assert!(at("marked", 0) < at("entities", 0) && at("entities", 1) < at("marked", 1), "{row}");
            assert!(at("marked", 1) <= length as u64);
        }
        assert!(row["first"].is_string() && row["label"].is_string());
    }
}

#[test]
fn long_rows_are_cut_as_asked() {
    let (model, dev) = (embedded("model"), embedded("dev.tsv"));
    let text = error(1, &["encode", &model, &dev, "--json", "--max-length", "6", "--output", "/dev/null"]);
    assert!(text.contains("does not fit into 6 tokens") && text.contains("example embedded-"), "{text}");
    let counted =
        ["encode", &model, &dev, "--max-length", "6", "--lost-entities", "count", "--truncation", "tail"];
    let said = stderr(&counted);
    assert!(said.contains("the longest row has 6") && !said.contains(" 0 entities lost"), "{said}");
    assert!(output(&counted).contains(": lost\n"));
    for short in ["0", "2"] {
        let text = error(2, &["encode", &model, &dev, "--max-length", short]);
        assert!(text.contains(&format!("max_length = {short} (expected more than")), "{text}");
    }
    assert!(error(2, &["encode", &model, &dev, "--markup", "pears"]).contains("unknown variant `pears`"));
}

#[test]
fn settings_and_trained_models_know_their_own_way() {
    let folder = Folder::new();
    let config = config(&folder);
    let changed = folder.file("pair.toml", "extends = \"tiny.toml\"\n[markup]\nname = \"pair\"\n");
    let dev = embedded("dev.tsv");
    assert!(!output(&["encode", &config, &dev, "-n", "1"]).contains("first     "));
    assert!(output(&["encode", &changed, &dev, "-n", "1"]).contains("first     장하아"));
    let run = trained().path("run");
    let text = output(&["encode", &run, &dev, "-n", "1"]);
    assert_eq!(text, output(&["encode", &config, &dev, "-n", "1"]));
    assert_eq!(text, output(&["encode", &format!("{run}@1"), &dev, "-n", "1"]));
    assert!(error(1, &["encode", &format!("{run}@99"), &dev]).contains("run@99: found no trained model"));
}

#[test]
fn a_file_of_rows_is_described() {
    let folder = Folder::new();
    let row =
        |id: u32, label: &str| format!("{id}\tMarie loves Pierre.\tMarie\t0\t4\tPierre\t12\t17\t{label}\n");
    let rows = [row(1, "spouse"), row(2, "employer"), row(3, "spouse"), row(4, "blind")].concat();
    let rows = folder.file("rows.tsv", &(rows + "4\tAnna ate.\tAnna\t0\t3\tAnna ate\t0\t7\tspouse\n"));
    let text = output(&["stats", &rows]);
    assert!(text.contains("rows.tsv: 5 rows, 1 with overlapping entities, 1 without label (1 of them with a label such as `blind`, which counts as no label)\n"), "{text}");
    assert!(
        text.contains(
            "2 different texts, 3 rows repeat one; 1 rows repeat text, entities and label; 1 repeat an id"
        ),
        "{text}"
    );
    assert!(text.contains("3 rows contradict another one") && text.contains("  such as 1\n"), "{text}");
    assert!(text.contains("2 labels on 4 rows\n      3  75.0 %  ████"), "{text}");
    assert!(text.contains("length in characters: 9 to 19, median 19, mean 17.0, 95 % up to 19"), "{text}");
    assert!(!text.contains("tokens"), "{text}");

    let found: Value =
        serde_json::from_str(&output(&["stats", &rows, "--json", "--model", &embedded("model")])).unwrap();
    assert_eq!((&found["rows"], &found["conflicting"]["count"]), (&5.into(), &3.into()));
    assert_eq!(found["labels"][0], serde_json::json!(["spouse", 3]));
    let bins = found["tokens"]["histogram"].as_array().unwrap();
    assert_eq!(bins.iter().map(|bin| bin["rows"].as_u64().unwrap()).sum::<u64>(), 5);
    let short = ["stats", &rows, "--json", "--model", &embedded("model"), "--max-length", "5"];
    let short: Value = serde_json::from_str(&output(&short)).unwrap();
    assert_eq!(short["tokens"]["lengths"], found["tokens"]["lengths"]);
    assert_eq!((&short["tokens"]["truncated_rows"], &short["tokens"]["max_length"]), (&5.into(), &5.into()));
    assert_ne!(short["tokens"]["lost_entities"], 0);
    assert!(error(2, &["stats", &rows, "--max-length", "5"]).contains("--model"));
    assert!(stderr(&["stats", &rows, "--verbose"]).starts_with("5 rows, "));
}

#[test]
fn statistics_are_drawn() {
    let folder = Folder::new();
    let svg = folder.path("rows.svg");
    let text = output(&["stats", &embedded("dev.tsv"), "--model", &embedded("model"), "--svg", &svg]);
    assert!(text.contains("length in tokens, special tokens included: "), "{text}");
    let drawn = folder.read("rows.svg");
    for title in
        ["Rows of each label", "Rows by length in characters", "Rows by length in tokens", "관계_없음"]
    {
        assert!(drawn.contains(title), "{title}");
    }
    assert!(
        error(1, &["stats", &embedded("dev.tsv"), "--svg", "/absent/x.svg"])
            .contains("/absent/x.svg: access failed: No such file")
    );
    let text = error(2, &["stats", &embedded("dev.tsv"), "--svg", "-"]);
    assert!(text.contains("-: two outputs cannot be the same file"), "{text}");
    let text = error(2, &["stats", &embedded("dev.tsv"), "--svg", &svg, "--output", &svg]);
    assert!(text.contains("rows.svg: two outputs cannot be the same file"), "{text}");
    assert_eq!(folder.read("rows.svg"), drawn);
}

#[test]
fn an_empty_file_has_no_rows() {
    let folder = Folder::new();
    let empty = folder.file("empty.tsv", "");
    assert!(output(&["stats", &empty]).contains("empty.tsv: 0 rows\n"));
    assert_eq!(output(&["convert", &empty, "--to", "jsonl"]), "");
    assert_eq!(output(&["encode", &embedded("model"), &empty, "--json"]), "");
    let mut nothing = re(&["stats", "-"]);
    nothing.write_stdin("");
    assert!(error_of(1, nothing).contains("neither name nor content of - tells"));
}

#[test]
fn malformed_rows_stop_or_are_left_out() {
    let folder = Folder::new();
    let rows = folder.file("rows.tsv", &format!("{}x\ttoo few\n{}", rows("dev.tsv", 2), rows("test.tsv", 1)));
    let text = error(1, &["stats", &rows]);
    assert!(text.contains("rows.tsv:3: ") && text.contains("found 2 columns"), "{text}");
    let assert = re(&["convert", &rows, "--to", "jsonl", "--lenient"]).assert().success();
    assert_eq!(String::from_utf8_lossy(&assert.get_output().stdout).lines().count(), 3);
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(
        said.contains("1 malformed records left out, the first one") && said.contains("rows.tsv:3: "),
        "{said}"
    );
}

#[test]
fn a_file_of_which_no_row_is_left_is_a_failure() {
    let folder = Folder::new();
    let dev = rows("dev.tsv", 3);
    for name in ["rows.jsonl", "rows.tsv"] {
        let text = if name == "rows.tsv" { dev.replace('\t', ";") } else { dev.clone() };
        let named = folder.file(name, &text);
        for command in [&["stats"][..], &["convert", "--to", "csv"]] {
            let text = error(1, &[command, &[&named, "--lenient", "--quiet"]].concat());
            assert!(text.contains(&format!("{name}:1: ")), "{text}");
            assert!(text.contains("all 3 records are malformed, and none is left"), "{text}");
        }
    }
}

/// Layouts of rows that `--help` names.
fn layouts() -> Vec<String> {
    let help = output(&["advise", "--help"]);
    let values = help
        .split("--format <FORMAT>")
        .nth(1)
        .unwrap()
        .split("[possible values: ")
        .nth(1)
        .unwrap()
        .split(']')
        .next()
        .unwrap();
    values.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_layout_that_can_be_written_is_read_back() {
    let folder = Folder::new();
    let text = "1\tMarie loves Pierre.\tMarie\t0\t4\tPierre\t12\t17\tspouse\n\
                2\tAnna met Otto in Rome.\tOtto\t9\t12\tAnna\t0\t3\tno_relation\n";
    let rows = folder.file("rows.tsv", text);
    let layouts = layouts();
    assert!(layouts.len() >= 7, "{layouts:?}");
    for layout in &layouts {
        let converted = output(&["convert", &rows, "--to", layout]);
        // The layout is told by the content alone.
        let mut back = re(&["convert", "-", "--to", "tsv"]);
        back.write_stdin(converted);
        assert_eq!(output_of(back), text, "{layout}");
    }
}

#[test]
fn what_gets_lost_on_the_way_is_told() {
    let folder = Folder::new();
    let typed = folder.path("typed.jsonl");
    output(&[
        "convert",
        &embedded("dev.tsv"),
        "--entity-types",
        &embedded("entity_types.tsv"),
        "--output",
        &typed,
    ]);
    let said = stderr(&["convert", &typed, "--output", &folder.path("plain.tsv")]);
    assert!(said.contains("plain.tsv: 300 rows; lost: the entity types of "), "{said}");
    assert_eq!(folder.read("plain.tsv"), std::fs::read_to_string(embedded("dev.tsv")).unwrap());
    let extra = folder.file("extra.csv", "id,text,start1,end1,start2,end2,mood\n1,a b,0,1,2,3,good\n");
    let said = stderr(&["convert", &extra, "--to", "jsonl"]);
    assert!(said.contains("extra.csv: mood of 1 rows is left out: examples cannot hold it"), "{said}");
    let tag = folder.file("tag.tsv", "7\tMarie loves <e1> Pierre.\tMarie\t0\t4\tPierre\t17\t22\tspouse\n");
    let text = error(1, &["convert", &tag, "--to", "semeval"]);
    assert!(text.contains("-: example 7: text ") && text.contains("cannot be written as semeval"), "{text}");
}

#[test]
fn types_are_attached_on_the_way() {
    let types = embedded("entity_types.tsv");
    let text = output(&["convert", &embedded("dev.tsv"), "--to", "jsonl", "--entity-types", &types]);
    assert!(text.lines().next().unwrap().contains("\"type\":\""), "{text}");
    let folder = Folder::new();
    let few = folder.file("types.tsv", "nobody\tPERSON\tPERSON\n");
    let said = stderr(&["convert", &embedded("dev.tsv"), "--to", "jsonl", "--entity-types", &few]);
    assert!(said.contains("dev.tsv: 300 rows without entity types"), "{said}");
    let text = error(2, &["convert", "-", "--to", "jsonl", "--entity-types", "-"]);
    assert!(text.contains("only one file can be standard input"), "{text}");
}

#[test]
fn the_layout_of_the_result_must_be_known() {
    let text = error(2, &["convert", &embedded("dev.tsv")]);
    assert!(text.contains("the name - tells no layout: choose one with --to"), "{text}");
}

#[test]
fn rows_of_models_that_answer_are_questions() {
    let folder = Folder::new();
    let (config, run) = (config(&folder), folder.path("run"));
    let asking = "[questions]\nvalidation_rows = 2\n[plan]\nname = \"question_answering\"\n\
                  members = [{ member = \"classifier\", settings = { training = { steps = 1 } } }]\n";
    let text = std::fs::read_to_string(&config).unwrap() + asking;
    let config = folder.file("asking.toml", &text);
    output(&["train", &config, "--out", &run, "--quiet"]);
    let answerer = folder.path("run/answerer");
    for model in [&config, &answerer] {
        let text = output(&["encode", model, &embedded("dev.tsv"), "--limit", "1"]);
        assert!(text.contains("장하아") && text.contains('?'), "{model}: {text}");
    }
    let text = output(&["doctor", &answerer]);
    assert!(text.contains("trained to answer questions"), "{text}");
    let text = output(&["predict", &answerer, &folder.path("test.tsv"), "--quiet"]);
    assert_eq!(text.lines().count(), 11, "{text}");
}

#[test]
fn a_word_that_stands_for_no_label_is_told_of() {
    let folder = Folder::new();
    let row = |id: u32, label: &str| {
        format!(
            "{{\"id\": {id}, \"text\": \"Ann met Bob\", \"entities\": [{{\"start\": 0, \"end\": 3}}, {{\"start\": 8, \"end\": 11}}], \
             \"label\": \"{label}\"}}\n"
        )
    };
    let blind = folder.file("blind.jsonl", &[row(1, "blind"), row(2, "x")].concat());
    let said = stderr(&["convert", &blind, "--to", "jsonl"]);
    assert!(
        said.contains("1 without label (1 of them with a label such as `blind`, which counts as no label)"),
        "{said}"
    );
    let plain = folder.file("plain.jsonl", &[row(1, ""), row(2, "x")].concat());
    assert_eq!(stderr(&["convert", &plain, "--to", "jsonl"]), "");
    // In a test file of the competition's layout it says nothing new.
    assert_eq!(stderr(&["convert", &embedded("test.tsv"), "--to", "jsonl"]), "");
}

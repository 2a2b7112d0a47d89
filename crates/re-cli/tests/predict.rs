//! `re predict`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};

use common::*;

#[test]
fn rows_come_back_in_their_order_whatever_the_chunk() {
    let run = trained().path("run");
    let test = trained().path("test.tsv");
    let text = output(&["predict", &run, &test]);
    let ids: Vec<&str> = text.lines().skip(1).map(|line| line.split_once(',').unwrap().0).collect();
    let input = trained().read("test.tsv");
    let expected: Vec<&str> = input.lines().map(|line| line.split_once('\t').unwrap().0).collect();
    assert_eq!(ids, expected);
    let labels = |text: &str| -> Vec<String> {
        let fields = text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned());
        fields.collect()
    };
    let chunked = output(&["predict", &run, &test, "--chunk", "3", "--threads", "1"]);
    assert_eq!(labels(&chunked), labels(&text));
}

#[test]
fn predictions_are_those_of_the_run() {
    let folder = Folder::new();
    let (run, test) = (trained().path("run"), trained().path("test.tsv"));
    let to = ["--output", &folder.path("p.csv"), "--probs", &folder.path("probs.csv"), "--precision", "fp32"];
    let text = output(&[&["predict", &run, &test][..], &to, &["--output-format", "submission"]].concat());
    assert_eq!(text, "");
    assert_eq!(folder.read("p.csv"), trained().read("run/submission.csv"));
    let close = |a: &str, b: &str| {
        let values = |text: &str| -> Vec<f32> {
            text.lines()
                .skip(1)
                .flat_map(|line| line.split(',').skip(1).map(|v| v.parse().unwrap()))
                .collect()
        };
        values(a).iter().zip(values(b)).all(|(a, b)| (a - b).abs() < 1e-5)
    };
    assert!(close(&folder.read("probs.csv"), &trained().read("run/test_probabilities.csv")));
    assert_eq!(folder.names(), ["p.csv", "probs.csv"]);
}

#[test]
fn a_checkpoint_of_the_run_can_be_chosen() {
    let (run, test) = (trained().path("run"), trained().path("test.tsv"));
    let of_step = |step: u32| output(&["predict", &format!("{run}@{step}"), &test, "--probs", "-"]);
    assert_ne!(of_step(1), of_step(2));
    assert!(error(1, &["predict", &format!("{run}@7"), &test]).contains("run@7: found no trained model"));
    assert!(output(&["doctor", &format!("{run}@1")]).contains("ok   model  "));
}

#[test]
fn a_run_that_is_not_complete_is_told_of() {
    let (run, test) = (trained().path("run"), trained().path("test.tsv"));
    assert!(!stderr(&["predict", &run, &test]).contains("not complete"));
    let folder = Folder::new();
    let copy = folder.path("run");
    let copied = std::process::Command::new("cp").args(["-r", &run, &copy]).status().unwrap();
    assert!(copied.success());
    std::fs::remove_file(folder.path("run/summary.json")).unwrap();
    let told = stderr(&["predict", &copy, &test]);
    assert!(told.contains("run: the run is not complete; using its latest checkpoint, step 2"), "{told}");
}

#[test]
fn rows_come_from_a_pipe_in_any_layout() {
    let run = trained().path("run");
    let jsonl = output(&["convert", &trained().path("test.tsv"), "--to", "jsonl"]);
    let mut command = re(&["predict", &run, "-", "--json"]);
    command.write_stdin(jsonl);
    let text = output_of(command);
    assert_eq!(text.lines().count(), 10);
    let row: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(row["id"].is_string() && row["label"].is_string() && row["probability"].is_number(), "{row}");
}

#[test]
fn a_run_of_several_models_predicts_with_all_of_them() {
    let folder = Folder::new();
    let (config, run) = (config(&folder), folder.path("folds"));
    let folds = "plan={ name = \"k_fold\", folds = 2 }";
    let types = embedded("entity_types.tsv");
    let given = format!("data.entity_types={types:?}");
    let typed = ["--set", folds, "--set", "markup.name=typed_punct", "--set", &given];
    output(&[&["train", &config, "--quiet", "--out", &run, "--steps", "1"][..], &typed].concat());
    let predict = ["predict", &run, &folder.path("test.tsv"), "--precision", "fp32", "--chunk", "4"];
    let as_submission = ["--entity-types", &types, "--output-format", "submission"];
    let submission = output(&[&predict[..], &as_submission].concat());
    assert_eq!(submission, folder.read("folds/submission.csv"));
    let said = stderr(&predict);
    assert!(said.contains("rows without entity types"), "{said}");
    assert!(output(&["doctor", &run]).contains("folds: a run of several models, complete"));
    // A row that a member cannot encode fails alone.
    let name = ["가"; 1000].join(" ");
    let too_long = format!("x\t{name} met Ann\t{name}\t0\t1998\tAnn\t2004\t2006\tblind\n");
    let uncovered = folder.file("uncovered.tsv", &(rows("test.tsv", 3) + &too_long + &rows("dev.tsv", 2)));
    let text = error(1, &["predict", &run, &uncovered, "--output", &folder.path("p.csv")]);
    let told = "fold-1: prediction failed: example x: entity 1 does not fit";
    assert!(text.contains(&format!("uncovered.tsv: {told}")), "{text}");
    let assert = re(&["predict", &run, &uncovered, "--lenient"]).assert().success();
    let ended = assert.get_output();
    assert_eq!(String::from_utf8_lossy(&ended.stdout).lines().count(), 6);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains(&format!("uncovered.tsv: 1 rows left out, the first: {told}")), "{said}");
}

/// A row whose first entity no token covers.
const UNCOVERED: &str = "x\tCafe\u{301} met Ann\t\u{301}\t4\t4\tAnn\t10\t12\tblind\n";

#[test]
fn no_rows_give_no_predictions() {
    let empty = Folder::new();
    let input = empty.file("empty.tsv", "");
    assert_eq!(output(&["predict", &trained().path("run"), &input]), "id,label,probability\n");
}

#[test]
fn bad_input_is_told_and_leaves_no_file() {
    let folder = Folder::new();
    let run = trained().path("run");
    let bad = folder.file("bad.tsv", &format!("{}x\ty\n", rows("test.tsv", 5)));
    let to = ["--output", &folder.path("p.csv"), "--probs", &folder.path("probs.csv")];
    let text = error(1, &[&["predict", &run, &bad][..], &to].concat());
    assert!(text.contains("bad.tsv:6: ") && text.contains("found 2 columns"), "{text}");
    assert_eq!(folder.names(), ["bad.tsv"]);
    let lenient = output(&["predict", &run, &bad, "--lenient"]);
    assert_eq!(lenient.lines().count(), 6);
    let text = error(2, &["predict", &run, &bad, "--lenient", "--output-format", "submission"]);
    assert!(text.contains("a submission has a line for every row"), "{text}");
    // An entity that no token covers: the other rows are answered.
    let uncovered = folder.file("uncovered.tsv", &(rows("test.tsv", 2) + UNCOVERED));
    let text = error(1, &["predict", &run, &uncovered, "--output", &folder.path("p.csv")]);
    assert!(text.contains("uncovered.tsv: example x: no token covers entity 1"), "{text}");
    let assert = re(&["predict", &run, &uncovered, "--lenient"]).assert().success();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(told(&assert.get_output().stdout).lines().count(), 3);
    let said = told(&assert.get_output().stderr);
    assert!(
        said.contains("uncovered.tsv: 1 rows left out, the first: ") && said.contains("example x"),
        "{said}"
    );
    let text = error(1, &["predict", &run, &bad, "--device", "cuda:99"]);
    assert!(text.contains("cuda:99"), "{text}");
    let text = error(1, &["predict", &embedded("model"), &bad]);
    assert!(text.contains("a pretrained encoder, not a trained classifier"), "{text}");
    let text = error(1, &["predict", &run, &bad, "--output", "/absent/p.csv"]);
    assert!(text.contains("/absent/p.csv: access failed: No such file"), "{text}");
}

/// Prediction of so many rows that a pipe cannot hold their probabilities.
fn long_input(folder: &Folder) -> String {
    let text = rows("train.tsv", 1500);
    folder.file("long.tsv", &text)
}

#[test]
fn a_closed_pipe_ends_prediction_and_fails_only_where_a_file_was_wanted() {
    let folder = Folder::new();
    let input = long_input(&folder);
    let run = trained().path("run");
    let head = |extra: &[&str]| {
        let arguments = ["predict", &run, &input, "--probs", "-", "--chunk", "64"];
        let mut child = spawn(&[&arguments[..], extra].concat());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("id,관계_없음,"), "{line}");
        let code = child.wait().unwrap().code();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (code, text)
    };
    assert_eq!(head(&[]), (Some(0), String::new()));
    let (code, text) = head(&["--output", &folder.path("p.csv")]);
    assert_eq!(code, Some(1));
    assert!(text.contains("p.csv is not written: standard output was closed"), "{text}");
    assert_eq!(folder.names(), ["long.tsv"]);
    // So few rows reach the pipe only when all are done.
    let few = folder.file("few.tsv", &rows("test.tsv", 1));
    let mut child = spawn(&["predict", &run, &few, "--output", &folder.path("p.csv"), "--probs", "-"]);
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1));
    assert!(text.contains("p.csv is not written: standard output was closed"), "{text}");
    assert_eq!(folder.names(), ["few.tsv", "long.tsv"]);
}

#[test]
fn ctrl_c_leaves_no_unfinished_predictions() {
    let folder = Folder::new();
    let mut child = spawn(&[
        "predict",
        &trained().path("run"),
        "-",
        "--format",
        "tsv",
        "--output",
        &folder.path("p.csv"),
    ]);
    // Held, as the end of its input would complete the prediction.
    let _input = child.stdin.take();
    wait_for(|| folder.names().len() == 1);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn what_libraries_read_at_the_start_is_set_where_it_is_missing() {
    let mut child =
        spawn_by("--unset=OMP_WAIT_POLICY", &["predict", &trained().path("run"), "-", "--format", "tsv"]);
    let environment = format!("/proc/{}/environ", child.id());
    let has = |name: &str| std::fs::read_to_string(&environment).unwrap_or_default().contains(name);
    wait_for(|| has("OMP_WAIT_POLICY=passive"));
    assert!(has("GLIBC_TUNABLES="));
    // Its input and its output are those that it was started with.
    child.stdin.take().unwrap().write_all(rows("dev.tsv", 2).as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(done.stdout).unwrap().lines().count(), 3);
}

#[test]
fn rows_that_share_an_id_are_told_of() {
    let folder = Folder::new();
    let (run, row) = (trained().path("run"), rows("dev.tsv", 1));
    let twice = folder.file("twice.tsv", &[row.as_str(), &row, &rows("dev.tsv", 2)].concat());
    let said = stderr(&["predict", &run, &twice]);
    let id = row.split('\t').next().unwrap();
    assert!(said.contains(&format!("twice.tsv: 2 rows have duplicate ids, the first: {id}")), "{said}");
    let said = stderr(&["predict", &run, &trained().path("test.tsv")]);
    assert!(!said.contains("have the id"), "{said}");
}

#[test]
fn a_quantized_model_is_smaller_and_predicts() {
    let folder = Folder::new();
    let (run, dev, test) = (trained().path("run"), trained().path("dev.tsv"), trained().path("test.tsv"));
    let small = folder.path("small");
    let report = output(&["quantize", &run, &dev, &small, "--agreement", "0", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((report["rows"].as_u64(), report["kept"].as_array().unwrap().len()), (Some(20), 0));
    assert!(report["bytes"][1].as_f64().unwrap() < 0.5 * report["bytes"][0].as_f64().unwrap());
    assert!(report["accuracy"][0].is_number(), "{report}");
    let labels = |model: &str, more: &[&str]| -> Vec<String> {
        let text = output(&[&["predict", model, &test][..], more].concat());
        text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
    };
    assert_eq!(labels(&small, &[]).len(), 11);
    let same = labels(&small, &[])
        .iter()
        .zip(labels(&run, &["--precision", "int8"]))
        .filter(|(a, b)| *a == b)
        .count();
    assert!(same >= 9, "{same} of 11 lines");
    let text = output(&["quantize", &run, &dev, &folder.path("other")]);
    assert!(text.contains("agreement") && text.contains("in floats"), "{text}");

    assert!(error(2, &["quantize", &run, &dev, &small]).contains("exists, expected a folder that does not"));
    assert!(
        error(1, &["quantize", &folder.path("none"), &dev, &folder.path("x")])
            .contains("found no trained model")
    );
    let text = folder.file("texts.jsonl", "{\"id\": \"1\", \"text\": \"하늘은\"}\n");
    let told = error(1, &["quantize", &run, &text, &folder.path("x")]);
    assert!(told.contains("found documents, expected rows"), "{told}");
    let told = error(2, &["predict", &small, &test, "--device", "cuda:0"]);
    assert!(told.contains("a quantized model is computed on the CPU"), "{told}");
}

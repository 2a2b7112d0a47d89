//! `re evaluate`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use serde_json::Value;

const GOLD: &str = "\
a\tMarie loves Pierre.\tMarie\t0\t4\tPierre\t12\t17\tspouse\n\
b\tMarie met Pierre.\tMarie\t0\t4\tPierre\t10\t15\tno_relation\n\
c\tMarie hired Pierre.\tMarie\t0\t4\tPierre\t12\t17\temployer\n\
d\tMarie saw Pierre.\tMarie\t0\t4\tPierre\t10\t15\tno_relation\n";

/// Three of four are right, in another order than the gold rows.
const LABELS: &str = "id,label\nd,no_relation\nc,spouse\nb,no_relation\na,spouse\n";

fn gold() -> (Folder, String) {
    let folder = Folder::new();
    let gold = folder.file("gold.tsv", GOLD);
    (folder, gold)
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&output(&[&["evaluate", "--json"], arguments].concat())).unwrap()
}

#[test]
fn labels_are_measured_by_id() {
    let (folder, gold) = gold();
    let predictions = folder.file("p.csv", LABELS);
    let text = output(&["evaluate", &predictions, &gold]);
    assert!(text.starts_with("4 rows; figures in percent\naccuracy         75.00 ["), "{text}");
    // Of two decisions for a relation one is right, and one of two relations is found.
    assert!(text.contains("micro-F1         50.00  without no_relation\n"), "{text}");
    assert!(text.contains("      1  employer -> spouse\n"), "{text}");
    assert!(!text.contains("AUPRC"), "{text}");
    let found = json(&[&predictions, &gold]);
    assert_eq!((&found["accuracy"], &found["no_relation"]), (&0.75.into(), &"no_relation".into()));
    assert_eq!(found["per_label"][0]["label"], "no_relation");

    let jsonl = folder.file(
        "p.jsonl",
        &LABELS.lines().skip(1).fold(String::new(), |text, line| {
            let (id, label) = line.split_once(',').unwrap();
            format!("{text}{{\"id\": \"{id}\", \"label\": \"{label}\"}}\n")
        }),
    );
    assert_eq!(json(&[&jsonl, &gold]), found);
}

#[test]
fn another_label_may_say_no_relation() {
    let (folder, gold) = gold();
    let predictions = folder.file("p.csv", LABELS);
    let found = json(&[&predictions, &gold, "--no-relation", "employer"]);
    assert_eq!((&found["no_relation"], &found["micro_f1"]), (&"employer".into(), &(6.0 / 7.0).into()));
    let none = json(&[&predictions, &gold, "--no-relation", ""]);
    assert_eq!((&none["no_relation"], &none["micro_f1"]), (&Value::Null, &none["accuracy"]));
    let text = error(1, &["evaluate", &predictions, &gold, "--no-relation", "boss"]);
    assert!(text.contains("the no-relation class \"boss\" is not in the set"), "{text}");
}

#[test]
fn a_guess_is_told() {
    let (folder, gold) = gold();
    let predictions = folder.file("p.csv", LABELS);
    let said = |arguments: &[&str]| stderr(&[&["evaluate"], arguments].concat());
    let text = said(&[&predictions, &gold]);
    assert!(
        text.contains("label \"no_relation\" is taken for \"no relation\"") && text.contains("--no-relation")
    );
    assert_eq!(said(&[&predictions, &gold, "--no-relation", "no_relation"]), "");

    // Another name is not known, and probabilities do not tell it.
    let gold = folder.file("none.tsv", &GOLD.replace("no_relation", "none"));
    let probabilities = folder.file(
        "none.csv",
        "id,none,spouse,employer\na,0.1,0.8,0.1\nb,0.9,0.1,0\nc,0.2,0.5,0.3\nd,0.7,0.1,0.2\n",
    );
    let text = said(&[&probabilities, &gold]);
    assert!(text.contains("no label has a customary name for \"no relation\""), "{text}");
    let found = json(&[&probabilities, &gold, "--no-relation", "none"]);
    assert_eq!((&found["no_relation"], &found["micro_f1"]), (&"none".into(), &0.5.into()));
}

#[test]
fn probabilities_come_from_a_pipe_and_have_a_curve() {
    let (_folder, gold) = gold();
    let mut command = re(&["evaluate", "-", &gold, "--json"]);
    command.write_stdin(
        "id,no_relation,spouse,employer\na,0.1,0.8,0.1\nb,0.9,0.1,0\nc,0.2,0.3,0.5\nd,0.7,0.1,0.2\n",
    );
    let found: Value = serde_json::from_str(&output_of(command)).unwrap();
    assert_eq!((&found["accuracy"], &found["auprc"]), (&1.0.into(), &1.0.into()));
}

#[test]
fn a_submission_needs_the_names_of_its_classes() {
    let (folder, gold) = gold();
    let submission = folder.file("s.csv", "pred\n1\n0\n2\n0\n");
    let labels = folder.file("labels.txt", "no_relation\nspouse\nemployer\n");
    assert_eq!(json(&[&submission, &gold, "--labels", &labels])["accuracy"], 1.0);
    let text = error(2, &["evaluate", &submission, &gold]);
    assert!(text.contains("name the classes with --labels"), "{text}");
    let short = folder.file("short.csv", "pred\n1\n0\n");
    let text = error(1, &["evaluate", &short, &gold, "--labels", &labels]);
    assert!(text.contains("short.csv: rows of the submission = 2 for 4 rows"), "{text}");
}

#[test]
fn a_model_names_the_classes_of_its_submission() {
    let (folder, gold) = gold();
    let submission = folder.file("s.csv", "pred\n1\n0\n2\n0\n");
    std::fs::create_dir(folder.path("model")).unwrap();
    let config = folder.file(
        "model/config.json",
        "{\"vocab_size\": 9, \"label2id\": {\"no_relation\": 0, \"employer\": 2, \"spouse\": 1}}",
    );
    for labels in [config, folder.path("model")] {
        assert_eq!(json(&[&submission, &gold, "--labels", &labels])["accuracy"], 1.0);
    }
}

#[test]
fn the_predictions_of_a_run_are_pointed_to() {
    let (folder, gold) = gold();
    std::fs::create_dir(folder.path("run")).unwrap();
    let run = folder.path("run");
    let text = error(2, &["evaluate", &run, &gold]);
    assert!(text.contains("run: a folder, expected a file of predictions"), "{text}");
    let file = folder.file("run/validation_probabilities.csv", "");
    assert!(error(2, &["evaluate", &run, &gold]).contains(&format!("this run's are in {file}")));
}

#[test]
fn answers_to_semeval_are_measured_as_there() {
    let folder = Folder::new();
    let item = |id: u32, relation: &str| {
        format!("{id}\t\"The <e1>fire</e1> came from a <e2>match</e2>.\"\n{relation}\nComment:\n\n")
    };
    let [forth, back] = ["Cause-Effect(e1,e2)", "Cause-Effect(e2,e1)"];
    let gold = folder.file("gold.txt", &[item(1, forth), item(2, back), item(3, "Other")].concat());
    let answers = folder.file("answers.txt", &format!("1\t{forth}\n2\t{forth}\n3\tOther\n"));
    let found = json(&[&answers, &gold]);
    assert_eq!((&found["semeval_macro_f1"], &found["no_relation"]), (&0.5.into(), &"Other".into()));
    assert!(output(&["evaluate", &answers, &gold]).contains("SemEval macro-F1 50.00\n"));
    // The task's own rules: they are no guess, and its measure stays what it is.
    assert_eq!(stderr(&["evaluate", &answers, &gold]), "");
    let none = json(&[&answers, &gold, "--no-relation", ""]);
    assert_eq!((&none["semeval_macro_f1"], &none["no_relation"]), (&0.5.into(), &Value::Null));
    let wrong = folder.file("wrong.txt", "1\tCause\n2\tOther\n3\tOther\n");
    let text = error(1, &["evaluate", &wrong, &gold]);
    assert!(text.contains("wrong.txt: example 1: label \"Cause\" is not one of the 19 labels"), "{text}");
}

#[test]
fn rows_must_be_the_same() {
    let (folder, gold) = gold();
    let fewer = folder.file("fewer.csv", "id,label\na,spouse\nb,no_relation\n");
    let text = error(1, &["evaluate", &fewer, &gold]);
    assert!(text.contains("gold.tsv: row c is not predicted (--subset"), "{text}");
    assert_eq!(json(&[&fewer, &gold, "--subset"])["rows"], 2);
    let more = folder.file("more.csv", &format!("{LABELS}e,spouse\n"));
    for flags in [&[][..], &["--subset"]] {
        let text = error(1, &[&["evaluate", &more, &gold], flags].concat());
        assert!(text.contains("gold: missing row id e, which"), "{text}");
    }
    let twice = folder.file("twice.csv", &format!("{LABELS}a,spouse\n"));
    let text = error(1, &["evaluate", &twice, &gold]);
    assert!(
        text.contains("twice.csv:6 (id): id a: ") && text.contains("id that stands on line 5 too"),
        "{text}"
    );
}

#[test]
fn labels_must_be_known() {
    let (folder, gold) = gold();
    let wrong = folder.file("wrong.csv", &LABELS.replace("c,spouse", "c,friend"));
    let labels = folder.file("labels.txt", "no_relation\nspouse\nemployer\n");
    let text = error(1, &["evaluate", &wrong, &gold, "--labels", &labels]);
    assert!(text.contains("wrong.csv: example c: label \"friend\" is not one of the 3 labels"), "{text}");
    // Without a list of labels one that no gold row has is a wrong answer, and told.
    let assert = re(&["evaluate", &wrong, &gold, "--json"]).assert().success();
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(text.contains("label \"friend\" is predicted, and no row of"), "{text}");

    let few = folder.file("few.csv", "id,no_relation,spouse\na,0,1\nb,1,0\nc,0,1\nd,1,0\n");
    let text = error(1, &["evaluate", &few, &gold]);
    assert!(
        text.contains(&gold)
            && text.contains("gold: row c has label \"employer\", expected one of the predicted classes"),
        "{text}"
    );
    let text = error(1, &["evaluate", &few, &gold, "--labels", &labels]);
    assert!(
        text.contains("labels.txt: ") && text.contains("few.csv: missing label \"employer\", which"),
        "{text}"
    );
}

#[test]
fn gold_rows_need_labels_and_there_must_be_some() {
    let (folder, gold) = gold();
    let predictions = folder.file("p.csv", LABELS);
    let blind = folder.file("blind.tsv", &GOLD.replace("employer", "blind"));
    let text = error(1, &["evaluate", &predictions, &blind]);
    assert!(text.contains("example c has no gold label"), "{text}");
    let empty = folder.file("empty.tsv", "");
    assert_eq!(re(&["evaluate", &predictions, &empty]).assert().code(1).get_output().stdout, b"");
    let nothing = folder.file("nothing.csv", "");
    let text = error(1, &["evaluate", &nothing, &gold]);
    assert!(text.contains("nothing.csv:1: found the header \"\", expected id and label"), "{text}");
    let header = folder.file("header.csv", "id,label\n");
    let text = error(1, &["evaluate", &header, &gold, "--subset"]);
    assert!(text.contains("found no rows"), "{text}");
    let text = error(2, &["evaluate", "-", "-"]);
    assert!(text.contains("only one file can be standard input"), "{text}");
}

#[test]
fn two_predictions_are_compared() {
    let (folder, gold) = gold();
    let predictions = folder.file("p.csv", LABELS);
    let perfect = folder.file("q.csv", &LABELS.replace("c,spouse", "c,employer"));
    let found = json(&[&perfect, &gold, "--against", &predictions]);
    assert_eq!(found["against"]["difference"]["value"], 0.25);
    assert_eq!((&found["against"]["only_a"], &found["against"]["only_b"]), (&1.into(), &0.into()));
    let text = output(&["evaluate", &perfect, &gold, "--against", &predictions, "--level", "0.8"]);
    assert!(
        text.contains("difference +25.00 [0.00, +50.00] points; 1 rows only the first gets right, 0 only"),
        "{text}"
    );
    assert!(text.ends_with(" only the other; McNemar p 1.000\n"), "{text}");
    let text = error(2, &["evaluate", &perfect, &gold, "--level", "1.5"]);
    assert!(text.contains("expected a number above 0 and below 1"), "{text}");
}

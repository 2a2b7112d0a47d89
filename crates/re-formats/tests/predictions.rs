//! Files of predictions, probabilities and entity types.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use re_data::{LabelSet, Probabilities};
use re_formats::Error;
use re_formats::read::{self, EntityTypes, ReadOptions, Saved, SavedPrediction};
use re_formats::write::{self, PredictionFormat, PredictionWriter};
use rstest::rstest;
use tempfile::TempDir;

fn probabilities() -> Probabilities {
    let labels = Arc::new(LabelSet::new(["관계_없음", "인물:\"별명\"", "a,b"]).unwrap());
    let ids = vec!["x,1".to_owned(), "y".to_owned()];
    Probabilities::new(ids, labels, vec![0.1, 0.7, 0.2, 1.0 / 3.0, 1e-9, 2.0 / 3.0]).unwrap()
}

fn file(content: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.csv");
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

fn written(format: PredictionFormat) -> (TempDir, PathBuf) {
    let (folder, path) = file(b"");
    write::predictions(&path, format, &probabilities()).unwrap();
    (folder, path)
}

#[test]
fn labels_that_differ_in_every_row_are_not_spread_over_all_of_them() {
    let names = || (0..40_000).map(|row| row.to_string());
    let labels = Arc::new(LabelSet::new(names()).unwrap());
    let row = |label: String| SavedPrediction { id: label.clone(), label, probability: None };
    let rows: Vec<_> = names().map(row).collect();
    let error = SavedPrediction::as_certain(&rows, &labels).unwrap_err().to_string();
    assert!(error.contains("40000 rows of 40000 different labels"), "{error}");
}

#[test]
fn a_submission_has_one_class_id_a_line() {
    let (_folder, path) = written(PredictionFormat::Submission);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "pred\n1\n2\n");
}

#[test]
fn probabilities_come_back_bit_for_bit() {
    let (_folder, path) = written(PredictionFormat::Probabilities);
    let read = read::probabilities(path).unwrap();
    assert_eq!(read, probabilities());
    assert_eq!(read.labels().no_relation(), Some(0));
}

#[rstest]
#[case(PredictionFormat::Csv)]
#[case(PredictionFormat::Jsonl)]
fn predictions_come_back(#[case] format: PredictionFormat) {
    let (_folder, path) = written(format);
    let rows = read::predictions(path).unwrap();
    let found: Vec<_> = rows.iter().map(|r| (r.id.as_str(), r.label.as_str(), r.probability)).collect();
    assert_eq!(found, [("x,1", "인물:\"별명\"", Some(0.7)), ("y", "a,b", Some(2.0 / 3.0))]);
}

fn of(labels: LabelSet, ids: &[&str]) -> Probabilities {
    let classes = labels.len();
    let scores: Vec<f32> = (0..ids.len() * classes).map(|at| (1 + at % 7) as f32).collect();
    let shares = |row: &[f32]| -> Vec<f32> {
        let sum: f32 = row.iter().sum();
        row.iter().map(|score| score / sum).collect()
    };
    let values = scores.chunks(classes).flat_map(shares).collect();
    Probabilities::new(ids.iter().map(|&id| id.to_owned()).collect(), Arc::new(labels), values).unwrap()
}

#[test]
fn answers_of_semeval() {
    let (_folder, path) = file(b"");
    let mut probabilities = of(LabelSet::semeval_2010_task8(), &["8001", "8002"]);
    write::predictions(&path, PredictionFormat::SemEval, &probabilities).unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "8001\tEntity-Destination(e1,e2)\n8002\tCause-Effect(e2,e1)\n"
    );
    let rows = read::predictions(&path).unwrap();
    assert_eq!(
        (rows[1].id.as_str(), rows[1].label.as_str(), rows[1].probability),
        ("8002", "Cause-Effect(e2,e1)", None)
    );
    // An id that is no number would make the scorer refuse the file; the older one stays.
    probabilities = of(LabelSet::semeval_2010_task8(), &["1", "a-2"]);
    let error = write::predictions(&path, PredictionFormat::SemEval, &probabilities).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("example a-2: id \"a-2\" cannot be written as semeval (expected a number)"),
        "{error}"
    );
    assert_eq!(read::predictions(&path).unwrap(), rows);
    let odd = of(LabelSet::new(["a\tb"]).unwrap(), &["1"]);
    assert!(matches!(
        write::predictions(&path, PredictionFormat::SemEval, &odd),
        Err(Error::Unwritable(fault)) if fault.field == "label"
    ));
}

#[test]
fn submissions_of_klue() {
    let (_folder, path) = file(b"");
    let probabilities = of(LabelSet::klue_re(), &["0", "1"]);
    write::predictions(&path, PredictionFormat::KlueSubmission, &probabilities).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    // org:top_members/employees is class 10 of the benchmark and class 1 of a submission.
    let [none, top, members] = [0, 10, 6].map(|class| probabilities.values()[class]);
    let start = format!("id,pred_label,probs\n0,org:members,\"[{none}, {top}, {members}, ");
    assert!(text.starts_with(&start), "{text}");
    let read = read::probabilities(&path).unwrap();
    assert_eq!(read.labels().as_ref(), &LabelSet::klue_re_submission());
    for (row, expected) in read.rows().zip(probabilities.rows()) {
        for (class, name) in read.labels().names().iter().enumerate() {
            assert_eq!(row[class], expected[probabilities.labels().id(name).unwrap()]);
        }
    }
    let rows = read::predictions(&path).unwrap();
    assert_eq!((rows[0].id.as_str(), rows[0].label.as_str()), ("0", "org:members"));
    let other = of(LabelSet::tacred(), &["0"]);
    let error = write::predictions(&path, PredictionFormat::KlueSubmission, &other).unwrap_err().to_string();
    assert!(error.contains("found 42 classes, expected the 30 of KLUE-RE"), "{error}");
}

#[test]
fn the_label_of_a_submission_must_be_its_most_probable_one() {
    let (_folder, path) = file(b"");
    write::predictions(&path, PredictionFormat::KlueSubmission, &of(LabelSet::klue_re(), &["0"])).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let read = |label: &str| {
        std::fs::write(&path, text.replace("org:members", label)).unwrap();
        read::probabilities(&path)
    };
    assert!(read("per:product").is_ok(), "as probable as org:members");
    for label in ["per:title", "nonsense"] {
        let message = read(label).unwrap_err().to_string();
        let expected = "expected \"org:members\", the most probable label of probs";
        assert!(
            message.ends_with(&format!("p.csv:2: column 2 (pred_label): id 0: found {label:?}, {expected}")),
            "{message}"
        );
    }
}

#[rstest]
#[case(
    "id,pred_label,probs\n0,x,\"[0.5, 0.5]\"\n",
    "p.csv:2: column 3 (probs): id 0: found \"[0.5, 0.5]\", expected a list of 30 numbers"
)]
#[case("id,pred_label,probs\n0,x,none\n", "found \"none\", expected a list")]
fn malformed_submissions(#[case] content: &str, #[case] message: &str) {
    let (_folder, path) = file(content.as_bytes());
    let found = read::probabilities(path).unwrap_err().to_string();
    assert!(found.contains(message), "{found}");
}

#[rstest]
#[case("1\tOther\n2 Other\n", "p.csv:2: found \"2 Other\", expected a number, a tab and a relation")]
#[case("1\tOther\n2\t\n", "found \"2\"")]
#[case("1\tOther\n\n1\tOther", "p.csv:3 (id): id 1: found an id that stands on line 1 too")]
fn malformed_answers(#[case] content: &str, #[case] message: &str) {
    let (_folder, path) = file(content.as_bytes());
    let found = read::predictions(path).unwrap_err().to_string();
    assert!(found.contains(message), "{found}");
}

#[test]
fn names_of_layouts_go_both_ways() {
    for format in PredictionFormat::ALL {
        assert_eq!(format.to_string().parse::<PredictionFormat>().unwrap(), format);
        assert_eq!(serde_json::to_value(format).unwrap(), format.name());
    }
    assert!("xml".parse::<PredictionFormat>().unwrap_err().to_string().contains("one of submission, csv"));
}

#[test]
fn a_file_says_itself_what_kind_of_predictions_it_holds() {
    let all = probabilities();
    let labels = all.labels();
    for format in [
        PredictionFormat::Csv,
        PredictionFormat::Jsonl,
        PredictionFormat::Probabilities,
        PredictionFormat::Submission,
    ] {
        let (_folder, path) = written(format);
        let found = read::saved(path).unwrap().into_probabilities(labels, all.ids()).unwrap();
        assert_eq!((found.classes(), found.ids()), (vec![1, 2], all.ids()), "{format:?}");
    }
    let (_folder, path) = file(b"id,pred_label\nx,a\n");
    assert!(matches!(read::saved(path).unwrap(), Saved::Labels(rows) if rows[0].label == "a"));
    let (_folder, path) = file(b"name,score\nx,1\n");
    let message = read::saved(path).unwrap_err().to_string();
    assert!(message.contains("found the header \"name,score\", expected id and label"), "{message}");
    let (_folder, path) = file(b"pred\n1\n-2\n");
    let message = read::saved(path).unwrap_err().to_string();
    assert!(message.ends_with("p.csv:3: column 1 (pred): found \"-2\", expected a class id"), "{message}");
}

#[test]
fn labels_and_classes_must_be_known_and_rows_complete() {
    let all = probabilities();
    let certain = |saved: Saved| saved.into_probabilities(all.labels(), all.ids()).unwrap_err().to_string();
    let row = SavedPrediction { id: "7".into(), label: "c".into(), probability: None };
    assert_eq!(
        certain(Saved::Labels(vec![row])),
        "example 7: label \"c\" is not one of the 3 labels of the label set"
    );
    let short = certain(Saved::Submission(vec![1]));
    assert_eq!(short, "rows of the submission = 1 for 2 rows (expected one for each row)");
    let unknown = certain(Saved::Submission(vec![1, 3]));
    assert!(unknown.contains("3 for id y, of 3 classes"), "{unknown}");
}

#[test]
fn rows_of_another_label_set_are_refused() {
    let labels = Arc::new(LabelSet::new(["x"]).unwrap());
    let mut writer = PredictionWriter::new(Vec::new(), "p", PredictionFormat::Csv, labels).unwrap();
    assert!(matches!(writer.write(&probabilities()), Err(Error::Data(re_data::Error::LabelSet { .. }))));
    let full = |format| write::predictions("/dev/full", format, &probabilities()).unwrap_err().to_string();
    for format in [PredictionFormat::Csv, PredictionFormat::Jsonl, PredictionFormat::Probabilities] {
        assert!(full(format).starts_with("/dev/full: "));
    }
}

#[rstest]
#[case("", "p.csv:1: found the header \"\", expected id, then one column for each label")]
#[case("label,a\n", "found the header \"label,a\"")]
#[case("id\n", "found no label")]
#[case(
    "id,a,a\n",
    "p.csv:1: column 3 (header): found \"a\", the name of column 2 too, expected each name once"
)]
#[case("id,a\n1,0.5,0.5\n", "p.csv:2: id 1: found 3 columns, expected 2 as in the header")]
#[case("id,a\n1,x\n", "p.csv:2: column 2 (probability): id 1: found \"x\", expected a number from 0 to 1")]
#[case("id,a\n1,NaN\n", "found \"NaN\"")]
#[case("id,a\n1,1.5\n", "found \"1.5\"")]
#[case("id,a,b\n1,0.5,0.25\n", "p.csv:2 (probability): id 1: found a row whose sum is 0.75")]
#[case("id,a\n1,1\n1,1\n", "p.csv:3 (id): id 1: found an id that stands on line 2 too")]
#[case("id,a\n,1\n", "an empty id")]
fn malformed_probabilities(#[case] content: &str, #[case] message: &str) {
    let (_folder, path) = file(content.as_bytes());
    let found = read::probabilities(path).unwrap_err().to_string();
    assert!(found.contains(message), "{found}");
}

#[rstest]
#[case("id,pred\n", "expected the columns id and label")]
#[case("id,label\n1,\n", "p.csv:2: column 2 (label): id 1: found no label")]
#[case("label,probability,id\nx,2,1\n", "p.csv:2: column 2 (probability): id 1: found \"2\"")]
#[case("id,label\n1,x\n1,y\n", "stands on line 2 too")]
#[case("{\"id\":\"1\"}", "p.csv:1 (label): id 1: found nothing, expected a string")]
#[case("{\"id\":1,\"label\":\"x\",\"probability\":7}", "found 7, expected a number from 0 to 1")]
#[case(
    "{\"id\":1,\"label\":\"x\"}\n{\"id\":\"1\",\"label\":\"x\"}",
    "p.csv:2 (id): id 1: found an id that stands on line 1 too"
)]
fn malformed_predictions(#[case] content: &str, #[case] message: &str) {
    let (_folder, path) = file(content.as_bytes());
    let found = read::predictions(path).unwrap_err().to_string();
    assert!(found.contains(message), "{found}");
}

#[test]
fn columns_may_stand_in_any_order() {
    let (_folder, path) = file(b"label,other,id\r\nx,0,1\r\n");
    let rows = read::predictions(path).unwrap();
    assert_eq!((rows[0].id.as_str(), rows[0].label.as_str(), rows[0].probability), ("1", "x", None));
}

#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn types_of_the_real_rows_in_shared_data() {
    let types = common::shared("p-stage2/entity_types.tsv");
    let types = EntityTypes::open(types).unwrap();
    let mut unused = types.len();
    for file in ["train.tsv", "test.tsv", "unseen.tsv"] {
        let path = common::shared(&format!("p-stage2/{file}"));
        let examples = read::examples(path, &ReadOptions::default()).unwrap().examples;
        let (examples, report) = types.attach(examples);
        assert_eq!((report.attached, report.missing.count), (examples.len(), 0));
        unused -= report.attached;
    }
    assert_eq!(unused, 0);
}

#[test]
fn classes_may_have_the_names_of_columns() {
    let names = [
        "id",
        "label",
        "probability",
        "pred_label",
        "probs",
        "pred",
        "p(id)",
        "a, \"b\"",
        "c\nd",
        "e\r\nf",
        "0.9",
    ];
    for names in [
        &names[..],
        &["label", "probability"],
        &["label"],
        &["pred_label", "probs"],
        &["id"],
        &["x", "label"],
    ] {
        let all = of(LabelSet::new(names.iter().copied()).unwrap(), &["x,1", "y"]);
        let (_folder, path) = file(b"");
        write::predictions(&path, PredictionFormat::Probabilities, &all).unwrap();
        assert_eq!(read::probabilities(&path).unwrap(), all, "{names:?}");
        assert_eq!(read::saved(&path).unwrap(), Saved::Probabilities(all.clone()), "{names:?}");
        assert!(read::predictions(&path).is_err());
        for format in [PredictionFormat::Csv, PredictionFormat::Jsonl] {
            write::predictions(&path, format, &all).unwrap();
            let Saved::Labels(rows) = read::saved(&path).unwrap() else { panic!("{names:?} {format}") };
            let labels: Vec<_> = rows.iter().map(|row| row.label.as_str()).collect();
            assert_eq!(labels, all.predictions().map(|row| row.label).collect::<Vec<_>>());
            assert_eq!(read::predictions(&path).unwrap(), rows);
            assert!(read::probabilities(&path).is_err() || format == PredictionFormat::Jsonl);
        }
    }
}

#[test]
fn files_without_escaped_names_are_told_by_their_rows() {
    let read = |content: &str| {
        let (_folder, path) = file(content.as_bytes());
        (read::saved(&path), read::predictions(&path), read::probabilities(&path))
    };
    // As older versions write them.
    for content in
        ["id,label,no_relation\na,0.9,0.1\nb,0.2,0.8\n", "id,no_relation,label,x\na,0.3,0.3,0.4\nb,0,1,0\n"]
    {
        let (saved, labels, shares) = read(content);
        let expected = shares.unwrap();
        assert_eq!(saved.unwrap(), Saved::Probabilities(expected));
        assert!(labels.unwrap_err().to_string().contains("expected the columns id and label"));
    }
    // Labels with something beside them.
    for content in
        ["id,label,score\na,x,0.5\n", "id,score,label\na,7,1\nb,7,0\n", "id,label,probability\na,0,1\n"]
    {
        let (saved, labels, _) = read(content);
        assert_eq!(saved.unwrap(), Saved::Labels(labels.unwrap()), "{content}");
    }
    // Neither: nobody can tell.
    let (saved, labels, _) = read("id,label,score\na,0,1\nb,1,0.9\n");
    for fault in [saved.unwrap_err(), labels.unwrap_err()] {
        assert!(
            fault.to_string().contains("either probabilities in every row, or labels in every row"),
            "{fault}"
        );
    }
}

#[test]
fn predicted_labels_have_no_invisible_edges() {
    for content in [
        "id,label,probability\n1,x\u{a0},0.5\n2,x,0.5\n",
        "id, label\n1,\"x\r\"\n2,x\n",
        "{\"id\":1,\"label\":\"x \"}\n{\"id\":2,\"label\":\"x\"}\n",
        "1\tx \n2\tx\r\r\n",
    ] {
        let (_folder, path) = file(content.as_bytes());
        let labels: Vec<_> = read::predictions(&path).unwrap().into_iter().map(|row| row.label).collect();
        assert_eq!(labels, ["x", "x"], "{content:?}");
    }
    let (_folder, path) = file("id,x ,y\u{200b}\n1,0.5,0.5\n".as_bytes());
    assert_eq!(read::probabilities(&path).unwrap().labels().names(), ["x", "y"]);
}

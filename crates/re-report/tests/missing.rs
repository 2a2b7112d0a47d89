//! Folders that lack something or are damaged.

#![allow(clippy::unwrap_used, reason = "tests may fail so")]

mod common;

use std::path::{Path, PathBuf};

use common::{LABELS, Runs, put};
use re_data::error::with_causes;
use re_report::{Error, Report, ReportOptions, RowSet};

fn error(run: &Path, options: &ReportOptions) -> Error {
    Report::new(&[run], options).map(|report| report.notes()).unwrap_err()
}

fn notes(run: &Path) -> String {
    let report = Report::new(&[run], &ReportOptions::default()).unwrap();
    let page = report.to_html();
    let notes = report.notes();
    // Whatever is missing is said on the page too.
    assert_eq!(page.contains("What this report lacks"), !notes.is_empty());
    notes.join("\n")
}

fn with_gold(gold: PathBuf) -> ReportOptions {
    ReportOptions { gold: vec![gold], ..ReportOptions::default() }
}

#[test]
fn each_file_may_be_missing() {
    let cases = [
        ("config.toml", "without config.toml the gold data are not known; name them with --gold"),
        ("metrics.jsonl", "no metrics.jsonl with a line: no learning curves"),
        ("summary.json", "no summary.json: the run is not complete"),
        ("validation_probabilities.csv", "no validation_probabilities.csv. Left out: confidence"),
    ];
    for (file, expected) in cases {
        let runs = Runs::new();
        let run = runs.add("a", 7, |row| row == 1);
        std::fs::remove_file(run.join(file)).unwrap();
        let notes = notes(&run);
        assert!(notes.starts_with("a: ") && notes.contains(expected), "{file}: {notes}");
        assert_eq!(notes.lines().count(), 1, "{file}: {notes}");
    }
}

#[test]
fn without_gold_data_the_figures_of_the_run_itself_are_shown() {
    let runs = Runs::new();
    let run = runs.add("a", 7, |row| row == 1);
    std::fs::remove_file(runs.gold()).unwrap();
    let notes = notes(&run);
    assert!(
        notes.contains("gold.tsv, which config.toml names, is not there; name the gold data with --gold"),
        "{notes}"
    );
    let page = Report::new(&[run], &ReportOptions::default()).unwrap().to_html();
    assert!(page.contains("96.67") && page.contains("Confusion matrix"));
    assert!(!page.contains("Most confident errors") && !page.contains("Confidence and accuracy"));
}

#[test]
fn the_log_alone_gives_the_best_evaluation_so_far() {
    let runs = Runs::new();
    let run = runs.add("a", 7, |row| row == 1);
    for file in ["config.toml", "summary.json", "validation_probabilities.csv"] {
        std::fs::remove_file(run.join(file)).unwrap();
    }
    let page = Report::new(&[&run], &ReportOptions::default()).unwrap().to_html();
    assert!(page.contains("96.67") && page.contains("model of step 20"));
    put(&run, "metrics.jsonl", "");
    let notes = notes(&run);
    assert!(notes.contains("no evaluation either"), "{notes}");
}

#[test]
fn a_torn_line_and_changed_gold_data_are_noted() {
    let runs = Runs::new();
    let run = runs.add("a", 7, |row| row == 1);
    let path = run.join("metrics.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    // Anywhere, and inside a character.
    for end in [text.len() - 40, text.rfind(LABELS[0]).unwrap() + 1] {
        std::fs::write(&path, &text.as_bytes()[..end]).unwrap();
        assert!(notes(&run).contains("the last line of metrics.jsonl is not complete"));
    }

    for (from, to, expected) in [
        ("row-3\t", "row-x\t", "no row row-3, which was predicted (1 of 30 missing)"),
        (LABELS[2], "blind", "row row-2 has no label"),
        (LABELS[2], "별칭", "row row-2 has the label \"별칭\", none of the 3 predicted"),
        ("row-4\t", "row-3\t", "two different rows have the id row-3"),
        ("row-0\t", "row-0", "found"),
    ] {
        let runs = Runs::new();
        let run = runs.add("a", 7, |row| row == 1);
        let text = std::fs::read_to_string(runs.gold()).unwrap();
        std::fs::write(runs.gold(), text.replace(from, to)).unwrap();
        let notes = notes(&run);
        assert!(notes.contains(expected) && notes.contains("gold.tsv"), "{notes}");
        let error = error(&run, &with_gold(runs.gold())).to_string();
        assert!(error.contains(expected) && error.contains("gold.tsv"), "{error}");
    }
}

#[test]
fn folders_that_are_no_run_are_refused() {
    let runs = Runs::new();
    let options = ReportOptions::default();
    assert!(matches!(Report::new(&[] as &[&Path], &options), Err(Error::NoRuns)));
    let refused = error(runs.path(), &options);
    assert!(matches!(refused, Error::NotARun { .. }));
    assert!(refused.to_string().contains("it has none of config.toml, metrics.jsonl"), "{refused}");
    for absent in [runs.path().join("absent"), runs.gold()] {
        assert!(matches!(error(&absent, &options), Error::Io { path, .. } if path == absent));
    }
    let folds = runs.path().join("folds");
    std::fs::create_dir(&folds).unwrap();
    common::predictions(&folds, RowSet::OutOfFold.file(), &common::probabilities(|_| false));
    assert!(Report::new(&[folds], &options).is_ok());
}

#[test]
fn damaged_files_are_errors_that_say_where() {
    let old = r#"{"step": 5, "stopped_early": false, "validation": {}}"#;
    let cases = [
        ("config.toml", "[training\n", "config.toml: syntax"),
        ("config.toml", "[training]\nsteps = \"many\"\n", "config.toml: training.steps"),
        ("metrics.jsonl", "{}\n{}\n", "metrics.jsonl:1: "),
        ("metrics.jsonl", "not json\n", "metrics.jsonl:1: "),
        ("summary.json", "", "summary.json: "),
        ("summary.json", old, "missing field `reason`"),
        ("summary.json", r#"{"reason": "completed", "evaluation": {"loss": "x"}}"#, "evaluation.loss"),
        ("validation_probabilities.csv", "", "validation_probabilities.csv:1: found the header"),
        ("validation_probabilities.csv", "id,a\nrow-0,7\n", "validation_probabilities.csv:2: "),
    ];
    for (file, text, expected) in cases {
        let runs = Runs::new();
        let run = runs.add("a", 7, |row| row == 1);
        put(&run, file, text);
        let error = with_causes(&error(&run, &ReportOptions::default()));
        assert!(error.contains(expected) && error.contains(file), "{file} {text}: {error}");
    }
    let runs = Runs::new();
    let run = runs.add("a", 7, |_| false);
    std::fs::write(run.join("summary.json"), [0xff, 0xfe]).unwrap();
    assert!(matches!(error(&run, &ReportOptions::default()), Error::Io { .. }));
}

#[test]
fn figures_that_contradict_each_other_are_errors() {
    let runs = Runs::new();
    let run = runs.add("a", 7, |_| false);
    let text = std::fs::read_to_string(run.join("summary.json")).unwrap();
    put(&run, "summary.json", &text.replace("\"rows\":30", "\"rows\":31"));
    let error = error(&run, &ReportOptions::default()).to_string();
    assert!(error.ends_with("summary.json: confusion: found 30 rows in all, expected 31"), "{error}");
}

#[test]
fn predictions_without_a_row_are_noted() {
    let runs = Runs::new();
    let run = runs.add("a", 7, |_| false);
    put(&run, "validation_probabilities.csv", &format!("id,{},b\n", LABELS[0]));
    assert!(notes(&run).contains("validation_probabilities.csv has no row"));
}

#[test]
fn what_the_caller_asks_for_must_be_there() {
    let runs = Runs::new();
    let run = runs.add("a", 7, |_| false);
    let options = ReportOptions { rows: Some(RowSet::Test), ..ReportOptions::default() };
    let refused = error(&run, &options);
    assert!(matches!(refused, Error::NoPredictions { .. }), "{refused}");
    assert!(refused.to_string().contains("test_probabilities.csv"), "{refused}");
    let refused = error(&run, &with_gold(runs.path().join("none.tsv")));
    let expected = matches!(refused, Error::Formats(re_formats::Error::Data(re_data::Error::Io { .. })));
    assert!(expected, "{refused}");
    let mut options = ReportOptions::default();
    options.bootstrap.resamples = 0;
    assert!(matches!(
        error(&run, &options),
        Error::Ensemble(re_ensemble::Error::Argument { name: "resamples", .. })
    ));
    assert_eq!("out-of-fold".parse::<RowSet>().unwrap(), RowSet::OutOfFold);
    assert!("dev".parse::<RowSet>().unwrap_err().to_string().contains("holdout or test"));
}

#[test]
fn a_run_without_probabilities_of_validation_rows_is_scored_on_its_test_rows() {
    let runs = Runs::new();
    let run = runs.add("full", 7, |_| false);
    std::fs::rename(run.join("validation_probabilities.csv"), run.join("test_probabilities.csv")).unwrap();
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let notes = notes(&run);
    assert!(notes.contains("config.toml has no data.test"), "{notes}");
    let page = Report::new(&[run], &with_gold(runs.gold())).unwrap().to_html();
    assert!(page.contains("30 test rows"));
}

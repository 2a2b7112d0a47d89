//! The tables of a document.

#![allow(clippy::unwrap_used, reason = "tests may fail so")]

mod common;

use std::path::Path;

use common::{Runs, put};
use re_data::error::with_causes;
use re_report::results::{self, BEGIN, END};
use re_report::{Error, Result};

fn markdown(runs: &Runs) -> Result<String> {
    results::markdown(&runs.path().join("results"), runs.path())
}

fn line<'a>(text: &'a str, with: &str) -> &'a str {
    text.lines().find(|line| line.contains(with)).unwrap_or_default()
}

#[test]
fn renewing_twice_gives_the_same_document() {
    let runs = Runs::new();
    runs.add("results/a-1", 7, |row| row == 1);
    let document = runs.path().join("RESULTS.md");
    put(runs.path(), "RESULTS.md", &format!("# Results\nby hand\n\n{BEGIN}\n{END}\n\nby hand too\n"));
    let folder = runs.path().join("results");
    assert!(results::update(&document, &folder, &[]).unwrap());
    let text = std::fs::read_to_string(&document).unwrap();
    assert!(text.starts_with("# Results\nby hand\n") && text.ends_with(&format!("{END}\n\nby hand too\n")));
    assert!(text.contains("96.67"));
    assert!(!results::update(&document, &folder, &[]).unwrap());
    assert_eq!(results::renewed(&document, &folder, &[]).unwrap(), None);
    assert_eq!(std::fs::read_to_string(&document).unwrap(), text);

    runs.add("results/b-1", 7, |row| row == 1);
    assert!(results::renewed(&document, &folder, &[]).unwrap().is_some_and(|new| new.contains("b-1")));
}

#[test]
fn runs_that_differ_in_the_seed_alone_share_a_line() {
    let runs = Runs::new();
    runs.add("results/x-s8", 8, |row| row < 3);
    runs.add("results/x-s7", 7, |row| row < 6);
    runs.add("results/x-s9", 9, |_| false);
    // Other settings, and another experiment.
    let other = runs.add("results/x-long", 10, |_| false);
    let config = common::config(&runs.gold(), 10).replace("steps = 30", "steps = 60");
    put(&other, "config.toml", &config);
    runs.add("results/deep/y-s7", 11, |_| false);
    let text = markdown(&runs).unwrap();
    // Accuracies 80, 90 and 100.
    let shared = line(&text, "| [`x-s7`]");
    assert!(shared.contains("| 7, 8, 9 | 20; 20; 20 of 30 | 30 | 90.00 ± 10.00 |"), "{shared}");
    assert!(shared.contains("[`x-s9`](results/x-s9/)"), "{shared}");
    assert!(line(&text, "| [`x-long`]").contains("| 10 | 20 of 60 | 30 | 100.00 |"));
    assert!(line(&text, "| [`deep/y-s7`](results/deep/y-s7/)").contains("| 11 |"));
    let settings = line(&text, "Of all runs:");
    assert!(settings.contains("`training.learning_rate = 1e-5`") && !settings.contains("training.steps"));
    assert!(line(&text, "- `x-long`").contains("`training.steps = 60`"));
    assert!(text.contains("| 20 | 30 | 90.00 ± 10.00 |"), "checkpoints: {text}");
}

#[test]
fn seeds_of_the_trainings_of_a_run_are_seeds_too() {
    let runs = Runs::new();
    for seed in [7, 8] {
        let run = runs.add(&format!("results/vote-s{seed}"), seed, |_| false);
        let plan = format!("[[plan.members]]\nmember = \"a\"\nexperiment.training.seed = {seed}\n");
        put(&run, "config.toml", &(common::config(&runs.gold(), seed) + &plan));
    }
    assert!(line(&markdown(&runs).unwrap(), "| [`vote-s7`]").contains("[`vote-s8`]"));
    // The same run twice is no second seed.
    for (number, seed) in [(1, 8), (2, 7), (3, 7)] {
        runs.add(&format!("results/twice-{number}"), seed, |_| false);
    }
    let text = markdown(&runs).unwrap();
    assert!(line(&text, "| [`twice-2`]").contains("[`twice-1`]"));
    assert!(line(&text, "| [`twice-3`]").contains("| 7 |"), "{text}");
}

#[test]
fn what_the_run_does_not_know_stands_beside_it() {
    let runs = Runs::new();
    let run = runs.add("results/mine", 7, |_| false);
    assert!(line(&markdown(&runs).unwrap(), "[`mine`]").ends_with("| not recorded | not recorded |"));
    let about = "experiment = \"xlmr\"\nmachine = \"2 cores | 24 GiB\"\ncommit = \"abc\"\ncommand = \"re train x.toml\"\n";
    put(&run, "about.toml", about);
    let report = "[[experiment]]\nname = \"config07\"\nexample = \"xlmr\"\nwhat = \"<large>\"\nresults = [\n\
                  { step = 1500, validation = 75.3, leaderboard = 74.3 }, { of = \"both\", leaderboard = 77.8 }]\n\
                  [[experiment]]\nname = \"config99\"\nexample = \"none\"\nwhat = \"-\"\nresults = []\n";
    put(&runs.path().join("results"), "report.toml", report);
    let text = markdown(&runs).unwrap();
    assert!(line(&text, "[`mine`]").ends_with("| abc | 2 cores \\| 24 GiB |"));
    assert!(text.contains("```sh\nre train x.toml\n```"));
    let expected =
        "| config07 | `xlmr` | &lt;large> | 1,500: 75.3 / 74.3; both: – / 77.8 | 100.00 (`mine`) |";
    assert_eq!(line(&text, "config07"), expected);
    assert!(line(&text, "config99").ends_with("| no run yet |"));
}

#[test]
fn parts_of_a_run_have_lines_of_their_own() {
    let runs = Runs::new();
    let run = runs.add("results/vote", 7, |_| false);
    runs.add("results/vote/fold-1", 7, |_| false);
    let evaluation = common::evaluation(&common::probabilities(|row| row < 3));
    let mut summary = common::summary(&evaluation);
    summary["parts"] = serde_json::json!([{"name": "fold|1", "evaluation": evaluation}]);
    let other = common::evaluation(&common::probabilities(|row| row < 6));
    let out_of_fold = serde_json::json!({"name": "fold|1", "rows": "out_of_fold", "evaluation": other});
    summary["parts"].as_array_mut().unwrap().push(out_of_fold);
    summary["test_evaluation"] = other;
    put(&run, "summary.json", &summary.to_string());
    let text = markdown(&runs).unwrap();
    let parts: Vec<&str> = text.lines().filter(|line| line.starts_with("| ↳")).collect();
    let expected = [
        "| ↳ on the test rows |  |  |  |  | 30 test | 80.00 |",
        "| ↳ fold\\|1 |  |  |  |  | 30 | 90.00 |",
        "| ↳ fold\\|1 |  |  |  |  | 30 out of fold | 80.00 |",
    ];
    assert!(parts.iter().zip(expected).all(|(part, expected)| part.starts_with(expected)), "{parts:?}");
    assert_eq!(parts.len(), 3);
    assert!(!text.contains("[`vote/fold-1`]"));
}

#[test]
fn graphs_of_a_run_stand_in_a_table_of_their_own() {
    let runs = Runs::new();
    let run = runs.add("results/graphs", 7, |_| false);
    assert!(!markdown(&runs).unwrap().contains("### Graphs"));
    let agreement = |f1: f64| {
        let shares = serde_json::json!({"precision": 1.0, "recall": 0.5, "f1": f1});
        serde_json::json!({"gold": 4, "predicted": 2, "correct": 2, "micro": shares, "macro_average": shares, "per_label": []})
    };
    let scores = serde_json::json!({
        "documents": 1200,
        "mentions": agreement(0.75),
        "relations": agreement(0.625),
        "strict_relations": agreement(0.5),
    });
    put(&run, "validation_scores.json", &scores.to_string());
    let text = markdown(&runs).unwrap();
    let expected = "| `graphs` | 1,200 validation | 100.00 / 50.00 / 75.00 | 75.00 | 62.50 | 100.00 / 50.00 / 50.00 | \
                    50.00 | 2 / 2 / 4 |";
    assert_eq!(line(&text, "| `graphs` |"), expected);
    put(&run, "validation_scores.json", "{\"documents\": -1}");
    let error = with_causes(&markdown(&runs).unwrap_err());
    assert!(error.contains("validation_scores.json") && error.contains("documents"), "{error}");
}

#[test]
fn a_run_without_validation_has_dashes() {
    let runs = Runs::new();
    let run = runs.add("results/full", 7, |_| false);
    put(&run, "summary.json", r#"{"reason": "completed", "step": 20}"#);
    put(&run, "config.toml", &common::config(&runs.gold(), 7).replace("val_size = 0.3", "val_size = 0.0"));
    put(&run, "metrics.jsonl", "");
    let text = markdown(&runs).unwrap();
    assert!(line(&text, "[`full`]").contains("all trained on | 7 | 20 of 30 | – | – | – | – |"), "{text}");
}

#[test]
fn what_is_wrong_is_an_error() {
    let runs = Runs::new();
    assert!(matches!(markdown(&runs), Err(Error::Io { .. })));
    std::fs::create_dir_all(runs.path().join("results/empty")).unwrap();
    assert!(matches!(markdown(&runs), Err(Error::NoRuns)));
    let run = runs.add("results/a", 7, |_| false);
    for (file, text, expected) in [
        ("about.toml", "speed = 3\n", "about.toml: speed"),
        ("about.toml", "machine = \n", "about.toml: "),
        ("about.toml", "machine = 3\n", "about.toml: machine"),
        ("../report.toml", "[[experiment]]\nname = \"x\"\n", "report.toml: experiment[0]"),
    ] {
        put(&run, file, text);
        let error = with_causes(&markdown(&runs).unwrap_err());
        assert!(error.contains(expected), "{error}");
        std::fs::remove_file(run.join(file)).unwrap();
    }
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let error = with_causes(&markdown(&runs).unwrap_err());
    assert!(error.ends_with("summary.json: access failed: the run is not complete"), "{error}");
}

/// Two runs that are wrong in a third and in a sixth of the rows, and findings about them.
fn with_findings(findings: &str) -> Runs {
    let runs = Runs::new();
    runs.add("results/a", 7, |row| row < 10);
    runs.add("results/b", 7, |row| row >= 25);
    put(&runs.path().join("results"), "report.toml", findings);
    runs
}

#[test]
fn findings_stand_beside_the_figures_of_runs_and_votes() {
    let runs = with_findings(
        r#"
        [[finding]]
        claim = "a | b"
        verdict = "did_not_hold"
        because = "see there"
        pairs = [
            { a = "a", b = "b" },
            { a = { vote = "hard", of = ["b", "b", "a"] }, b = "b" },
            { a = "c", b = { vote = "mean", of = ["a", "b"] } },
        ]
        by_label = { vote = "hard", of = ["b", "b", "a"] }
        curves = ["a", "c"]
        "#,
    );
    let text = results::findings(&runs.path().join("results"), &[runs.gold()]).unwrap();
    assert!(text.contains("| 1 | a \\| b | did not hold | see there |"), "{text}");
    let first = line(&text, "| `a` | `b` |");
    assert!(first.starts_with("| `a` | `b` | 66.67 | 83.33 | −16.67 ("), "{first}");
    assert!(first.ends_with("| 30 |"));
    // The vote is the member that has two voices.
    assert!(
        text.contains("| hard vote (`b`, `b`, `a`) | `b` | 83.33 | 83.33 | 0.00 (0.00 to 0.00) | 30 |"),
        "{text}"
    );
    assert!(line(&text, "| `c` |").contains("no run yet"));
    // Rows 25 to 29 are two of the second label, two of the third and one of the first.
    assert!(text.contains("| 10 | 9 | 9 | 9 | 6 |"), "{text}");
    assert!(text.contains("| `c` | no run yet |  |  |"), "{text}");
    assert!(line(&text, "| `a` | ").starts_with("| `a` | "));
}

#[test]
fn findings_are_renewed_where_the_gold_labels_are() {
    let finding = "[[finding]]\nclaim = \"c\"\nverdict = \"held\"\nbecause = \"d\"\n";
    let runs = with_findings(finding);
    let (begin, end) = (results::FINDINGS_BEGIN, results::FINDINGS_END);
    put(runs.path(), "R.md", &format!("{begin}\nold\n{end}\n{BEGIN}\n{END}\n"));
    let (document, folder) = (runs.path().join("R.md"), runs.path().join("results"));
    let renewed = |gold: &Path| results::renewed(&document, &folder, &[gold.to_owned()]);
    assert!(renewed(Path::new("none")).unwrap().unwrap().contains("\nold\n"));
    let text = renewed(&runs.gold()).unwrap().unwrap();
    assert!(text.contains("| 1 | c | held | d |") && !text.contains("\nold\n"), "{text}");

    put(runs.path(), "R.md", &format!("{BEGIN}\n{END}\n"));
    assert!(renewed(&runs.gold()).unwrap_err().to_string().contains("findings: begin"));
}

#[test]
fn errors_in_findings_name_the_key_or_the_run() {
    for (finding, expected) in [
        ("[[finding]]\nclaim = \"c\"\nverdict = \"maybe\"\nbecause = \"d\"\n", "verdict"),
        ("[[finding]]\nclaim = \"c\"\nverdict = \"held\"\n", "because"),
    ] {
        let runs = with_findings(finding);
        let error = results::findings(&runs.path().join("results"), &[runs.gold()]).unwrap_err();
        let error = with_causes(&error);
        assert!(error.contains("report.toml") && error.contains(expected), "{error}");
    }
    let pair = "[[finding]]\nclaim = \"c\"\nverdict = \"held\"\nbecause = \"d\"\npairs = [{ a = \"a\", b = \"b\" }]\n";
    let runs = with_findings(pair);
    std::fs::remove_file(runs.path().join("results/b/validation_probabilities.csv")).unwrap();
    let error = results::findings(&runs.path().join("results"), &[runs.gold()]).unwrap_err();
    let error = with_causes(&error);
    assert!(error.contains("run = b") && error.contains("predictions of validation rows"), "{error}");
}

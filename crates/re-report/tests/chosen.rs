//! Whether the validation rows have chosen what is measured on them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Runs, log, put};
use re_report::Run;

#[test]
fn validation_rows_choose_where_the_best_of_several_evaluations_counts() {
    let runs = Runs::new();
    let run = runs.add("a", 7, |_| false);
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    let chosen = |settings: &str| {
        put(&run, "config.toml", &format!("{config}{settings}"));
        Run::open(&run).unwrap().chosen_on_validation()
    };
    assert!(chosen(""), "the best one counts where nothing is said");
    assert!(!chosen("keep_best = false\nearly_stopping_patience = 0\n"));
    assert!(chosen("keep_best = false\nearly_stopping_patience = 3\n"));
    assert!(!chosen("[plan]\nname = \"k_fold\"\nfolds = 5\n"));
    let evaluation = common::evaluation(&common::probabilities(|_| false));
    let once: String = log(&evaluation).split_inclusive('\n').take(3).map(str::to_owned).collect();
    put(&run, "metrics.jsonl", &once);
    assert!(!chosen(""), "one evaluation is no choice");
    std::fs::remove_file(run.join("metrics.jsonl")).unwrap();
    assert!(chosen(""));
    // A run that consists of others is what they are.
    let part = run.join("part");
    std::fs::create_dir(&part).unwrap();
    put(&part, "config.toml", &format!("{config}keep_best = false\n"));
    assert!(!chosen(""));
}

//! The class of no relation, by whatever name.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::Path;

use common::{corpus, experiment, file, fresh, watched};
use re_data::metrics::Metrics;
use re_data::{NoRelation, Predictor, RelationExample};
use re_ensemble::{Gate, Vote};
use re_experiment::{
    Error, Experiment, ExperimentData, MemberConfig, Plan, Target, VoteConfig, load_predictor,
};
use re_train::Start;

/// Here `none` says that there is no relation, and `Other` is one.
fn rename(label: &str) -> &str {
    match label {
        "관계_없음" => "none",
        "인물:배우자" => "Other",
        other => other,
    }
}

fn renamed(folder: &Path, plan: Plan) -> Experiment {
    let mut experiment = experiment(folder, plan);
    let rows: Vec<RelationExample> =
        corpus().iter().map(|row| row.clone().with_label(rename(row.label().unwrap()))).collect();
    experiment.data.train = file(folder, "train.jsonl", &rows[..120]);
    experiment.data.test = Some(file(folder, "test.jsonl", &rows[120..160]));
    let names = re_formats::read::labels(experiment.data.labels.unwrap()).unwrap();
    let names: String = names.names().iter().map(|name| format!("{}\n", rename(name))).collect();
    std::fs::write(folder.join("labels.txt"), names).unwrap();
    experiment.data.labels = Some(folder.join("labels.txt"));
    experiment
}

fn named(folder: &Path, plan: Plan) -> Experiment {
    let mut experiment = renamed(folder, plan);
    experiment.data.no_relation = Some("none".into());
    experiment
}

fn read(experiment: &Experiment, choice: Option<&str>) -> Result<ExperimentData, Error> {
    let mut data = experiment.data.clone();
    data.no_relation = choice.map(NoRelation::from);
    ExperimentData::read(&data, 1)
}

#[test]
fn it_is_what_the_settings_name_or_else_a_guess_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = renamed(folder.path(), Plan::Single {});
    experiment.data.test = None;
    for labels in [experiment.data.labels.clone(), None] {
        experiment.data.labels = labels;
        for (choice, expected, told) in
            [(None, Some("Other"), true), (Some("none"), Some("none"), false), (Some(""), None, false)]
        {
            let data = read(&experiment, choice).unwrap();
            assert_eq!(data.labels.no_relation_name(), expected, "{choice:?}");
            let notes = data.notes.join("\n");
            assert_eq!(notes.contains("label \"Other\" is taken for \"no relation\""), told, "{notes}");
        }
        let fault = read(&experiment, Some("absent")).unwrap_err();
        assert!(
            matches!(fault, Error::Train(re_train::Error::Config { key: "data.no_relation", .. })),
            "{fault}"
        );
    }
    // Without a file of labels it comes first.
    assert_eq!(read(&experiment, Some("none")).unwrap().labels.name(0), Some("none"));
}

#[test]
fn what_is_left_of_the_labels_has_no_other_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = renamed(folder.path(), Plan::Single {});
    experiment.data.target = Target::RelationOfRelated;
    let data = read(&experiment, Some("none")).unwrap();
    assert!(data.labels.id("none").is_none() && data.labels.id("Other").is_some());
    assert_eq!(data.labels.no_relation(), None);
    let fault = read(&experiment, Some("")).unwrap_err().to_string();
    assert!(fault.contains("data.no_relation"), "{fault}");
}

#[test]
fn a_benchmark_says_itself_which_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = renamed(folder.path(), Plan::Single {});
    let item = |id: usize, label: &str| {
        format!("{id}\t\"The <e1>fire</e1> {id} came from a <e2>match</e2>.\"\n{label}\nComment:\n\n")
    };
    let path = folder.path().join("train.txt");
    std::fs::write(&path, item(1, "Cause-Effect(e1,e2)") + &item(2, "Other")).unwrap();
    experiment.data.train = path;
    (experiment.data.labels, experiment.data.test, experiment.data.val_size) = (None, None, 0.0);
    let data = read(&experiment, None).unwrap();
    assert_eq!((data.labels.len(), data.labels.no_relation_name()), (19, Some("Other")));
    assert!(!data.notes.concat().contains("is taken for"), "{:?}", data.notes);
}

#[test]
fn plans_and_what_they_load_know_it() {
    let folder = tempfile::tempdir().unwrap();
    let two_stage = named(folder.path(), Plan::TwoStage { gate: Gate::Product });
    let run = folder.path().join("two_stage");
    let summary = fresh(&two_stage, &run);
    let predictor = load_predictor(&run, &two_stage.training).unwrap();
    assert_eq!(predictor.labels().no_relation_name(), Some("none"));
    let data = ExperimentData::read(&two_stage.data, two_stage.training.seed).unwrap();
    let said = predictor.predict(&data.validation).unwrap();
    let gold: Vec<usize> =
        data.validation.iter().map(|row| data.labels.class_of(row).unwrap().unwrap()).collect();
    let metrics = Metrics::of(&gold, &said.classes(), &data.labels).unwrap();
    assert_eq!(summary.evaluation.unwrap().metrics.micro_f1, metrics.micro_f1);

    // Probabilities in files do not tell it: those of folds are read again.
    let folds = named(folder.path(), Plan::KFold { folds: 2 });
    fresh(&folds, &folder.path().join("folds"));
    assert!(folder.path().join("folds/out_of_fold_probabilities.csv").is_file());
}

#[test]
fn a_run_from_before_it_was_named_takes_part() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let before = renamed(folder.path(), Plan::Single {});
    fresh(&before, &at("before"));
    let predictor = load_predictor(at("before"), &before.training).unwrap();
    assert_eq!(predictor.labels().no_relation_name(), Some("Other"));

    let member = MemberConfig {
        member: "a".to_owned(),
        run: Some(at("before")),
        full_data_of: None,
        experiment: None,
    };
    let last = VoteConfig { vote: "v".to_owned(), how: Vote::Mean, of: vec!["a".to_owned()], weights: None };
    let vote = named(folder.path(), Plan::Vote { members: vec![member], votes: vec![last] });
    watched(&vote, &at("vote"), Start::Fresh);
    let predictor = load_predictor(at("vote"), &vote.training).unwrap();
    assert_eq!(predictor.labels().no_relation_name(), Some("none"));
}

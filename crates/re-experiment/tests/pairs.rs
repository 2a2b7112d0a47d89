//! Rows that are pairs of the mentions of documents.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::path::Path;

use common::{experiment, fresh, go, watched};
use re_data::{PairRule, Predictor, RelationExample};
use re_experiment::{Experiment, ExperimentData, PairConfig, Plan, load_predictor};
use re_extract::{GraphSettings, RelationProperties};
use re_train::Start;

/// Sixty documents of three people and a town each: the first two are a couple, and the third lives in the town.
fn documents(folder: &Path, name: &str, related: bool) -> std::path::PathBuf {
    let names = ["Marie", "Pierre", "Irène", "Paris"];
    let document = |number: usize| {
        let text = format!("{}{number} {} {} {}", names[0], names[1], names[2], names[3]);
        let mut start = 0;
        let mentions: Vec<String> = text
            .split(' ')
            .zip(["PER", "PER", "PER", "LOC"])
            .map(|(word, kind)| {
                let (from, to) = (start, start + word.chars().count());
                start = to + 1;
                format!(r#"{{"start": {from}, "end": {to}, "type": "{kind}"}}"#)
            })
            .collect();
        let relations = match related {
            true => {
                r#"{"subject": 0, "object": 1, "label": "spouse"}, {"subject": 2, "object": 3, "label": "lives_in"}"#
            }
            false => "",
        };
        let mentions = mentions.join(", ");
        format!(
            r#"{{"id": "d{number}", "text": "{text}", "mentions": [{mentions}], "relations": [{relations}]}}"#
        )
    };
    let path = folder.join(name);
    std::fs::write(&path, (0..60).map(|number| document(number) + "\n").collect::<String>()).unwrap();
    path
}

fn of_documents(folder: &Path, pairs: PairConfig) -> Experiment {
    let mut experiment = experiment(folder, Plan::Single {});
    experiment.data.labels = None;
    experiment.data.train = documents(folder, "documents.jsonl", true);
    experiment.data.test = Some(documents(folder, "test.jsonl", false));
    experiment.data.pairs = Some(pairs);
    experiment
}

fn read(experiment: &Experiment) -> ExperimentData {
    ExperimentData::read(&experiment.data, 7).unwrap()
}

#[test]
fn every_pair_is_a_row_and_few_unrelated_ones_are_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let all = read(&of_documents(folder.path(), PairConfig::default()));
    assert_eq!(all.labels.names(), ["no_relation", "lives_in", "spouse"]);
    assert_eq!(all.labels.no_relation_name(), Some("no_relation"));
    // Whether a document validates follows from its text alone.
    let aside = all.validation.len() / 12;
    assert!((5..30).contains(&aside), "{aside}");
    let kept = 60 - aside;
    assert_eq!((all.train.len(), all.validation.len(), all.test.len()), (kept * 12, aside * 12, 60 * 12));
    assert!(all.test.iter().all(|row| row.label().is_none()), "a file without relations is not labelled");

    let negatives = Some(1.0);
    let few = of_documents(folder.path(), PairConfig { negatives, ..PairConfig::default() });
    let few = read(&few);
    assert_eq!((few.train.len(), few.validation.len(), few.test.len()), (kept * 4, aside * 12, 60 * 12));
    let unrelated = few.train.iter().filter(|row| row.label() == Some("no_relation")).count();
    assert_eq!(unrelated, kept * 2);
    let ids =
        |rows: &[re_data::RelationExample]| rows.iter().map(|row| row.id().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&all.validation), ids(&few.validation), "the same documents validate");

    // A couple is one from both ends; nobody is the spouse of a town, and no town lives anywhere.
    let properties = RelationProperties::new(["spouse"], []).unwrap();
    let typed = PairConfig { properties, min_type_count: 2, ..PairConfig::default() };
    let typed = read(&of_documents(folder.path(), typed));
    assert_eq!(typed.validation.len(), aside * (6 + 3));
    assert_eq!(typed.validation.iter().filter(|row| row.label() == Some("spouse")).count(), aside * 2);
}

#[test]
fn the_hardest_unrelated_pairs_are_those_that_a_model_takes_for_related() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("first");
    fresh(&of_documents(folder.path(), PairConfig::default()), &run);
    let hard =
        PairConfig { negatives: Some(1.0), hard_negatives_from: Some(run.clone()), ..PairConfig::default() };
    let experiment = of_documents(folder.path(), hard);
    let data = read(&experiment);
    assert_eq!(data.train.len() / 4 + data.validation.len() / 12, 60);
    assert!(data.notes.iter().any(|note| note.contains("first finds hardest")), "{:?}", data.notes);
    // Of each document the two unrelated pairs that are least probably unrelated.
    let all = read(&of_documents(folder.path(), PairConfig::default()));
    let predictor = load_predictor(&run, &experiment.training).unwrap();
    let asked: Vec<RelationExample> = all.train.iter().map(|row| row.clone().without_label()).collect();
    let said = predictor.predict(&asked).unwrap();
    let probability: std::collections::HashMap<&str, f32> =
        said.predictions().map(|row| (row.id, row.probabilities[0])).collect();
    let unrelated = |rows: &[RelationExample], document: &str| -> Vec<f32> {
        let of = rows.iter().filter(|row| row.id().starts_with(&format!("{document}#")));
        let of = of.filter(|row| row.label() == Some("no_relation"));
        let mut found: Vec<f32> = of.map(|row| probability[row.id()]).collect();
        found.sort_by(f32::total_cmp);
        found
    };
    let document = data.train[0].id().split_once('#').unwrap().0;
    let (drawn, every) = (unrelated(&data.train, document), unrelated(&all.train, document));
    assert_eq!((drawn.len(), every.len()), (2, 10));
    assert!((drawn[0] - every[0]).abs() < 1e-5 && (drawn[1] - every[1]).abs() < 1e-5, "{drawn:?} {every:?}");
    let (_, watch) = watched(&experiment, &folder.path().join("second"), Start::Fresh);
    assert!(watch.has("unrelated pairs are predicted to be related"), "{:?}", watch.told);
}

#[test]
fn a_run_leaves_what_makes_a_graph_of_judged_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let rule = PairRule { max_mentions: Some(2), ..PairRule::default() };
    let pairs = PairConfig { rule: rule.clone(), precision: Some(0.5), ..PairConfig::default() };
    let run = folder.path().join("run");
    let summary = fresh(&of_documents(folder.path(), pairs), &run);
    assert!(summary.evaluation.is_some() && summary.submission.is_some());
    let settings = GraphSettings::load(run.join(GraphSettings::FILE)).unwrap();
    assert_eq!(settings.rule, rule);
    assert_ne!(settings.calibration.temperature(), 1.0);
    let labels = ["no_relation", "lives_in", "spouse"];
    settings.check(&re_data::LabelSet::new(labels).unwrap()).unwrap();
}

#[test]
fn settings_that_do_not_fit_documents_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let message = |change: &dyn Fn(&mut Experiment)| {
        let mut experiment = of_documents(folder.path(), PairConfig::default());
        change(&mut experiment);
        go(&experiment, &folder.path().join("refused"), Start::Fresh).unwrap_err().to_string()
    };
    let pairs = |config: PairConfig| message(&|experiment| experiment.data.pairs = Some(config.clone()));
    let negatives = |ratio| PairConfig { negatives: Some(ratio), ..PairConfig::default() };
    assert!(pairs(negatives(-1.0)).contains("data.pairs.negatives = -1"));
    assert!(pairs(negatives(f64::NAN)).contains("data.pairs.negatives = NaN"));
    assert!(
        pairs(PairConfig { precision: Some(1.5), ..PairConfig::default() })
            .contains("data.pairs.precision = 1.5")
    );
    let hard = PairConfig { hard_negatives_from: Some("absent".into()), ..PairConfig::default() };
    assert!(pairs(hard.clone()).contains("data.pairs.hard_negatives_from = absent without"));
    assert!(pairs(PairConfig { negatives: Some(1.0), ..hard }).contains("absent"));
    let without = message(&|experiment| experiment.data.train = experiment.data.test.clone().unwrap());
    assert!(without.contains("data.train") && without.contains("no label"), "{without}");
    let types = message(&|experiment| experiment.data.entity_types = Some("types.tsv".into()));
    assert!(types.contains("data.entity_types"), "{types}");
}

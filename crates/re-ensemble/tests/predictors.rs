//! Ensembles and two-stage pairs of live predictors.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{Table, examples, labels};
use re_data::{LabelSet, Predictor, Probabilities, RelationExample};
use re_ensemble::{Ensemble, Error, Gate, LiveMember, Members, TwoStage, Vote};

fn table(names: &[&str], rows: &[&[f32]]) -> Table {
    Table { labels: labels(names), rows: rows.iter().map(|row| row.to_vec()).collect() }
}

fn values(predictor: &dyn Predictor, count: usize) -> Vec<f32> {
    predictor.predict(&examples(count)).unwrap().values().to_vec()
}

fn close(found: &[f32], expected: &[f32]) {
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-6),
        "{found:?} is not {expected:?}"
    );
}

#[test]
fn ensembles_nest_and_align_labels() {
    let xlmr = table(&["none", "a"], &[&[0.9, 0.1], &[0.3, 0.7]]);
    let mbert = table(&["a", "none"], &[&[0.6, 0.4], &[0.6, 0.4]]);
    let more = table(&["none", "a"], &[&[0.2, 0.8], &[0.7, 0.3]]);
    let config04 =
        Ensemble::new(Vote::Mean, [LiveMember::new("01", &mbert), LiveMember::new("03", &more)]).unwrap();
    // The members disagree on the order of classes: the alphabetically smaller one holds.
    assert_eq!(config04.labels().names(), ["a", "none"]);
    close(&values(&config04, 2), &[0.7, 0.3, 0.45, 0.55]);
    let config09 = Ensemble::new(
        Vote::Hard,
        [
            LiveMember::new("07", &xlmr),
            LiveMember::new("03", &more),
            LiveMember::new("04", Box::new(config04)).with_weight(1.0),
        ],
    )
    .unwrap();
    let vote = config09.predict(&examples(2)).unwrap();
    let names: Vec<&str> = vote.predictions().map(|p| p.label).collect();
    assert_eq!(names, ["a", "none"]);
    let members = config09.members(&examples(2)).unwrap();
    assert_eq!(members.vote(Vote::Hard).unwrap(), vote);
    assert!(format!("{config09:?}").contains("07"));
    assert!(values(&config09, 0).is_empty());
}

#[test]
fn rows_with_one_id_are_no_obstacle_to_a_live_vote() {
    let a = table(&["none", "a"], &[&[0.9, 0.1]]);
    let ensemble = Ensemble::new(Vote::Mean, [LiveMember::new("x", &a)]).unwrap();
    let twice = [examples(1), examples(1)].concat();
    assert_eq!(ensemble.predict(&twice).unwrap().len(), 2);
    assert!(matches!(ensemble.members(&twice), Err(Error::DuplicateId { .. })));
}

/// Answers for other rows than it is asked for.
struct Astray(Arc<LabelSet>);

impl Predictor for Astray {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.0
    }

    fn predict(&self, _: &[RelationExample]) -> re_data::Result<Probabilities> {
        Probabilities::new(vec!["0".into(), "7".into()], Arc::clone(&self.0), vec![0.5; 4])
    }
}

#[test]
fn faults_of_members_are_named() {
    let a = table(&["none", "a"], &[&[0.9, 0.1]]);
    let astray = Astray(labels(&["none", "a"]));
    let ensemble = |other: LiveMember<'static>| {
        Ensemble::new(Vote::Mean, [LiveMember::new("x", table(&["none", "a"], &[&[0.9, 0.1]])), other])
    };
    let broken = Ensemble::new(Vote::Mean, [LiveMember::new("x", &a)]).unwrap();
    let error = broken.predict(&examples(2)).unwrap_err();
    assert_eq!(re_data::error::with_causes(&error), "x: prediction failed: no such row");
    assert!(std::error::Error::source(&error).is_some());
    let wrong = Ensemble::new(Vote::Mean, [LiveMember::new("y", &astray)]).unwrap();
    for count in [1, 2, 3] {
        let error = wrong.members(&examples(count)).unwrap_err();
        let Error::Answer { row, .. } = error else { panic!("{error}") };
        assert_eq!(row, 1, "{count} examples");
    }
    let other = ensemble(LiveMember::new("y", table(&["none", "b"], &[])));
    assert!(matches!(other, Err(Error::MissingLabel { member, .. }) if member == "y"));
    assert!(matches!(
        ensemble(LiveMember::new("x", table(&["none", "a"], &[]))),
        Err(Error::DuplicateMember { .. })
    ));
    assert!(matches!(Ensemble::new(Vote::Mean, []), Err(Error::NoMembers)));
    assert!(matches!(Members::align([]), Err(Error::NoMembers)));
}

const RESULT: [&str; 3] = ["no_relation", "a", "b"];

#[test]
fn two_stages_multiply() {
    let first = || table(&["related", "no_relation"], &[&[0.8, 0.2], &[0.4, 0.6]]);
    let relations = table(&["b", "a"], &[&[0.25, 0.75], &[0.5, 0.5]]);
    let two = TwoStage::new(first(), &relations, Gate::Product, labels(&RESULT)).unwrap();
    assert_eq!(two.labels().names(), RESULT);
    close(&values(&two, 2), &[0.2, 0.6, 0.2, 0.6, 0.2, 0.2]);
    // A second stage that knows "no relation" loses it.
    let all = table(&["no_relation", "a", "b"], &[&[0.6, 0.3, 0.1], &[1.0, 0.0, 0.0]]);
    let two = TwoStage::new(first(), &all, Gate::Product, labels(&RESULT)).unwrap();
    close(&values(&two, 2), &[0.2, 0.6, 0.2, 0.6, 0.2, 0.2]);
}

#[test]
fn a_deciding_first_stage_asks_the_second_only_about_the_rest() {
    let first = || table(&["related", "no_relation"], &[&[0.5, 0.5], &[0.6, 0.4], &[0.1, 0.9]]);
    // Only row 1 can be answered.
    let second = table(&["a", "b"], &[&[], &[0.3, 0.7]]);
    let gate = Gate::Decide { threshold: 0.5 };
    let two = TwoStage::new(first(), &second, gate, labels(&RESULT)).unwrap();
    close(&values(&two, 3), &[1.0, 0.0, 0.0, 0.0, 0.3, 0.7, 1.0, 0.0, 0.0]);
    let gate = Gate::Decide { threshold: 0.95 };
    let uniform = table(&["a", "b"], &[&[0.5, 0.5], &[0.5, 0.5], &[0.5, 0.5]]);
    let two = TwoStage::new(first(), &uniform, gate, labels(&RESULT)).unwrap();
    close(&values(&two, 3), &[0.0, 0.5, 0.5, 0.0, 0.5, 0.5, 0.0, 0.5, 0.5]);
    let nested = Ensemble::new(Vote::Mean, [LiveMember::new("two stages", two)]).unwrap();
    assert_eq!(nested.predict(&examples(3)).unwrap().len(), 3);
    let gates: Vec<Gate> = serde_json::from_str(r#"["product", {"decide": {"threshold": 0.5}}]"#).unwrap();
    assert_eq!(gates, [Gate::Product, Gate::Decide { threshold: 0.5 }]);
}

#[test]
fn stages_must_fit_the_result() {
    let new = |first: &[&str], second: &[&str], gate, result: &[&str]| {
        TwoStage::new(table(first, &[]), table(second, &[]), gate, labels(result)).map(|_| ()).unwrap_err()
    };
    let product = Gate::Product;
    let binary = ["no_relation", "related"];
    assert!(
        matches!(new(&binary, &["a"], product, &RESULT), Error::MissingLabel { label, .. } if label == "b")
    );
    assert!(matches!(
        new(&binary, &["a", "b", "c"], product, &RESULT),
        Error::UnexpectedLabel { label, .. } if label == "c"
    ));
    assert!(matches!(new(&["x", "y"], &["a", "b"], product, &RESULT), Error::NoRelation { found: None, .. }));
    assert!(matches!(new(&["NA", "y"], &["a", "b"], product, &RESULT), Error::NoRelation { .. }));
    assert!(matches!(new(&binary, &["a", "b"], product, &["a", "b"]), Error::NoRelation { .. }));
    let gate = Gate::Decide { threshold: f32::NAN };
    assert!(matches!(new(&binary, &["a", "b"], gate, &RESULT), Error::Argument { .. }));
}

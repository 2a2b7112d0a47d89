//! Ensembles and two-stage pairs of live predictors.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{Table, examples, labels};
use re_data::{LabelSet, Outcomes, PredictError, Predictor, Probabilities, RelationExample, RowError};
use re_ensemble::{Ensemble, Error, Gate, Members, TwoStage, Vote, Voter};

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
    let config04 = Ensemble::new(Vote::Mean, [Voter::new("01", &mbert), Voter::new("03", &more)]).unwrap();
    // The members disagree on the order of classes: the alphabetically smaller one holds.
    assert_eq!(config04.labels().names(), ["a", "none"]);
    close(&values(&config04, 2), &[0.7, 0.3, 0.45, 0.55]);
    let config09 = Ensemble::new(
        Vote::Hard,
        [
            Voter::new("07", &xlmr),
            Voter::new("03", &more),
            Voter::new("04", Box::new(config04)).with_weight(1.0),
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
    let ensemble = Ensemble::new(Vote::Mean, [Voter::new("x", &a)]).unwrap();
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

    fn outcomes(&self, _: &[RelationExample]) -> Result<Outcomes, PredictError> {
        Ok(Probabilities::new(vec!["0".into(), "7".into()], Arc::clone(&self.0), vec![0.5; 4])?.into())
    }
}

#[test]
fn faults_of_members_are_named() {
    let a = table(&["none", "a"], &[&[0.9, 0.1]]);
    let astray = Astray(labels(&["none", "a"]));
    let ensemble = |other: Voter<'static>| {
        Ensemble::new(Vote::Mean, [Voter::new("x", table(&["none", "a"], &[&[0.9, 0.1]])), other])
    };
    let broken = Ensemble::new(Vote::Mean, [Voter::new("x", &a)]).unwrap();
    let error = broken.predict(&examples(2)).unwrap_err();
    let told = "x: prediction failed: example 1: prediction failed: no such row";
    assert_eq!(re_data::error::with_causes(&error), told);
    let error = broken.members(&examples(2)).unwrap_err();
    assert_eq!(re_data::error::with_causes(&error), told);
    let wrong = Ensemble::new(Vote::Mean, [Voter::new("y", &astray)]).unwrap();
    for count in [1, 2, 3] {
        let error = wrong.members(&examples(count)).unwrap_err();
        let Error::Member { source: PredictError::OtherRows { row, .. }, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(row, 1, "{count} examples");
        let error = wrong.outcomes(&examples(count)).unwrap_err();
        assert!(
            re_data::error::with_causes(&error).starts_with("y: prediction failed: answer 1 of "),
            "{error:?}"
        );
    }
    let other = ensemble(Voter::new("y", table(&["none", "b"], &[])));
    assert!(matches!(other, Err(Error::MissingLabel { member, .. }) if member == "y"));
    assert!(matches!(
        ensemble(Voter::new("x", table(&["none", "a"], &[]))),
        Err(Error::DuplicateMember { .. })
    ));
    assert!(matches!(Ensemble::new(Vote::Mean, []), Err(Error::NoMembers)));
    assert!(matches!(Members::align([]), Err(Error::NoMembers)));
}

/// What became of each of the first rows: its probabilities, or its error with all causes.
fn outcomes(predictor: &dyn Predictor, count: usize) -> Vec<Result<Vec<f32>, String>> {
    let outcomes = predictor.outcomes(&examples(count)).unwrap();
    let told = |error: &RowError| re_data::error::with_causes(error);
    outcomes.rows().map(|row| row.map(<[f32]>::to_vec).map_err(told)).collect()
}

#[test]
fn a_row_fails_alone_where_a_member_cannot_answer_it() {
    let x = table(&["none", "a"], &[&[0.5, 0.5], &[], &[0.25, 0.75], &[], &[1.0, 0.0]]);
    let y = table(&["a", "none"], &[&[0.5, 0.5], &[0.5, 0.5], &[0.25, 0.75], &[]]);
    let vote = Ensemble::new(Vote::Mean, [Voter::new("x", &x), Voter::new("y", &y)]).unwrap();
    let failed = |members: &str, row| {
        Err(format!("{members}: prediction failed: example {row}: prediction failed: no such row"))
    };
    let ok = |none: f32| Ok(vec![none, 1.0 - none]);
    // Its classes stand in the order of "y".
    let expected = [ok(0.5), failed("x", 1), ok(0.5), failed("x", 3), failed("y", 4)];
    assert_eq!(outcomes(&vote, 5), expected);
    let nested = Ensemble::new(Vote::Hard, [Voter::new("vote", vote)]).unwrap();
    assert_eq!(outcomes(&nested, 5)[1], failed("vote: prediction failed: x", 1));
    assert_eq!(outcomes(&nested, 5).iter().filter(|row| row.is_ok()).count(), 2);
}

#[test]
fn a_row_fails_alone_where_a_stage_that_is_asked_cannot_answer_it() {
    let first =
        || table(&["related", "no_relation"], &[&[0.5, 0.5], &[], &[0.1, 0.9], &[0.7, 0.3], &[0.6, 0.4]]);
    let second = || table(&["a", "b"], &[&[0.5, 0.5], &[0.5, 0.5], &[], &[], &[0.25, 0.75]]);
    let failed = |stage: &str, row| {
        Err(format!("{stage}: prediction failed: example {row}: prediction failed: no such row"))
    };
    let two = |gate| TwoStage::new(first(), second(), gate, labels(&RESULT)).unwrap();
    let gate = Gate::Decide { threshold: 0.8 };
    let found = outcomes(&two(gate), 5);
    assert_eq!(found[0], Ok(vec![0.0, 0.5, 0.5]));
    assert_eq!(found[1], failed("first stage", 1));
    // The second stage is not asked about row 2.
    assert_eq!(found[2], Ok(vec![1.0, 0.0, 0.0]));
    assert_eq!(found[3], failed("second stage", 3));
    assert_eq!(found[4], Ok(vec![0.0, 0.25, 0.75]));
    let found = outcomes(&two(Gate::Product), 5);
    assert_eq!(found[2], failed("second stage", 2));
    assert_eq!(found.iter().filter(|row| row.is_ok()).count(), 2);
}

/// Gives no answer at all.
struct Broken(Arc<LabelSet>, PredictError);

impl Predictor for Broken {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.0
    }

    fn outcomes(&self, _: &[RelationExample]) -> Result<Outcomes, PredictError> {
        Err(self.1.clone())
    }
}

#[test]
fn a_member_that_fails_or_is_stopped_ends_the_vote() {
    let error = |of_member: PredictError| {
        let broken = Broken(labels(&["none", "a"]), of_member);
        let inner = Ensemble::new(Vote::Mean, [Voter::new("x", broken)]).unwrap();
        Ensemble::new(Vote::Mean, [Voter::new("y", inner)]).unwrap().outcomes(&examples(1)).unwrap_err()
    };
    let failed = error(PredictError::model("out of memory"));
    let told = re_data::error::with_causes(&failed);
    assert_eq!(told, "y: prediction failed: x: prediction failed: out of memory");
    assert!(matches!(error(PredictError::Interrupted), PredictError::Interrupted));
}

#[test]
fn a_row_costs_what_all_members_take() {
    let row = &examples(1)[0];
    let one = || table(&["none", "a"], &[]);
    let three = Ensemble::new(Vote::Mean, ["x", "y", "z"].map(|name| Voter::new(name, one()))).unwrap();
    assert_eq!(three.tokens(row), 3 * one().tokens(row));
    let binary = table(&["no_relation", "related"], &[]);
    let two = TwoStage::new(binary, table(&["a", "b"], &[]), Gate::Product, labels(&RESULT)).unwrap();
    assert_eq!(two.tokens(row), 2 * one().tokens(row));
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
    let nested = Ensemble::new(Vote::Mean, [Voter::new("two stages", two)]).unwrap();
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

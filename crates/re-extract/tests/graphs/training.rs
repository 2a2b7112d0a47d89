//! Rows for training, from documents with relations.

use std::collections::HashSet;

use proptest::prelude::*;
use re_data::{Document, PairRule, Predictor, RelationExample};
use re_extract::{
    GraphSettings, RelationProperties, TrainingPairOptions, TrainingPairs, TypeConstraints, training_pairs,
};

use crate::{Scripted, document, labels, related};

fn rows(documents: &[Document], settings: &GraphSettings, ratio: Option<f64>, seed: u64) -> TrainingPairs {
    let options = TrainingPairOptions { ratio, seed };
    training_pairs(documents, &labels(), settings, options, None).unwrap()
}

fn named(examples: &[RelationExample]) -> Vec<String> {
    examples.iter().map(|example| format!("{} {}", example.id(), example.label().unwrap())).collect()
}

fn four() -> Document {
    related(
        document("d", &[Some("P"), Some("P"), Some("P"), Some("O")]),
        &[(0, 1, "spouse"), (2, 0, "parent")],
    )
}

#[test]
fn unrelated_pairs_are_drawn_by_ratio() {
    let all = rows(&[four()], &GraphSettings::default(), None, 1);
    assert_eq!((all.examples.len(), all.counts.labelled, all.counts.negatives), (12, 2, 10));
    let some = rows(&[four()], &GraphSettings::default(), Some(1.5), 1);
    assert_eq!((some.examples.len(), some.counts.negatives, some.counts.unrelated), (5, 3, 10));
    let labelled = |rows: &TrainingPairs| {
        named(&rows.examples).into_iter().filter(|row| !row.ends_with("no_relation")).collect::<Vec<_>>()
    };
    assert_eq!(labelled(&some), ["d#0-1 spouse", "d#2-0 parent"]);
    assert_eq!(rows(&[four()], &GraphSettings::default(), Some(0.0), 1).counts.negatives, 0);
    // A document without relations counts as one with one.
    let bare = document("e", &[None; 4]);
    assert_eq!(rows(&[bare], &GraphSettings::default(), Some(2.5), 1).counts.negatives, 3);
    // The seed decides.
    let drawn = |seed| named(&rows(&[four()], &GraphSettings::default(), Some(1.5), seed).examples);
    assert_eq!(drawn(1), drawn(1));
    assert!((2..9).any(|seed| drawn(seed) != drawn(1)));
}

#[test]
fn the_other_end_of_a_relation_is_not_unrelated() {
    let settings = GraphSettings {
        properties: RelationProperties::new(["spouse"], [["parent", "child"]]).unwrap(),
        ..GraphSettings::default()
    };
    let made = rows(&[four()], &settings, Some(0.0), 1);
    let expected = ["d#0-1 spouse", "d#1-0 spouse", "d#0-2 child", "d#2-0 parent"];
    assert_eq!(named(&made.examples), expected);
    assert_eq!((made.counts.labelled, made.counts.from_other_end), (2, 2));
}

#[test]
fn what_is_no_candidate_is_no_negative_and_what_has_two_labels_is_counted() {
    let settings = GraphSettings {
        rule: PairRule { max_mentions: Some(1), ..PairRule::default() },
        constraints: TypeConstraints::declare(
            ["spouse", "parent", "child", "likes"].map(|name| (name, "P", "P")),
        )
        .unwrap(),
        ..GraphSettings::default()
    };
    let several = related(four(), &[(0, 1, "spouse"), (0, 1, "likes"), (2, 0, "parent")]);
    let made = rows(&[several], &settings, None, 1);
    // Neighbours without the O: 0-1, 1-0, 1-2, 2-1. The parent is farther, and a row all the same.
    let expected = ["d#1-0 no_relation", "d#1-2 no_relation", "d#2-1 no_relation", "d#2-0 parent"];
    assert_eq!(named(&made.examples), expected);
    assert_eq!(made.counts.beyond_candidates, 1);
    assert_eq!(made.counts.several_labels.first, ["d#0-1"]);
}

#[test]
fn the_hardest_pairs_are_those_that_look_related() {
    let predictor = Scripted::default()
        .says("d#3-0", [0.2, 0.8, 0.0, 0.0, 0.0])
        .says("d#1-2", [0.4, 0.0, 0.0, 0.0, 0.6])
        .says("d#1-3", [0.6, 0.0, 0.0, 0.0, 0.4])
        .fails("d#2-3");
    let hardest = |ratio| {
        let options = TrainingPairOptions { ratio: Some(ratio), seed: 1 };
        let model: &dyn Predictor = &predictor;
        training_pairs(&[four()], &labels(), &GraphSettings::default(), options, Some(model)).unwrap()
    };
    let made = hardest(1.0);
    let expected = ["d#0-1 spouse", "d#2-0 parent", "d#3-0 no_relation", "d#1-2 no_relation"];
    assert_eq!(named(&made.examples).into_iter().collect::<HashSet<_>>(), expected.map(String::from).into());
    assert_eq!(made.counts.unanswered.count, 1);
    // What failed is the easiest: nine of ten are the others.
    assert!(!named(&hardest(4.5).examples).contains(&"d#2-3 no_relation".to_owned()));
}

#[test]
fn what_cannot_be_sampled_is_refused() {
    let message = |names: &[&str], ratio: f64| {
        let labels = re_data::LabelSet::new(names.iter().copied()).unwrap();
        let options = TrainingPairOptions { ratio: Some(ratio), seed: 1 };
        training_pairs(&[four()], &labels, &GraphSettings::default(), options, None).unwrap_err().to_string()
    };
    assert!(message(&["spouse", "parent"], 1.0).starts_with("labels: found no class of no relation"));
    assert!(message(&crate::NAMES, f64::NAN).starts_with("ratio: found NaN"));
    assert!(message(&["no_relation", "spouse"], 1.0).contains(r#"label "parent" is not one of"#));
}

proptest! {
    #[test]
    fn what_is_drawn_depends_on_the_document_alone(
        others in prop::collection::vec(2usize..5, 0..4),
        seed: u64,
        ratio in 0.0f64..4.0,
    ) {
        let alone = rows(&[four()], &GraphSettings::default(), Some(ratio), seed);
        let mut documents: Vec<Document> =
            others.iter().enumerate().map(|(n, &len)| document(&n.to_string(), &vec![None; len])).collect();
        documents.push(four());
        let together = rows(&documents, &GraphSettings::default(), Some(ratio), seed);
        let of_this = together.examples.iter().filter(|example| example.id().starts_with("d#"));
        prop_assert_eq!(of_this.cloned().collect::<Vec<_>>(), alone.examples);
        let counts = together.counts;
        prop_assert_eq!(together.examples.len(), counts.labelled + counts.negatives);
        prop_assert!(counts.negatives <= counts.unrelated);
    }
}

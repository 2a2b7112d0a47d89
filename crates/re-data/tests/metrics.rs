//! Metrics against scikit-learn: `fixtures/metrics/make.py` made the numbers.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use re_data::metrics::{Metrics, auprc, semeval_macro_f1};
use re_data::{CharSpan, LabelSet, Mention, Probabilities};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: Vec<String>,
    gold: Vec<usize>,
    probabilities: Vec<Vec<f32>>,
    accuracy: f64,
    micro_f1: f64,
    macro_f1: f64,
    auprc: f64,
    semeval_macro_f1: Option<f64>,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    support: Vec<usize>,
    confusion: Vec<Vec<usize>>,
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
}

#[test]
fn more_classes_than_their_pairs_can_be_counted_are_refused() {
    let labels = LabelSet::new((0..5000).map(|class| class.to_string())).unwrap();
    let error = Metrics::of(&[0], &[1], &labels).unwrap_err().to_string();
    assert!(error.contains("5000 different labels") && error.contains("at most 4096"), "{error}");
}

#[test]
fn equal_to_scikit_learn() {
    let file = std::fs::read("../../fixtures/metrics/metrics.json").unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&file).unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        println!("{}", case.name);
        let labels = Arc::new(LabelSet::new(case.labels).unwrap());
        let ids = (0..case.gold.len()).map(|i| i.to_string()).collect();
        let probabilities = Probabilities::new(ids, labels, case.probabilities.concat()).unwrap();
        let metrics = Metrics::of_probabilities(&case.gold, &probabilities).unwrap();
        assert_eq!(metrics.rows, case.gold.len());
        close(metrics.accuracy, case.accuracy);
        close(metrics.micro_f1, case.micro_f1);
        close(metrics.macro_f1, case.macro_f1);
        close(metrics.auprc.unwrap(), case.auprc);
        assert_eq!(metrics.semeval_macro_f1.is_some(), case.semeval_macro_f1.is_some());
        close(metrics.semeval_macro_f1.unwrap_or(0.0), case.semeval_macro_f1.unwrap_or(0.0));
        assert_eq!(metrics.confusion, case.confusion);
        for (class, label) in metrics.per_label.iter().enumerate() {
            close(label.precision, case.precision[class]);
            close(label.recall, case.recall[class]);
            close(label.f1, case.f1[class]);
            assert_eq!(label.support, case.support[class]);
            assert_eq!(label.predicted, case.confusion.iter().map(|row| row[class]).sum::<usize>());
        }
        let json = serde_json::to_string(&metrics).unwrap();
        assert_eq!(serde_json::from_str::<Metrics>(&json).unwrap(), metrics);
    }
}

#[test]
fn without_no_relation_micro_f1_is_accuracy() {
    let labels = LabelSet::new(["a", "b"]).unwrap();
    let metrics = Metrics::of(&[0, 1, 1], &[0, 1, 0], &labels).unwrap();
    assert_eq!((metrics.micro_f1, metrics.auprc), (metrics.accuracy, None));
    let nothing = Metrics::of(&[], &[], &labels).unwrap();
    assert_eq!((nothing.accuracy, nothing.micro_f1, nothing.macro_f1), (0.0, 0.0, 0.0));
}

#[test]
fn perfect_and_constant_probabilities() {
    let labels = Arc::new(LabelSet::new(["a", "b"]).unwrap());
    let of = |values: &[f32]| {
        let ids = (0..4).map(|i| i.to_string()).collect();
        auprc(&[0, 0, 1, 1], &Probabilities::new(ids, labels.clone(), values.to_vec()).unwrap()).unwrap()
    };
    close(of(&[0.9, 0.1, 0.8, 0.2, 0.3, 0.7, 0.4, 0.6]), 1.0);
    // One point at recall 1 and the share of the class: the mean of 1 and 0.5.
    close(of(&[0.5; 8]), 0.75);
}

/// The official scorer (version 1.2) counts a right relation with a wrong direction against both precision and recall.
#[test]
fn semeval_counts_directions_as_errors() {
    let labels =
        LabelSet::new(["Other", "Cause-Effect(e1,e2)", "Cause-Effect(e2,e1)", "Member-Collection(e1,e2)"])
            .unwrap();
    let gold = [1, 1, 2, 2, 0, 0, 3, 3];
    let predicted = [1, 2, 2, 0, 1, 0, 3, 1];
    // Cause-Effect: 2 right of 5 predicted and 4 true; Member-Collection: 1 right of 1 and 2.
    let expected = (2.0 * 2.0 / (5.0 + 4.0) + 2.0 / (1.0 + 2.0)) / 2.0;
    close(semeval_macro_f1(&gold, &predicted, &labels).unwrap(), expected);
    // A relation that the truth lacks is no part of the mean, though its predictions are errors of others.
    let expected = 2.0 * 2.0 / (2.0 + 4.0);
    close(semeval_macro_f1(&[1, 1, 2, 2], &[1, 3, 2, 0], &labels).unwrap(), expected);
    close(semeval_macro_f1(&[0], &[1], &labels).unwrap(), 0.0);
}

#[test]
fn rows_must_fit_together() {
    let labels = LabelSet::new(["a", "b"]).unwrap();
    let message =
        |gold: &[usize], predicted: &[usize]| Metrics::of(gold, predicted, &labels).unwrap_err().to_string();
    assert!(message(&[0], &[]).contains("1 beside 0"));
    assert!(message(&[2], &[0]).contains("class = 2 of 2"));
    assert!(message(&[0], &[3]).contains("class = 3 of 2"));
    assert!(semeval_macro_f1(&[0], &[], &labels).is_err());
    let none = Probabilities::new(vec![], Arc::new(labels.clone()), vec![]).unwrap();
    assert!(auprc(&[], &none).unwrap_err().to_string().contains("at least one row"));
    assert!(auprc(&[1], &none).is_err());
}

#[test]
fn a_mention_is_right_where_its_span_and_its_type_are() {
    let mention = |start, len, kind: &str| Mention::new(CharSpan::with_len(start, len)).with_kind(kind);
    let gold =
        [vec![mention(0, 3, "A"), mention(4, 2, "B"), mention(4, 2, "B")], vec![], vec![mention(0, 1, "C")]];
    // Right; right place and wrong type; wrong place; nothing in a text without mentions; nothing where there is one.
    let found =
        [vec![mention(0, 3, "A").with_score(0.5), mention(4, 2, "A"), mention(7, 1, "A")], vec![], vec![]];
    let documents = gold.iter().map(Vec::as_slice).zip(found.iter().map(Vec::as_slice));
    let metrics = Metrics::of_mentions(documents);
    // One hit of three found and three true; by type 2/4, 0 and 0.
    close(metrics.micro_f1, 2.0 / 6.0);
    close(metrics.macro_f1, (2.0 / 4.0) / 3.0);
    close(metrics.accuracy, 1.0 / 3.0);
    let labels: Vec<_> =
        metrics.per_label.iter().map(|l| (l.label.as_str(), l.support, l.predicted)).collect();
    assert_eq!(labels, [("A", 1, 3), ("B", 1, 0), ("C", 1, 0)]);
    close(metrics.per_label[0].precision, 1.0 / 3.0);
    assert_eq!(Metrics::of_mentions(std::iter::empty()).micro_f1, 0.0);
}

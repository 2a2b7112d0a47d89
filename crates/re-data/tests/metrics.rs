//! Metrics against scikit-learn; `golden/metrics.py` printed the numbers.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use re_data::metrics::{Metrics, auprc, semeval_macro_f1};
use re_data::{LabelSet, Probabilities};

const CLASSES: usize = 6;

/// The rows of `golden/metrics.py`: ties abound, and the last class never occurs.
fn rows() -> (Vec<usize>, Probabilities) {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize
    };
    let gold: Vec<usize> = (0..200).map(|_| next() % 5).collect();
    let mut values = Vec::new();
    for &gold in &gold {
        let mut row: Vec<usize> = (0..CLASSES).map(|_| 1 + next() % 8).collect();
        row[gold] += 4;
        values.extend(row.iter().map(|&weight| weight as f32 / 64.0));
    }
    let labels = LabelSet::new(["no_relation", "a", "b", "c", "d", "e"]).unwrap();
    let ids = (0..gold.len()).map(|i| i.to_string()).collect();
    (gold, Probabilities::new(ids, Arc::new(labels), values).unwrap())
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
}

#[test]
fn equal_to_scikit_learn() {
    let (gold, probabilities) = rows();
    let metrics = Metrics::of_probabilities(&gold, &probabilities).unwrap();
    assert_eq!(metrics.rows, 200);
    close(metrics.accuracy, 0.63);
    close(metrics.micro_f1, 0.6222222222222222);
    close(metrics.macro_f1, 0.5251296368943428);
    close(metrics.auprc.unwrap(), 0.6957249645651973);
    assert_eq!(
        metrics.confusion,
        [
            [28, 4, 2, 2, 3, 0],
            [5, 20, 5, 5, 1, 1],
            [6, 2, 21, 2, 4, 3],
            [3, 1, 2, 34, 0, 0],
            [4, 6, 6, 7, 23, 0],
            [0, 0, 0, 0, 0, 0],
        ]
    );
    let precision =
        [0.6086956521739131, 0.6060606060606061, 0.5833333333333334, 0.68, 0.7419354838709677, 0.0];
    let recall = [0.717948717948718, 0.5405405405405406, 0.5526315789473685, 0.85, 0.5, 0.0];
    let f1 = [
        0.6588235294117647,
        0.5714285714285714,
        0.5675675675675675,
        0.7555555555555555,
        0.5974025974025974,
        0.0,
    ];
    for (class, label) in metrics.per_label.iter().enumerate() {
        close(label.precision, precision[class]);
        close(label.recall, recall[class]);
        close(label.f1, f1[class]);
    }
    assert_eq!((metrics.per_label[4].support, metrics.per_label[4].predicted), (46, 31));
    let json = serde_json::to_string(&metrics).unwrap();
    assert_eq!(serde_json::from_str::<Metrics>(&json).unwrap(), metrics);
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

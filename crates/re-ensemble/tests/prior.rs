//! Shifts of the class prior.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{examples, ids, labels};
use proptest::prelude::*;
use rand::RngExt;
use re_data::Probabilities;
use re_data::random::stream;
use re_ensemble::{Error, Prior, estimate_prior, shift_prior};

fn prior(counts: &[f64]) -> Prior {
    Prior::new(labels(["a", "b", "c"].get(..counts.len()).unwrap()), counts).unwrap()
}

fn one(values: &[f32]) -> Probabilities {
    Probabilities::new(ids(&["1"]), labels(["a", "b", "c"].get(..values.len()).unwrap()), values.to_vec())
        .unwrap()
}

#[test]
fn shares_come_from_counts_or_examples() {
    assert_eq!(prior(&[3.0, 1.0]).shares(), [0.75, 0.25]);
    assert_eq!(Prior::uniform(labels(&["a", "b"])).shares(), [0.5, 0.5]);
    let rows: Vec<_> = examples(3).into_iter().map(|e| e.with_label("a")).collect();
    let smoothed = Prior::from_examples(labels(&["a", "b"]), &rows, 1.0).unwrap();
    assert_eq!(smoothed.shares(), [0.8, 0.2]);
    assert_eq!(smoothed.labels().names(), ["a", "b"]);
    assert!(matches!(
        Prior::from_examples(labels(&["a"]), &examples(1), 1.0),
        Err(Error::Unlabelled { id }) if id == "0"
    ));
    assert!(matches!(Prior::from_examples(labels(&["b"]), &rows, 1.0), Err(Error::Data(_))));
    for bad in [&[1.0][..], &[0.0, 0.0], &[1.0, 2.0, 3.0]] {
        assert!(matches!(Prior::new(labels(&["a", "b"]), bad), Err(Error::Argument { .. })), "{bad:?}");
    }
    assert!(
        matches!(Prior::new(labels(&["a", "b"]), &[1.0, -1.0]), Err(Error::Prior { label, .. }) if label == "b")
    );
}

#[test]
fn a_shift_is_bayes_rule() {
    let shifted = shift_prior(&one(&[0.6, 0.4]), &prior(&[0.75, 0.25]), &prior(&[0.5, 0.5]), 1.0).unwrap();
    // 0.6 / 0.75 against 0.4 / 0.25: 0.8 to 1.6.
    assert!((shifted.values()[0] - 1.0 / 3.0).abs() < 1e-6, "{:?}", shifted.values());
    let half = shift_prior(&one(&[0.6, 0.4]), &prior(&[0.75, 0.25]), &prior(&[0.5, 0.5]), 0.5).unwrap();
    let (a, b) = (0.6 / 0.75_f64.sqrt(), 0.4 / 0.25_f64.sqrt());
    assert!((f64::from(half.values()[0]) - a / (a + b)).abs() < 1e-6);
}

#[test]
fn classes_without_a_share() {
    let p = one(&[0.6, 0.4]);
    let gone = shift_prior(&p, &prior(&[0.5, 0.5]), &prior(&[0.0, 1.0]), 1.0).unwrap();
    assert_eq!(gone.values(), [0.0, 1.0]);
    let kept = shift_prior(&p, &prior(&[0.5, 0.5]), &prior(&[0.0, 1.0]), 0.0).unwrap();
    assert!((kept.values()[0] - 0.6).abs() < 1e-6);
    let nothing_left = one(&[1.0, 0.0]);
    let same = shift_prior(&nothing_left, &prior(&[0.5, 0.5]), &prior(&[0.0, 1.0]), 1.0).unwrap();
    assert_eq!(same.values(), [1.0, 0.0]);
    let untrained = prior(&[1.0, 0.0]);
    assert!(
        matches!(shift_prior(&p, &untrained, &untrained, 1.0), Err(Error::Prior { label, .. }) if label == "b")
    );
    let even = prior(&[1.0, 1.0]);
    for tau in [f64::NAN, f64::INFINITY, -1.0] {
        assert!(matches!(shift_prior(&p, &even, &even, tau), Err(Error::Argument { .. })));
    }
    let wide = prior(&[1.0, 1.0, 1.0]);
    assert!(matches!(shift_prior(&p, &wide, &even, 1.0), Err(Error::UnexpectedLabel { .. })));
    assert!(matches!(
        shift_prior(&one(&[0.2, 0.3, 0.5]), &wide, &even, 1.0),
        Err(Error::MissingLabel { .. })
    ));
}

#[test]
fn expectation_maximisation_finds_a_shifted_prior() {
    // Two classes emit a number in 0..1 with densities 2(1-x) and 2x: the calibrated posterior under
    // prior s is s_b x / (s_a (1-x) + s_b x).
    let (train, target) = (0.5, 0.8);
    let mut random = stream(7, "prior test", 0);
    let mut values = Vec::new();
    let count = 20_000;
    for _ in 0..count {
        let b = random.random_range(0.0..1.0) < target;
        let u: f64 = random.random_range(0.0..1.0);
        let x = if b { u.sqrt() } else { 1.0 - u.sqrt() };
        let posterior = train * x / ((1.0 - train) * (1.0 - x) + train * x);
        values.extend([(1.0 - posterior) as f32, posterior as f32]);
    }
    let rows = (0..count).map(|row| row.to_string()).collect();
    let p = Probabilities::new(rows, labels(&["a", "b"]), values).unwrap();
    let found = estimate_prior(&p, &prior(&[1.0 - train, train])).unwrap();
    assert!(found.converged && found.steps > 1);
    assert!((found.prior.shares()[1] - target).abs() < 0.02, "{:?}", found.prior.shares());
    // Shares given in another class order are matched by name.
    let turned = Prior::new(labels(&["b", "a"]), &[train, 1.0 - train]).unwrap();
    assert_eq!(estimate_prior(&p, &turned).unwrap(), found);
}

#[test]
fn an_estimate_needs_rows_that_say_something() {
    let empty = Probabilities::new(vec![], labels(&["a", "b"]), vec![]).unwrap();
    assert!(matches!(estimate_prior(&empty, &prior(&[1.0, 1.0])), Err(Error::NoRows)));
    let silent = one(&[0.0, 0.0]);
    let found = estimate_prior(&silent, &prior(&[0.7, 0.3])).unwrap();
    assert!(!found.converged);
    assert!((found.prior.shares()[0] - 0.7).abs() < 1e-12);
}

proptest! {
    #[test]
    fn a_shift_there_and_back_changes_nothing(
        row in [0.01_f32..1.0, 0.01..1.0, 0.01..1.0],
        from in [0.01_f64..1.0, 0.01..1.0, 0.01..1.0],
        to in [0.01_f64..1.0, 0.01..1.0, 0.01..1.0],
        tau in 0.0_f64..2.0,
    ) {
        let sum: f32 = row.iter().sum();
        let p = one(&row.map(|value| value / sum));
        let (from, to) = (prior(&from), prior(&to));
        let there = shift_prior(&p, &from, &to, tau).unwrap();
        prop_assert!((there.values().iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let back = shift_prior(&there, &to, &from, tau).unwrap();
        prop_assert!(Arc::ptr_eq(back.labels(), p.labels()));
        for (a, b) in p.values().iter().zip(back.values()) {
            prop_assert!((a - b).abs() < 1e-4, "{:?} {:?}", p.values(), back.values());
        }
    }
}

#[test]
fn adjusted_logits_are_a_shift_to_equal_shares() {
    let train = prior(&[6.0, 3.0, 1.0]);
    let logits = [0.3f64, -1.2, 0.8];
    let softmax = |logits: &[f64]| {
        let total: f64 = logits.iter().map(|l| l.exp()).sum();
        logits.iter().map(|l| (l.exp() / total) as f32).collect::<Vec<f32>>()
    };
    for tau in [0.0, 0.5, 1.0] {
        let offsets = train.logit_adjustment(tau).unwrap();
        let adjusted: Vec<f64> = logits.iter().zip(offsets).map(|(logit, offset)| logit + offset).collect();
        let uniform = Prior::uniform(Arc::clone(train.labels()));
        let shifted = shift_prior(&one(&softmax(&logits)), &train, &uniform, tau).unwrap();
        for (a, b) in softmax(&adjusted).iter().zip(shifted.values()) {
            assert!((a - b).abs() < 1e-6, "{tau}: {a} {b}");
        }
    }
    assert!(matches!(train.logit_adjustment(-1.0), Err(Error::Argument { .. })));
    assert!(matches!(prior(&[1.0, 0.0]).logit_adjustment(1.0), Err(Error::Prior { .. })));
}

//! Splits and statistics.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use re_data::split::{self, Split};
use re_data::stats::{Lengths, Stats};
use re_data::{ByteSpan, Entity, Error, RelationExample};

fn example(id: usize, text: &str, label: Option<&str>) -> RelationExample {
    let entity = |start| Entity::new(ByteSpan::with_len(start, 1));
    let example = RelationExample::new(id.to_string(), text, [entity(0), entity(1)]).unwrap();
    match label {
        Some(label) => example.with_label(label),
        None => example,
    }
}

fn count<'e>(examples: &'e [RelationExample], rows: &[usize]) -> HashMap<Option<&'e str>, usize> {
    let mut counts = HashMap::new();
    for &row in rows {
        *counts.entry(examples[row].label()).or_default() += 1;
    }
    counts
}

fn check_partition(examples: &[RelationExample], split: &Split) {
    let mut rows: Vec<usize> = split.train.iter().chain(&split.validation).copied().collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..examples.len()).collect::<Vec<_>>());
    assert!(split.train.is_sorted() && split.validation.is_sorted());
    let texts: HashSet<&str> = split.train.iter().map(|&row| examples[row].text()).collect();
    assert!(split.validation.iter().all(|&row| !texts.contains(examples[row].text())));
}

fn examples() -> impl Strategy<Value = Vec<RelationExample>> {
    proptest::collection::vec((0usize..30, proptest::option::weighted(0.9, 0usize..5)), 0..80).prop_map(
        |rows| {
            let label = |label: usize| ["a", "b", "c", "d", "e"][label];
            rows.iter()
                .enumerate()
                .map(|(id, (text, l))| example(id, &format!("text {text}"), l.map(label)))
                .collect()
        },
    )
}

proptest! {
    #[test]
    fn fractions_partition_the_rows_and_keep_every_label_in_training(
        examples in examples(), fraction in 0.0..1.0f64, seed: u64
    ) {
        let split = split::by_fraction(&examples, fraction, seed).unwrap();
        check_partition(&examples, &split);
        let train = count(&examples, &split.train);
        prop_assert!(examples.iter().all(|e| train.contains_key(&e.label())));
        prop_assert_eq!(&split, &split::by_fraction(&examples, fraction, seed).unwrap());
    }

    #[test]
    fn folds_hold_out_each_row_once(examples in examples(), k in 2usize..6, seed: u64) {
        let texts = examples.iter().map(RelationExample::text).collect::<HashSet<_>>().len();
        match split::k_fold(&examples, k, seed) {
            Err(_) => prop_assert!(texts < k),
            Ok(folds) => {
                let mut held_out: Vec<usize> = folds.iter().flat_map(|f| f.validation.clone()).collect();
                held_out.sort_unstable();
                prop_assert_eq!(held_out, (0..examples.len()).collect::<Vec<_>>());
                folds.iter().for_each(|fold| check_partition(&examples, fold));
            }
        }
    }
}

#[test]
fn undivided_texts_still_give_exact_shares() {
    let rows: Vec<_> = (0..1000)
        .map(|i| example(i, &format!("text {i}"), Some(if i % 10 == 0 { "rare" } else { "common" })))
        .collect();
    let split = split::by_fraction(&rows, 0.3, 1).unwrap();
    assert_eq!(count(&rows, &split.validation), HashMap::from([(Some("rare"), 30), (Some("common"), 270)]));
    for fold in split::k_fold(&rows, 4, 1).unwrap() {
        assert_eq!(
            count(&rows, &fold.validation),
            HashMap::from([(Some("rare"), 25), (Some("common"), 225)])
        );
    }
    assert_ne!(split, split::by_fraction(&rows, 0.3, 2).unwrap());
}

#[test]
fn texts_of_many_rows_come_near_to_the_shares() {
    let mut draw = 1usize;
    let mut next = |n: usize| {
        draw = draw.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (draw >> 33) % n
    };
    let labels: Vec<String> = (0..30).map(|label| format!("label {label}")).collect();
    let mut rows = Vec::new();
    for text in 0..400 {
        for _ in 0..=next(15) {
            let label = next(30).min(next(30)).min(next(30));
            rows.push(example(rows.len(), &format!("text {text}"), Some(&labels[label])));
        }
    }
    let total = rows.len() as f64;
    for fraction in [0.1, 0.3, 0.5, 0.8] {
        let split = split::by_fraction(&rows, fraction, 7).unwrap();
        check_partition(&rows, &split);
        let share = split.validation.len() as f64 / total;
        assert!((share / fraction - 1.0).abs() < 0.03, "{share} for {fraction}");
    }
    for fold in split::k_fold(&rows, 5, 7).unwrap() {
        let share = fold.validation.len() as f64 / total;
        assert!((share / 0.2 - 1.0).abs() < 0.03, "{share} for a fifth");
    }
}

#[test]
fn texts_that_differ_in_spaces_and_punctuation_alone_stay_together() {
    let rows: Vec<_> =
        (0..40).map(|i| example(i, &format!("text{}{}", [" ", "- "][i % 2], i / 2), None)).collect();
    let mut splits = split::k_fold(&rows, 4, 7).unwrap();
    splits.push(split::by_fraction(&rows, 0.3, 7).unwrap());
    for split in splits {
        let held_out: HashSet<usize> = split.validation.iter().map(|row| row / 2).collect();
        assert_eq!(split.validation.len(), 2 * held_out.len(), "{split:?}");
    }
}

#[test]
fn fraction_zero_holds_nothing_out_and_others_are_refused() {
    let rows: Vec<_> = (0..4).map(|i| example(i, &format!("text {i}"), None)).collect();
    let split = split::by_fraction(&rows, 0.0, 7).unwrap();
    assert_eq!((split.train.len(), split.validation.len()), (4, 0));
    for fraction in [1.0, -0.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            split::by_fraction(&rows, fraction, 7),
            Err(Error::Argument { name: "fraction", .. })
        ));
    }
    for k in [0, 1, 5] {
        assert!(matches!(split::k_fold(&rows, k, 7), Err(Error::Argument { name: "k", .. })));
    }
    assert_eq!(split::by_fraction(&[], 0.5, 7).unwrap(), Split::default());
}

/// Splits are recorded by their seed alone: another version of this crate must draw the same rows.
#[test]
fn the_drawing_does_not_change_between_versions() {
    let rows: Vec<_> =
        (0..20).map(|i| example(i, &format!("text {}", i / 2), Some(["a", "b"][i % 2]))).collect();
    let split = split::by_fraction(&rows, 0.3, 7).unwrap();
    assert_eq!(split.validation, PINNED);
    assert_eq!(split::k_fold(&rows, 5, 7).unwrap()[0].validation, PINNED_FOLD);
}

const PINNED: [usize; 6] = [0, 1, 4, 5, 6, 7];
const PINNED_FOLD: [usize; 4] = [6, 7, 14, 15];

#[test]
fn lengths_of_known_lists() {
    assert_eq!(Lengths::of([]), None);
    let lengths = Lengths::of([4, 1, 3, 2]).unwrap();
    assert_eq!(lengths, Lengths { min: 1, median: 2.5, mean: 2.5, p95: 4, max: 4 });
    let lengths = Lengths::of(1..=100).unwrap();
    assert_eq!((lengths.median, lengths.p95, lengths.max), (50.5, 95, 100));
    assert_eq!(Lengths::of([5]).unwrap().p95, 5);
}

#[test]
fn duplicates_and_conflicts_are_told_apart() {
    let rows = [
        example(1, "xyz", Some("a")),
        example(2, "xyz", Some("a")),
        example(3, "xyz", Some("b")),
        example(4, "xyz", None),
        example(4, "other", Some("b")),
        example(5, "12", Some("c")).with_entity_types([Some("X".into()), None]),
    ];
    let nested = [Entity::new(ByteSpan::with_len(0, 3)), Entity::new(ByteSpan::with_len(1, 2))];
    let nested = RelationExample::new("6", "xyz", nested).unwrap().with_label("c");
    let stats = Stats::of(rows.iter().chain([&nested]));
    assert_eq!((stats.rows, stats.unlabelled), (7, 1));
    let labels: Vec<_> = stats.labels.iter().map(|(label, n)| (label.as_str(), *n)).collect();
    assert_eq!(labels, [("a", 2), ("b", 2), ("c", 2)]);
    assert_eq!((stats.texts, stats.repeated_texts, stats.repeated_rows, stats.repeated_ids), (3, 4, 1, 1));
    assert_eq!(stats.conflicting.first, ["1", "2", "3"]);
    assert_eq!(stats.overlapping.first, ["6"]);
    assert_eq!(stats.characters.unwrap().max, 5);
    assert_eq!(Stats::of([]).characters, None);
    assert!(serde_json::to_string(&stats).unwrap().contains("\"median\":3.0"));
}

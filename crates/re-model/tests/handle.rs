//! A trained classifier on a thread of its own, asked by many.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use re_data::{ByteSpan, Entity, Error, LabelSet, Predictor, Probabilities, RelationExample};
use re_formats::read::{self, ReadOptions};
use re_handle::{Handle, HandleOptions, RequestOptions};
use re_model::{ClassifierOptions, RelationClassifier};

fn embedded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded").join(name)
}

fn classifier() -> Result<RelationClassifier, re_model::Error> {
    let options = ClassifierOptions { random_weights: true, ..ClassifierOptions::default() };
    let labels = LabelSet::new(["관계_없음", "인물:배우자", "인물:자녀"])?;
    Ok(RelationClassifier::new(embedded("model"), labels, options)?.0)
}

#[test]
fn threads_get_from_one_classifier_what_it_says_alone() {
    let mut rows = read::examples(embedded("dev.tsv"), &ReadOptions::default()).unwrap().examples;
    rows.truncate(24);
    let alone = classifier().unwrap().predict(&rows).unwrap();
    let near = |found: &Probabilities, from: usize| {
        assert_eq!(found.ids(), &alone.ids()[from..from + found.len()]);
        let expected = &alone.values()[from * 3..];
        assert!(found.values().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
    };
    // A combining accent is dropped by the tokenizer, so that no token covers it.
    let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
    let uncovered = RelationExample::new("x", "Cafe\u{301} met Ann", [entity(4, 2), entity(11, 3)]).unwrap();
    // Batches of a few rows, so that requests are cut and share them.
    let options = HandleOptions { batch_tokens: NonZeroUsize::new(200).unwrap(), ..HandleOptions::default() };
    let handle = Handle::start(classifier, options).unwrap();
    thread::scope(|scope| {
        for from in (0..24).step_by(6) {
            let (handle, near, rows, uncovered) = (handle.clone(), &near, &rows, &uncovered);
            scope.spawn(move || {
                let asked = [&rows[from..from + 6], std::slice::from_ref(uncovered)].concat();
                let outcomes = handle.predict(asked, RequestOptions::default()).unwrap();
                let failed = outcomes.failed().next().and_then(|error| error.reason().downcast_ref());
                assert!(matches!(failed, Some(Error::EntityWithoutTokens { .. })), "{failed:?}");
                near(&outcomes.into_answered(), from);
            });
        }
    });
    handle.shutdown();
    let metrics = handle.metrics();
    assert_eq!((metrics.rows.answered, metrics.rows.failed), (24, 4));
    assert!(metrics.batch_rows.count() > 1, "{metrics:?}");
}

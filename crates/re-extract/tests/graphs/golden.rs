//! Numbers of scikit-learn, seqeval and SciPy (`fixtures/golden/make_scores.py`).

use std::path::Path;
use std::sync::Arc;

use re_data::{CharSpan, Document, LabelSet, Mention, Probabilities};
use re_extract::score::Agreement;
use re_extract::{Calibration, CalibrationOptions, RelationProperties, character_scores, score};
use serde::Deserialize;
use serde_json::Value;

use crate::related;

#[derive(Deserialize)]
struct Golden {
    length: usize,
    gold: Vec<Row>,
    predicted: Vec<Row>,
    expected: Value,
    calibration: Fit,
}

#[derive(Deserialize)]
struct Row {
    mentions: Vec<(usize, usize, String)>,
    relations: Vec<(usize, usize, String)>,
}

#[derive(Deserialize)]
struct Fit {
    rows: Vec<[f32; 3]>,
    gold: Vec<usize>,
    temperature: f64,
    loss: [f64; 2],
    lines: std::collections::BTreeMap<String, [f64; 2]>,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/scores/scores.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn documents(rows: &[Row], length: usize) -> Vec<Document> {
    let of = |(number, row): (usize, &Row)| {
        let mention = |(start, end, kind): &(usize, usize, String)| {
            Mention::new(CharSpan::new(*start, *end).unwrap()).with_kind(kind)
        };
        let mentions = row.mentions.iter().map(mention).collect();
        let document = Document::new(number.to_string(), "x".repeat(length), mentions).unwrap();
        let relations: Vec<_> = row.relations.iter().map(|(s, o, label)| (*s, *o, label.as_str())).collect();
        related(document, &relations)
    };
    rows.iter().enumerate().map(of).collect()
}

fn near(found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn scores_are_those_of_scikit_learn_and_seqeval() {
    let golden = golden();
    let (gold, predicted) =
        (documents(&golden.gold, golden.length), documents(&golden.predicted, golden.length));
    let plain = score(&gold, &predicted, &RelationProperties::default()).unwrap();
    let married = RelationProperties::new(["married"], []).unwrap();
    let symmetric = score(&gold, &predicted, &married).unwrap();
    let expected = &golden.expected;
    let check = |found: &Agreement, name: &str| {
        for (shares, average) in [(found.micro, "micro"), (found.macro_average, "macro")] {
            for (at, share) in [shares.precision, shares.recall, shares.f1].into_iter().enumerate() {
                near(share, &expected[name][average][at]);
            }
        }
    };
    check(&plain.mentions, "mentions");
    check(&plain.relations, "relations");
    check(&plain.strict_relations, "strict");
    check(&symmetric.strict_relations, "strict_symmetric");
    assert_ne!(plain.strict_relations, symmetric.strict_relations);
    near(plain.mentions.macro_average.f1, &expected["entity_macro_f1"]);
    let characters = character_scores(&gold, &predicted).unwrap();
    near(characters.macro_f1, &expected["character_macro_f1"]);
    near(characters.macro_f1_with_outside, &expected["character_macro_f1_with_outside"]);
}

#[test]
fn temperature_and_lines_are_those_of_scipy() {
    let Fit { rows, gold, temperature, loss, lines } = golden().calibration;
    let labels = Arc::new(LabelSet::new(["no_relation", "a", "b"]).unwrap());
    let ids = (0..rows.len()).map(|row| row.to_string()).collect();
    let probabilities = Probabilities::new(ids, labels, rows.concat()).unwrap();
    let fitted = Calibration::fit(&probabilities, &gold, CalibrationOptions::default()).unwrap();
    // SciPy's search ends where the loss does not change any more, at the root of its precision.
    assert!((fitted.calibration.temperature() / temperature - 1.0).abs() < 1e-5, "{fitted:?}");
    for (found, expected) in fitted.effect.negative_log_likelihood.into_iter().zip(loss) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
    for (name, [slope, intercept]) in lines {
        let line = fitted.calibration.line(&name).unwrap();
        assert!((line.slope - slope).abs() < 1e-4 && (line.intercept - intercept).abs() < 1e-4, "{line:?}");
    }
    let effect = fitted.effect;
    assert!(effect.calibration_error[1] < effect.calibration_error[0] / 2.0, "{effect:?}");
    assert!(effect.relation_calibration_error[1] < effect.relation_calibration_error[0] / 2.0, "{effect:?}");
}

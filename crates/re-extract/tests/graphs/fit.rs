//! From documents that were set aside to calibrated scores and thresholds, and what they promise.

use re_data::metrics::RiskCoverage;
use re_data::random::fnv1a;
use re_data::{Document, Predictor};
use re_extract::{
    Calibration, CalibrationOptions, ExtractOptions, Extractor, GraphSettings, RelationProperties,
    ThresholdOptions, Thresholds, TrainingPairOptions, answers, score, training_pairs, unrelated_pairs,
};

use crate::{Scripted, document, related};

/// A number from 0 to 1 that a name stands for.
fn chance(name: &str) -> f32 {
    (fnv1a(name.as_bytes()) % 1000) as f32 / 1000.0
}

/// Documents of four mentions, and a predictor that is right as often as not and says four in five.
fn documents(prefix: &str, predictor: &mut Scripted) -> Vec<Document> {
    let of = |number: usize| {
        let id = format!("{prefix}{number}");
        let mut relations = Vec::new();
        for (subject, object) in (0..4).flat_map(|s| (0..4).map(move |o| (s, o))).filter(|(s, o)| s != o) {
            let row = format!("{id}#{subject}-{object}");
            let is_told = chance(&format!("told {row}")) < 0.3;
            // The surer it is, the likelier it is right, but not as much as it says.
            let said = 0.6 + 0.4 * chance(&format!("said {row}"));
            let is_right = chance(&format!("right {row}")) < 0.2 + 1.5 * (said - 0.6);
            let label = if chance(&format!("label {row}")) < 0.5 { "likes" } else { "parent" };
            if is_told == is_right {
                relations.push((subject, object, label));
            }
            let rest = 1.0 - said;
            let says = match (is_told, label) {
                (true, "likes") => [rest / 2.0, 0.0, rest / 2.0, 0.0, said],
                (true, _) => [rest / 2.0, 0.0, said, 0.0, rest / 2.0],
                (false, _) => [said, 0.0, rest / 2.0, 0.0, rest / 2.0],
            };
            *predictor = std::mem::take(predictor).says(&row, says);
        }
        related(document(&id, &[None; 4]), &relations)
    };
    (0..80).map(of).collect()
}

#[test]
fn what_was_set_aside_gives_scores_and_thresholds_that_hold_elsewhere() {
    let mut predictor = Scripted::default();
    let (aside, other) = (documents("a", &mut predictor), documents("b", &mut predictor));
    let none = RelationProperties::default();

    let calibrated = |documents: &[Document], calibration: &Calibration| {
        let all = TrainingPairOptions { ratio: None, seed: 0 };
        let rows =
            training_pairs(documents, predictor.labels(), &GraphSettings::default(), all, None).unwrap();
        let rows = rows.examples;
        let gold: Vec<usize> =
            rows.iter().map(|row| predictor.labels().class_of(row).unwrap().unwrap()).collect();
        let unlabelled: Vec<_> = rows.into_iter().map(|row| row.without_label()).collect();
        let probabilities = predictor.predict(&unlabelled).unwrap();
        let effect = calibration.measure(&probabilities, &gold, 10).unwrap();
        (probabilities, gold, effect)
    };
    let (probabilities, gold, _) = calibrated(&aside, &Calibration::default());
    let fitted = Calibration::fit(&probabilities, &gold, CalibrationOptions::default()).unwrap();
    assert!(fitted.calibration.temperature() > 1.0);
    let (.., effect) = calibrated(&other, &fitted.calibration);
    let [before, after] = effect.negative_log_likelihood;
    assert!(after < before, "{effect:?}");
    for [before, after] in [effect.calibration_error, effect.relation_calibration_error] {
        assert!(after < before / 2.0, "{effect:?}");
    }

    let settings = GraphSettings { calibration: fitted.calibration, ..GraphSettings::default() };
    let options = ExtractOptions { keep_abstained: true, ..ExtractOptions::default() };
    let extractor =
        Extractor::new(predictor.clone(), settings.clone()).unwrap().with_options(options).unwrap();
    let told =
        |extractor: &Extractor, documents: &[Document]| extractor.extract_all(documents.to_vec()).unwrap().0;
    let set_aside = answers(&aside, &told(&extractor, &aside), &none).unwrap();
    let wanted = 0.6;
    let choice = ThresholdOptions { precision: wanted, min_rows: 30, lower_bound: Some(1.0) };
    let thresholds = Thresholds::choose(&set_aside, choice).unwrap();
    assert!(thresholds.relations().all(|(_, threshold)| threshold.value.is_some()), "{thresholds:?}");
    let curve = RiskCoverage::of(set_aside.iter().map(|answer| (answer.score, answer.right)));
    let last = curve.points.last().unwrap();
    assert!(curve.area < last.risk && last.coverage == 1.0, "{last:?}");

    let precision = |outcomes| score(&other, outcomes, &none).unwrap().relations.micro.precision;
    let loose = told(&extractor, &other);
    let strict = extractor.with_settings(GraphSettings { thresholds, ..settings }).unwrap();
    let strict = told(&strict, &other);
    assert!(precision(&loose) < wanted && precision(&strict) >= wanted, "{}", precision(&strict));
    let rate = |outcomes| unrelated_pairs(&other, outcomes, &none).unwrap().rate();
    assert!(rate(&strict) < rate(&loose));
}

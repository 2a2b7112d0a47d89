//! Pairs of one sentence share an encoder pass, and are judged as if each had its own.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::relative_to_scale;
use ndarray::{Axis, s};
use re_data::{
    Batch, CharSpan, Document, Encoded, LabelSet, MarkupConfig, Mention, PairRule, Predictor, RelationExample,
};
use re_model::head::{MentionPairConfig, PairFeature};
use re_model::{
    ClassifierOptions, Error, HeadChoice, HeadConfig, MarkupChoice, Mode, Precision, RelationClassifier,
    TokenBatch,
};
use tch::{Kind, Tensor};

fn heads() -> [HeadConfig; 5] {
    let pair = HeadConfig::MentionPair(MentionPairConfig::new(&PairFeature::ALL));
    [HeadConfig::Cls, HeadConfig::EntityStart, HeadConfig::EntityMean, HeadConfig::RBert, pair]
}

/// Each markup, and whether it writes the pair into the row.
fn markups() -> [(MarkupConfig, bool); 9] {
    let tokens = |entity_embedding, pair| MarkupConfig::EntityTokens { entity_embedding, pair };
    [
        (MarkupConfig::Plain {}, false),
        (MarkupConfig::PlainTyped { types: vec!["PER".into(), "ORG".into()] }, false),
        (MarkupConfig::Pair {}, true),
        (tokens(false, false), true),
        (tokens(true, false), true),
        (tokens(false, true), true),
        (MarkupConfig::TypedPunct {}, true),
        (MarkupConfig::TypedTokens { types: vec!["PER".into(), "ORG".into()] }, true),
        (MarkupConfig::Query {}, true),
    ]
}

fn classifier(markup: &MarkupConfig, head: HeadConfig) -> RelationClassifier {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/embedded/model");
    let options = ClassifierOptions {
        markup: MarkupChoice::Known(markup.clone()),
        head: HeadChoice::Known(head),
        random_weights: true,
        ..ClassifierOptions::default()
    };
    RelationClassifier::new(folder, LabelSet::new(["관계_없음", "배우자", "형제"]).unwrap(), options)
        .unwrap()
        .0
}

/// Mentions that stand apart, touch, nest and repeat.
fn document(id: &str, tail: &str) -> Document {
    let mention = |start, end, kind| Mention::new(CharSpan::new(start, end).unwrap()).with_kind(kind);
    let mentions = vec![
        mention(0, 2, "PER"),
        mention(4, 6, "PER"),
        mention(4, 8, "ORG"),
        mention(8, 13, "PER"),
        mention(0, 2, "ORG"),
    ];
    Document::new(id, format!("하늘은 바다와 결혼했다.{tail}"), mentions).unwrap()
}

fn examples(document: &Document) -> Vec<RelationExample> {
    document.pairs(&PairRule::default()).map(|pair| document.example(pair).unwrap()).collect()
}

fn batch(model: &RelationClassifier, rows: &[Encoded]) -> TokenBatch {
    TokenBatch::new(&Batch::new(rows, &[]).unwrap(), &model.model().encoder().batch_spec()).unwrap()
}

/// Logits of rows that share passes, and of the same rows each in a pass of its own.
fn both(classifier: &RelationClassifier, rows: &[Encoded]) -> [Tensor; 2] {
    let forward = |rows: &[Encoded]| {
        classifier.model().forward(&batch(classifier, rows), Mode::Eval).unwrap().totype(Kind::Float)
    };
    let separate: Vec<Tensor> = rows.iter().map(|row| forward(std::slice::from_ref(row))).collect();
    [forward(rows), Tensor::cat(&separate, 0)]
}

#[test]
fn shared_passes_give_the_logits_of_separate_ones() {
    let documents = [document("a", ""), document("b", " 정말 그랬다.")];
    let of_documents = documents.iter().flat_map(|document| examples(document).into_iter().step_by(2));
    let examples: Vec<RelationExample> = of_documents.collect();
    for (markup, apart) in markups() {
        for head in heads() {
            let mut classifier = classifier(&markup, head);
            let (rows, _) = classifier.encoder().encode_batch(&examples).unwrap();
            let sequences = Batch::new(&rows, &[]).unwrap().offsets.len() - 1;
            // Marks that are the same for subject and object leave both directions of a pair one row.
            assert_eq!(sequences > 2, apart, "{markup:?}: {sequences} sequences of {} rows", rows.len());
            // In bf16 the same code runs: one markup says so.
            let formats = [(Precision::Fp32, 1e-5), (Precision::Bf16, 2e-2)];
            for (precision, tolerance) in formats.into_iter().take(if apart { 1 } else { 2 }) {
                classifier.model_mut().set_precision(precision);
                let [shared, separate] = both(&classifier, &rows);
                let error = relative_to_scale(&shared, &separate);
                assert!(error <= tolerance, "{markup:?} {head:?} {precision:?}: {error:e}");
            }
        }
    }
}

#[test]
fn shared_passes_give_the_gradients_of_separate_ones() {
    let (rows, classes) = {
        let examples = examples(&document("a", ""));
        (examples, [0i64, 1, 2])
    };
    for head in heads() {
        let classifier = classifier(&MarkupConfig::Plain {}, head);
        let (rows, _) = classifier.encoder().encode_batch(&rows).unwrap();
        let parameters = classifier.model().parameters();
        parameters.set_trainable(true);
        let gradients = |groups: Vec<&[Encoded]>| {
            let mut at = 0;
            let losses = groups.into_iter().map(|rows| {
                let logits = classifier.model().forward(&batch(&classifier, rows), Mode::Eval).unwrap();
                let targets: Vec<i64> = (at..at + rows.len()).map(|row| classes[row % 3]).collect();
                at += rows.len();
                logits
                    .log_softmax(-1, Kind::Float)
                    .gather(1, &Tensor::from_slice(&targets).unsqueeze(1), false)
                    .sum(Kind::Float)
            });
            let loss = losses.reduce(|sum, loss| sum + loss).unwrap();
            let tensors: Vec<&Tensor> = parameters.iter().map(|parameter| &parameter.tensor).collect();
            Tensor::run_backward(&[loss], &tensors, false, false)
        };
        let shared = gradients(vec![&rows]);
        let separate = gradients(rows.chunks(1).collect());
        let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
        // Some gradients, as those of key biases, are zero but for rounding: all are held against the largest.
        let scale = separate.iter().filter(|gradient| gradient.defined()).map(largest).fold(0.0, f64::max);
        for (parameter, (shared, separate)) in parameters.iter().zip(shared.iter().zip(&separate)) {
            assert_eq!(shared.defined(), separate.defined());
            if shared.defined() {
                let error = largest(&(shared - separate)) / scale;
                assert!(error <= 1e-5, "{head:?} {}: {error:e}", parameter.name);
            }
        }
    }
}

#[test]
fn every_document_comes_back_with_the_pairs_of_the_rule() {
    let classifier = classifier(&MarkupConfig::Plain {}, HeadConfig::EntityMean);
    let none = Document::new("none", "하늘", vec![]).unwrap();
    let documents = [document("a", ""), none, document("b", " 정말")];
    let rule = PairRule { max_mentions: Some(1), ..PairRule::default() };
    let mut seen = Vec::new();
    let received = classifier.predict_pairs(&documents, &rule, |found| {
        assert_eq!(
            (found.pairs.len(), found.encoding.rows, found.more),
            (found.outcomes.len(), found.pairs.len(), false)
        );
        let expected = found.pairs.iter().map(|&pair| found.document.example(pair).unwrap());
        let expected: Vec<RelationExample> = expected.collect();
        let alone = classifier.predict(&expected).unwrap();
        let answered = found.outcomes.answered();
        assert_eq!(answered.ids(), alone.ids());
        let near = answered.values().iter().zip(alone.values()).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near);
        seen.push((found.document.id().to_owned(), found.pairs.len()));
        Ok::<(), Error>(())
    });
    received.unwrap();
    assert_eq!(seen, [("a".to_owned(), 8), ("none".to_owned(), 0), ("b".to_owned(), 8)]);
}

#[test]
fn a_document_of_many_pairs_comes_in_parts() {
    let classifier = classifier(&MarkupConfig::Plain {}, HeadConfig::EntityStart);
    let mentions = (0..135).map(|at| Mention::new(CharSpan::with_len(at % 12, 1)));
    let text = "하늘바다결혼정말그랬다우";
    let documents = [
        document("short", ""),
        Document::new("many", text, mentions.collect()).unwrap(),
        document("last", ""),
    ];
    let mut sizes = Vec::new();
    let mut pairs = Vec::new();
    // An owned document serves as well as a borrowed one.
    classifier
        .predict_pairs(documents.clone(), &PairRule::default(), |found| {
            sizes.push((found.document.id().to_owned(), found.pairs.len(), found.more));
            if found.document.id() == "many" {
                pairs.extend_from_slice(found.pairs);
            }
            Ok::<(), Error>(())
        })
        .unwrap();
    let all = 135 * 134;
    let first = 16_384 - 20;
    let of = |id: &str, pairs, more| (id.to_owned(), pairs, more);
    assert_eq!(
        sizes,
        [
            of("short", 20, false),
            of("many", first, true),
            of("many", all - first, false),
            of("last", 20, false)
        ]
    );
    assert_eq!(pairs, documents[1].pairs(&PairRule::default()).collect::<Vec<_>>());
}

#[test]
fn a_pair_that_cannot_be_encoded_fails_alone() {
    let classifier = classifier(&MarkupConfig::Plain {}, HeadConfig::EntityMean);
    let long = Mention::new(CharSpan::new(0, 600).unwrap());
    let [near, end] = [(598, 600), (601, 602)].map(|(a, b)| Mention::new(CharSpan::new(a, b).unwrap()));
    let wide = Document::new("wide", format!("{} 가", "바다".repeat(300)), vec![long, near, end]).unwrap();
    let mut failed = Vec::new();
    let received = classifier.predict_pairs(
        &[document("a", ""), wide, document("b", "")],
        &PairRule::default(),
        |found| {
            assert_eq!(
                (found.outcomes.len(), found.encoding.rows),
                (found.pairs.len(), found.outcomes.answered().len())
            );
            failed.extend(found.outcomes.failed().map(|error| error.id().to_owned()));
            Ok::<(), Error>(())
        },
    );
    received.unwrap();
    assert_eq!(failed, ["wide#0-1", "wide#1-0", "wide#0-2", "wide#2-0"]);
}

#[test]
fn the_first_error_ends_the_pairs() {
    let classifier = classifier(&MarkupConfig::Plain {}, HeadConfig::EntityMean);
    let enough = classifier.predict_pairs(&[document("a", "")], &PairRule::default(), |_| {
        Err(Error::Data(re_data::Error::MissingLabel { id: "enough".into() }))
    });
    assert!(enough.unwrap_err().to_string().contains("enough"));
}

#[test]
fn mentions_are_the_means_of_hidden_states() {
    let classifier = classifier(&MarkupConfig::Plain {}, HeadConfig::Cls);
    let documents = [document("a", ""), document("b", " 그리고 산으로 갔다.")];
    let all: Vec<RelationExample> = documents.iter().flat_map(examples).collect();
    let rows = classifier.encoder().encode_batch(&all).unwrap().0;
    let (states, mentions) = (classifier.hidden_states(&rows).unwrap(), classifier.mentions(&rows).unwrap());
    for (number, (row, states)) in rows.iter().zip(&states).enumerate() {
        assert_eq!(states.nrows(), row.len());
        for (span, means) in row.entities.iter().zip(&mentions) {
            let expected = states.slice(s![span.unwrap().range(), ..]).mean_axis(Axis(0)).unwrap();
            let nearest = expected.iter().zip(means.row(number)).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(nearest, "row {number}: {expected} and {}", means.row(number));
        }
    }
}

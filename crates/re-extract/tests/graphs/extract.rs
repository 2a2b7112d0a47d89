//! What becomes of each pair, and that nothing else does.

use std::sync::Arc;

use proptest::prelude::*;
use re_data::{CharSpan, Document, Mention, Pair, PairRule, PredictError, RowError, Tagger};
use re_extract::{
    Calibration, DocumentError, ExtractOptions, Extracted, Extractor, GraphSettings, MentionSource, Outcome,
    Reason, RelationProperties, Threshold, Thresholds, TypeConstraints,
};

use crate::{Scripted, document, related};

const KEEP: ExtractOptions = ExtractOptions {
    batch_pairs: 3,
    batch_documents: 2,
    keep_abstained: true,
    mentions: MentionSource::WhereAbsent,
};

fn extractor(predictor: Scripted, settings: GraphSettings) -> Extractor {
    Extractor::new(predictor, settings).unwrap().with_options(KEEP).unwrap()
}

fn graph(extractor: &Extractor, document: Document) -> Extracted {
    extractor.extract_all([document]).unwrap().0.remove(0).unwrap()
}

/// Relations as text, such as `0-1 spouse 0.60`.
fn told(extracted: &Extracted) -> Vec<String> {
    let relation = |relation: &re_data::Relation| {
        let Pair { subject, object } = relation.pair();
        format!("{subject}-{object} {} {:.2}", relation.label(), relation.score().unwrap())
    };
    extracted.document.relations().iter().map(relation).collect()
}

fn reason(extracted: &Extracted, subject: usize, object: usize) -> Option<Reason> {
    let abstained = extracted.abstained.as_ref().unwrap();
    let of = |pair| abstained.iter().find(|abstained| abstained.pair == pair);
    of(Pair { subject, object }).map(|abstained| abstained.reason.clone())
}

fn thresholds(relations: &[(&str, f32)]) -> Thresholds {
    let of = |&(name, value): &(&str, f32)| (name.to_owned(), Threshold::declared(value));
    Thresholds::declare(relations.iter().map(of).collect(), None).unwrap()
}

fn family() -> RelationProperties {
    RelationProperties::new(["spouse"], [["parent", "child"]]).unwrap()
}

#[test]
fn each_pair_gets_its_relation_or_the_reason_why_not() {
    let predictor = Scripted::default()
        .says("d#0-1", [0.1, 0.2, 0.1, 0.0, 0.6])
        .says("d#1-0", [0.4, 0.0, 0.0, 0.0, 0.6])
        .says("d#0-2", [0.4, 0.0, 0.0, 0.0, 0.6])
        .says("d#0-3", [0.2, 0.7, 0.0, 0.0, 0.1])
        .fails("d#1-2");
    let triples = [("likes", "P", "P"), ("parent", "P", "P"), ("child", "P", "P"), ("spouse", "P", "O")];
    let settings = GraphSettings {
        rule: PairRule { max_mentions: Some(3), ..PairRule::default() },
        constraints: TypeConstraints::declare(triples).unwrap(),
        thresholds: thresholds(&[("likes", 0.65)]),
        ..GraphSettings::default()
    };
    let kinds = [Some("P"), Some("P"), Some("O"), None, Some("O")];
    let graph = graph(&extractor(predictor, settings), document("d", &kinds));
    // "spouse" does not join two of P: 0.6 of the 0.8 that are left. What has no type may be an O.
    assert_eq!(told(&graph), ["0-1 likes 0.75", "0-3 spouse 0.70"]);
    assert_eq!(reason(&graph, 1, 0), Some(Reason::BelowThreshold(Some(0.65))));
    assert_eq!(reason(&graph, 0, 2), Some(Reason::LabelNotAllowed("likes".into())));
    assert_eq!(reason(&graph, 2, 0), Some(Reason::TypesNotAllowed));
    assert_eq!(reason(&graph, 1, 3), Some(Reason::NoRelation));
    assert_eq!((reason(&graph, 0, 1), reason(&graph, 1, 2)), (None, None));
    assert!(graph.unanswered.first[0].1.to_string().contains("d#1-2"));
    let pairs = graph.pairs;
    assert_eq!((pairs.possible, pairs.outside_rule, pairs.types_not_allowed), (20, 2, 7));
    assert_eq!((pairs.unanswered, pairs.label_not_allowed, pairs.below_threshold), (1, 1, 1));
    assert_eq!((pairs.no_relation, pairs.related, pairs.told_from_other_end), (6, 2, 0));
}

#[test]
fn both_directions_agree_and_a_symmetric_relation_is_told_once() {
    let predictor = Scripted::default()
        .says("d#0-1", [0.1, 0.5, 0.2, 0.1, 0.1])
        .says("d#1-0", [0.6, 0.1, 0.1, 0.0, 0.2])
        .says("d#0-2", [0.1, 0.8, 0.05, 0.05, 0.0])
        .says("d#2-0", [0.3, 0.6, 0.05, 0.05, 0.0])
        .says("d#1-2", [0.1, 0.0, 0.9, 0.0, 0.0])
        .says("d#2-1", [0.3, 0.0, 0.0, 0.7, 0.0]);
    let settings = GraphSettings { properties: family(), ..GraphSettings::default() };
    let three = || document("d", &[Some("P"); 3]);
    let both = graph(&extractor(predictor.clone(), settings.clone()), three());
    // Of 0 and 1, 0.3 squared is less than 0.25 times 0.375, which is "no relation" in both directions.
    assert_eq!(told(&both), ["0-2 spouse 0.70", "1-2 parent 0.80", "2-1 child 0.80"]);
    assert_eq!((both.pairs.related, both.pairs.told_from_other_end, both.pairs.no_relation), (3, 1, 2));

    // A statement is told as a whole or not at all.
    let strict =
        GraphSettings { thresholds: thresholds(&[("child", 0.85), ("spouse", 0.6)]), ..settings.clone() };
    let fewer = graph(&extractor(predictor.clone(), strict), three());
    assert_eq!(told(&fewer), ["0-2 spouse 0.70"]);
    assert_eq!(fewer.pairs.below_threshold, 2);

    // Where one direction fails, the other one speaks for itself.
    let alone = graph(&extractor(predictor.clone().fails("d#0-2"), settings), three());
    assert_eq!(told(&alone), ["0-2 spouse 0.60", "1-2 parent 0.80", "2-1 child 0.80"]);
    // Without properties, all six are on their own.
    let none = graph(&extractor(predictor, GraphSettings::default()), three());
    assert_eq!(none.pairs.related, 5);
}

#[test]
fn scores_are_calibrated_before_thresholds() {
    let predictor = Scripted::default().says("d#0-1", [0.2, 0.8, 0.0, 0.0, 0.0]);
    let calibration = r#"{"temperature": 2.0, "relations": {"spouse": {"slope": 1.0, "intercept": -0.5}}}"#;
    let settings = GraphSettings {
        calibration: serde_json::from_str::<Calibration>(calibration).unwrap(),
        thresholds: thresholds(&[("spouse", 0.55)]),
        ..GraphSettings::default()
    };
    let two = || document("d", &[None, None]);
    // Roots of 0.8 and 0.2 are two to one: odds of 2 / e^0.5 are a share of 0.548.
    let graph_below = graph(&extractor(predictor.clone(), settings.clone()), two());
    let below = &graph_below.abstained.as_ref().unwrap()[0];
    assert_eq!(
        (below.relation.as_deref(), &below.reason),
        (Some("spouse"), &Reason::BelowThreshold(Some(0.55)))
    );
    let odds = 2.0 / 0.5f32.exp();
    assert!((below.score.unwrap() - odds / (1.0 + odds)).abs() < 1e-6);
    let settings = GraphSettings { thresholds: Thresholds::default(), ..settings };
    assert_eq!(told(&graph(&extractor(predictor, settings), two())), ["0-1 spouse 0.55"]);
}

/// Finds each `P` and `O`; fails on `?`, and finds what is not there on `!`.
struct Letters;

impl Tagger for Letters {
    fn kinds(&self) -> &[Arc<str>] {
        &[]
    }

    fn tag(&self, documents: &[Document]) -> Result<Vec<Result<Vec<Mention>, RowError>>, PredictError> {
        let tag = |document: &Document| {
            if document.text().contains('?') {
                return Err(RowError::new(document.id(), "no token"));
            }
            let reach = 1 + 100 * usize::from(document.text().contains('!'));
            let letter = |(at, letter): (usize, char)| {
                let mention = Mention::new(CharSpan::with_len(at, reach)).with_score(0.75);
                "PO".contains(letter).then(|| mention.with_kind(letter.to_string()))
            };
            Ok(document.text().chars().enumerate().filter_map(letter).collect())
        };
        Ok(documents.iter().map(tag).collect())
    }
}

fn text(id: &str, text: &str) -> Document {
    Document::new(id, text, Vec::new()).unwrap().with_source("s")
}

#[test]
fn a_document_fails_alone_and_everything_is_counted() {
    let predictor =
        Scripted { reads_types: true, ..Scripted::default() }.says("a#0-1", [0.0, 1.0, 0.0, 0.0, 0.0]);
    let extractor = Extractor::new(predictor, GraphSettings::default()).unwrap().with_tagger(Letters);
    let given = related(document("given", &[None, Some("O")]), &[(0, 1, "likes")]);
    let documents = vec![
        Ok(text("a", "P and O")),
        Err(DocumentError::new("f.jsonl:2", "not JSON")),
        Ok(text("b", "P?")),
        Ok(given),
        Ok(text("c", "P!")),
        Ok(text("d", "nobody")),
    ];
    let mut extraction = extractor.extract(documents);
    let outcomes: Vec<Outcome> = extraction.by_ref().map(Result::unwrap).collect();
    let ids: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().map_or_else(DocumentError::id, |e| e.document.id()).to_owned())
        .collect();
    assert_eq!(ids, ["a", "f.jsonl:2", "b", "given", "c", "d"]);
    let tagged = outcomes[0].as_ref().unwrap();
    assert_eq!((told(tagged), tagged.document.source()), (vec!["0-1 spouse 1.00".to_owned()], Some("s")));
    assert_eq!(tagged.document.mentions()[1].kind(), Some("O"));
    // Two mentions of 0.75 and a pair that is certain, another that is too.
    assert!((tagged.doubt.margin - (0.5 + 0.5) / 4.0).abs() < 1e-6);
    let report = extraction.report();
    assert_eq!((report.documents, report.tagged, report.mentions), (6, 4, 4));
    assert_eq!((report.ignored_relations, report.untyped_pairs), (1, 2));
    assert_eq!(report.without_mentions.first, ["d"]);
    assert_eq!(
        report.failed.first,
        [
            "document f.jsonl:2: reading failed: not JSON",
            "document b: tagging failed: example b: prediction failed: no token",
            "document c: tagging failed: document c: mention 0: span: found 0..101, expected a stretch of the text of 2 \
             code points that is not empty",
        ]
    );
    serde_json::to_string(report).unwrap();
}

#[test]
fn mentions_come_from_where_they_are_wanted() {
    let spans = |mentions| {
        let options = ExtractOptions { mentions, ..KEEP };
        let extractor = Extractor::new(Scripted::default(), GraphSettings::default()).unwrap();
        let extractor = extractor.with_tagger(Letters).with_options(options).unwrap();
        let own = vec![Mention::new(CharSpan::with_len(1, 2))];
        let documents = [Document::new("own", "xxP", own).unwrap(), text("none", "xO")];
        let (outcomes, _) = extractor.extract_all(documents).unwrap();
        let starts = |outcome: &Outcome| {
            let mentions = outcome.as_ref().unwrap().document.mentions().to_vec();
            mentions.iter().map(|mention| mention.span().start()).collect::<Vec<_>>()
        };
        outcomes.iter().map(starts).collect::<Vec<_>>()
    };
    assert_eq!(spans(MentionSource::WhereAbsent), [vec![1], vec![1]]);
    assert_eq!(spans(MentionSource::Given), [vec![1], vec![]]);
    assert_eq!(spans(MentionSource::Tagger), [vec![2], vec![1]]);
    let alone = Extractor::new(Scripted::default(), GraphSettings::default()).unwrap();
    let error = alone.with_options(ExtractOptions { mentions: MentionSource::Tagger, ..KEEP }).unwrap_err();
    assert_eq!(error.to_string(), "mentions: found tagger, without one, expected an extractor with a tagger");
}

#[test]
fn a_stream_is_read_as_far_as_it_is_asked_for_and_ends_where_the_model_breaks() {
    let predictor = Scripted { breaks_on: Some("a a a ".into()), ..Scripted::default() };
    let extractor = extractor(predictor, GraphSettings::default());
    let read = std::cell::Cell::new(0);
    let documents = (0..5).map(|number| {
        read.set(read.get() + 1);
        Ok(document(&number.to_string(), &vec![None; if number == 3 { 3 } else { 2 }]))
    });
    let mut extraction = extractor.extract(documents);
    assert!(extraction.next().unwrap().is_ok());
    assert_eq!(read.get(), 2);
    assert!(extraction.next().unwrap().is_ok());
    assert!(matches!(extraction.next(), Some(Err(PredictError::Model(_)))));
    assert!(extraction.next().is_none());
    assert_eq!(extraction.report().documents, 2);
}

#[test]
fn settings_and_batches_must_make_sense() {
    let unknown = GraphSettings { thresholds: thresholds(&[("x", 0.5)]), ..GraphSettings::default() };
    let error = Extractor::new(Scripted::default(), unknown.clone()).unwrap_err();
    assert!(error.to_string().starts_with(r#"thresholds: found the relation "x""#), "{error}");
    let fine = || extractor(Scripted::default(), GraphSettings::default());
    assert!(fine().with_settings(unknown).is_err());
    let error = fine().with_options(ExtractOptions { batch_pairs: 0, ..KEEP }).unwrap_err();
    assert_eq!(error.to_string(), "batch_pairs: found 0, expected at least one");
}

fn any_row() -> impl Strategy<Value = [f32; 5]> {
    prop::array::uniform5(0u8..4).prop_map(|parts| {
        let sum: u32 = parts.iter().map(|&part| u32::from(part)).sum::<u32>() + 1;
        std::array::from_fn(|at| (u32::from(parts[at]) + u32::from(at == 0)) as f32 / sum as f32)
    })
}

proptest! {
    #[test]
    fn every_pair_is_accounted_for_whatever_the_batches(
        raw in prop::collection::vec(prop::collection::vec(0usize..3, 0..6), 1..5),
        rows in prop::collection::vec(any_row(), 25),
        failing in prop::collection::hash_set((0usize..5, 0usize..6, 0usize..6), 0..4),
        (batch_pairs, batch_documents) in (1usize..9, 1usize..4),
        (with_properties, with_constraints) in any::<(bool, bool)>(),
        max_mentions in prop::option::of(1usize..3),
    ) {
        let documents: Vec<Document> = raw.iter().enumerate().map(|(number, kinds)| {
            let kinds: Vec<_> = kinds.iter().map(|&kind| [None, Some("P"), Some("O")][kind]).collect();
            document(&number.to_string(), &kinds)
        }).collect();
        let mut predictor = Scripted::default();
        for (number, kinds) in raw.iter().enumerate() {
            for subject in 0..kinds.len() {
                for object in 0..kinds.len() {
                    let row = rows[(number * 31 + subject * 7 + object * 3) % rows.len()];
                    predictor = predictor.says(&format!("{number}#{subject}-{object}"), row);
                }
            }
        }
        for (number, subject, object) in failing {
            predictor = predictor.fails(&format!("{number}#{subject}-{object}"));
        }
        let triples = [("spouse", "P", "P"), ("parent", "P", "O"), ("likes", "O", "O")];
        let settings = GraphSettings {
            rule: PairRule { max_mentions, ..PairRule::default() },
            constraints: TypeConstraints::declare(if with_constraints { triples.to_vec() } else { vec![] }).unwrap(),
            properties: if with_properties { family() } else { RelationProperties::default() },
            thresholds: thresholds(&[("spouse", 0.4)]),
            ..GraphSettings::default()
        };
        let asked = Arc::clone(&predictor.asked);
        let extractor = Extractor::new(predictor, settings).unwrap();
        let options = ExtractOptions { batch_pairs, batch_documents, ..KEEP };
        let small = extractor.with_options(options).unwrap();
        let (outcomes, report) = small.extract_all(documents.clone()).unwrap();
        for batch in asked.lock().unwrap().drain(..) {
            prop_assert!(batch.len() <= batch_pairs + 1);
        }
        for outcome in &outcomes {
            let extracted = outcome.as_ref().unwrap();
            let (pairs, mentions) = (extracted.pairs, extracted.document.mentions().len());
            prop_assert_eq!(pairs.possible, mentions * mentions.saturating_sub(1));
            let all = pairs.outside_rule + pairs.types_not_allowed + pairs.unanswered + pairs.judged();
            prop_assert_eq!(all, pairs.possible);
            prop_assert_eq!(extracted.document.relations().len(), pairs.related);
            let kept = extracted.abstained.as_ref().unwrap().len();
            let abstained = pairs.types_not_allowed + pairs.no_relation + pairs.label_not_allowed;
            prop_assert_eq!(kept, abstained + pairs.below_threshold);
            if with_properties {
                let relations = extracted.document.relations();
                for relation in relations.iter().filter(|relation| relation.label() == "spouse") {
                    prop_assert!(relation.pair().subject < relation.pair().object);
                }
            }
        }
        let large = small.with_options(ExtractOptions { batch_pairs: 1000, batch_documents: 100, ..KEEP }).unwrap();
        let (again, same) = large.extract_all(documents).unwrap();
        prop_assert_eq!(report, same);
        for (one, other) in outcomes.iter().zip(&again) {
            let (one, other) = (one.as_ref().unwrap(), other.as_ref().unwrap());
            prop_assert_eq!(&one.document, &other.document);
            prop_assert_eq!(&one.abstained, &other.abstained);
            prop_assert_eq!(one.doubt, other.doubt);
        }
    }
}

//! Numbers that were computed by hand.

use proptest::prelude::*;
use re_data::{CharSpan, Document, Mention, Pair, Relation};
use re_extract::score::{EndState, Loss, Shares, Spurious};
use re_extract::{
    ExtractOptions, Extractor, GraphSettings, Outcome, RelationProperties, Threshold, Thresholds,
    TypeConstraints, answers, character_scores, score, unrelated_pairs,
};

use crate::{Scripted, document, related};

fn with_mentions(
    id: &str,
    mentions: &[(usize, usize, &str)],
    relations: &[(usize, usize, &str)],
) -> Document {
    let mention = |&(start, end, kind): &(usize, usize, &str)| {
        Mention::new(CharSpan::new(start, end).unwrap()).with_kind(kind)
    };
    let document = Document::new(id, "abcdefghij", mentions.iter().map(mention).collect()).unwrap();
    related(document, relations)
}

/// Truth and prediction.
fn two_documents() -> [Vec<Document>; 2] {
    let gold = [
        with_mentions(
            "a",
            &[(0, 2, "P"), (3, 5, "O"), (6, 8, "L")],
            &[(0, 1, "works"), (0, 2, "lives"), (1, 2, "near")],
        ),
        with_mentions("b", &[(0, 1, "P"), (2, 3, "P")], &[(0, 1, "knows")]),
    ];
    let predicted = [
        with_mentions("b", &[(0, 1, "P"), (2, 3, "P"), (4, 5, "O")], &[(1, 0, "knows"), (0, 2, "works")]),
        with_mentions(
            "a",
            &[(0, 2, "P"), (3, 5, "L"), (6, 9, "L"), (0, 2, "P")],
            // The first mention stands twice, and so does the first relation.
            &[(0, 1, "works"), (3, 1, "works"), (0, 2, "lives")],
        ),
    ];
    [gold.to_vec(), predicted.to_vec()]
}

fn near(shares: Shares, expected: [f64; 3]) {
    let found = [shares.precision, shares.recall, shares.f1];
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} is not {expected:?}");
}

#[test]
fn scores_are_those_of_spert() {
    let [gold, predicted] = two_documents();
    let scores = score(&gold, &predicted, &RelationProperties::default()).unwrap();
    let mentions = &scores.mentions;
    assert_eq!((mentions.gold, mentions.predicted, mentions.correct), (5, 6, 3));
    near(mentions.micro, [0.5, 0.6, 6.0 / 11.0]);
    // P is all right, O and L are all wrong.
    near(mentions.macro_average, [1.0 / 3.0; 3]);
    let labels: Vec<_> =
        mentions.per_label.iter().map(|l| (l.label.as_str(), l.support, l.predicted)).collect();
    assert_eq!(labels, [("L", 1, 2), ("O", 1, 1), ("P", 3, 3)]);
    near(scores.mention_boundaries.micro, [4.0 / 6.0, 0.8, 8.0 / 11.0]);
    near(scores.relations.micro, [0.25; 3]);
    // Of works, half of what was told is right and all was found; lives, near and knows have nothing.
    near(scores.relations.macro_average, [0.125, 0.25, 1.0 / 6.0]);
    near(scores.strict_relations.micro, [0.0; 3]);
    assert_eq!((scores.strict_relations.gold, scores.strict_relations.predicted), (4, 4));

    let knows = RelationProperties::new(["knows"], []).unwrap();
    let symmetric = score(&gold, &predicted, &knows).unwrap();
    assert_eq!((symmetric.relations.correct, symmetric.strict_relations.correct), (2, 1));
}

#[test]
fn each_lost_relation_and_each_false_one_has_its_cause() {
    let [gold, predicted] = two_documents();
    let scores = score(&gold, &predicted, &RelationProperties::default()).unwrap();
    let lost: Vec<_> = scores
        .lost
        .iter()
        .map(|lost| (lost.relation.as_str(), lost.loss, lost.ends[0].2, lost.ends[1].2))
        .collect();
    use EndState::{Found, WrongBoundary, WrongType};
    assert_eq!(
        lost,
        [
            ("works", Loss::WrongType, Found, WrongType),
            ("lives", Loss::WrongBoundary, Found, WrongBoundary),
            ("near", Loss::WrongBoundary, WrongType, WrongBoundary),
            ("knows", Loss::WrongDirection, Found, Found),
        ]
    );
    let spurious: Vec<_> = scores
        .spurious
        .iter()
        .map(|false_one| (false_one.document.as_str(), false_one.relation.as_str(), false_one.cause))
        .collect();
    assert_eq!(
        spurious,
        [
            ("a", "works", Spurious::WrongType),
            ("a", "lives", Spurious::WrongBoundary),
            ("b", "works", Spurious::NoMention),
            ("b", "knows", Spurious::WrongDirection),
        ]
    );
    assert_eq!(scores.losses()["near"][&Loss::WrongBoundary], 1);
    assert_eq!(scores.false_positives()["works"].len(), 2);
}

/// Outcomes for a document whose six mentions are all found.
fn outcomes(keep_abstained: bool) -> (Document, Vec<Outcome>) {
    let kinds = [Some("P"), Some("P"), Some("P"), Some("O"), Some("P"), Some("P")];
    let gold = related(
        document("d", &kinds),
        &[
            (0, 1, "likes"),
            (0, 2, "likes"),
            (1, 2, "spouse"),
            (0, 3, "likes"),
            (2, 1, "likes"),
            (2, 4, "likes"),
            (1, 4, "likes"),
            (0, 5, "likes"),
            (1, 3, "parent"),
            (4, 5, "spouse"),
        ],
    );
    let likes = |probability: f32| [1.0 - probability, 0.0, 0.0, 0.0, probability];
    let predictor = Scripted::default()
        .says("d#0-1", likes(0.9))
        .says("d#0-2", likes(0.6))
        .says("d#1-2", [0.1, 0.0, 0.0, 0.9, 0.0])
        .says("d#2-4", [0.1, 0.0, 0.8, 0.1, 0.0])
        .fails("d#1-4")
        .says("d#1-3", [0.1, 0.0, 0.9, 0.0, 0.0])
        .says("d#5-4", [0.1, 0.9, 0.0, 0.0, 0.0])
        .says("d#4-2", likes(0.9));
    let triples = [("likes", "P", "P"), ("spouse", "P", "P"), ("child", "P", "P"), ("parent", "P", "P")];
    let settings = GraphSettings {
        rule: re_data::PairRule { max_mentions: Some(4), ..Default::default() },
        constraints: TypeConstraints::declare(triples).unwrap(),
        thresholds: Thresholds::declare([("likes".into(), Threshold::declared(0.7))].into(), None).unwrap(),
        ..GraphSettings::default()
    };
    let options = ExtractOptions { keep_abstained, ..ExtractOptions::default() };
    let extractor = Extractor::new(predictor, settings).unwrap().with_options(options).unwrap();
    let outcomes = extractor.extract_all([gold.clone()]).unwrap().0;
    (gold, outcomes)
}

#[test]
fn the_steps_behind_the_mentions_are_told_apart() {
    let (gold, outcomes_kept) = outcomes(true);
    let scores = score([&gold], &outcomes_kept, &RelationProperties::default()).unwrap();
    let loss = |subject: usize, object: usize, scores: &re_extract::Scores| {
        let of = |lost: &&re_extract::score::LostRelation| {
            (lost.ends[0].0, lost.ends[1].0) == (2 * subject, 2 * object)
        };
        scores.lost.iter().find(of).map(|lost| lost.loss)
    };
    assert_eq!(loss(0, 1, &scores), None);
    assert_eq!(loss(0, 2, &scores), Some(Loss::BelowThreshold));
    assert_eq!(loss(1, 2, &scores), Some(Loss::WrongLabel));
    assert_eq!(loss(0, 3, &scores), Some(Loss::TypesNotAllowed));
    assert_eq!(loss(2, 1, &scores), Some(Loss::NoRelation));
    assert_eq!(loss(2, 4, &scores), Some(Loss::WrongDirection));
    assert_eq!(loss(1, 4, &scores), Some(Loss::Unanswered));
    assert_eq!(loss(0, 5, &scores), Some(Loss::NotGenerated));
    assert_eq!(loss(1, 3, &scores), Some(Loss::TypesNotAllowed));
    assert_eq!(loss(4, 5, &scores), Some(Loss::WrongDirection));
    assert_eq!(scores.lost.len(), 9);
    let symmetric = RelationProperties::new(["spouse"], []).unwrap();
    assert_eq!(loss(4, 5, &score([&gold], &outcomes_kept, &symmetric).unwrap()), None);

    // Where nothing was kept, the reasons are unknown.
    let (gold, bare) = outcomes(false);
    let scores = score([&gold], &bare, &RelationProperties::default()).unwrap();
    assert_eq!(loss(0, 5, &scores), Some(Loss::Unknown));
    assert_eq!(loss(1, 2, &scores), Some(Loss::WrongLabel));
    let error = unrelated_pairs([&gold], &bare, &RelationProperties::default()).unwrap_err();
    assert!(error.to_string().starts_with("document d: abstained: found none kept"), "{error}");
}

#[test]
fn answers_have_their_scores_and_are_right_or_not() {
    let (gold, outcomes) = outcomes(true);
    let found = answers([&gold], &outcomes, &RelationProperties::default()).unwrap();
    let rows: Vec<_> =
        found.iter().map(|answer| (answer.relation.as_str(), answer.score, answer.right)).collect();
    let expected = [
        ("likes", 0.9, true),
        ("child", 0.9, false),
        ("parent", 0.8, false),
        ("likes", 0.9, false),
        ("spouse", 0.9, false),
    ];
    assert_eq!(rows, expected);
    let unscored = related(document("d", &[None, None]), &[(0, 1, "likes")]);
    let error = answers([&unscored], [&unscored], &RelationProperties::default()).unwrap_err().to_string();
    assert_eq!(error, "document d: relation 0: score: found none, expected a number from 0 to 1");
}

#[test]
fn a_failed_document_loses_its_relations() {
    let gold = related(document("d", &[None, None]), &[(0, 1, "likes")]);
    let failed: Outcome = Err(re_extract::DocumentError::new("d", "unreadable"));
    let scores = score([&gold], [&failed], &RelationProperties::default()).unwrap();
    assert_eq!((scores.failed, scores.lost[0].loss), (1, Loss::DocumentFailed));
    assert_eq!((scores.mentions.gold, scores.mentions.predicted), (2, 0));
    // Mentions without a type have the empty one.
    assert_eq!(scores.mentions.per_label[0].label, "");
}

#[test]
fn documents_are_aligned_by_id_and_text() {
    let one = |id| document(id, &[None]);
    let message = |gold: &[Document], predicted: &[Document]| {
        score(gold, predicted, &RelationProperties::default()).unwrap_err().to_string()
    };
    assert_eq!(
        message(&[one("a"), one("b")], &[one("b"), one("x")]),
        "predicted documents: 1 missing (a), 1 unknown (x), expected those of the truth, each once"
    );
    assert_eq!(
        message(&[one("a"), one("a")], &[one("a")]),
        "truth: found document a twice, expected each id once"
    );
    assert_eq!(
        message(&[one("a")], &[one("a"), one("a")]),
        "prediction: found document a twice, expected each id once"
    );
    let other = Document::new("a", "a b", vec![]).unwrap();
    assert_eq!(
        message(&[one("a")], &[other]),
        r#"document a: text: found "b", expected "", as in the truth"#
    );
}

#[test]
fn unrelated_pairs_that_got_a_relation_are_counted() {
    let (gold, outcomes) = outcomes(true);
    let counts = unrelated_pairs([&gold], &outcomes, &RelationProperties::default()).unwrap();
    // 30 pairs; 2 outside the rule, 10 with the O, 1 failed; of the 17 others 6 are related by the truth.
    assert_eq!((counts.unrelated, counts.other_mentions), (11, 0));
    // 4-2 likes and 5-4 spouse.
    assert_eq!((counts.related, counts.per_relation["likes"], counts.per_relation["spouse"]), (2, 1, 1));
    assert!((counts.rate() - 2.0 / 11.0).abs() < 1e-12);
    let symmetric = RelationProperties::new(["spouse"], []).unwrap();
    let counts = unrelated_pairs([&gold], &outcomes, &symmetric).unwrap();
    // 5-4 and 2-1 are the other directions of spouses; 2-1 is related anyway.
    assert_eq!((counts.unrelated, counts.related), (10, 1));

    // What is told once of both directions is wrong of both.
    let spouses =
        Scripted::default().says("d#0-1", [0.1, 0.9, 0.0, 0.0, 0.0]).says("d#1-0", [0.1, 0.9, 0.0, 0.0, 0.0]);
    let settings = GraphSettings { properties: symmetric.clone(), ..GraphSettings::default() };
    let options = ExtractOptions { keep_abstained: true, ..ExtractOptions::default() };
    let extractor = Extractor::new(spouses, settings).unwrap().with_options(options).unwrap();
    let gold = document("d", &[None; 3]);
    let (outcomes, _) = extractor.extract_all([gold.clone()]).unwrap();
    let counts = unrelated_pairs([&gold], &outcomes, &symmetric).unwrap();
    assert_eq!((counts.unrelated, counts.related), (6, 2));
}

#[test]
fn characters_have_one_tag_each() {
    let text = |mentions: &[(usize, usize, &str)]| with_mentions("d", mentions, &[]);
    let (gold, predicted) =
        (text(&[(0, 2, "PS")]), text(&[(0, 1, "PS"), (0, 2, "OG"), (4, 5, "PS"), (4, 5, "LC")]));
    // Of 10 characters the truth has B I and 8 O; the longer mention that begins at 0 has B I of another type, and 4 is a
    // second B of PS.
    let scores = character_scores([&gold], [&predicted]).unwrap();
    let per_tag: Vec<_> =
        scores.per_tag.iter().map(|tag| (tag.label.as_str(), tag.support, tag.predicted)).collect();
    assert_eq!(per_tag, [("B-OG", 0, 1), ("B-PS", 1, 1), ("I-OG", 0, 1), ("I-PS", 1, 0), ("O", 8, 7)]);
    assert_eq!((scores.characters, scores.untagged.count), (10, 2));

    let shorter = character_scores([&gold], [&text(&[(0, 1, "PS")])]).unwrap();
    // B is right, I was missed, and 8 of 9 O are.
    assert!((shorter.macro_f1 - 0.5).abs() < 1e-12);
    assert!((shorter.macro_f1_with_outside - (1.0 + 0.0 + 16.0 / 17.0) / 3.0).abs() < 1e-12);
}

fn any_document() -> impl Strategy<Value = Document> {
    let mention = (0usize..8, 1usize..3, 0usize..3);
    let relation = (0usize..5, 0usize..5, 0usize..3);
    (prop::collection::vec(mention, 0..6), prop::collection::vec(relation, 0..8)).prop_map(
        |(raw, relations)| {
            let mention = |&(start, len, kind): &(usize, usize, usize)| {
                let mention = Mention::new(CharSpan::with_len(start, len));
                [None, Some("P"), Some("O")][kind].map_or(mention.clone(), |kind| mention.with_kind(kind))
            };
            let document = Document::new("d", "abcdefghij", raw.iter().map(mention).collect()).unwrap();
            let mut seen = std::collections::HashSet::new();
            let relations = relations.into_iter().filter(|&(subject, object, label)| {
                subject != object && subject.max(object) < raw.len() && seen.insert((subject, object, label))
            });
            let relation =
                |(subject, object, label)| Relation::new(Pair { subject, object }, ["r", "s", "t"][label]);
            let relations = relations.map(relation).collect();
            document.with_relations(relations).unwrap()
        },
    )
}

/// The same document with its mentions and relations in the opposite order.
fn turned(document: &Document) -> Document {
    let last = document.mentions().len().saturating_sub(1);
    let mentions = document.mentions().iter().rev().cloned().collect();
    let relation = |relation: &Relation| {
        let Pair { subject, object } = relation.pair();
        Relation::new(Pair { subject: last - subject, object: last - object }, relation.label())
    };
    let relations = document.relations().iter().rev().map(relation).collect();
    Document::new(document.id(), document.text(), mentions).unwrap().with_relations(relations).unwrap()
}

proptest! {
    #[test]
    fn the_truth_is_worth_everything_to_itself(gold in any_document()) {
        let properties = RelationProperties::new(["s"], []).unwrap();
        let scores = score([&gold], [&gold], &properties).unwrap();
        for agreement in [&scores.mentions, &scores.mention_boundaries, &scores.relations, &scores.strict_relations] {
            let all = if agreement.gold == 0 { 0.0 } else { 1.0 };
            for shares in [agreement.micro, agreement.macro_average] {
                prop_assert_eq!([shares.precision, shares.recall, shares.f1], [all; 3]);
            }
        }
        prop_assert!(scores.lost.is_empty() && scores.spurious.is_empty());
        let characters = character_scores([&gold], [&gold]).unwrap();
        prop_assert_eq!(characters.macro_f1, if gold.mentions().is_empty() { 0.0 } else { 1.0 });
    }

    #[test]
    fn order_does_not_matter_and_nothing_is_lost_twice(gold in any_document(), predicted in any_document()) {
        let properties = RelationProperties::new(["s"], []).unwrap();
        let scores = score([&gold], [&predicted], &properties).unwrap();
        prop_assert_eq!(&scores, &score([&turned(&gold)], [&turned(&predicted)], &properties).unwrap());
        let strict = &scores.strict_relations;
        prop_assert_eq!(scores.lost.len(), strict.gold - strict.correct);
        prop_assert_eq!(scores.spurious.len(), strict.predicted - strict.correct);
        prop_assert!(strict.correct <= scores.relations.correct || scores.relations.gold < strict.gold);
        // Each side has the other's precision for its recall.
        let back = score([&predicted], [&gold], &properties).unwrap();
        prop_assert_eq!(back.relations.micro.precision, scores.relations.micro.recall);
        prop_assert_eq!(back.mentions.macro_average.f1, scores.mentions.macro_average.f1);
    }
}

//! Types and scores of a real corpus, CoNLL-04.

use std::path::{Path, PathBuf};

use re_data::{CharSpan, Document, LabelSet, Mention, PairRule};
use re_extract::{
    GraphSettings, RelationProperties, TrainingPairOptions, TypeConstraints, score, training_pairs,
};
use serde_json::Value;

use crate::related;

fn conll04(part: &str) -> Vec<Document> {
    let shared = std::env::var_os("RE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = shared.join(format!("data/conll04/conll04_{part}.json"));
    let rows: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let of = |(at, row): (usize, &Value)| {
        let tokens: Vec<&str> =
            row["tokens"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        let starts: Vec<usize> = tokens
            .iter()
            .scan(0, |next, token| {
                let start = *next;
                *next += token.chars().count() + 1;
                Some(start)
            })
            .collect();
        let mention = |entity: &Value| {
            let last = number(&entity["end"]) - 1;
            let end = starts[last] + tokens[last].chars().count();
            let span = CharSpan::new(starts[number(&entity["start"])], end).unwrap();
            Mention::new(span).with_kind(entity["type"].as_str().unwrap())
        };
        let mentions = row["entities"].as_array().unwrap().iter().map(mention).collect();
        let relation =
            |r: &Value| (number(&r["head"]), number(&r["tail"]), r["type"].as_str().unwrap().to_owned());
        let relations: Vec<_> = row["relations"].as_array().unwrap().iter().map(relation).collect();
        let relations: Vec<_> = relations.iter().map(|(s, o, label)| (*s, *o, label.as_str())).collect();
        related(Document::new(at.to_string(), tokens.join(" "), mentions).unwrap(), &relations)
    };
    rows.iter().enumerate().map(of).collect()
}

#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn types_of_the_training_part_allow_all_of_the_other_in_shared_data() {
    let (train, dev) = (conll04("train"), conll04("dev"));
    let learnt = TypeConstraints::learn(&train, 2);
    assert_eq!((learnt.untyped, learnt.rare.len(), learnt.constraints.relations().count()), (0, 0, 5));
    let labels =
        LabelSet::new(["no_relation", "Kill", "Live_In", "Located_In", "OrgBased_In", "Work_For"]).unwrap();
    let constraints = learnt.constraints;
    let settings = GraphSettings { constraints, ..GraphSettings::default() };
    let sum = |count: &dyn Fn(&Document) -> usize| dev.iter().map(count).sum::<usize>();
    let all = sum(&|document| document.pairs(&PairRule::default()).count());
    let candidates = sum(&|document| settings.candidates(document, &labels).len());
    assert_eq!((all, candidates), (3260, 1502));
    let options = TrainingPairOptions { ratio: None, seed: 1 };
    let made = training_pairs(&dev, &labels, &settings, options, None).unwrap();
    assert_eq!((made.counts.labelled, made.counts.beyond_candidates), (343, 0));
    assert_eq!(made.examples.len(), candidates);
    let scores = score(&dev, &dev, &RelationProperties::default()).unwrap();
    assert_eq!((scores.mentions.correct, scores.strict_relations.correct), (893, 343));
    assert_eq!(scores.strict_relations.macro_average.f1, 1.0);
}

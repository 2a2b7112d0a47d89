//! A tagger and a classifier of pairs in one run.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Watch, experiment, fresh, go, results};
use re_data::{CharSpan, Document, MarkupConfig, Pair, Predictor, Tagger};
use re_experiment::{
    Error, Experiment, MemberConfig, PairConfig, Plan, RunFolder, TaggingConfig, load_models, load_predictor,
    load_tagger, model_folder, tagger_beside,
};
use re_formats::documents::{self, DocumentReadOptions};
use re_model::head::MentionPairConfig;
use re_model::{HeadConfig, TaggingOptions};
use re_train::{Observer, Start, StopReason, TrainConfig};

/// Forty documents of a person and the town where she lives.
fn file(folder: &Path, name: &str, annotated: bool) -> PathBuf {
    let line = |number: usize| {
        let (mentions, relations) = match annotated {
            true => (
                r#"{"start": 0, "end": 5, "type": "PER"}, {"start": 14, "end": 19, "type": "LOC"}"#,
                r#"{"subject": 0, "object": 1, "label": "lives_in"}"#,
            ),
            false => ("", ""),
        };
        let text = format!("Marie lebt in Paris mit Pierre {number}.");
        format!(
            r#"{{"id": "{name}{number}", "text": "{text}", "mentions": [{mentions}], "relations": [{relations}]}}"#
        )
    };
    let path = folder.join(name);
    std::fs::write(&path, (0..40).map(|number| line(number) + "\n").collect::<String>()).unwrap();
    path
}

fn tagger(base: &Experiment) -> MemberConfig {
    let tagging = Some(TaggingConfig::default());
    let own = Experiment { tagging, plan: Plan::Single {}, ..base.clone() };
    MemberConfig {
        member: "tagger".to_owned(),
        run: None,
        full_data_of: None,
        experiment: Some(Box::new(own)),
    }
}

fn of_documents(folder: &Path) -> Experiment {
    let mut base = experiment(folder, Plan::Single {});
    base.data.labels = None;
    base.data.train = file(folder, "train.jsonl", true);
    base.data.test = Some(file(folder, "test.jsonl", false));
    base.data.pairs = Some(PairConfig::default());
    let members = vec![tagger(&base)];
    Experiment { plan: Plan::TextToGraph { members, shared_encoder: false }, ..base }
}

/// The same, with one encoder.
fn on_one_encoder(folder: &Path) -> Experiment {
    let mut experiment = of_documents(folder);
    experiment.markup = MarkupConfig::PlainTyped { types: Vec::new() };
    experiment.head = HeadConfig::MentionPair(MentionPairConfig::default());
    let members = vec![tagger(&Experiment { plan: Plan::Single {}, ..experiment.clone() })];
    Experiment { plan: Plan::TextToGraph { members, shared_encoder: true }, ..experiment }
}

fn read(path: PathBuf) -> Vec<Document> {
    documents::read(path, &DocumentReadOptions::default()).unwrap().documents
}

#[test]
fn one_run_trains_both_and_makes_graphs() {
    let folder = tempfile::tempdir().unwrap();
    let (experiment, run) = (of_documents(folder.path()), folder.path().join("run"));
    let summary = fresh(&experiment, &run);
    assert!(summary.notes.iter().any(|note| note.contains("micro-F1 of mentions")), "{:?}", summary.notes);
    let ids = |documents: &[Document]| -> BTreeSet<String> {
        documents.iter().map(|document| document.id().to_owned()).collect()
    };
    let validation = ids(&read(run.join("validation_documents.jsonl")));
    assert_eq!(validation, ids(&read(run.join("tagger/validation_documents.jsonl"))));
    let rows = common::probabilities(&run.join("pairs"), "validation_probabilities.csv");
    let of_rows: BTreeSet<&str> = rows.ids().iter().map(|id| id.rsplit_once('#').unwrap().0).collect();
    assert_eq!(of_rows.len(), validation.len());
    assert!(of_rows.iter().all(|id| validation.contains(*id)), "both set the same documents aside");
    assert_eq!(read(run.join("test_documents.jsonl")).len(), 40);
    let scores = std::fs::read_to_string(run.join("validation_scores.json")).unwrap();
    assert!(scores.contains("strict_relations") && !run.join("test_scores.json").exists());

    // The run is what both of its models are known by.
    let config = TrainConfig::default();
    assert_eq!(load_predictor(&run, &config).unwrap().labels().names(), ["no_relation", "lives_in"]);
    assert_eq!(tagger_beside(&run).unwrap(), Some(run.join("tagger")));
    assert_eq!(tagger_beside(run.join("pairs")).unwrap(), None);
    load_tagger(&run, &config).unwrap();
}

#[test]
fn one_encoder_serves_both() {
    let folder = tempfile::tempdir().unwrap();
    let (experiment, run) = (on_one_encoder(folder.path()), folder.path().join("run"));
    let (summary, watch) = common::watched(&experiment, &run, Start::Fresh);
    assert!(summary.notes.iter().any(|note| note.contains("micro-F1 of mentions")), "{:?}", summary.notes);
    assert!(watch.has("part pairs 1 Some(1)") && watch.rows().len() == 1, "{:?}", watch.told);
    assert!(!run.join("tagger").exists());
    for name in ["graph.json", "validation_documents.jsonl", "test_documents.jsonl", "validation_scores.json"]
    {
        assert!(run.join(name).exists(), "{name}");
    }
    for name in ["validation_documents.jsonl", "test_documents.jsonl", "validation_probabilities.csv"] {
        assert!(run.join("pairs").join(name).exists(), "{name}");
    }
    // Steps are chosen by both.
    let metrics = std::fs::read_to_string(run.join("pairs/metrics.jsonl")).unwrap();
    assert!(metrics.contains("own_metric"));
    let pairs = Experiment::from_file(run.join("pairs/config.toml")).unwrap();
    assert!(pairs.tagging.unwrap().shared_encoder && pairs.data.pairs.is_some());

    let config = TrainConfig::default();
    let documents = read(run.join("test_documents.jsonl"));
    let place = run.join("pairs");
    for reference in [&run, &place, &model_folder(&place).unwrap()] {
        let tagger = tagger_beside(reference).unwrap().unwrap();
        assert_eq!(tagger, if *reference == run { place.clone() } else { reference.clone() });
        let joint = load_models(reference, None, &config, TaggingOptions::default()).unwrap();
        let (relations, tagger) = (joint.predictor, joint.tagger.unwrap());
        let alone = load_predictor(reference, &config).unwrap();
        assert_eq!(alone.labels(), relations.labels());
        let found = |tagger: &dyn Tagger| -> Vec<Vec<re_data::Mention>> {
            tagger.tag(&documents).unwrap().into_iter().map(Result::unwrap).collect()
        };
        assert_eq!(found(&tagger), found(&load_tagger(reference, &config).unwrap()));

        // An extraction reads each text once: 40 short ones are one batch.
        let encoder = tagger.model().encoder();
        let before = encoder.passes();
        tagger.tag(&documents).unwrap();
        let mention = |start, kind| re_data::Mention::new(CharSpan::with_len(start, 5)).with_kind(kind);
        let example = |document: &Document| {
            let mentions = vec![mention(0, "PER"), mention(14, "LOC")];
            let document =
                document.clone().with_relations(Vec::new()).unwrap().with_mentions(mentions).unwrap();
            document.example(Pair { subject: 0, object: 1 }).unwrap()
        };
        let examples: Vec<_> = documents.iter().map(example).collect();
        let together = relations.predict(&examples).unwrap();
        assert_eq!(encoder.passes() - before, 1);
        let apart = alone.predict(&examples).unwrap();
        let differ = together.values().iter().zip(apart.values()).map(|(a, b)| (a - b).abs());
        assert!(differ.fold(0.0, f32::max) < 1e-5);
    }
    // The tagger of another run has an encoder of its own.
    let other = folder.path().join("other");
    fresh(&of_documents(folder.path()), &other);
    for (reference, tagger) in [(&run, &other), (&other, &run)] {
        let apart = load_models(reference, Some(tagger), &config, TaggingOptions::default()).unwrap();
        let example = documents.iter().find_map(|document| {
            let whole = CharSpan::with_len(0, document.text().chars().count());
            let mention = || re_data::Mention::new(whole).with_kind("PER");
            let document = document.clone().with_relations(Vec::new()).unwrap();
            document
                .with_mentions(vec![mention(), mention()])
                .ok()?
                .example(Pair { subject: 0, object: 1 })
                .ok()
        });
        apart.predictor.predict(&[example.unwrap()]).unwrap();
        assert_eq!(apart.tagger.unwrap().model().encoder().passes(), 0);
    }
}

#[test]
fn what_cannot_share_an_encoder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let message = |change: &dyn Fn(&mut Experiment)| {
        let mut experiment = on_one_encoder(folder.path());
        change(&mut experiment);
        go(&experiment, &folder.path().join("refused"), Start::Fresh).unwrap_err().to_string()
    };
    let marked = message(&|e| e.for_each(&mut |e| e.markup = MarkupConfig::TypedPunct {}));
    assert!(
        ["markup.name", "typed_punct", "plain or plain_typed"].iter().all(|part| marked.contains(part)),
        "{marked}"
    );
    let own = message(&|e| {
        e.plan.members_mut()[0].experiment.as_mut().unwrap().training.steps += 1;
    });
    assert!(own.contains("training.steps = 4 in tagger") && own.contains("3, as in the experiment"), "{own}");
    let given = message(&|e| e.plan.members_mut()[0].run = Some("runs/tagger".into()));
    assert!(given.contains("plan.members.run") && given.contains("runs/tagger"), "{given}");
    let alone = message(&|e| {
        let tagging = Some(TaggingConfig { shared_encoder: true, ..TaggingConfig::default() });
        (e.plan, e.tagging, e.data.pairs) = (Plan::Single {}, tagging, None);
    });
    assert!(alone.contains("data.pairs"), "{alone}");
}

#[test]
fn a_run_that_fails_again_and_again_ends_with_the_same_bytes() {
    for experiment in [of_documents, on_one_encoder] {
        fails_again_and_again(experiment);
    }
}

fn fails_again_and_again(experiment: fn(&Path) -> Experiment) {
    let folder = tempfile::tempdir().unwrap();
    let (experiment, run) = (experiment(folder.path()), folder.path().join("run"));
    fresh(&experiment, &run);
    let whole = results(&run);
    std::fs::remove_dir_all(&run).unwrap();
    let ends = |start| {
        let observers: Vec<Box<dyn Observer>> = vec![Box::new(Watch::failing_at(4))];
        match RunFolder::new(&run).run(&experiment, start, observers, Arc::default()) {
            Ok(summary) => summary.reason == StopReason::Completed,
            Err(Error::Train(re_train::Error::Observer(_))) => false,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(!ends(Start::Fresh));
    let sessions = (1..100).find(|_| ends(Start::Resume)).unwrap();
    assert!(sessions > 2, "interrupted only {sessions} times");
    assert!(results(&run) == whole);
}

#[test]
fn what_cannot_be_carried_out_is_refused_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let message = |change: &dyn Fn(&mut Experiment)| {
        let mut experiment = of_documents(folder.path());
        change(&mut experiment);
        go(&experiment, &folder.path().join("refused"), Start::Fresh).unwrap_err().to_string()
    };
    let members = |members: Vec<MemberConfig>| {
        message(&|e| e.plan = Plan::TextToGraph { members: members.clone(), shared_encoder: false })
    };
    let tagger = tagger(&of_documents(folder.path()));
    assert!(members(Vec::new()).contains("one: the tagger"));
    assert!(members(vec![tagger.clone(), tagger.clone()]).contains("one: the tagger"));
    assert!(
        members(vec![MemberConfig { member: "pairs".to_owned(), ..tagger.clone() }])
            .contains("no other folder")
    );
    let mut untagged = tagger;
    untagged.experiment.as_mut().unwrap().tagging = None;
    assert!(members(vec![untagged]).contains("tagging"));
}

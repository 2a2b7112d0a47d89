//! Training both heads of one encoder: what is learnt, how rows count, and that an interrupted run ends with the same bits.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use re_data::tags::{TagScheme, TagUnit};
use re_data::{
    CharSpan, Document, EncodeOptions, LabelSet, MarkupConfig, Mention, PairRule, RelationExample,
    WindowOptions,
};
use re_model::head::MentionPairConfig;
use re_model::{
    ClassifierOptions, HeadChoice, HeadConfig, JointModel, MarkupChoice, Masks, RelationClassifier,
};
use re_train::{
    Checkpoint, Event, JointTask, LabelledRows, Metric, Observer, Start, StopReason, TaggedRows, Task,
    TrainConfig, Trainer,
};

const NAMES: [&str; 4] = ["Marie", "Peter", "Anton", "Luise"];
const TOWNS: [&str; 4] = ["Paris", "Lyons", "Turin", "Genua"];

/// Sixteen documents of two persons and the town where the first one lives.
fn documents() -> Vec<Document> {
    let document = |number: usize| {
        let (name, town, other) = (NAMES[number % 4], TOWNS[number / 4], NAMES[(number + 1) % 4]);
        let text = format!("{name} lebt in {town} mit {other} und Hund {number}.");
        let mention = |start, kind| Mention::new(CharSpan::with_len(start, 5)).with_kind(kind);
        let mentions = vec![mention(0, "PER"), mention(14, "LOC"), mention(24, "PER")];
        Document::new(number.to_string(), text, mentions).unwrap()
    };
    (0..16).map(document).collect()
}

fn pairs(documents: &[Document]) -> Vec<RelationExample> {
    let of = |document: &Document| {
        let example = |pair: re_data::Pair| {
            let label = if (pair.subject, pair.object) == (0, 1) { "lives_in" } else { "none" };
            document.example(pair).unwrap().with_label(label)
        };
        document.pairs(&PairRule::default()).map(example).collect::<Vec<_>>()
    };
    documents.iter().flat_map(of).collect()
}

fn config(steps: u64) -> TrainConfig {
    TrainConfig {
        steps,
        batch_size: 8,
        learning_rate: 2e-3,
        eval_steps: 0,
        save_steps: 4,
        metric: Metric::MicroF1,
        precision: Some(re_model::Precision::Fp32),
        ..TrainConfig::default()
    }
}

fn task_on(model: &Path, windows: Option<WindowOptions>, config: &TrainConfig) -> JointTask {
    let types = ["LOC", "PER"].map(str::to_owned).into();
    let options = ClassifierOptions {
        markup: MarkupChoice::Known(MarkupConfig::PlainTyped { types }),
        head: HeadChoice::Known(HeadConfig::MentionPair(MentionPairConfig::default())),
        encoding: EncodeOptions { max_length: 64, ..EncodeOptions::default() },
        layers: Some(1),
        random_weights: true,
        ..ClassifierOptions::default()
    };
    let labels = LabelSet::new(["none", "lives_in"]).unwrap().with_no_relation(Some("none")).unwrap();
    let (relations, _) = RelationClassifier::new(model, labels, options).unwrap();
    let model = JointModel::new(relations, ["LOC", "PER"], TagScheme::Bio, TagUnit::Token, windows).unwrap();
    let documents = documents();
    let tagged = TaggedRows::new(model.tagger(), &documents).unwrap().0;
    let labelled = LabelledRows::new(model.relations(), &pairs(&documents)).unwrap().0;
    JointTask::new(model, [tagged.clone(), tagged], [labelled.clone(), labelled], config).unwrap()
}

fn embedded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/model")
}

fn task(config: &TrainConfig) -> JointTask {
    task_on(&embedded(), None, config)
}

fn losses(task: &JointTask) -> [f64; 2] {
    let _guard = tch::no_grad_guard();
    let rows: Vec<usize> = (0..Task::rows(task)).collect();
    task.losses(0, &rows, &Masks::new(1)).unwrap().map(|loss| loss.unwrap().double_value(&[]))
}

#[test]
fn both_heads_learn() {
    let config = config(80);
    let task = task(&config);
    let before = losses(&task);
    let folder = tempfile::tempdir().unwrap();
    let outcome = Trainer::new(config, folder.path()).unwrap().train(&task, Start::Fresh).unwrap();
    let after = losses(&task);
    assert!(after[0] < 0.2 * before[0] && after[1] < 0.2 * before[1], "{before:?} {after:?}");

    // The metrics are those of the relations, and steps are chosen by both.
    let evaluation = outcome.evaluation.unwrap();
    let (mentions, relations) = (evaluation.own_metric.unwrap() * 2.0, evaluation.metrics.micro_f1);
    assert!(relations > 0.9 && mentions - relations > 0.9 && mentions - relations <= 1.0, "{evaluation:?}");
    assert_eq!(outcome.best.unwrap().value, evaluation.own_metric.unwrap());

    // The checkpoint has what was trained, also of the words that no row has.
    let saved = JointModel::from_pretrained(&outcome.last.path).unwrap();
    let trained = task.into_model().unwrap();
    for (saved, trained) in [
        (saved.relations().model().parameters(), trained.relations().model().parameters()),
        (saved.tagger().model().parameters(), trained.tagger().model().parameters()),
    ] {
        assert_eq!(saved.len(), trained.len());
        for (saved, trained) in saved.iter().zip(trained.iter()) {
            assert!(saved.name == trained.name && saved.tensor.equal(&trained.tensor), "{}", saved.name);
        }
    }
}

#[test]
fn a_row_counts_the_same_in_whatever_micro_batch_it_stands() {
    // Without dropout, so that the same rows have the same loss.
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(embedded()).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let text = text.replace("_dropout_prob\": 0.1", "_dropout_prob\": 0.0");
        std::fs::write(folder.path().join(entry.file_name()), text).unwrap();
    }
    // Texts are cut, so that rows have different numbers of units.
    let task = task_on(folder.path(), Some(WindowOptions { max_length: 14, stride: 2 }), &config(1));
    let _guard = tch::no_grad_guard();
    let rows: Vec<usize> = (0..Task::rows(&task)).collect();
    let loss = |rows: &[usize]| task.loss(0, rows, &Masks::new(1)).unwrap().double_value(&[]);
    let both: f64 = losses(&task).iter().sum();
    assert!((loss(&rows) - both).abs() < 1e-5 * both, "{}, expected {both}", loss(&rows));
    for size in [1, 7] {
        let parts = rows.chunks(size).map(|part| task.weight(part) / task.weight(&rows) * loss(part));
        let sum: f64 = parts.sum();
        assert!((sum - both).abs() < 1e-5 * both, "{sum}, expected {both}");
    }
}

#[test]
fn a_text_and_its_pairs_are_one_group() {
    let task = task(&config(1));
    let texts = task.texts().unwrap();
    assert_eq!(texts.len(), Task::rows(&task));
    let first = Task::rows(&task) - 6 * 16;
    assert_eq!(texts[..first].iter().collect::<BTreeSet<_>>().len(), 16);
    for (row, text) in texts[first..].iter().enumerate() {
        assert_eq!(*text, texts[row / 6]);
    }
}

/// Raises a flag after a step.
struct StopAfter(u64, Arc<AtomicBool>);

impl Observer for StopAfter {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if matches!(event, Event::Step(report) if report.step == self.0) {
            self.1.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_bits() {
    let config =
        TrainConfig { gradient_accumulation_steps: 2, group_by_text: true, eval_steps: 3, ..config(9) };
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let begin = |run: &Path| Trainer::new(config.clone(), run).unwrap();
    begin(&whole).train(&task(&config), Start::Fresh).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut trainer = begin(&broken).observe(StopAfter(5, Arc::clone(&stop))).stop_when(stop);
    let outcome = trainer.train(&task(&config), Start::Fresh).unwrap();
    assert_eq!((outcome.reason, outcome.last.step), (StopReason::Interrupted, 5));
    begin(&broken).train(&task(&config), Start::Resume).unwrap();
    for name in ["model.safetensors", "optimizer.safetensors"] {
        let bytes = |run: &Path| std::fs::read(Checkpoint::path(run, 9).join(name)).unwrap();
        assert!(bytes(&whole) == bytes(&broken), "{name} differs");
    }
}

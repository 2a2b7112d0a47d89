//! Training a token classifier: what is learnt, and that an interrupted run ends with the same bits.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use re_data::metrics::Metrics;
use re_data::tags::{TagScheme, TagSet, TagUnit, UnitSpan};
use re_data::{CharSpan, Document, Mention, Tagger, WindowOptions};
use re_formats::read::{self, EntityTypes, ReadOptions};
use re_model::{Masks, TokenClassifier, TokenClassifierOptions};
use re_train::{
    Checkpoint, Decay, Error, Event, Observer, Start, StopReason, TaggedRows, TaggingTask, Task, TrainConfig,
    Trainer,
};

const KINDS: [&str; 2] = ["PERSON", "ORGANIZATION"];

fn embedded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded").join(name)
}

/// Sentences of the embedded data with the persons and organizations that they mention.
fn documents(file: &str, count: usize) -> Vec<Document> {
    let mut examples = read::examples(embedded(file), &ReadOptions::default()).unwrap().examples;
    examples.truncate(count);
    let (examples, _) = EntityTypes::open(embedded("entity_types.tsv")).unwrap().attach(examples);
    let document = |example: &re_data::RelationExample| {
        let known =
            example.entities().iter().filter(|entity| entity.kind().is_some_and(|k| KINDS.contains(&k)));
        let mention = |entity: &re_data::Entity| {
            Mention::new(entity.span().to_chars(example.text()).unwrap()).with_kind(entity.kind().unwrap())
        };
        Document::new(example.id(), example.text(), known.map(mention).collect()).unwrap()
    };
    examples.iter().map(document).collect()
}

fn classifier(unit: TagUnit) -> TokenClassifier {
    let options = TokenClassifierOptions {
        scheme: TagScheme::Bio,
        unit,
        // Most sentences are cut.
        windows: Some(WindowOptions { max_length: 20, stride: 8 }),
        layers: Some(1),
        random_weights: true,
        ..TokenClassifierOptions::default()
    };
    TokenClassifier::new(embedded("model"), KINDS, options).unwrap().0
}

fn config(steps: u64) -> TrainConfig {
    TrainConfig {
        steps,
        batch_size: 8,
        learning_rate: 2e-3,
        eval_steps: 0,
        save_steps: 4,
        precision: Some(re_model::Precision::Fp32),
        ..TrainConfig::default()
    }
}

fn task(documents: &[Document], unit: TagUnit, config: &TrainConfig) -> TaggingTask {
    let classifier = classifier(unit);
    let (train, report) = TaggedRows::new(&classifier, documents).unwrap();
    assert_eq!(report.documents, documents.len());
    assert!(train.len() > documents.len(), "some are cut into windows");
    let (validation, _) = TaggedRows::new(&classifier, documents).unwrap();
    TaggingTask::new(classifier, train, validation, config).unwrap()
}

#[test]
fn what_was_trained_on_is_found() {
    let documents = documents("train.tsv", 24);
    for unit in [TagUnit::Token, TagUnit::Word, TagUnit::Whitespace, TagUnit::Character] {
        let config = TrainConfig { schedule: Decay::Constant, ..config(100) };
        let folder = tempfile::tempdir().unwrap();
        let task = task(&documents, unit, &config);
        let outcome = Trainer::new(config, folder.path()).unwrap().train(&task, Start::Fresh).unwrap();
        let evaluation = outcome.evaluation.unwrap();

        // The checkpoint finds what the evaluation has found.
        let trained = TokenClassifier::from_pretrained(&outcome.last.path).unwrap();
        assert_eq!(trained.unit(), unit);
        let found: Vec<Vec<Mention>> =
            trained.tag(&documents).unwrap().into_iter().map(Result::unwrap).collect();
        let pairs = documents.iter().zip(&found);
        let metrics = Metrics::of_mentions(pairs.map(|(gold, found)| (gold.mentions(), found.as_slice())));
        assert_eq!(metrics, evaluation.metrics);
        // Names that share a token with a particle cannot be found exactly, and no word is a name and its particle.
        let classifier = classifier(unit);
        let (_, report) = TaggedRows::new(&classifier, &documents).unwrap();
        let possible = (report.mentions - report.unrepresented.len()) as f64 / report.mentions as f64;
        assert!(metrics.micro_f1 > 0.9 * possible, "{unit:?}: {} of {possible} ({report})", metrics.micro_f1);
        assert!(evaluation.loss < 0.2, "{unit:?}: {}", evaluation.loss);
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
    let (documents, config) = (documents("train.tsv", 20), config(12));
    let task = |documents: &[Document]| task(documents, TagUnit::Token, &config);
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let begin = |run: &Path| Trainer::new(config.clone(), run).unwrap();
    begin(&whole).train(&task(&documents), Start::Fresh).unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let mut trainer = begin(&broken).observe(StopAfter(7, Arc::clone(&stop))).stop_when(stop);
    let outcome = trainer.train(&task(&documents), Start::Fresh).unwrap();
    assert_eq!((outcome.reason, outcome.last.step), (StopReason::Interrupted, 7));
    // The same texts with other mentions are other data.
    let mut other = documents.clone();
    other[0] = Document::new(other[0].id(), other[0].text(), Vec::new()).unwrap();
    assert!(matches!(begin(&broken).train(&task(&other), Start::Resume), Err(Error::Resume { .. })));
    begin(&broken).train(&task(&documents), Start::Resume).unwrap();
    for name in ["model.safetensors", "optimizer.safetensors"] {
        let bytes = |run: &Path| std::fs::read(Checkpoint::path(run, 12).join(name)).unwrap();
        assert!(bytes(&whole) == bytes(&broken), "{name} differs");
    }
}

#[test]
fn a_unit_counts_the_same_in_whatever_micro_batch_it_stands() {
    let (documents, config) = (documents("train.tsv", 6), config(1));
    // Without dropout, so that the same rows have the same loss.
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(embedded("model")).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let text = text.replace("_dropout_prob\": 0.1", "_dropout_prob\": 0.0");
        std::fs::write(folder.path().join(entry.file_name()), text).unwrap();
    }
    let options = TokenClassifierOptions { random_weights: true, ..TokenClassifierOptions::default() };
    let (classifier, _) = TokenClassifier::new(folder.path(), KINDS, options).unwrap();
    assert_eq!(classifier.model().config().hidden_dropout_prob, 0.0);
    let (rows, _) = TaggedRows::new(&classifier, &documents).unwrap();
    let task = TaggingTask::new(classifier, rows, TaggedRows::default(), &config).unwrap();

    let _guard = tch::no_grad_guard();
    let rows: Vec<usize> = (0..Task::rows(&task)).collect();
    let loss = |rows: &[usize]| task.loss(0, rows, &Masks::new(1)).unwrap().double_value(&[]);
    let parts: Vec<(f64, f64)> = rows.iter().map(|row| (task.weight(&[*row]), loss(&[*row]))).collect();
    assert!(parts.iter().any(|(weight, _)| *weight != parts[0].0), "texts of different lengths");
    let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
    let mean = parts.iter().map(|(weight, loss)| weight * loss).sum::<f64>() / total;
    assert_eq!(task.weight(&rows), total);
    assert!((loss(&rows) - mean).abs() < 1e-5 * mean, "{}, expected {mean}", loss(&rows));
}

#[test]
fn settings_that_tags_do_not_have_are_refused() {
    let classifier = classifier(TagUnit::Token);
    let config = TrainConfig { logit_adjustment: 1.0, ..config(1) };
    let (rows, _) = TaggedRows::new(&classifier, &documents("train.tsv", 2)).unwrap();
    let error = TaggingTask::new(classifier, rows, TaggedRows::default(), &config).unwrap_err().to_string();
    assert!(error.contains("logit_adjustment"), "{error}");
}

/// A file of KLUE-NER: a line with the id, a line for each character with its tag, an empty line.
fn klue_ner(name: &str) -> Vec<Document> {
    let root = std::env::var_os("RE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let text = std::fs::read_to_string(root.join("data/klue-ner").join(name)).unwrap();
    let tags = TagSet::new(TagScheme::Bio, KLUE).unwrap();
    let document = |block: &str| {
        let (first, lines) = block.split_once('\n').unwrap();
        let id = first.trim_start_matches("## ").split('\t').next().unwrap();
        let (characters, found): (String, Vec<usize>) = lines
            .split('\n')
            .map(|line| line.rsplit_once('\t').unwrap())
            .map(|(character, tag)| (character, tags.names().iter().position(|name| name == tag).unwrap()))
            .unzip();
        let mention = |span: &UnitSpan| {
            Mention::new(CharSpan::new(span.units.start, span.units.end).unwrap()).with_kind(KLUE[span.kind])
        };
        Document::new(id, characters, tags.spans(&found).iter().map(mention).collect()).unwrap()
    };
    text.trim_end_matches('\n').split("\n\n").map(document).collect()
}

const KLUE: [&str; 6] = ["PS", "LC", "OG", "DT", "TI", "QT"];

fn klue_classifier(unit: TagUnit) -> TokenClassifier {
    let folder = std::env::var_os("RE_E5").unwrap();
    let windows = Some(WindowOptions { max_length: 128, stride: 32 });
    let options = TokenClassifierOptions { unit, windows, ..TokenClassifierOptions::default() };
    TokenClassifier::new(folder, KLUE, options).unwrap().0
}

#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared) and the folder that make_e5_small.py makes (RE_E5)"]
fn mentions_that_units_can_say_with_e5() {
    let documents = klue_ner("klue-ner-part_train.tsv");
    let said = [TagUnit::Token, TagUnit::Word, TagUnit::Character].map(|unit| {
        let (_, report) = TaggedRows::new(&klue_classifier(unit), &documents).unwrap();
        assert_eq!((report.documents, report.mentions), (3732, 10_585));
        println!("{unit:?}: {report}");
        report.mentions - report.unrepresented.len()
    });
    // Half of the names have a particle in their word, and one in eleven has one in its last token.
    assert_eq!(said, [9_648, 5_024, 10_585]);
}

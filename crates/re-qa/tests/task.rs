//! Training to answer questions: what is learnt, what is left out, and that an interrupted run ends with the same bits.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use re_data::metrics::Metrics;
use re_data::{EncodeOptions, LostEntities, Predictor, RelationExample};
use re_formats::read::{self, ReadOptions};
use re_qa::{AnswererOptions, QuestionAnswerer, QuestionConfig, QuestionRows, QuestionTask, Questions, Rule};
use re_train::{Checkpoint, Error, Event, Observer, Start, StopReason, TrainConfig, Trainer};

fn embedded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded").join(name)
}

fn answerer(encoding: EncodeOptions) -> QuestionAnswerer {
    let labels = read::labels(embedded("labels.json")).unwrap();
    let questions = Questions::korean().unwrap().for_labels(&labels).unwrap();
    let options =
        AnswererOptions { encoding, random_weights: true, layers: Some(1), ..AnswererOptions::default() };
    QuestionAnswerer::new(embedded("model"), questions, options).unwrap().0
}

fn related(file: &str, count: usize) -> Vec<RelationExample> {
    let mut rows = read::examples(embedded(file), &ReadOptions::default()).unwrap().examples;
    rows.retain(|example| example.label() != Some("관계_없음"));
    rows.truncate(count);
    rows
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

fn task(examples: &[RelationExample], config: &TrainConfig, questions: &QuestionConfig) -> QuestionTask {
    let answerer = answerer(EncodeOptions::default());
    let (train, report) = QuestionRows::new(&answerer, examples).unwrap();
    assert_eq!(report.rows, examples.len());
    let (validation, _) = QuestionRows::new(&answerer, &related("dev.tsv", 5)).unwrap();
    QuestionTask::new(answerer, train, validation, config, questions).unwrap()
}

#[test]
fn what_was_trained_on_is_answered() {
    let examples = related("train.tsv", 12);
    // Enough steps at a constant rate to settle in any number format and on any processor.
    let config = TrainConfig { schedule: re_train::Decay::Constant, seed: 1, ..config(320) };
    let folder = tempfile::tempdir().unwrap();
    let task = task(&examples, &config, &QuestionConfig { negatives: 2.0, ..QuestionConfig::default() });
    let outcome = Trainer::new(config, folder.path()).unwrap().train(&task, Start::Fresh).unwrap();
    assert_eq!(outcome.evaluation.unwrap().metrics.rows, 5);
    let trained = QuestionAnswerer::from_pretrained(&outcome.last.path).unwrap();
    let labels = Predictor::labels(&trained).clone();
    let gold: Vec<usize> = examples.iter().map(|e| labels.class_of(e).unwrap().unwrap()).collect();
    let answers = trained.answer(&examples).unwrap();
    for rule in [Rule::SpanLogProbability, Rule::Distance] {
        let classes: Vec<usize> =
            answers.iter().map(|row| re_data::predict::argmax(&row.probabilities(rule))).collect();
        let accuracy = Metrics::of(&gold, &classes, &labels).unwrap().accuracy;
        assert!(accuracy > 0.9, "{rule:?}: {accuracy}");
    }
    let own =
        answers.iter().zip(&gold).filter(|(row, class)| row.all()[**class].place == Some((0, 0))).count();
    assert!(own >= 11, "the object answers the row's own question in {own} of 12 rows");
    assert!(answers.iter().all(|row| row.distinct() > 1));
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
    // 20 examples and 10 negatives: the twelve steps reach into a fourth epoch.
    let (examples, config) = (related("train.tsv", 20), config(12));
    let questions = QuestionConfig { negatives: 0.5, ..QuestionConfig::default() };
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let begin = |run: &Path| Trainer::new(config.clone(), run).unwrap();
    begin(&whole).train(&task(&examples, &config, &questions), Start::Fresh).unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let mut trainer = begin(&broken).observe(StopAfter(7, Arc::clone(&stop))).stop_when(stop);
    let outcome = trainer.train(&task(&examples, &config, &questions), Start::Fresh).unwrap();
    assert_eq!((outcome.reason, outcome.last.step), (StopReason::Interrupted, 7));
    let other = task(&examples, &config, &QuestionConfig { negatives: 1.0, ..questions.clone() });
    assert!(matches!(begin(&broken).train(&other, Start::Resume), Err(Error::Resume { .. })));
    begin(&broken).train(&task(&examples, &config, &questions), Start::Resume).unwrap();
    for name in ["model.safetensors", "optimizer.safetensors"] {
        let bytes = |run: &Path| std::fs::read(Checkpoint::path(run, 12).join(name)).unwrap();
        assert!(bytes(&whole) == bytes(&broken), "{name} differs");
    }
}

#[test]
fn rows_without_a_relation_or_an_answer_are_no_training_rows() {
    let answerer = answerer(EncodeOptions::default());
    let example = related("dev.tsv", 1).remove(0);
    let new = |example: RelationExample| QuestionRows::new(&answerer, &[example]).map(|_| ());
    let unlabelled = new(example.clone().without_label());
    assert!(
        matches!(unlabelled, Err(re_qa::Error::Train(Error::Data(re_data::Error::MissingLabel { .. })))),
        "{unlabelled:?}"
    );
    let unrelated = new(example.with_label("관계_없음"));
    assert!(
        matches!(unrelated, Err(re_qa::Error::Train(Error::Data(re_data::Error::UnknownLabel { .. })))),
        "{unrelated:?}"
    );
}

#[test]
fn an_example_whose_object_is_cut_off_is_left_out_and_reported() {
    let long = "가나다라".repeat(20);
    let entity = |start, len| re_data::Entity::new(re_data::ByteSpan::with_len(start, len));
    let example =
        RelationExample::new("9", format!("이순신은 {long}"), [entity(0, 9), entity(13, long.len())])
            .unwrap();
    let examples = [example.with_label("인물:별칭"), related("dev.tsv", 1).remove(0)];
    let encoding =
        |lost_entities| EncodeOptions { max_length: 60, lost_entities, ..EncodeOptions::default() };
    let (rows, report) = QuestionRows::new(&answerer(encoding(LostEntities::Count)), &examples).unwrap();
    assert_eq!((rows.len(), report.rows, report.lost[0].id.as_str()), (1, 2, "9"));
    let strict = QuestionRows::new(&answerer(encoding(LostEntities::Error)), &examples);
    assert!(matches!(
        strict,
        Err(re_qa::Error::Train(Error::Data(re_data::Error::LostEntity { entity: 1, .. })))
    ));
}

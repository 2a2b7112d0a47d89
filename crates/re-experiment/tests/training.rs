//! What settings do to a training: accumulation, trimming, early stopping, interruption.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use re_data::{MarkupConfig, Predictor};
use re_experiment::{DataConfig, Error, Experiment, ExperimentData, RunFolder, load_predictor};
use re_formats::read::{self, ReadOptions};
use re_model::{ClassifierOptions, RelationClassifier, Weights};
use re_train::{
    Checkpoint, ClassWeights, ClassificationTask, Event, LabelledRows, LossConfig, Observer, Start,
    StopReason, TrainConfig, Trainer,
};

fn experiment() -> Experiment {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded");
    let text = "model = { folder = \"model\", random_weights = true, layers = 1 }\n\
                data = { train = \"dev.tsv\", validation = \"dev.tsv\", test = \"test.tsv\", labels = \"labels.json\" }\n\
                [training]\nsteps = 12\nbatch_size = 8\nlearning_rate = 1e-3\nprecision = \"fp32\"\neval_steps = 4\nsave_steps = 6\n";
    let mut experiment = Experiment::parse(text, "test.toml").unwrap();
    for path in experiment.paths_mut() {
        *path = root.join(&path);
    }
    experiment
}

fn without_dropout(folder: &Path) -> Experiment {
    let mut experiment = experiment();
    let model = folder.join("model");
    std::fs::create_dir_all(&model).unwrap();
    for entry in std::fs::read_dir(&experiment.model.folder).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
    }
    let config = std::fs::read_to_string(model.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    for name in ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"] {
        config[name] = 0.0.into();
    }
    std::fs::write(model.join("config.json"), config.to_string()).unwrap();
    experiment.model.folder = model;
    experiment
}

/// Largest difference of any parameter of two checkpoints, relative to the parameter's norm.
fn difference(a: &Path, b: &Path) -> f64 {
    let (a, b) = (Weights::open(a).unwrap(), Weights::open(b).unwrap());
    let difference = |name: &str| {
        let (a, b) = (a.tensor(name).unwrap().unwrap(), b.tensor(name).unwrap().unwrap());
        (&a - &b).norm().double_value(&[]) / (a.norm().double_value(&[]) + 1e-6)
    };
    // The exact gradient of a key bias is zero: Adam makes full steps out of its rounding noise.
    a.names().filter(|name| !name.ends_with("key.bias")).map(difference).fold(0.0, f64::max)
}

fn train(experiment: &Experiment, run: &Path) -> Checkpoint {
    RunFolder::new(run).run(experiment, Start::Fresh, Vec::new(), Arc::default()).unwrap();
    Checkpoint::list(run).unwrap().pop().unwrap()
}

#[test]
fn accumulated_micro_batches_equal_one_large_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = without_dropout(folder.path());
    // 300 rows and groups of 16: the last group of an epoch has 12 rows, its last micro-batch 2.
    experiment.training.steps = 20;
    for weights in [ClassWeights::default(), ClassWeights::InverseFrequency {}] {
        experiment.training.loss = LossConfig::CrossEntropy { class_weights: weights };
        let run = |name: &str| folder.path().join(format!("{name}-{weights:?}"));
        experiment.training.batch_size = 16;
        experiment.training.gradient_accumulation_steps = 1;
        let whole = train(&experiment, &run("whole"));
        experiment.training.batch_size = 4;
        experiment.training.gradient_accumulation_steps = 4;
        let parts = train(&experiment, &run("parts"));
        let difference = difference(&whole.path, &parts.path);
        assert!(difference < 1e-3, "{weights:?}: {difference:e}");
    }
}

#[test]
fn a_trimmed_vocabulary_trains_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = without_dropout(folder.path());
    experiment.training.adamw.weight_decay = 0.1;
    let trimmed = train(&experiment, &folder.path().join("trimmed"));
    experiment.training.trim_vocabulary = false;
    let whole = train(&experiment, &folder.path().join("whole"));
    let difference = difference(&whole.path, &trimmed.path);
    assert!(difference < 1e-4, "{difference:e}");
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
fn an_interrupted_run_saves_a_checkpoint_and_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let end = train(&experiment(), &whole);

    let stop = Arc::new(AtomicBool::new(false));
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(StopAfter(5, Arc::clone(&stop)))];
    let run = RunFolder::new(&broken);
    let summary = run.run(&experiment(), Start::Fresh, observers, stop).unwrap();
    assert_eq!((summary.reason, summary.step), (StopReason::Interrupted, Some(5)));
    assert_eq!(run.experiment().unwrap().training, experiment().training);
    let summary = run.run(&run.experiment().unwrap(), Start::Resume, Vec::new(), Arc::default()).unwrap();
    assert_eq!(summary.reason, StopReason::Completed);

    let bytes =
        |run: &Path| std::fs::read(Checkpoint::path(run, end.step).join("model.safetensors")).unwrap();
    assert!(bytes(&whole) == bytes(&broken));
    let submission = std::fs::read_to_string(summary.submission.unwrap()).unwrap();
    assert_eq!(submission.lines().next(), Some("pred"));
    assert_eq!(submission.lines().count(), 201);
}

#[test]
fn a_task_on_another_device_than_the_settings_say_is_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded");
    let labels = read::labels(root.join("labels.json")).unwrap();
    let rows = read::examples(root.join("dev.tsv"), &ReadOptions::default()).unwrap().examples;
    let options = ClassifierOptions { random_weights: true, layers: Some(1), ..ClassifierOptions::default() };
    let (classifier, _) = RelationClassifier::new(root.join("model"), labels, options).unwrap();
    let (rows, _) = LabelledRows::new(&classifier, &rows[..4]).unwrap();
    let mut config = TrainConfig { steps: 1, device: "cuda:0".to_owned(), ..TrainConfig::default() };
    let task = ClassificationTask::new(classifier, rows, LabelledRows::default(), &config).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let train = |config: &TrainConfig| {
        Trainer::new(config.clone(), folder.path().join("run")).unwrap().train(&task, Start::Fresh)
    };
    match train(&config) {
        Err(re_train::Error::Config { key: "device", found, expected }) => {
            assert_eq!(found, "cuda:0");
            assert!(expected.starts_with("cpu, where the model is"), "{expected}");
        }
        other => panic!("{other:?}"),
    }
    config.device = "cpu".to_owned();
    train(&config).unwrap();
}

#[test]
fn a_run_predicts_in_the_number_format_that_it_was_trained_in() {
    let folder = tempfile::tempdir().unwrap();
    // Also where the processor multiplies bf16 natively, so that it would be the default.
    let run = RunFolder::new(folder.path());
    let summary = run.run(&experiment(), Start::Fresh, Vec::new(), Arc::default()).unwrap();
    let saved = read::probabilities(folder.path().join("test_probabilities.csv")).unwrap();
    let test = read::examples(experiment().data.test.unwrap(), &ReadOptions::default()).unwrap().examples;
    let alone = RelationClassifier::from_pretrained(summary.model.as_ref().unwrap()).unwrap();
    let whole = load_predictor(folder.path(), &TrainConfig::default()).unwrap();
    for predictor in [&alone as &dyn Predictor, &whole] {
        assert_eq!(predictor.predict(&test).unwrap().values(), saved.values());
    }

    // Models of earlier versions leave it to the settings of their run.
    let model = summary.model.unwrap();
    std::fs::remove_file(model.join("manifest.json")).unwrap();
    let settings = model.join("relation_classifier.json");
    let text = std::fs::read_to_string(&settings).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value.as_object_mut().unwrap().remove("precision").unwrap(), "fp32");
    std::fs::write(&settings, value.to_string()).unwrap();
    let old = load_predictor(folder.path(), &TrainConfig::default()).unwrap();
    assert_eq!(old.predict(&test).unwrap().values(), saved.values());
}

#[test]
fn training_stops_early_and_the_best_checkpoint_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    // Without learning no evaluation is better than the first.
    experiment.training.learning_rate = 0.0;
    experiment.training.steps = 100;
    experiment.training.early_stopping_patience = 3;
    experiment.training.keep_last = 1;
    let run = RunFolder::new(folder.path());
    let summary = run.run(&experiment, Start::Fresh, Vec::new(), Arc::default()).unwrap();
    assert_eq!((summary.reason, summary.step), (StopReason::EarlyStopping, Some(4)));
    let kept: Vec<u64> = Checkpoint::list(folder.path()).unwrap().iter().map(|c| c.step).collect();
    assert_eq!(kept, [4, 16], "the best and the last");

    // Resuming it does not train on.
    let again = run.run(&experiment, Start::Resume, Vec::new(), Arc::default()).unwrap();
    assert_eq!((again.reason, again.step), (StopReason::EarlyStopping, Some(4)));
    assert_eq!(Checkpoint::list(folder.path()).unwrap().len(), 2);

    let classifier = RelationClassifier::from_pretrained(summary.model.unwrap()).unwrap();
    let predictor: &dyn Predictor = &classifier;
    assert_eq!(predictor.labels().len(), 42);
}

#[test]
fn every_markup_trains_and_predicts() {
    let folder = tempfile::tempdir().unwrap();
    let types = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/entity_types.tsv");
    let markups = [
        MarkupConfig::Pair {},
        MarkupConfig::EntityTokens { entity_embedding: true, pair: true },
        MarkupConfig::TypedPunct {},
        MarkupConfig::Query {},
    ];
    for (number, markup) in markups.into_iter().enumerate() {
        let mut experiment = experiment();
        experiment.markup = markup;
        experiment.data.entity_types = Some(types.clone());
        experiment.training.steps = 2;
        train(&experiment, &folder.path().join(number.to_string()));
    }
}

#[test]
fn a_refused_resume_leaves_the_run_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path().join("run"));
    let go = |experiment: &Experiment, start| run.run(experiment, start, Vec::new(), Arc::default());
    let mut longer = experiment();
    longer.training.steps = 13;
    go(&experiment(), Start::Fresh).unwrap();
    let config = std::fs::read_to_string(run.path().join("config.toml")).unwrap();
    assert!(matches!(go(&longer, Start::Resume), Err(Error::Train(re_train::Error::Resume { .. }))));
    assert_eq!(std::fs::read_to_string(run.path().join("config.toml")).unwrap(), config);
    go(&run.experiment().unwrap(), Start::Resume).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_told_and_the_one_before_it_leads_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path().join("run"));
    let mut experiment = experiment();
    experiment.training.save_steps = 4;
    experiment.training.keep_last = 0;
    let go = |start| run.run(&experiment, start, Vec::new(), Arc::default());
    go(Start::Fresh).unwrap();
    let checkpoints = Checkpoint::list(run.path()).unwrap();
    let [.., older, newest] = checkpoints.as_slice() else { panic!("{checkpoints:?}") };
    let weights = newest.path.join("model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    let error = go(Start::Resume).unwrap_err();
    let hint = format!("; remove it to resume from step {}", older.step);
    assert!(error.to_string().ends_with(&hint), "{error}");
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    assert!(causes.iter().any(|cause| cause.contains("model.safetensors")), "{causes:?}");
    std::fs::remove_dir_all(&newest.path).unwrap();
    go(Start::Resume).unwrap();
    assert!(std::fs::read(&weights).unwrap() == whole);
}

#[test]
fn folders_of_other_things_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), "mine").unwrap();
    let run = RunFolder::new(folder.path());
    let fresh = run.run(&experiment(), Start::Fresh, Vec::new(), Arc::default());
    assert!(matches!(fresh, Err(Error::NotEmpty { .. })), "{fresh:?}");
    assert_eq!(std::fs::read_to_string(folder.path().join("config.toml")).unwrap(), "mine");
}

#[test]
fn rows_that_cannot_be_predicted_are_found_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    let long = "가나다라 ".repeat(200);
    let row = format!("x\t{long}끝\t{}\t0\t{}\t끝\t1000\t1000\tblind\n", long.trim_end(), 998);
    let test = folder.path().join("test.tsv");
    std::fs::write(&test, row).unwrap();
    experiment.data.test = Some(test);
    let run = RunFolder::new(folder.path().join("run"));
    let error = run.run(&experiment, Start::Fresh, Vec::new(), Arc::default()).unwrap_err();
    assert!(
        matches!(error, Error::Train(re_train::Error::Data(re_data::Error::LostEntity { .. }))),
        "{error}"
    );
    assert_eq!(Checkpoint::list(run.path()).unwrap(), []);
}

#[test]
fn what_the_rows_do_not_allow_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    let rows = std::fs::read_to_string(&experiment.data.train).unwrap();
    let rows: Vec<&str> = rows.lines().take(12).collect();
    let write = |name: &str, lines: &[&str]| {
        let path = folder.path().join(name);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    };
    experiment.data.train = write("train.tsv", &rows);
    experiment.data.test = Some(write("test.tsv", &[rows[0], rows[1], rows[0]]));
    (experiment.data.val_size, experiment.data.validation) = (0.001, None);
    let notes = ExperimentData::read(&experiment.data, 7).unwrap().notes;
    let told = |text: &str| assert!(notes.iter().any(|note| note.contains(text)), "{text}: {notes:?}");
    told("data.val_size = 0.001 of 12 rows: the validation split is empty");
    told("report, vote, advise and evaluate will not read");

    // The layout of a benchmark brings its labels, where no file names them.
    let semeval =
        "1\t\"The <e1>fire</e1> came from the <e2>engine</e2>.\"\nCause-Effect(e2,e1)\nComment:\n\n";
    experiment.data = DataConfig { train: folder.path().join("train.txt"), ..DataConfig::default() };
    std::fs::write(&experiment.data.train, semeval).unwrap();
    let data = ExperimentData::read(&experiment.data, 7).unwrap();
    assert_eq!(data.labels.len(), 19);
    assert!(
        data.notes.iter().any(|note| note.contains("19 labels are those of semeval")),
        "{:?}",
        data.notes
    );
}

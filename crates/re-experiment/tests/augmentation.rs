//! Training on rows that vary: exact resume, a vocabulary that suffices, and nothing from outside the training rows.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use re_data::{Predictor, RelationExample};
use re_ensemble::{Prior, shift_prior};
use re_experiment::{Error, Experiment, ExperimentData, Fold, RunFolder, Summary};
use re_formats::augment::{AugmenterConfig, Replacement};
use re_model::RelationClassifier;
use re_train::{Checkpoint, ClassWeights, Event, LossConfig, Observer, Start, StopReason};

fn embedded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded").join(name)
}

/// Five steps make an epoch of 300 rows.
fn experiment() -> Experiment {
    let text = "model = { folder = \"model\", random_weights = true, layers = 1 }\n\
                [data]\ntrain = \"dev.tsv\"\nvalidation = \"dev.tsv\"\ntest = \"test.tsv\"\n\
                labels = \"labels.json\"\nentity_types = \"entity_types.tsv\"\n\
                [[data.augmentation]]\nname = \"entity_swap\"\nprobability = 0.5\n\
                [[data.augmentation]]\nname = \"word_masking\"\nprobability = 0.5\n\
                [[data.augmentation]]\nname = \"punctuation\"\nprobability = 0.5\n\
                [training]\nsteps = 12\nbatch_size = 64\nlearning_rate = 1e-3\nprecision = \"fp32\"\nsave_steps = 0\n";
    let mut experiment = Experiment::parse(text, "test.toml").unwrap();
    for path in experiment.paths_mut() {
        *path = embedded(path.to_str().unwrap());
    }
    experiment
}

/// Remembers notices, and raises a flag after a step.
struct Watch {
    notes: Rc<RefCell<Vec<String>>>,
    stop_after: u64,
    stop: Arc<AtomicBool>,
}

impl Observer for Watch {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match event {
            Event::Notice(text) => self.notes.borrow_mut().push((*text).to_owned()),
            Event::Step(report) if report.step == self.stop_after => self.stop.store(true, Ordering::Relaxed),
            _ => {}
        }
        Ok(())
    }
}

/// Runs an experiment, up to a step where `stop_after` is not 0; gives the summary and what was said.
fn go(
    experiment: &Experiment,
    folder: &Path,
    start: Start,
    stop_after: u64,
) -> Result<(Summary, Vec<String>), Error> {
    let (notes, stop) = (Rc::default(), Arc::default());
    let watch = Watch { notes: Rc::clone(&notes), stop_after, stop: Arc::clone(&stop) };
    let summary = RunFolder::new(folder).run(experiment, start, vec![Box::new(watch)], stop)?;
    let notes = notes.borrow().clone();
    Ok((summary, notes))
}

fn note<'a>(notes: &'a [String], beginning: &str) -> &'a str {
    let mut found = notes.iter().filter(|note| note.starts_with(beginning));
    found.next().unwrap_or_else(|| panic!("no {beginning} in {notes:#?}"))
}

fn weights(folder: &Path, step: u64) -> Vec<u8> {
    std::fs::read(Checkpoint::path(folder, step).join("model.safetensors")).unwrap()
}

#[test]
fn a_run_interrupted_in_the_middle_of_an_epoch_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| folder.path().join(name);
    let mut experiment = experiment();
    experiment.training.r_drop_alpha = 0.5;
    experiment.training.loss =
        LossConfig::Focal { gamma: 2.0, class_weights: ClassWeights::EffectiveNumber { beta: 0.9 } };
    let (summary, notes) = go(&experiment, &run("whole"), Start::Fresh, 0).unwrap();
    assert_eq!((summary.reason, summary.step), (StopReason::Completed, Some(12)));
    let report = note(&notes, "augmentation: ");
    assert!(report.contains(" of 900 rows in 3 epochs are varied (entity_swap "), "{report}");

    // Step 7 is the second of the second epoch.
    let (summary, _) = go(&experiment, &run("broken"), Start::Fresh, 7).unwrap();
    assert_eq!((summary.reason, summary.step), (StopReason::Interrupted, Some(7)));
    go(&experiment, &run("broken"), Start::Resume, 0).unwrap();
    assert!(weights(&run("whole"), 12) == weights(&run("broken"), 12));

    // Another augmentation is another training set, and none is one as well.
    let mut other = experiment.clone();
    other.data.augmentation.pop();
    let mut none = experiment.clone();
    none.data.augmentation.clear();
    for changed in [other, none] {
        let error = go(&changed, &run("broken"), Start::Resume, 0).unwrap_err().to_string();
        assert!(error.contains(": setting is data.augmentation = "), "{error}");
        let fresh = run(&format!("changed-{}", changed.data.augmentation.len()));
        go(&changed, &fresh, Start::Fresh, 0).unwrap();
        assert!(weights(&run("whole"), 12) != weights(&fresh, 12), "the augmentation changes what is learnt");
    }
}

#[test]
fn a_trimmed_vocabulary_holds_the_tokens_of_all_variants() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    // Rows that lack most names, and every row swapped: without the variants' tokens the first step would fail.
    experiment.data.augmentation = vec![AugmenterConfig::EntitySwap { probability: 1.0, same_label: false }];
    experiment.data.fold = Some(Fold { number: 1, of: 10 });
    experiment.data.validation = None;
    experiment.training.eval_steps = 0;
    let (_, notes) = go(&experiment, &folder.path().join("trimmed"), Start::Fresh, 0).unwrap();
    note(&notes, "entity_swap: ");
    experiment.training.trim_vocabulary = false;
    go(&experiment, &folder.path().join("whole"), Start::Fresh, 0).unwrap();
    let load = |name: &str| {
        let weights = re_model::Weights::open(&Checkpoint::path(&folder.path().join(name), 12)).unwrap();
        weights.tensor("roberta.embeddings.word_embeddings.weight").unwrap().unwrap()
    };
    let (trimmed, whole) = (load("trimmed"), load("whole"));
    let error = (&trimmed - &whole).norm().double_value(&[]) / whole.norm().double_value(&[]);
    assert!(error < 1e-5, "{error:e}");
}

/// Different names of the entities of some rows, with their types.
fn names(rows: &[RelationExample]) -> usize {
    let of = |row: &RelationExample| {
        [0, 1].map(|n| (row.entities()[n].kind().map(str::to_owned), row.surface(n).to_owned()))
    };
    rows.iter().flat_map(of).collect::<HashSet<_>>().len()
}

#[test]
fn only_material_of_the_folds_training_rows_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    experiment.data.validation = None;
    experiment.data.fold = Some(Fold { number: 2, of: 3 });
    experiment.data.val_size = 0.2;
    let labelled = std::fs::read_to_string(embedded("train.tsv")).unwrap();
    let test = folder.path().join("test.tsv");
    std::fs::write(&test, labelled.lines().next().unwrap()).unwrap();
    experiment.data.test = Some(test);
    let data = ExperimentData::read(&experiment.data, experiment.training.seed).unwrap();
    let [trained, validated, held, tested] =
        [&data.train, &data.validation, &data.holdout, &data.test].map(|rows| &rows[0]);
    let all: Vec<_> = [&data.train, &data.validation, &data.holdout].into_iter().flatten().cloned().collect();
    assert!(names(&data.train) < names(&all));

    let again = |row: &RelationExample| format!("{}\t다시 말해 {}\n", row.id(), row.text());
    let leak = |row: &RelationExample| format!("{}\t{}\t0\t0\t1\t1\n", trained.id(), row.text());
    let file = folder.path().join("paraphrases.tsv");
    let leaks = [leak(validated), leak(held), leak(tested)].concat();
    let lines = [again(trained), again(validated), again(held), leaks].concat();
    std::fs::write(&file, lines + &format!("{}\t다른 문장\n", trained.id())).unwrap();
    experiment
        .data
        .augmentation
        .insert(0, AugmenterConfig::Paraphrases { probability: 1.0, file: file.clone() });
    let (_, notes) = go(&experiment, &folder.path().join("run"), Start::Fresh, 0).unwrap();
    let expected = format!(
        "paraphrases: 1 paraphrases of 1 rows, 2 of rows that are not trained on, 3 left out as sentences that are \
         held out; 1 rejected, the first one {}:7",
        file.display()
    );
    assert!(note(&notes, "paraphrases: ").starts_with(&expected), "{notes:#?}");
    let expected = format!("entity_swap: {} names of ", names(&data.train));
    assert!(note(&notes, "entity_swap: ").starts_with(&expected), "{notes:#?}");
}

#[test]
fn variants_that_do_not_fit_leave_the_row_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["가", "나"].map(|syllable| syllable.repeat(60));
    let row = |id: usize, long: &str| format!("{id}\t{long} 다 라\t{long}\t0\t59\t라\t63\t63\t관계_없음\n");
    let train = folder.path().join("train.tsv");
    let other = "7\t마 바\t마\t0\t0\t바\t2\t2\t관계_없음\n".to_owned();
    std::fs::write(&train, [row(1, &first), row(2, &second), other].concat()).unwrap();
    let types = folder.path().join("types.tsv");
    std::fs::write(&types, ["1", "2", "7"].map(|id| format!("{id}\tPERSON\tPERSON\n")).concat()).unwrap();
    let mut experiment = experiment();
    experiment.data.train = train.clone();
    experiment.data.validation = Some(train);
    experiment.data.entity_types = Some(types);
    experiment.data.augmentation = vec![AugmenterConfig::EntitySwap { probability: 1.0, same_label: false }];
    experiment.encoding.max_length = 75;
    experiment.training.steps = 30;
    let (summary, notes) = go(&experiment, &folder.path().join("run"), Start::Fresh, 0).unwrap();
    assert_eq!(summary.reason, StopReason::Completed);
    assert!(note(&notes, "augmentation: ").contains(" would not fit and stay as they are"), "{notes:#?}");
}

#[test]
fn a_tokenizer_without_mask_token_can_only_drop_words() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    std::fs::create_dir_all(&model).unwrap();
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"] {
        let text = std::fs::read_to_string(embedded("model").join(name)).unwrap();
        std::fs::write(model.join(name), text.replace("<mask>", "<other>")).unwrap();
    }
    for name in ["tokenizer_config.json", "special_tokens_map.json"] {
        let text = std::fs::read_to_string(model.join(name)).unwrap();
        let mut settings: serde_json::Value = serde_json::from_str(&text).unwrap();
        settings.as_object_mut().unwrap().remove("mask_token");
        std::fs::write(model.join(name), settings.to_string()).unwrap();
    }
    let mut experiment = experiment();
    experiment.model.folder = model;
    let masking = |replacement| AugmenterConfig::WordMasking { probability: 0.5, share: 0.2, replacement };
    experiment.data.augmentation = vec![masking(Replacement::Mask)];
    let error = go(&experiment, &folder.path().join("run"), Start::Fresh, 0).unwrap_err().to_string();
    assert!(error.contains("a tokenizer that has no mask token (expected drop)"), "{error}");
    experiment.data.augmentation = vec![masking(Replacement::Drop)];
    go(&experiment, &folder.path().join("run"), Start::Fresh, 0).unwrap();
}

#[test]
fn names_are_not_swapped_between_entities_of_unknown_types() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    experiment.data.entity_types = None;
    let error = go(&experiment, folder.path(), Start::Fresh, 0).unwrap_err().to_string();
    assert!(error.starts_with("data.entity_types = no entity with a type"), "{error}");
}

#[test]
fn settings_are_checked_before_rows_are_gone_through() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    experiment.training.batch_size = 0;
    let error = go(&experiment, folder.path(), Start::Fresh, 0).unwrap_err();
    assert!(matches!(error, Error::Train(re_train::Error::Config { key: "batch_size", .. })), "{error}");
}

#[test]
fn an_adjustment_for_the_prior_belongs_to_the_model_and_its_predictions() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    experiment.training.logit_adjustment = 0.7;
    let (summary, _) = go(&experiment, folder.path(), Start::Fresh, 0).unwrap();
    let mut classifier = RelationClassifier::from_pretrained(summary.model.unwrap()).unwrap();
    let data = ExperimentData::read(&experiment.data, experiment.training.seed).unwrap();
    let adjusted = classifier.predict(&data.validation).unwrap();
    let saved = re_formats::read::probabilities(folder.path().join("validation_probabilities.csv")).unwrap();
    assert_eq!(saved.ids(), adjusted.ids());
    classifier.set_logit_adjustment(None).unwrap();
    let plain = classifier.predict(&data.validation).unwrap();
    let prior = Prior::from_examples(Arc::clone(&data.labels), &data.train, 1.0).unwrap();
    let shifted = shift_prior(&plain, &prior, &Prior::uniform(Arc::clone(&data.labels)), 0.7).unwrap();
    let far = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-4;
    assert!(!adjusted.values().iter().zip(shifted.values()).any(far));
    assert!(!saved.values().iter().zip(shifted.values()).any(far));
    assert!(plain.values().iter().zip(shifted.values()).any(far));
}

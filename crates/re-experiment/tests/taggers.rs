//! Runs that train taggers.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Watch, fresh, go, results, watched};
use re_data::Document;
use re_experiment::{Experiment, RunFolder};
use re_formats::documents::{self, DocumentReadOptions};
use re_train::{Event, Observer, Start, StopReason};

const DOCUMENTS: usize = 24;

/// Documents of a person and a town each, under other names in each.
fn write(folder: &Path, name: &str) -> PathBuf {
    let document = |number: usize| {
        format!(
            "{{\"id\": \"d{number}\", \"text\": \"Marie{number} lives in Paris.\", \"mentions\": \
             [{{\"start\": 0, \"end\": 5, \"type\": \"PER\"}}, {{\"start\": {town}, \"end\": {end}, \"type\": \"LOC\"}}]}}\n",
            town = 15 + number.to_string().len(),
            end = 20 + number.to_string().len(),
        )
    };
    let path = folder.join(name);
    std::fs::write(&path, (0..DOCUMENTS).map(document).collect::<String>()).unwrap();
    path
}

fn experiment(folder: &Path) -> Experiment {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/model");
    let text = format!(
        "tagging = {{ scheme = \"bio\" }}\nmodel = {{ folder = {model:?}, random_weights = true, layers = 1 }}\n\
         data = {{ train = {:?}, test = {:?}, val_size = 0.25, split_seed = 7 }}\n\
         [training]\nsteps = 4\nbatch_size = 4\nlearning_rate = 1e-3\nprecision = \"fp32\"\neval_steps = 2\nsave_steps = 1\n\
         keep_last = 0\n",
        write(folder, "train.jsonl"),
        write(folder, "test.jsonl"),
    );
    Experiment::parse(&text, "tagger.toml").unwrap()
}

fn read(run: &Path, name: &str) -> Vec<Document> {
    documents::read(run.join(name), &DocumentReadOptions::default()).unwrap().documents
}

#[test]
fn a_tagger_is_trained_evaluated_and_tags_what_was_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let (summary, watch) = watched(&experiment(folder.path()), &run, Start::Fresh);
    let (validation, test) = (read(&run, "validation_documents.jsonl"), read(&run, "test_documents.jsonl"));
    assert_eq!(test.len(), DOCUMENTS);
    assert!((1..DOCUMENTS).contains(&validation.len()));
    assert!(watch.has("types of mentions: LOC, PER") && watch.has("test set: "), "{:?}", watch.told);
    // What is written is what the evaluation is about, and what the tagger finds in the same documents of the test set.
    let evaluation = summary.evaluation.unwrap();
    let found: usize = validation.iter().map(|document| document.mentions().len()).sum();
    let counted: usize = evaluation.metrics.per_label.iter().map(|label| label.predicted).sum();
    assert_eq!((found, evaluation.metrics.rows > 0), (counted, true));
    for document in &validation {
        let same = test.iter().find(|other| other.id() == document.id()).unwrap();
        let spans = |document: &Document| -> Vec<_> {
            document.mentions().iter().map(|m| (m.span(), m.kind().map(str::to_owned))).collect()
        };
        assert_eq!(spans(same), spans(document), "{}", document.id());
    }
}

#[test]
fn a_run_that_was_killed_anywhere_ends_with_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| folder.path().join(name);
    let experiment = experiment(folder.path());
    fresh(&experiment, &run("whole"));
    let (mut start, mut kills) = (Start::Fresh, 0);
    for event in 2.. {
        let observers: Vec<Box<dyn Observer>> = vec![Box::new(Watch::failing_at(event))];
        match RunFolder::new(run("broken")).run(&experiment, start, observers, Arc::default()) {
            Ok(_) => break,
            Err(error) => assert!(error.to_string().contains("observer") || kills < 40, "{error}"),
        }
        (start, kills) = (Start::Resume, kills + 1);
    }
    assert!(kills > 1, "{kills}");
    assert_same(&run("whole"), &run("broken"));
}

/// Asks to stop when training is over, so that the tagging behind it ends.
struct StopBehind(Arc<AtomicBool>);

impl Observer for StopBehind {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if matches!(event, Event::Finished { .. }) {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[test]
fn a_stop_while_documents_are_tagged_is_heeded() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| folder.path().join(name);
    let experiment = experiment(folder.path());
    fresh(&experiment, &run("whole"));
    let stop = Arc::new(AtomicBool::new(false));
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(StopBehind(Arc::clone(&stop)))];
    let summary = RunFolder::new(run("stopped")).run(&experiment, Start::Fresh, observers, stop).unwrap();
    assert_eq!(summary.reason, StopReason::Interrupted);
    assert!(!run("stopped").join("test_documents.jsonl").exists());
    go(&experiment, &run("stopped"), Start::Resume).unwrap();
    assert_same(&run("whole"), &run("stopped"));
}

fn assert_same(whole: &Path, other: &Path) {
    for ((path, whole), (other_path, other)) in results(whole).iter().zip(&results(other)) {
        assert_eq!(path, other_path);
        assert!(path.ends_with("summary.json") || whole == other, "{}", path.display());
    }
    assert_eq!(results(whole).len(), results(other).len());
}

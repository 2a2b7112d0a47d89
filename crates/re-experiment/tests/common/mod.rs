//! A small experiment on rows of the embedded corpus, and what tests of plans look at.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use re_data::{Probabilities, RelationExample};
use re_experiment::{Error, Experiment, Plan, RunFolder, Summary};
use re_formats::read::{self, Format, ReadOptions};
use re_formats::write;
use re_train::{Event, Observer, Start};

/// Steps of every training.
pub const STEPS: u64 = 3;

/// Rows of the embedded corpus' dev file, which has all labels that are frequent.
pub fn corpus() -> Vec<RelationExample> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/dev.tsv");
    read::examples(path, &ReadOptions::default()).unwrap().examples
}

/// Writes rows into a file of the folder.
pub fn file<'e>(folder: &Path, name: &str, rows: impl IntoIterator<Item = &'e RelationExample>) -> PathBuf {
    let path = folder.join(name);
    write::examples(&path, Format::Jsonl, rows).unwrap();
    path
}

/// An experiment with 120 training rows, of which a quarter validates, and 40 labelled test rows.
pub fn experiment(folder: &Path, plan: Plan) -> Experiment {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded");
    let text = format!(
        "model = {{ random_weights = true, layers = 1 }}\ndata = {{ val_size = 0.25, split_seed = 7 }}\n\
         [training]\nsteps = {STEPS}\nbatch_size = 8\nlearning_rate = 1e-3\nprecision = \"fp32\"\neval_steps = 1\n\
         save_steps = 1\nkeep_last = 0\n"
    );
    let mut experiment = Experiment::parse(&text, "test.toml").unwrap();
    let rows = corpus();
    experiment.model.folder = fixtures.join("model");
    experiment.data.labels = Some(fixtures.join("labels.json"));
    experiment.data.train = file(folder, "train.jsonl", &rows[..120]);
    experiment.data.test = Some(file(folder, "test.jsonl", &rows[120..160]));
    experiment.plan = plan;
    experiment
}

pub fn go(experiment: &Experiment, run: &Path, start: Start) -> Result<Summary, Error> {
    RunFolder::new(run).run(experiment, start, Vec::new(), Arc::default())
}

pub fn fresh(experiment: &Experiment, run: &Path) -> Summary {
    go(experiment, run, Start::Fresh).unwrap()
}

pub fn probabilities(run: &Path, name: &str) -> Probabilities {
    read::probabilities(run.join(name)).unwrap()
}

/// Every file below the run that says what came out, with its content; checkpoints with their weights.
pub fn results(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if !matches!(name, ".lock" | "config.toml" | "metrics.jsonl") {
                // Settings name the folders that they lie in.
                found.push((path.strip_prefix(run).unwrap().to_owned(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Writes down all that it is told, and fails at the n-th event of a training.
#[derive(Default)]
pub struct Watch {
    pub told: Vec<String>,
    pub fail_at: Option<usize>,
    events: usize,
}

impl Watch {
    pub fn failing_at(event: usize) -> Self {
        Self { fail_at: Some(event), ..Self::default() }
    }

    /// Rows of each training that was begun.
    pub fn rows(&self) -> Vec<usize> {
        self.told.iter().filter_map(|text| text.strip_prefix("rows ")?.parse().ok()).collect()
    }

    pub fn has(&self, text: &str) -> bool {
        self.told.iter().any(|told| told.contains(text))
    }
}

impl Observer for Watch {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match event {
            Event::Notice(text) => self.told.push((*text).to_owned()),
            Event::Part { name, number, of, .. } => self.told.push(format!("part {name} {number} {of:?}")),
            Event::Started { rows, .. } => self.told.push(format!("rows {rows}")),
            // Comes with the event of the checkpoint itself.
            Event::Saving { .. } => {}
            _ => {
                self.events += 1;
                if Some(self.events) == self.fail_at {
                    return Err("the power went out".into());
                }
            }
        }
        Ok(())
    }
}

/// An observer that can still be looked at when the run is over.
#[derive(Clone, Default)]
pub struct Shared(pub std::rc::Rc<std::cell::RefCell<Watch>>);

impl Observer for Shared {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.borrow_mut().notify(event)
    }
}

/// Runs and tells what was told.
pub fn watched(experiment: &Experiment, run: &Path, start: Start) -> (Summary, Watch) {
    let watch = Shared::default();
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(watch.clone())];
    let summary = RunFolder::new(run).run(experiment, start, observers, Arc::default()).unwrap();
    (summary, watch.0.take())
}

//! Run folders for the tests, made as training makes them.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "shared by test files that each use a part of it"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use re_data::metrics::Metrics;
use re_data::{ByteSpan, Entity, LabelSet, Probabilities, RelationExample};
use re_formats::read::Format;
use re_formats::write::{self, PredictionFormat};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The second label is one that HTML would take for markup.
pub const LABELS: [&str; 3] = ["관계_없음", "<b>&\"부모\"", "인물:배우자"];
pub const ROWS: usize = 30;

pub struct Runs(TempDir);

impl Runs {
    /// A folder with gold labels in `gold.tsv`.
    pub fn new() -> Self {
        let runs = Self(tempfile::tempdir().unwrap());
        write::examples(runs.gold(), Format::CompetitionTsv, &examples()).unwrap();
        runs
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn gold(&self) -> PathBuf {
        self.path().join("gold.tsv")
    }

    /// A run that is wrong in the rows for which `wrong` says so.
    pub fn add(&self, name: &str, seed: u64, wrong: impl Fn(usize) -> bool) -> PathBuf {
        let folder = self.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let probabilities = probabilities(wrong);
        predictions(&folder, "validation_probabilities.csv", &probabilities);
        let evaluation = evaluation(&probabilities);
        put(&folder, "config.toml", &config(&self.gold(), seed));
        put(&folder, "metrics.jsonl", &log(&evaluation));
        put(&folder, "summary.json", &summary(&evaluation).to_string());
        folder
    }
}

pub fn put(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

pub fn examples() -> Vec<RelationExample> {
    let entity = |text: &str, surface: &str| {
        Entity::new(ByteSpan::with_len(text.find(surface).unwrap(), surface.len()))
    };
    (0..ROWS)
        .map(|row| {
            let text = format!("<script>alert({row})</script> 가나와 다라 & 마바{}", "사".repeat(row));
            let entities = [entity(&text, "가나"), entity(&text, "다라")];
            RelationExample::new(format!("row-{row}"), text, entities).unwrap().with_label(LABELS[row % 3])
        })
        .collect()
}

pub fn probabilities(wrong: impl Fn(usize) -> bool) -> Probabilities {
    let values = (0..ROWS).flat_map(|row| {
        let top = if wrong(row) { (row + 1) % 3 } else { row % 3 };
        let sure = 0.5 + 0.4 * row as f32 / ROWS as f32;
        (0..3).map(move |class| if class == top { sure } else { (1.0 - sure) / 2.0 })
    });
    let values = values.collect();
    let ids = (0..ROWS).map(|row| format!("row-{row}")).collect();
    Probabilities::new(ids, Arc::new(LabelSet::new(LABELS).unwrap()), values).unwrap()
}

pub fn predictions(folder: &Path, name: &str, probabilities: &Probabilities) {
    write::predictions(folder.join(name), PredictionFormat::Probabilities, probabilities).unwrap();
}

pub fn evaluation(probabilities: &Probabilities) -> Value {
    let gold: Vec<usize> = (0..ROWS).map(|row| row % 3).collect();
    json!({"loss": 0.5, "metrics": Metrics::of_probabilities(&gold, probabilities).unwrap()})
}

pub fn summary(evaluation: &Value) -> Value {
    json!({"reason": "completed", "step": 20, "model": "checkpoint-20", "evaluation": evaluation, "submission": null})
}

pub fn config(gold: &Path, seed: u64) -> String {
    format!(
        "head = \"entity_mean\"\n[model]\nfolder = \"models/tiny\"\nlayers = 2\n[markup]\nname = \"plain\"\n[data]\n\
         train = {:?}\nval_size = 0.3\nlenient = false\n[training]\nsteps = 30\nseed = {seed}\nlearning_rate = 0.00001\n",
        gold.to_str().unwrap()
    )
}

pub fn log(evaluation: &Value) -> String {
    let mut lines = Vec::new();
    for step in [1, 10, 20, 30] {
        lines.push(json!({"event": "step", "step": step, "epoch": 0.1, "loss": 1.0 / f64::from(step),
            "learning_rate": 1e-5, "gradient_norm": 1.0, "rows_per_second": 9.5}));
        if step >= 10 {
            let mut line = json!({"event": "evaluation", "step": step, "loss": 0.5, "best": step == 20});
            let metrics = evaluation["metrics"].as_object().unwrap().clone();
            line.as_object_mut().unwrap().extend(metrics);
            lines.push(line);
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

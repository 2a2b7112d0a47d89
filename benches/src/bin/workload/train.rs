//! Workloads B, C and D.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use clap::Args;
use re_model::{HeadConfig, RelationClassifier};
use re_train::{ClassificationTask, Event, LabelledRows, Observer, Start, TrainConfig, Trainer};
use serde_json::json;

use crate::inputs::{Data, Inputs, Report, report};
use crate::memory;

#[derive(Debug, Args)]
pub struct Train {
    #[command(flatten)]
    inputs: Inputs,
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// First steps, which are not timed
    #[arg(long, default_value_t = 2)]
    warm_up: usize,
    #[arg(long, default_value_t = 5e-5)]
    learning_rate: f64,
    #[arg(long)]
    head_learning_rate: Option<f64>,
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Passes over the rows
    #[arg(long, default_value_t = 1.0)]
    epochs: f64,
    /// Further settings of training, as a TOML table: `precision = "fp32"`
    #[arg(long, default_value = "")]
    settings: String,
    /// Rows to measure the accuracy on afterwards
    #[arg(long)]
    validation: Option<PathBuf>,
    /// Folder for the trained classifier
    #[arg(long)]
    save: Option<PathBuf>,
}

impl Train {
    pub fn run(&self) -> Result<Report> {
        let examples = self.inputs.data.read()?;
        let (classifier, loaded) =
            RelationClassifier::new(&self.inputs.model, self.inputs.labels()?, self.inputs.options()?)?;
        // A head that starts elsewhere than the peers' would make losses incomparable.
        if self.inputs.head()? == HeadConfig::Cls && !loaded.missing.is_empty() {
            bail!("{} lacks {}", self.inputs.model.display(), loaded.missing.join(", "));
        }
        let config = self.config(examples.len())?;
        let (train, counts) = LabelledRows::new(&classifier, &examples)?;
        let validation = match &self.validation {
            Some(path) => {
                let rows = Data { data: path.clone(), limit: None }.read()?;
                LabelledRows::new(&classifier, &rows)?.0
            }
            None => LabelledRows::default(),
        };
        let task = ClassificationTask::new(classifier, train, validation, &config)?;
        let watch = Watch::default();
        let run = tempfile::tempdir()?;
        let outcome = Trainer::new(config, run.path())?.observe(watch.clone()).train(&task, Start::Fresh)?;
        if let Some(folder) = &self.save {
            task.into_classifier()?.save(folder)?;
        }

        let seen = watch.lock()?;
        let timed = seen.seconds.get(self.warm_up..).unwrap_or_default();
        let before = self.warm_up.checked_sub(1).and_then(|last| seen.seconds.get(last)).copied();
        let total = timed.last().copied().unwrap_or_default() - before.unwrap_or_default();
        let mut report = report("train", examples.len());
        report.insert("steps".to_owned(), timed.len().into());
        report.insert("seconds".to_owned(), total.into());
        report.insert("tokens".to_owned(), counts.tokens.into());
        report.insert("losses".to_owned(), json!(seen.losses));
        report.insert("peak_rss_bytes".to_owned(), seen.peak.into());
        let accuracy = outcome.evaluation.map(|evaluation| evaluation.metrics.accuracy);
        report.insert("accuracy".to_owned(), accuracy.into());
        Ok(report)
    }

    fn config(&self, rows: usize) -> Result<TrainConfig> {
        let mut settings: toml::Table = self.settings.parse().context("--settings")?;
        settings.insert("batch_size".to_owned(), i64::try_from(self.batch)?.into());
        let mut config: TrainConfig = settings.try_into().context("--settings")?;
        (config.learning_rate, config.head_learning_rate) = (self.learning_rate, self.head_learning_rate);
        (config.seed, config.epochs) = (self.seed, self.epochs);
        (config.eval_steps, config.save_steps) = (0, 0);
        if config.total_steps(rows) as usize <= self.warm_up {
            bail!("{rows} rows make no more steps than the {} of warm-up", self.warm_up);
        }
        Ok(config)
    }
}

/// Notes time, loss and memory at every step, before the checkpoint at the end is written.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    seconds: Vec<f64>,
    losses: Vec<f64>,
    peak: u64,
}

impl Watch {
    fn lock(&self) -> Result<std::sync::MutexGuard<'_, Seen>> {
        self.0.lock().map_err(|_| anyhow::anyhow!("training panicked"))
    }
}

impl Observer for Watch {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn Error + Send + Sync>> {
        if let Event::Step(step) = event {
            let mut seen = self.lock()?;
            seen.seconds.push(step.elapsed.as_secs_f64());
            seen.losses.push(step.loss);
            seen.peak = memory::peak()?;
        }
        Ok(())
    }
}

//! A whole experiment: what is compared with training scripts of the peers, and what makes models for other workloads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use re_experiment::{Encoders, Layers, RunFolder};
use re_train::{Start, Terminal};
use serde_json::json;

use crate::inputs::{Report, report};

#[derive(Debug, Args)]
pub struct Experiment {
    /// Settings in TOML
    #[arg(long)]
    config: PathBuf,
    /// Pretrained encoder
    #[arg(long)]
    model: PathBuf,
    /// Change one setting, such as training.seed=8 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Trained run that takes the place of a member (repeatable)
    #[arg(long, value_name = "MEMBER=RUN")]
    member: Vec<String>,
    /// Optimizer steps; what the settings say where left out
    #[arg(long)]
    steps: Option<u64>,
    /// Folder of the run
    #[arg(long)]
    out: PathBuf,
}

impl Experiment {
    pub fn run(&self) -> Result<Report> {
        let encoders = Encoders::named::<&str>(&[], Some(&self.model), false)?;
        let layers = encoders.map(Layers::for_encoders).unwrap_or_default().file(&self.config)?;
        let layers = self.set.iter().try_fold(layers, |layers, assignment| layers.set(assignment))?;
        let mut experiment = self.steps.map_or_else(|| layers.experiment(), |steps| layers.scaled(steps))?;
        self.member.iter().try_for_each(|run| experiment.use_run(run))?;
        let began = Instant::now();
        let observers: Vec<Box<dyn re_train::Observer>> = vec![Box::new(Terminal::default())];
        let summary = RunFolder::new(&self.out).run(&experiment, Start::Fresh, observers, Arc::default())?;
        let mut report = report("experiment", 0);
        report.insert("seconds".to_owned(), began.elapsed().as_secs_f64().into());
        report.insert("summary".to_owned(), json!(summary));
        Ok(report)
    }
}

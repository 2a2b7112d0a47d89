//! `re train`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use re_train::experiment::{Layers, RunFolder, Summary};
use re_train::observer::{Observer, stop_on_signals};
use re_train::{Evaluation, Experiment, Start, StopReason, Terminal};

use crate::exit::INTERRUPTED;
use crate::output::ResultArgs;
use crate::say::Say;

/// Train what a configuration describes
///
/// The run's folder receives checkpoints, metrics.jsonl, the resolved config.toml, probabilities and submission.csv.
/// Ctrl-C saves a checkpoint; `re resume RUN` goes on from there and ends with the same bits.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re train config.toml --out runs/mine
  re train config.toml --set training.steps=100 --set training.device=cuda:0
  re train config.toml --set model.folder=xlm-roberta-large --print-config")]
pub struct Train {
    /// Settings in TOML; paths in it begin at the working directory
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// Change one setting (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder of the run [default: the first free runs/NAME-N, after the name of CONFIG.toml]
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    /// Write all settings with their values, and do not train
    #[arg(long, conflicts_with = "json")]
    print_config: bool,
    #[command(flatten)]
    result: ResultArgs,
}

impl Train {
    pub fn run(self, say: Say) -> Result<ExitCode> {
        let experiment = with_settings(Layers::default().file(&self.config)?, &self.set)?;
        if self.print_config {
            self.result.write_text(&experiment.to_toml()?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let name = self.config.file_stem().and_then(|stem| stem.to_str()).unwrap_or("run");
        let folder = match self.out {
            Some(out) => RunFolder::new(out),
            None => RunFolder::free("runs", name),
        };
        run(&folder, &experiment, Start::Fresh, &self.result, say)
    }
}

/// Settings with single ones changed.
pub fn with_settings(layers: Layers, set: &[String]) -> Result<Experiment> {
    let layers = set.iter().try_fold(layers, |layers, assignment| layers.set(assignment))?;
    Ok(layers.experiment()?)
}

/// Runs an experiment and writes what came out.
pub fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    start: Start,
    result: &ResultArgs,
    say: Say,
) -> Result<ExitCode> {
    let stop = stop_on_signals().context("installing the Ctrl-C handler")?;
    let mut observers: Vec<Box<dyn Observer>> = Vec::new();
    if say != Say::Nothing {
        observers.push(Box::new(Terminal::default()));
    }
    let summary = folder.run(experiment, start, observers, stop)?;
    let path = folder.path().display();
    if summary.reason == StopReason::Interrupted {
        say.note(format!("interrupted, a checkpoint is saved; go on with\n  re resume {path}"));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    result.write(|| text(folder, &summary), &summary)?;
    Ok(ExitCode::SUCCESS)
}

fn text(folder: &RunFolder, summary: &Summary) -> String {
    let mut lines = vec![format!("run         {}", folder.path().display())];
    lines.extend(summary.model.as_ref().map(|path| format!("model       {}", path.display())));
    lines.extend(summary.parts.iter().map(|part| format!("{:<11} {}", part.name, metrics(&part.evaluation))));
    lines
        .extend(summary.evaluation.as_ref().map(|evaluation| format!("validation  {}", metrics(evaluation))));
    lines.extend(summary.submission.as_ref().map(|path| format!("submission  {}", path.display())));
    lines.extend(summary.notes.iter().cloned());
    lines.join("\n") + "\n"
}

fn metrics(evaluation: &Evaluation) -> String {
    let metrics = &evaluation.metrics;
    format!(
        "accuracy {:.2} %, micro-F1 without no-relation {:.2} %, macro-F1 {:.2} % on {} rows",
        100.0 * metrics.accuracy,
        100.0 * metrics.micro_f1,
        100.0 * metrics.macro_f1,
        metrics.rows
    )
}

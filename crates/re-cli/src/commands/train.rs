//! `re train`.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use re_experiment::{Encoders, Error, Experiment, Layers, RunFolder, Summary, assignment};
use re_train::observer::{Event, Observer, StopSignal};
use re_train::{Error as Training, Start, StopReason, Terminal};

use crate::data;
use crate::exit::about;
use crate::output::ResultArgs;
use crate::verbosity::{Verbosity, visible};

/// Run the training that a configuration describes
///
/// The run's folder receives checkpoints, metrics.jsonl, the resolved config.toml, probabilities and submission.csv.
/// Ctrl-C saves a checkpoint; `re resume RUN` goes on from there and ends with the same bits.
///
/// A configuration may extend others. The lowest of them, the base, holds what suits an encoder; it can name another
/// base for narrower encoders.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re train config.toml --out runs/mine
  re train config.toml --set training.steps=100 --set training.device=cuda:0
  re train examples/configs/xlmr.toml --model path/to/xlm-roberta-large \\
      --set data.train=train.tsv --set data.labels=label_type.pkl --set data.test=test.tsv
  # the same experiment on the embedded default
  re train examples/configs/base/embedded_corpus.toml examples/configs/xlmr.toml \\
      --base examples/configs/base/embedded.toml --steps 100
  re train config.toml --print-config")]
pub struct Train {
    /// Settings in TOML; later files override earlier ones. Paths to data and models are relative to the working directory
    #[arg(required = true, value_name = "CONFIG.toml")]
    configs: Vec<PathBuf>,
    /// Pretrained encoder: a folder; MEMBER=MODEL gives a member of a vote its own (repeatable)
    #[arg(long, value_name = "[MEMBER=]MODEL", value_parser = name())]
    model: Vec<String>,
    /// Base to use in place of the one that the files extend
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    base: Option<PathBuf>,
    /// Change one setting, such as training.seed=8 (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<String>,
    /// Optimizer steps; all trainings of the experiment, their warm-up and their evaluations scale with them, except
    /// what --set gives
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Trained run that votes in place of a member that would be trained (repeatable); where its checkpoints are gone,
    /// the probabilities that it saved for the same rows vote
    #[arg(long, value_name = "[MEMBER=]RUN[@STEP]", value_parser = name())]
    member: Vec<String>,
    /// Folder of the run [default: the first free runs/NAME-N, after the name of the last CONFIG.toml]
    #[arg(long, value_name = "RUN", value_parser = data::folder())]
    out: Option<PathBuf>,
    /// Print all settings with their values, and do not train
    #[arg(long, conflicts_with = "json")]
    print_config: bool,
    #[command(flatten)]
    result: ResultArgs,
}

/// A name that settings can hold, which are text.
fn name() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().try_map(|name| {
        name.into_string().map_err(|name| {
            format!("expected a name in UTF-8, as settings are text: rename {}", name.to_string_lossy())
        })
    })
}

impl Train {
    pub fn run(self, verbosity: Verbosity) -> Result<ExitCode> {
        let experiment = self.experiment(verbosity)?;
        if self.print_config {
            self.result.write_text(&experiment.to_toml()?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let name = self.configs.last().and_then(|path| path.file_stem()).and_then(|name| name.to_str());
        let folder = match self.out {
            Some(out) => RunFolder::new(out),
            None => RunFolder::free("runs", name.unwrap_or("run"))?,
        };
        run(&folder, &experiment, Start::Fresh, &self.result, verbosity)
    }

    fn experiment(&self, verbosity: Verbosity) -> Result<Experiment> {
        let lay = |layers: Layers| -> Result<Layers> {
            let layers = self.configs.iter().try_fold(layers, |layers, path| layers.file(path))?;
            Ok(self.set.iter().try_fold(layers, |layers, assignment| layers.set(assignment))?)
        };
        let layers = match &self.base {
            Some(base) => lay(Layers::on(base))?,
            None => {
                // Read twice: which base counts is known once the encoder is.
                let model = lay(Layers::default())?.experiment()?.model;
                let named = Some(model.folder.as_path()).filter(|folder| !folder.as_os_str().is_empty());
                let encoders = Encoders::named(&self.model, named, model.download)?;
                lay(encoders.map(Layers::for_encoders).unwrap_or_default())?
            }
        };
        verbosity.detail(format!("settings of {}", layers.names().join(", ")));
        if self.steps.is_none()
            && let Some(epochs) = layers.unused_epochs()
        {
            verbosity.note(epochs);
        }
        let mut experiment = self.steps.map_or_else(|| layers.experiment(), |steps| layers.scaled(steps))?;
        if !self.model.is_empty() {
            experiment.fit_encoder()?.iter().for_each(|note| verbosity.note(note));
        }
        self.member.iter().try_for_each(|run| experiment.use_run(run))?;
        Ok(experiment)
    }
}

/// Runs an experiment and writes what came out.
pub fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    start: Start,
    result: &ResultArgs,
    verbosity: Verbosity,
) -> Result<ExitCode> {
    // What cannot be written should be known now, not after hours of training.
    result.check(folder.path())?;
    let stop = StopSignal::install().context("installing the Ctrl-C handler")?;
    let part = Rc::new(RefCell::new(None));
    let watcher = Watcher {
        terminal: (verbosity != Verbosity::Quiet).then(Terminal::default),
        run: folder.path().to_owned(),
        part: Rc::clone(&part),
    };
    let summary = folder.run(experiment, start, vec![Box::new(watcher)], stop.flag());
    let summary = summary.map_err(|error| match (&error, part.take()) {
        // Says all by itself, and is about settings.
        (Error::Train(Training::Model(re_model::Error::Layers { .. })), _) => error.into(),
        (Error::Train(Training::Model(re_model::Error::Device { .. })), _) => {
            anyhow::Error::from(error).context("training.device")
        }
        // Neither knows which of the models it was.
        (Error::Train(Training::Model(_) | Training::Torch(_)), Some(part)) => about(&part, error),
        (Error::Train(Training::Model(_) | Training::Torch(_)), None) => {
            about(&experiment.model.folder, error)
        }
        _ => error.into(),
    })?;
    let path = folder.path().display();
    if summary.reason == StopReason::Interrupted {
        verbosity.note(format!("interrupted; resume with\n  re resume {path}"));
        return Ok(ExitCode::from(stop.exit_code()));
    }
    result.write(|| text(folder, &summary), &summary)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows progress, and keeps in mind the folder of the training that is under way: from its first step on no error is
/// about the pretrained model.
struct Watcher {
    terminal: Option<Terminal>,
    run: PathBuf,
    part: Rc<RefCell<Option<PathBuf>>>,
}

impl Observer for Watcher {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match event {
            Event::Part { folder, .. } => {
                self.part.replace(Some(folder.to_path_buf()));
            }
            Event::Started { .. } => {
                self.part.borrow_mut().get_or_insert_with(|| self.run.clone());
            }
            _ => {}
        }
        match (&mut self.terminal, event) {
            (None, _) => Ok(()),
            (Some(terminal), Event::Notice(text)) => terminal.notify(&Event::Notice(&visible(text))),
            (Some(terminal), _) => terminal.notify(event),
        }
    }
}

fn text(folder: &RunFolder, summary: &Summary) -> String {
    let mut text = format!("{summary}run: {}\n", folder.path().display());
    let files = [("model", &summary.model), ("submission", &summary.submission)];
    for (name, path) in files.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?))) {
        text += &format!("{name}: {}\n", path.display());
    }
    text
}

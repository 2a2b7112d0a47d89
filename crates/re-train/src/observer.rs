//! Who watches a training: terminal, log file, or a type of your own.

mod jsonl;
mod terminal;

pub use jsonl::JsonlLog;
pub use terminal::Terminal;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use re_data::metrics::Metrics;
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// What happens during a training.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Something worth knowing before training begins, such as repaired rows.
    Notice(&'a str),
    /// The next training of a plan of several begins; what follows concerns it, up to the next one.
    Part {
        /// What it is, such as `split`; inside another training of the plan, `xlmr/split`.
        name: &'a str,
        /// Which one of the plan's trainings it is, from 1.
        number: usize,
        /// How many there are, where that is known.
        of: Option<usize>,
        /// Its folder.
        folder: &'a Path,
    },
    /// Training begins or, with `step > 0`, goes on from a checkpoint.
    Started {
        /// Steps already done.
        step: u64,
        /// The step that training ends at, unless it stops early.
        steps: u64,
        /// Training rows.
        rows: usize,
    },
    /// An optimizer step is done.
    Step(&'a StepReport),
    /// The validation rows were evaluated.
    Evaluated {
        /// Steps done.
        step: u64,
        /// What the evaluation found.
        evaluation: &'a Evaluation,
        /// Whether no earlier evaluation of this run was better.
        best: bool,
        /// Whether it belongs to the training. One that is made only because training stops at `stop_at_step` does not: it
        /// leaves no trace where training goes on.
        counts: bool,
    },
    /// A checkpoint is about to be written: what an observer holds back should be on disk before it.
    Saving {
        /// Steps done.
        step: u64,
    },
    /// A checkpoint is on disk.
    Saved {
        /// Steps done.
        step: u64,
        /// Its folder.
        path: &'a Path,
    },
    /// Training ends.
    Finished {
        /// Steps done.
        step: u64,
        /// Why it ended.
        reason: StopReason,
        /// Time spent since [`Event::Started`].
        elapsed: Duration,
    },
}

/// One optimizer step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Number of the step, from 1.
    pub step: u64,
    /// Position in passes over the training rows.
    pub epoch: f64,
    /// Mean loss of the step's rows.
    pub loss: f64,
    /// Learning rate of the encoder in this step.
    pub learning_rate: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Rows of the step.
    pub rows: usize,
    /// Time spent in steps since training started or resumed; evaluations and checkpoints are not counted.
    pub elapsed: Duration,
    /// Rows seen since training started or resumed.
    pub rows_seen: u64,
}

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean cross entropy of the rows, without label smoothing and class weights; of the adjusted probabilities where the
    /// model has a logit adjustment.
    pub loss: f64,
    /// Classification metrics.
    pub metrics: Metrics,
    /// Value of a metric of the caller's own, higher is better, by which steps are chosen in place of
    /// [`TrainConfig::metric`](crate::TrainConfig::metric).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_metric: Option<f64>,
}

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// All steps are done.
    Completed,
    /// No improvement for as long as the configuration allows.
    EarlyStopping,
    /// The caller asked for it, such as by Ctrl-C.
    Interrupted,
}

impl<O: Observer + ?Sized> Observer for &mut O {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        (**self).notify(event)
    }
}

/// Each of them is told, in order.
impl<O: Observer> Observer for Vec<O> {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.iter_mut().try_for_each(|observer| observer.notify(event))
    }
}

impl<O: Observer + ?Sized> Observer for Box<O> {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.as_mut().notify(event)
    }
}

/// Watches a training.
pub trait Observer {
    /// Receives `event` after it has happened.
    ///
    /// # Errors
    /// An error ends the training.
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// What stops a training in an orderly way: Ctrl-C (SIGINT), SIGTERM or SIGHUP. A second signal ends the process at once.
#[derive(Debug, Clone, Default)]
pub struct StopSignal {
    raised: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl StopSignal {
    /// Watches for signals from now on; for a hang-up only where it would end the process, so not below `nohup`.
    ///
    /// # Errors
    /// [`std::io::Error`] where the system refuses the handler.
    pub fn install() -> std::io::Result<Self> {
        let stop = Self::default();
        let hangup = Some(SIGHUP).filter(|_| !re_data::signals::hangup_is_ignored());
        for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
            // The order matters: the first signal finds the flag still false and only raises it.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop.raised))?;
            flag::register_usize(signal, Arc::clone(&stop.signal), signal.unsigned_abs() as usize)?;
            flag::register(signal, Arc::clone(&stop.raised))?;
        }
        Ok(stop)
    }

    /// Becomes true on a signal, for [`Trainer::stop_when`](crate::Trainer::stop_when) and
    /// `re_experiment::RunFolder::run`.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.raised)
    }

    /// Exit code that tells which signal came, as shells do: 128 and its number.
    pub fn exit_code(&self) -> u8 {
        u8::try_from(128 + self.signal.load(Ordering::Relaxed)).unwrap_or(u8::MAX)
    }
}

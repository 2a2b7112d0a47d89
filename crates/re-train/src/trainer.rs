//! The training loop.

mod resume;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use re_data::manifest::Manifest;
use re_data::random::fnv1a;
use re_model::parameters::Parameters;
use re_model::{Masks, device};
use tch::{Device, Tensor};

use crate::adamw::{AdamW, gradient_norm};
use crate::checkpoint::{self, Best, Checkpoint, OPTIMIZER, Place, Stopped, TrainerState};
use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::observer::{Evaluation, Event, Observer, StepReport, StopReason};
use crate::sampler::Sampler;
use crate::schedule::Schedule;

/// Name of the device that is no other one.
const CPU: &str = "cpu";

/// What a [`Trainer`] trains: a model together with its rows and its way to measure them.
pub trait Task {
    /// The parameters to train, in a fixed order.
    fn parameters(&self) -> &Parameters;

    /// Number of training rows.
    fn rows(&self) -> usize;

    /// A hash of the training rows: a checkpoint is only continued on the rows it was made with.
    fn data_hash(&self) -> u64;

    /// The text of each row by a number, for [`TrainConfig::group_by_text`]; `None` where rows have no texts to share.
    fn texts(&self) -> Option<Vec<usize>> {
        None
    }

    /// How much the rows with these numbers count together in a mean loss. By default each counts the same.
    fn weight(&self, rows: &[usize]) -> f64 {
        rows.len() as f64
    }

    /// Mean loss of the rows with these numbers, each counted by its [`weight`](Self::weight), in training mode,
    /// with its graph. Dropout takes its masks from `masks`.
    ///
    /// # Errors
    /// Whatever the model or the data refuses.
    fn loss(&self, epoch: u64, rows: &[usize], masks: &Masks) -> Result<Tensor>;

    /// Evaluates the model on rows kept apart; `None` where there are none.
    ///
    /// # Errors
    /// Whatever the model or the data refuses.
    fn evaluate(&self) -> Result<Option<Evaluation>>;

    /// Writes the model into a folder: `model.safetensors` and what else is needed to load it.
    ///
    /// # Errors
    /// Whatever keeps it from being written.
    fn save(&self, folder: &Path) -> Result<()>;
}

/// Where a training begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At step 0, in a folder without checkpoints.
    Fresh,
    /// At the latest checkpoint of the folder.
    Resume,
    /// As [`Start::Resume`], also where the number of threads or the pretrained model is not what it was: that is reported,
    /// and the result is not that of a training that never stopped.
    ResumeChanged,
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub reason: StopReason,
    /// The checkpoint of the last step.
    pub last: Checkpoint,
    /// The best evaluation, whose checkpoint there is where `keep_best` asks for it. The one that is made only because
    /// training stopped at `stop_at_step` is among those it is chosen from.
    pub best: Option<Best>,
    /// The last evaluation that was made.
    pub evaluation: Option<Evaluation>,
}

/// Trains a [`Task`], with checkpoints, evaluation and observers.
pub struct Trainer<'a> {
    config: TrainConfig,
    run: PathBuf,
    observers: Vec<Box<dyn Observer + 'a>>,
    stop: Arc<AtomicBool>,
}

impl<'a> Trainer<'a> {
    /// A trainer that keeps its checkpoints in the folder `run`.
    ///
    /// # Errors
    /// [`Error::Config`] where a setting is out of range.
    pub fn new(config: TrainConfig, run: impl Into<PathBuf>) -> Result<Self> {
        config.check()?;
        Ok(Self { config, run: run.into(), observers: Vec::new(), stop: Arc::default() })
    }

    /// Adds an observer.
    #[must_use]
    pub fn observe(mut self, observer: impl Observer + 'a) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Stops after the current step, with a checkpoint, once `stop` is true. Given to the task as well, as by
    /// [`ClassificationTask::stop_when`](crate::ClassificationTask::stop_when), it ends an evaluation too, which is then made
    /// when training goes on.
    #[must_use]
    pub fn stop_when(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Trains until all steps are done, the metric stalls or the caller asks to stop.
    ///
    /// The same settings, rows, machine and number of threads give the same weights, bit for bit, and the same
    /// evaluations and checkpoints, however often the run was killed, stopped and resumed.
    ///
    /// # Errors
    /// [`Error::Config`] where the task is on another device than the settings say, [`Error::RunExists`] or
    /// [`Error::NoCheckpoint`] where `start` does not fit the folder, [`Error::Resume`] where settings, rows or
    /// number of threads differ from the checkpoint's, [`Error::NoBest`] where the best checkpoint so far was removed, [`Error::RunGone`] where the folder was moved or removed
    /// meanwhile, [`Error::NotFinite`] where training diverges, and whatever model, data, disk or observers return.
    pub fn train(&mut self, task: &dyn Task, start: Start) -> Result<Outcome> {
        let place = Place::create(&self.run)?;
        checkpoint::remove_partial(&self.run)?;
        let steps = self.config.total_steps(task.rows());
        let end = self.config.last_step(steps);
        if task.rows() == 0 {
            return Err(Error::Config {
                key: "training rows",
                found: "0".to_owned(),
                expected: "at least 1".to_owned(),
            });
        }
        self.config.check_device(task.parameters())?;
        let schedule = self.config.schedule(steps)?;
        task.parameters().set_trainable(true);
        let (mut state, optimizer) = self.begin(task, steps, start)?;
        // What was to be removed when the run was killed.
        self.prune(&state)?;
        let mut optimizer = match optimizer {
            Some(optimizer) => optimizer,
            None => AdamW::new(self.config.adamw, task.parameters())?,
        };
        let group = self.config.batch_size * self.config.gradient_accumulation_steps;
        let texts = if self.config.group_by_text { task.texts() } else { None };
        let mut sampler = Sampler::new(task.rows(), group, self.config.seed, texts);

        let began = Instant::now();
        self.notify(&Event::Started { step: state.step, steps: end, rows: task.rows() })?;
        let (mut rows_seen, mut in_steps, mut evaluation) = (0, Duration::ZERO, None);
        // A run that had stopped early stays stopped when it is resumed.
        let stalled = self.stalled(&state);
        let mut reason = if stalled { StopReason::EarlyStopping } else { StopReason::Completed };
        let mut unevaluated = state.stopped == Some(Stopped::BeforeEvaluation);
        while (state.step < end || unevaluated) && !stalled {
            if !unevaluated {
                let step_began = Instant::now();
                let report = self.step(task, &mut optimizer, &mut sampler, schedule, state.step)?;
                in_steps += step_began.elapsed();
                rows_seen += report.rows as u64;
                state.step += 1;
                self.notify(&Event::Step(&StepReport { rows_seen, elapsed: in_steps, ..report }))?;
            }
            (unevaluated, state.stopped) = (false, None);

            let mut improved = false;
            if state.step == steps || due(self.config.eval_steps, state.step) {
                match task.evaluate() {
                    Ok(None) => {}
                    Ok(Some(found)) => {
                        improved = self.judge(&mut state, &found)?;
                        evaluation = Some(found);
                    }
                    Err(error) if error.is_interruption() => state.stopped = Some(Stopped::BeforeEvaluation),
                    Err(error) => return Err(error),
                }
            }
            if state.stopped.is_some() {
                reason = StopReason::Interrupted;
            } else if self.stalled(&state) {
                reason = StopReason::EarlyStopping;
            } else if self.stop.load(Ordering::Relaxed) && state.step < end {
                reason = StopReason::Interrupted;
            }
            let ends = state.step >= end || reason != StopReason::Completed;
            let belongs = state.step == steps
                || reason == StopReason::EarlyStopping
                || due(self.config.save_steps, state.step)
                || (improved && self.config.keep_best);
            if ends && !belongs {
                state.stopped = state.stopped.or(Some(Stopped::AfterStep));
            }
            if ends || belongs {
                place.check()?;
                self.save(task, &optimizer, &state)?;
            }
            if ends {
                break;
            }
        }
        let mut best = state.best;
        if reason == StopReason::Completed && state.step < steps && !due(self.config.eval_steps, state.step) {
            match self.evaluate_at_stop(task, &state) {
                Ok(None) => {}
                Ok(Some((found, better))) => (evaluation, best) = (Some(found), better),
                Err(error) if error.is_interruption() => reason = StopReason::Interrupted,
                Err(error) => return Err(error),
            }
        }
        self.notify(&Event::Finished { step: state.step, reason, elapsed: began.elapsed() })?;
        let last = Checkpoint { step: state.step, path: Checkpoint::path(&self.run, state.step) };
        Ok(Outcome { reason, last, best, evaluation })
    }

    /// The state to begin with and, when resuming, the optimizer; the weights are put in place.
    fn begin(&mut self, task: &dyn Task, steps: u64, start: Start) -> Result<(TrainerState, Option<AdamW>)> {
        let fresh = TrainerState {
            step: 0,
            steps,
            data: task.data_hash(),
            best: None,
            evaluations_without_improvement: 0,
            threads: Some(threads()),
            stopped: None,
            config: self.config.clone(),
        };
        let mut checkpoints = Checkpoint::list(&self.run)?;
        match (start, checkpoints.pop()) {
            (Start::Fresh, None) => Ok((fresh, None)),
            (Start::Fresh, Some(_)) => Err(Error::RunExists { folder: self.run.clone() }),
            (_, None) => Err(Error::NoCheckpoint { folder: self.run.clone() }),
            (_, Some(latest)) => {
                let restored = self.restore(task, &latest, &fresh).map_err(|error| {
                    if !error.is_damage() {
                        return error;
                    }
                    Error::Checkpoint {
                        path: latest.path.clone(),
                        older: checkpoints.pop().map(|older| older.step),
                        source: Box::new(error),
                    }
                })?;
                self.check_threads(&latest, restored.0.threads, start)?;
                Ok((TrainerState { threads: fresh.threads, ..restored.0 }, Some(restored.1)))
            }
        }
    }

    /// The number of threads changes the order in which sums are made, and with it the last bits.
    fn check_threads(&mut self, checkpoint: &Checkpoint, saved: Option<usize>, start: Start) -> Result<()> {
        let (path, now) = (checkpoint.path.clone(), threads());
        match saved {
            _ if self.config.device != CPU => Ok(()),
            Some(saved) if saved == now => Ok(()),
            Some(saved) if start == Start::Resume => Err(Error::Resume {
                checkpoint: path,
                what: "number of threads",
                found: now.to_string(),
                expected: saved.to_string(),
            }),
            Some(saved) => self.notify(&Event::Notice(&format!(
                "{}: was saved with {saved} threads, goes on with {now}: the result will differ from that of an \
                 uninterrupted run",
                path.display()
            ))),
            None => self.notify(&Event::Notice(&format!(
                "{}: has no record of the number of threads; if it was not {now}, the result will differ from that of an \
                 uninterrupted run",
                path.display()
            ))),
        }
    }

    /// Puts weights and optimizer where a checkpoint has left them.
    fn restore(
        &self,
        task: &dyn Task,
        checkpoint: &Checkpoint,
        now: &TrainerState,
    ) -> Result<(TrainerState, AdamW)> {
        if let Some(manifest) = Manifest::read(&checkpoint.path)? {
            manifest.check()?;
        }
        let mut state = checkpoint.state()?;
        resume::check_resumable(checkpoint, &state, now)?;
        if let Some(best) = state.best.filter(|_| self.config.keep_best)
            && !Checkpoint::list(&self.run)?.iter().any(|checkpoint| checkpoint.step == best.step)
        {
            return Err(Error::NoBest { path: Checkpoint::path(&self.run, best.step) });
        }
        state.config = self.config.clone();
        resume::restore(task.parameters(), &checkpoint.path)?;
        let schedule = self.config.schedule(now.steps)?;
        for parameter in task.parameters().iter() {
            // Rows outside a trimmed vocabulary decay when they are saved, from where training began.
            let keep = |done| self.config.adamw.keep(parameter, self.config.learning_rates(schedule, done));
            (0..state.step).for_each(|done| parameter.decay_rest(keep(done)));
        }
        let moments = checkpoint.path.join(OPTIMIZER);
        let optimizer = AdamW::load(self.config.adamw, state.step, &moments, task.parameters())?;
        Ok((state, optimizer))
    }

    /// One optimizer step: forward and backward over the step's micro-batches, clipping, update.
    fn step(
        &self,
        task: &dyn Task,
        optimizer: &mut AdamW,
        sampler: &mut Sampler,
        schedule: Schedule,
        done: u64,
    ) -> Result<StepReport> {
        let config = &self.config;
        let per_epoch = sampler.steps_per_epoch();
        let (epoch, rows) = sampler.rows(done);
        let weight = task.weight(rows);
        let mut sum: Option<Vec<Tensor>> = None;
        let mut loss = 0.0;
        for (part, batch) in rows.chunks(config.batch_size).enumerate() {
            // Dropout is keyed by step and micro-batch, so that a resumed run draws what the first one would have.
            // A row counts the same in whatever micro-batch it stands, also in a last one of fewer rows.
            let share = task.weight(batch) / weight;
            let masks = Masks::new(dropout_seed(config.seed, done, part));
            let partial = task.loss(epoch, batch, &masks)?.f_mul_scalar(share)?;
            loss += partial.f_double_value(&[])?;
            self.check_finite("loss", loss, done + 1)?;
            sum = Some(accumulate(sum, &partial, task.parameters())?);
        }
        let gradients = sum.unwrap_or_default();
        let norm = gradient_norm(&gradients)?;
        self.check_finite("gradient norm", norm, done + 1)?;
        let scale = match config.max_grad_norm {
            max if max > 0.0 => (max / (norm + 1e-6)).min(1.0),
            _ => 1.0,
        };
        let rates = config.learning_rates(schedule, done);
        optimizer.step(task.parameters(), &gradients, scale, rates)?;
        Ok(StepReport {
            step: done + 1,
            epoch: (done + 1) as f64 / per_epoch as f64,
            loss,
            learning_rate: rates.encoder,
            gradient_norm: norm,
            rows: rows.len(),
            elapsed: Duration::ZERO,
            rows_seen: 0,
        })
    }

    /// Enters an evaluation into the state; true where it is the best so far.
    fn judge(&mut self, state: &mut TrainerState, evaluation: &Evaluation) -> Result<bool> {
        let value = evaluation.chosen_by(self.config.metric);
        let improved = state.best.is_none_or(|best| value > best.value);
        if improved {
            state.best = Some(Best { step: state.step, value });
            state.evaluations_without_improvement = 0;
        } else {
            state.evaluations_without_improvement += 1;
        }
        self.notify(&Event::Evaluated { step: state.step, evaluation, best: improved, counts: true })?;
        Ok(improved)
    }

    /// Evaluates at a step at which a run that goes on does not: what is found, and whether it is the best, is told and
    /// enters no checkpoint.
    fn evaluate_at_stop(
        &mut self,
        task: &dyn Task,
        state: &TrainerState,
    ) -> Result<Option<(Evaluation, Option<Best>)>> {
        let Some(evaluation) = task.evaluate()? else { return Ok(None) };
        let here = Best { step: state.step, value: evaluation.chosen_by(self.config.metric) };
        let best = state.best.is_none_or(|best| here.value > best.value);
        self.notify(&Event::Evaluated { step: here.step, evaluation: &evaluation, best, counts: false })?;
        Ok(Some((evaluation, if best { Some(here) } else { state.best })))
    }

    fn stalled(&self, state: &TrainerState) -> bool {
        let patience = self.config.early_stopping_patience;
        patience > 0 && state.evaluations_without_improvement >= patience
    }

    fn save(&mut self, task: &dyn Task, optimizer: &AdamW, state: &TrainerState) -> Result<()> {
        let mut finite = task.parameters().iter().map(|p| p.tensor.f_isfinite()?.f_all()?.f_int64_value(&[]));
        if finite.any(|finite| !matches!(finite, Ok(1))) {
            self.check_finite("parameters", f64::NAN, state.step)?;
        }
        self.notify(&Event::Saving { step: state.step })?;
        let saved = Checkpoint::save(&self.run, state, |folder| {
            task.save(folder)?;
            optimizer.save(&folder.join(OPTIMIZER), task.parameters())
        })?;
        self.prune(state)?;
        self.notify(&Event::Saved { step: state.step, path: &saved.path })
    }

    fn prune(&self, state: &TrainerState) -> Result<()> {
        let best = state.best.filter(|_| self.config.keep_best).map(|best| best.step);
        checkpoint::prune(&self.run, self.config.keep_last, best)
    }

    fn check_finite(&self, what: &'static str, value: f64, step: u64) -> Result<()> {
        if value.is_finite() {
            return Ok(());
        }
        let checkpoint = Checkpoint::list(&self.run)?.pop().map(|checkpoint| checkpoint.path);
        Err(Error::NotFinite { step, what, value, checkpoint })
    }

    fn notify(&mut self, event: &Event<'_>) -> Result<()> {
        self.observers.iter_mut().try_for_each(|observer| observer.notify(event).map_err(Error::Observer))
    }
}

/// Threads that libtorch computes with.
fn threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or_default()
}

fn due(every: u64, step: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}

fn dropout_seed(seed: u64, done: u64, part: usize) -> u64 {
    let mut key = [0u8; 24];
    for (slot, word) in key.chunks_exact_mut(8).zip([seed, done, part as u64]) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    fnv1a(&key)
}

/// Adds the gradients of `loss` to `sum`.
fn accumulate(sum: Option<Vec<Tensor>>, loss: &Tensor, parameters: &Parameters) -> Result<Vec<Tensor>> {
    let tensors: Vec<&Tensor> = parameters.iter().map(|p| &p.tensor).collect();
    let gradients = Tensor::f_run_backward(&[loss], &tensors, false, false)?;
    let Some(sum) = sum else { return Ok(gradients) };
    let _guard = tch::no_grad_guard();
    sum.into_iter()
        .zip(gradients)
        .map(|(mut sum, gradient)| match (sum.defined(), gradient.defined()) {
            (true, true) => Ok(sum.f_add_(&gradient)?),
            (true, false) => Ok(sum),
            (false, _) => Ok(gradient),
        })
        .collect()
}

impl TrainConfig {
    /// The device that the configuration names.
    ///
    /// # Errors
    /// [`re_model::Error::Device`] where it is absent.
    pub fn device(&self) -> Result<Device> {
        Ok(device::device(&self.device)?)
    }

    /// Makes sure that the parameters are where the configuration says.
    fn check_device(&self, parameters: &Parameters) -> Result<()> {
        let place = |device| match device {
            Device::Cpu => CPU.to_owned(),
            Device::Cuda(number) => format!("cuda:{number}"),
            other => format!("{other:?}"),
        };
        let named = if self.device == "cuda" { "cuda:0" } else { &self.device };
        match parameters.iter().map(|parameter| place(parameter.tensor.device())).find(|at| at != named) {
            None => Ok(()),
            Some(at) => Err(Error::config(
                "device",
                self.device.clone(),
                format!("{at}, where the model is; a model is moved by the options that it is made with"),
            )),
        }
    }
}

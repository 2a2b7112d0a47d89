//! Settings of a training run.

use re_model::Precision;
use re_model::ops::precision_of;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::adamw::{AdamWConfig, LearningRates};
use crate::error::{Error, Result};
use crate::loss::{ClassWeights, LossConfig};
use crate::schedule::{Decay, Schedule};

/// Most optimizer steps.
const MAX_STEPS: u64 = 1_000_000_000;
/// Most passes over the training rows.
const MAX_EPOCHS: f64 = 1e6;
/// Most rows of a forward pass, and passes of a step.
const MAX_ROWS: usize = 1_000_000;

/// How long, how fast and how watched a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Optimizer steps, up to a billion; where it is 0, `epochs` decides.
    pub steps: u64,
    /// Step after which training ends, although the learning rate falls as if it went on to `steps`; 0 goes
    /// on to the end. A run that is resumed with a later one ends as if it had never stopped: an evaluation that is made
    /// only because of the stop counts for the run that ends there alone.
    pub stop_at_step: u64,
    /// Passes over the training rows, up to a million, used where `steps` is 0.
    pub epochs: f64,
    /// Rows of one forward pass, from 1 to a million.
    pub batch_size: usize,
    /// Forward passes whose gradients make one optimizer step, from 1 to a million.
    pub gradient_accumulation_steps: usize,
    /// Whether rows of the same text follow each other in the order of an epoch, so that most share a batch, and an encoder
    /// pass where the markup writes no markers. The texts are still shuffled, and the rows of each.
    pub group_by_text: bool,
    /// Peak learning rate of the encoder, 0 to 1.
    pub learning_rate: f64,
    /// Peak learning rate of the head; that of the encoder where it is left out. The head is all that stands on the
    /// encoder's last layer. With the head `cls` on BERT this is the pooler, too, although its weights are pretrained as the
    /// encoder's are; the head of RoBERTa, XLM-R and ELECTRA is new, unless the checkpoint was trained to classify.
    pub head_learning_rate: Option<f64>,
    /// The optimizer.
    pub adamw: AdamWConfig,
    /// Gradients are scaled down to this global norm; 0 switches clipping off.
    pub max_grad_norm: f64,
    /// What logits are held against.
    pub loss: LossConfig,
    /// Share of the target that is spread over all classes, 0..1 (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// Weight of R-Drop's divergence between two forward passes of each row, 0 to 1000; 0 makes one pass alone. See
    /// [`Loss::of_two`](crate::loss::Loss::of_two).
    pub r_drop_alpha: f64,
    /// How strongly the trained model's logits are adjusted for the class shares of the training rows, in favour of
    /// rare classes: tau of Menon et al., "Long-tail learning via logit adjustment" (2021). 0 leaves them as they
    /// are, 1 is Bayes' rule for equal shares, 1000 is the most. It belongs to the model: evaluations and all its predictions have it.
    pub logit_adjustment: f64,
    /// How the learning rate falls after warm-up.
    pub schedule: Decay,
    /// Steps in which the learning rate rises from 0.
    pub warmup_steps: u64,
    /// Warm-up as a share of all steps, used where `warmup_steps` is 0.
    pub warmup_ratio: f64,
    /// Steps between evaluations; 0 evaluates at the end alone.
    pub eval_steps: u64,
    /// Steps between checkpoints; 0 saves at the end alone.
    pub save_steps: u64,
    /// Steps between reports of loss and learning rate.
    pub logging_steps: u64,
    /// How many of the latest checkpoints stay; 0 keeps all.
    pub keep_last: usize,
    /// Whether the checkpoint of the best evaluation stays as well, saved where `save_steps` would not.
    pub keep_best: bool,
    /// The metric that "best" and early stopping look at.
    pub metric: Metric,
    /// Evaluations without improvement after which training stops; 0 never stops early.
    pub early_stopping_patience: u64,
    /// Seed of every random stream: order of rows, dropout, fresh parameters.
    pub seed: u64,
    /// Whether only the word embeddings that the rows touch are held and updated: the same training in less
    /// time and memory. Checkpoints hold the whole table.
    pub trim_vocabulary: bool,
    /// Number format in which the encoder computes; where it is left out, bf16 on CUDA devices and where the
    /// processor multiplies it natively, else fp32. The trained folder records it, and predictions follow the record.
    pub precision: Option<Precision>,
    /// `cpu` or `cuda:N`. A trainer refuses a model that is elsewhere.
    pub device: String,
}

/// A metric of an evaluation, higher is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of rows classified right.
    #[default]
    Accuracy,
    /// Micro-averaged F1 over all classes but no-relation.
    MicroF1,
    /// Unweighted mean of the classes' F1.
    MacroF1,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 0,
            stop_at_step: 0,
            epochs: 3.0,
            batch_size: 16,
            gradient_accumulation_steps: 1,
            group_by_text: false,
            learning_rate: 5e-5,
            head_learning_rate: None,
            adamw: AdamWConfig::default(),
            max_grad_norm: 1.0,
            loss: LossConfig::default(),
            label_smoothing: 0.0,
            r_drop_alpha: 0.0,
            logit_adjustment: 0.0,
            schedule: Decay::Linear,
            warmup_steps: 0,
            warmup_ratio: 0.0,
            eval_steps: 500,
            save_steps: 500,
            logging_steps: 10,
            keep_last: 2,
            keep_best: true,
            metric: Metric::Accuracy,
            early_stopping_patience: 0,
            seed: 42,
            trim_vocabulary: true,
            precision: None,
            device: "cpu".to_owned(),
        }
    }
}

impl TrainConfig {
    /// Checks the ranges of all settings.
    ///
    /// # Errors
    /// [`Error::Config`] with the first key that is out of range.
    pub fn check(&self) -> Result<()> {
        let rate = |x: f64| (0.0..=1.0).contains(&x);
        let factor = |x: f64| (0.0..=1000.0).contains(&x);
        let count = |n: usize| (1..=MAX_ROWS).contains(&n);
        let share = |x: f64| (0.0..1.0).contains(&x);
        let gamma = self.loss.gamma();
        let beta = match self.loss.class_weights() {
            ClassWeights::EffectiveNumber { beta } => beta,
            ClassWeights::Uniform {} | ClassWeights::InverseFrequency {} => 0.0,
        };
        let rules: [(&'static str, f64, bool, &str); 18] = [
            ("steps", self.steps as f64, self.steps <= MAX_STEPS, "at most 1000000000"),
            (
                "epochs",
                self.epochs,
                (0.0..=MAX_EPOCHS).contains(&self.epochs) && (self.steps > 0 || self.epochs > 0.0),
                "more than 0, up to 1000000",
            ),
            ("batch_size", self.batch_size as f64, count(self.batch_size), "from 1 to 1000000"),
            (
                "gradient_accumulation_steps",
                self.gradient_accumulation_steps as f64,
                count(self.gradient_accumulation_steps),
                "from 1 to 1000000",
            ),
            ("learning_rate", self.learning_rate, rate(self.learning_rate), "from 0 to 1"),
            (
                "head_learning_rate",
                self.head_learning_rate.unwrap_or(0.0),
                self.head_learning_rate.is_none_or(rate),
                "from 0 to 1",
            ),
            ("adamw.beta1", self.adamw.beta1, share(self.adamw.beta1), "from 0 up to, not including, 1"),
            ("adamw.beta2", self.adamw.beta2, share(self.adamw.beta2), "from 0 up to, not including, 1"),
            (
                "adamw.epsilon",
                self.adamw.epsilon,
                (1e-30..=1.0).contains(&self.adamw.epsilon),
                "from 1e-30, below which it is 0 in 32 bits, to 1",
            ),
            (
                "adamw.weight_decay",
                self.adamw.weight_decay,
                factor(self.adamw.weight_decay),
                "from 0 to 1000",
            ),
            (
                "max_grad_norm",
                self.max_grad_norm,
                self.max_grad_norm.is_finite() && self.max_grad_norm >= 0.0,
                "0 (no clipping) or more",
            ),
            (
                "label_smoothing",
                self.label_smoothing,
                share(self.label_smoothing),
                "from 0 up to, not including, 1",
            ),
            ("loss.gamma", gamma, factor(gamma), "from 0 to 1000"),
            ("loss.class_weights.beta", beta, share(beta), "from 0 up to, not including, 1"),
            (
                "r_drop_alpha",
                self.r_drop_alpha,
                factor(self.r_drop_alpha),
                "from 0 (one forward pass) to 1000",
            ),
            (
                "logit_adjustment",
                self.logit_adjustment,
                factor(self.logit_adjustment),
                "from 0 (none) to 1000",
            ),
            ("warmup_ratio", self.warmup_ratio, (0.0..=1.0).contains(&self.warmup_ratio), "from 0 to 1"),
            ("logging_steps", self.logging_steps as f64, self.logging_steps > 0, "at least 1"),
        ];
        match rules.into_iter().find(|(_, _, holds, _)| !holds) {
            None => Ok(()),
            Some((key, found, _, expected)) => {
                // Without an exponent, 1e308 would be 309 digits.
                let plain = found == 0.0 || (1e-9..1e15).contains(&found.abs());
                let found = if plain { found.to_string() } else { format!("{found:e}") };
                Err(Error::config(key, found, expected))
            }
        }
    }

    /// The number format that `precision` names or, where it is left out, the one that suits the device.
    pub fn precision(&self) -> Precision {
        let device = if self.device == "cpu" { Device::Cpu } else { Device::Cuda(0) };
        self.precision.unwrap_or_else(|| precision_of(device))
    }

    /// Optimizer steps of one pass over `rows` rows: the last, partial group counts.
    pub fn steps_per_epoch(&self, rows: usize) -> u64 {
        rows.div_ceil(self.batch_size).div_ceil(self.gradient_accumulation_steps) as u64
    }

    /// Optimizer steps of the whole training on `rows` rows, at least 1.
    pub fn total_steps(&self, rows: usize) -> u64 {
        if self.steps > 0 {
            return self.steps;
        }
        ((self.steps_per_epoch(rows) as f64 * self.epochs).round() as u64).max(1)
    }

    /// The step, of `steps`, after which training ends.
    pub fn last_step(&self, steps: u64) -> u64 {
        if self.stop_at_step > 0 { self.stop_at_step.min(steps) } else { steps }
    }

    /// Learning rates of the step that follows `done` finished ones.
    pub fn learning_rates(&self, schedule: Schedule, done: u64) -> LearningRates {
        let factor = schedule.factor(done);
        LearningRates {
            encoder: self.learning_rate * factor,
            head: self.head_learning_rate.unwrap_or(self.learning_rate) * factor,
        }
    }

    /// The learning-rate schedule over `steps` steps.
    ///
    /// # Errors
    /// [`Error::Config`] where the warm-up does not fit.
    pub fn schedule(&self, steps: u64) -> Result<Schedule> {
        let warmup_steps = match self.warmup_steps {
            0 => (steps as f64 * self.warmup_ratio).ceil() as u64,
            n => n,
        };
        Schedule::new(self.schedule, warmup_steps, steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_partial_group_is_a_step() {
        let config =
            TrainConfig { batch_size: 4, gradient_accumulation_steps: 2, epochs: 2.0, ..Default::default() };
        assert_eq!(config.steps_per_epoch(9), 2);
        assert_eq!(config.steps_per_epoch(8), 1);
        assert_eq!(config.total_steps(9), 4);
        assert_eq!(TrainConfig { steps: 7, ..config }.total_steps(9), 7);
    }

    #[test]
    fn every_range_is_checked() {
        let ok = TrainConfig::default();
        ok.check().unwrap();
        let focal =
            |gamma, beta| LossConfig::Focal { gamma, class_weights: ClassWeights::EffectiveNumber { beta } };
        let bad = [
            ("steps", TrainConfig { steps: u64::MAX, ..ok.clone() }),
            ("epochs", TrainConfig { epochs: 0.0, ..ok.clone() }),
            // Where steps decide, too: a state with it could not be read again.
            ("epochs", TrainConfig { epochs: f64::NAN, steps: 3, ..ok.clone() }),
            ("epochs", TrainConfig { epochs: f64::INFINITY, steps: 3, ..ok.clone() }),
            ("epochs", TrainConfig { epochs: 1e300, ..ok.clone() }),
            ("batch_size", TrainConfig { batch_size: 0, ..ok.clone() }),
            ("batch_size", TrainConfig { batch_size: usize::MAX, ..ok.clone() }),
            (
                "gradient_accumulation_steps",
                TrainConfig { gradient_accumulation_steps: usize::MAX, ..ok.clone() },
            ),
            ("learning_rate", TrainConfig { learning_rate: f64::NAN, ..ok.clone() }),
            ("learning_rate", TrainConfig { learning_rate: 1e308, ..ok.clone() }),
            ("head_learning_rate", TrainConfig { head_learning_rate: Some(1e308), ..ok.clone() }),
            ("adamw.epsilon", TrainConfig { adamw: AdamWConfig { epsilon: 0.0, ..ok.adamw }, ..ok.clone() }),
            (
                "adamw.epsilon",
                TrainConfig { adamw: AdamWConfig { epsilon: 1e-50, ..ok.adamw }, ..ok.clone() },
            ),
            (
                "adamw.weight_decay",
                TrainConfig { adamw: AdamWConfig { weight_decay: 1e308, ..ok.adamw }, ..ok.clone() },
            ),
            ("max_grad_norm", TrainConfig { max_grad_norm: f64::NAN, ..ok.clone() }),
            ("warmup_ratio", TrainConfig { warmup_ratio: f64::NAN, ..ok.clone() }),
            ("loss.gamma", TrainConfig { loss: focal(1e308, 0.5), ..ok.clone() }),
            ("r_drop_alpha", TrainConfig { r_drop_alpha: 1e308, ..ok.clone() }),
            ("label_smoothing", TrainConfig { label_smoothing: 1.0, ..ok.clone() }),
            ("r_drop_alpha", TrainConfig { r_drop_alpha: -1.0, ..ok.clone() }),
            ("logit_adjustment", TrainConfig { logit_adjustment: f64::INFINITY, ..ok.clone() }),
            ("loss.gamma", TrainConfig { loss: focal(-1.0, 0.5), ..ok.clone() }),
            ("loss.class_weights.beta", TrainConfig { loss: focal(1.0, 1.0), ..ok.clone() }),
            ("adamw.beta2", TrainConfig { adamw: AdamWConfig { beta2: 1.0, ..ok.adamw }, ..ok.clone() }),
            ("logging_steps", TrainConfig { logging_steps: 0, ..ok.clone() }),
        ];
        for (expected, config) in bad {
            match config.check() {
                Err(Error::Config { key, .. }) => assert_eq!(key, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
    }
}

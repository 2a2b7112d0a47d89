//! Losses of classification.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Reduction, Tensor};

use crate::error::Result;

/// What a classifier's logits are held against, as configurations name it. Label smoothing and R-Drop, which go with
/// any of them, are settings of their own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum LossConfig {
    /// Cross entropy.
    CrossEntropy {
        /// How much the rows of each class count.
        #[serde(default)]
        class_weights: ClassWeights,
    },
    /// Focal loss: the cross entropy of a class with probability p, times `(1 - p)^gamma`, so that rows that are
    /// classified right with ease count less (Lin et al., "Focal Loss for Dense Object Detection", 2017).
    ///
    /// With label smoothing it is the sum over all classes, each with its share of the target.
    Focal {
        /// Exponent, 0 to 1000; 0 is cross entropy, 2 the paper's choice.
        #[serde(default = "default_gamma")]
        gamma: f64,
        /// How much the rows of each class count: the paper's alpha.
        #[serde(default)]
        class_weights: ClassWeights,
    },
}

/// How much the rows of each class count in the loss, by the number of training rows that the class has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ClassWeights {
    /// All the same.
    Uniform {},
    /// In inverse proportion to the class's rows, so that each class counts the same as a whole.
    InverseFrequency {},
    /// In inverse proportion to the effective number `(1 - beta^n) / (1 - beta)` of the class's n rows (Cui et al.,
    /// "Class-Balanced Loss Based on Effective Number of Samples", 2019).
    EffectiveNumber {
        /// From 0, where all count the same, up to, not including, 1, which would be the inverse frequency.
        #[serde(default = "default_beta")]
        beta: f64,
    },
}

fn default_gamma() -> f64 {
    2.0
}

fn default_beta() -> f64 {
    0.999
}

impl Default for LossConfig {
    fn default() -> Self {
        Self::CrossEntropy { class_weights: ClassWeights::default() }
    }
}

impl Default for ClassWeights {
    fn default() -> Self {
        Self::Uniform {}
    }
}

impl LossConfig {
    /// How much the rows of each class count.
    pub fn class_weights(&self) -> ClassWeights {
        match self {
            Self::CrossEntropy { class_weights } | Self::Focal { class_weights, .. } => *class_weights,
        }
    }

    /// Exponent of the focal loss; 0 for cross entropy, which is that case of it.
    pub fn gamma(&self) -> f64 {
        match self {
            Self::CrossEntropy { .. } => 0.0,
            Self::Focal { gamma, .. } => *gamma,
        }
    }
}

impl ClassWeights {
    /// The weight of each class, given its number of training rows: scaled to a mean of 1 over the rows. A class
    /// without rows weighs nothing.
    pub fn of(self, counts: &[usize]) -> Vec<f64> {
        let raw = |&count: &usize| match (self, count as f64) {
            _ if count == 0 => 0.0,
            (Self::Uniform {}, _) => 1.0,
            (Self::InverseFrequency {}, n) => 1.0 / n,
            // 1 - beta^n without cancellation where beta is nearly 1.
            (Self::EffectiveNumber { beta }, n) => (1.0 - beta) / -(n * beta.ln()).exp_m1(),
        };
        let weights: Vec<f64> = counts.iter().map(raw).collect();
        let rows: f64 = counts.iter().map(|&count| count as f64).sum();
        let total: f64 = counts.iter().zip(&weights).map(|(&count, weight)| count as f64 * weight).sum();
        weights.into_iter().map(|weight| if total > 0.0 { weight * rows / total } else { 0.0 }).collect()
    }
}

/// A loss of the caller's own, in place of the one that [`LossConfig`] names.
pub trait OwnLoss: fmt::Debug + Send + Sync {
    /// What settings and messages call it.
    fn name(&self) -> &str;

    /// How much rows of these classes count together. By default each counts the same.
    fn weight(&self, classes: &[usize]) -> f64 {
        classes.len() as f64
    }

    /// Mean loss of the rows, each counted by its [`weight`](Self::weight), with its graph.
    ///
    /// # Shapes
    /// Logits `[B, classes]` and classes `[B]` to a scalar.
    ///
    /// # Errors
    /// Whatever libtorch refuses.
    fn of(&self, logits: &Tensor, classes: &Tensor) -> Result<Tensor>;
}

/// The loss of a training: a weighted mean over rows, in 32-bit floats.
///
/// A row counts by the weight of its class, so that the mean of a large batch is that of its parts, each counted by
/// [`weight`](Self::weight).
#[derive(Debug)]
pub struct Loss {
    gamma: f64,
    label_smoothing: f64,
    r_drop_alpha: f64,
    /// Weight of each class; none where all are the same.
    weights: Option<(Vec<f64>, Tensor)>,
    own: Option<Arc<dyn OwnLoss>>,
}

impl Loss {
    /// The loss that `config` names, for classes with these numbers of training rows.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn new(config: LossConfig, counts: &[usize], device: Device) -> Result<Self> {
        let weights = match config.class_weights() {
            ClassWeights::Uniform {} => None,
            weights => {
                let weights = weights.of(counts);
                let tensor = Tensor::f_from_slice(&weights)?.f_to_kind(Kind::Float)?.f_to_device(device)?;
                Some((weights, tensor))
            }
        };
        Ok(Self { gamma: config.gamma(), label_smoothing: 0.0, r_drop_alpha: 0.0, weights, own: None })
    }

    /// A loss of the caller's own.
    pub fn own(loss: Arc<dyn OwnLoss>) -> Self {
        Self { gamma: 0.0, label_smoothing: 0.0, r_drop_alpha: 0.0, weights: None, own: Some(loss) }
    }

    /// The same loss with `share` of the target spread over all classes, from 0 up to, not including, 1. One of the
    /// caller's own leaves the target as it is.
    #[must_use]
    pub fn with_label_smoothing(self, share: f64) -> Self {
        Self { label_smoothing: share, ..self }
    }

    /// The same loss with R-Drop's divergence of this weight, 0 or more: see [`Loss::of_two`].
    #[must_use]
    pub fn with_r_drop(self, alpha: f64) -> Self {
        Self { r_drop_alpha: alpha, ..self }
    }

    /// How much rows of these classes count together.
    pub fn weight(&self, classes: &[usize]) -> f64 {
        if let Some(own) = &self.own {
            return own.weight(classes);
        }
        match &self.weights {
            None => classes.len() as f64,
            Some((weights, _)) => classes.iter().filter_map(|&class| weights.get(class)).sum(),
        }
    }

    /// Whether it needs a second forward pass, with dropout masks of its own.
    pub fn needs_two_passes(&self) -> bool {
        self.r_drop_alpha > 0.0
    }

    /// The loss of one forward pass.
    ///
    /// With label smoothing, each class's share of the target counts by the weight of that class, as in PyTorch's
    /// `CrossEntropyLoss(weight, label_smoothing)`, and the sum is divided by the weights of the rows' own classes.
    ///
    /// # Shapes
    /// Logits `[B, classes]` and classes `[B]` to a scalar.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) where shapes differ or a class is out of range.
    pub fn of(&self, logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
        let logits = logits.f_to_kind(Kind::Float)?;
        if let Some(own) = &self.own {
            return own.of(&logits, classes);
        }
        let weights = self.weights.as_ref().map(|(_, weights)| weights);
        if self.gamma == 0.0 {
            let smoothing = self.label_smoothing;
            return Ok(logits.f_cross_entropy_loss(classes, weights, Reduction::Mean, -100, smoothing)?);
        }
        let count = logits.size().last().copied().unwrap_or(1);
        let share = self.label_smoothing / count as f64;
        let target = classes.f_one_hot(count)?.f_to_kind(Kind::Float)?;
        let target = target.f_mul_scalar(1.0 - self.label_smoothing)?.f_add_scalar(share)?;
        let target = match weights {
            Some(weights) => target.f_mul(weights)?,
            None => target,
        };
        let log_p = logits.f_log_softmax(-1, Kind::Float)?;
        // 1 - p without cancellation. Where it vanishes, so does the loss, and the slope of a root must not become
        // infinite there.
        let rest = log_p.f_expm1()?.f_neg()?.f_clamp_min(f64::from(f32::MIN_POSITIVE))?;
        let terms = rest.f_pow_tensor_scalar(self.gamma)?.f_mul(&log_p)?.f_mul(&target)?;
        let total = self.of_rows(classes)?.f_sum(Kind::Float)?;
        Ok(terms.f_sum(Kind::Float)?.f_div(&total)?.f_neg()?)
    }

    /// R-Drop: the mean loss of two forward passes of the same rows, plus alpha times half the sum of the divergences
    /// of either one's probabilities from the other's (Liang et al., "R-Drop: Regularized Dropout for Neural
    /// Networks", 2021).
    ///
    /// # Shapes
    /// Logits `[B, classes]`, twice, and classes `[B]` to a scalar.
    ///
    /// # Errors
    /// As [`Loss::of`].
    pub fn of_two(&self, [first, second]: [&Tensor; 2], classes: &Tensor) -> Result<Tensor> {
        let loss = self.of(first, classes)?.f_add(&self.of(second, classes)?)?.f_mul_scalar(0.5)?;
        let log = |logits: &Tensor| logits.f_log_softmax(-1, Kind::Float);
        let (first, second) = (log(first)?, log(second)?);
        // Both directions together are the sum of (p - q) (log p - log q).
        let difference = first.f_exp()?.f_sub(&second.f_exp()?)?;
        let divergence = difference.f_mul(&first.f_sub(&second)?)?;
        let rows = self.of_rows(classes)?;
        let divergence = divergence.f_sum_dim_intlist(-1, false, Kind::Float)?.f_mul(&rows)?;
        let divergence = divergence.f_sum(Kind::Float)?.f_div(&rows.f_sum(Kind::Float)?)?;
        Ok(loss.f_add(&divergence.f_mul_scalar(self.r_drop_alpha / 2.0)?)?)
    }

    /// Weight of each row, `[B]`.
    fn of_rows(&self, classes: &Tensor) -> Result<Tensor> {
        Ok(match &self.weights {
            Some((_, weights)) => weights.f_index_select(0, classes)?,
            None => classes.f_ones_like()?.f_to_kind(Kind::Float)?,
        })
    }
}

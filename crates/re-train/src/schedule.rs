//! Learning-rate schedules: linear warm-up, then decay.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the learning rate falls after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Straight down to 0 at the last step.
    #[default]
    Linear,
    /// Half a cosine down to 0 at the last step.
    Cosine,
    /// No decay.
    Constant,
}

/// The factor by which the base learning rate is multiplied at each step.
///
/// Equal to `get_linear_schedule_with_warmup`, `get_cosine_schedule_with_warmup` and
/// `get_constant_schedule_with_warmup` of `transformers`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    decay: Decay,
    warmup_steps: u64,
    steps: u64,
}

impl Schedule {
    /// A schedule over `steps` optimizer steps, the first `warmup_steps` of which warm up.
    ///
    /// # Errors
    /// [`Error::Config`] where the warm-up is longer than the training.
    pub fn new(decay: Decay, warmup_steps: u64, steps: u64) -> Result<Self> {
        if warmup_steps > steps {
            return Err(Error::Config {
                key: "warmup_steps",
                found: warmup_steps.to_string(),
                expected: format!("at most the number of steps, {steps}"),
            });
        }
        Ok(Self { decay, warmup_steps, steps })
    }

    /// Factor in 0..=1 for the step that follows `done` finished ones.
    pub fn factor(&self, done: u64) -> f64 {
        if done < self.warmup_steps {
            return done as f64 / self.warmup_steps.max(1) as f64;
        }
        let length = (self.steps - self.warmup_steps).max(1) as f64;
        let progress = ((done - self.warmup_steps) as f64 / length).min(1.0);
        match self.decay {
            Decay::Linear => 1.0 - progress,
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            Decay::Constant => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(decay: Decay, at: &[u64]) -> Vec<f64> {
        let schedule = Schedule::new(decay, 10, 110).unwrap();
        at.iter().map(|&done| schedule.factor(done)).collect()
    }

    #[test]
    fn warm_up_starts_at_zero_and_decay_ends_there() {
        let at = [0, 5, 10, 60, 110, 200];
        assert_eq!(factors(Decay::Linear, &at), [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]);
        assert_eq!(factors(Decay::Constant, &at), [0.0, 0.5, 1.0, 1.0, 1.0, 1.0]);
        let cosine = factors(Decay::Cosine, &at);
        assert!((cosine[3] - 0.5).abs() < 1e-12 && cosine[4].abs() < 1e-12, "{cosine:?}");
    }

    #[test]
    fn warm_up_must_fit() {
        assert!(Schedule::new(Decay::Linear, 11, 10).is_err());
        assert_eq!(Schedule::new(Decay::Linear, 0, 10).unwrap().factor(0), 1.0);
    }
}

//! Flags for weights that are found on out-of-fold predictions.

use std::fmt::Write;

use anyhow::Result;
use clap::{Args, ValueEnum};
use re_ensemble::{Bootstrap, Gold, Members, Nested, OutOfFold, Tuned, Tuning};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tune {
    /// Weights of a mean under which the gold labels are most likely
    Likelihood,
    /// Weights of a mean found by forward selection for accuracy
    Greedy,
    /// Stacking: a weighted geometric mean with an offset for each label
    LogLinear,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Finding weights")]
pub struct TuneArgs {
    /// Find weights on rows that the members were not trained on, given with --gold
    #[arg(long, value_name = "METHOD", requires = "gold")]
    pub tune: Option<Tune>,
    /// Rounds of the greedy search
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), default_value_t = 100,
        requires = "tune")]
    rounds: u16,
    /// Pull of log-linear stacking to equal weights, above 0
    #[arg(long, value_name = "F", value_parser = positive, default_value_t = 0.01, requires = "tune")]
    l2: f64,
    /// Folds of the cross-validation that says what the weights are worth
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..), default_value_t = 10,
        requires = "tune")]
    folds: u16,
}

impl TuneArgs {
    /// Finds weights, where they are asked for.
    pub fn find(&self, members: Members, gold: &Gold, bootstrap: Bootstrap) -> Result<Option<Tuned>> {
        let tuning = match self.tune {
            None => return Ok(None),
            Some(Tune::Likelihood) => Tuning::Likelihood,
            Some(Tune::Greedy) => Tuning::Greedy { rounds: self.rounds.into() },
            Some(Tune::LogLinear) => Tuning::LogLinear { l2: self.l2 },
        };
        let nested = Nested { folds: self.folds.into(), seed: bootstrap.seed, bootstrap };
        Ok(Some(OutOfFold::new(members, gold)?.tune(tuning, &nested)?))
    }
}

/// Weights and what they are worth, for people.
pub fn describe(tuned: &Tuned) -> String {
    let mut text = String::from("weight  member\n");
    for (name, weight) in tuned.weights() {
        let _ = writeln!(text, "{weight:6.3}  {name}");
    }
    let (accuracy, gain) = (tuned.nested_accuracy().percent(), tuned.gain_over_equal().points());
    let _ = writeln!(
        text,
        "accuracy {accuracy} where each row's weights were found without it, {gain} points over equal weights"
    );
    if tuned.converged() == Some(false) {
        text += "the search ended before it converged: try a higher --l2\n";
    }
    text
}

/// The coverage of an interval on the command line.
pub fn coverage(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(level) if level > 0.0 && level < 1.0 => Ok(level),
        _ => Err("expected a number above 0 and below 1".to_owned()),
    }
}

/// A finite number that is not negative.
pub fn non_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("expected a number, 0 or more".to_owned()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    non_negative(text).and_then(|number| {
        if number > 0.0 { Ok(number) } else { Err("expected a number above 0".to_owned()) }
    })
}

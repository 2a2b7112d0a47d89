//! `re advise`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use re_ensemble::{Advice, AdviceOptions, Bootstrap, Estimate, Members, Tuned, advise};
use serde::Serialize;

use crate::data::DataArgs;
use crate::members::{How, MemberFile, gold};
use crate::output::ResultArgs;
use crate::tuning::{TuneArgs, coverage, describe};
use crate::verbosity::Verbosity;

/// Show which models help a vote, and which hurt it
///
/// From predictions for labelled rows that none of the models was trained on: the accuracy of each, how pairs of them
/// differ, what each subset gains and how sure that is, and the gain label by label.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re advise runs/a runs/b runs/c --gold train.tsv --subset
  re advise xlmr=a.csv bert=b.csv --gold dev.tsv --how hard
  re advise runs/a runs/b --gold train.tsv --subset --tune greedy --json > advice.json")]
pub struct Advise {
    /// Probabilities as `re predict --probs` writes them, or run folders; NAME=FILE names a member. Of run folders the out-of-fold
    /// rows are used where all of them have such rows, else for their validation rows, which look better than others for
    /// models whose checkpoint was chosen on them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<MemberFile>,
    /// Labelled rows
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,
    /// Use only the rows that the members have, where GOLD has more
    #[arg(long)]
    subset: bool,
    /// The vote whose gain is measured
    #[arg(long, value_enum, default_value_t = How::Mean)]
    how: How,
    /// Try all subsets of up to this many members (at most 16); with more members, add them one by one
    #[arg(long, value_name = "N", value_parser = exhaustive,
        default_value_t = AdviceOptions::default().exhaustive_up_to)]
    exhaustive_up_to: usize,
    /// Coverage of the intervals
    #[arg(long, value_name = "F", value_parser = coverage, default_value_t = Bootstrap::default().level)]
    level: f64,
    /// Resamples of the bootstrap
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..),
        default_value_t = Bootstrap::default().resamples)]
    resamples: u32,
    /// Seed of the bootstrap and of folds
    #[arg(long, value_name = "N", default_value_t = Bootstrap::default().seed)]
    seed: u64,
    #[command(flatten)]
    tuning: TuneArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    result: ResultArgs,
}

/// What is written as JSON.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(flatten)]
    advice: Advice,
    #[serde(skip_serializing_if = "Option::is_none")]
    tuned: Option<FoundWeights>,
}

#[derive(Debug, Serialize)]
struct FoundWeights {
    weights: Vec<(String, f64)>,
    /// Added to the labels' logits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    offsets: Vec<(String, f64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    converged: Option<bool>,
    nested_accuracy: Estimate,
    gain_over_equal: Estimate,
}

impl Advise {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        let inputs = self.files.iter().map(|member| member.path.as_path()).chain([self.gold.as_path()]);
        self.data.check(inputs, [self.result.path()])?;
        MemberFile::check(&self.files)?;
        let members = Members::align(MemberFile::read_unseen(&self.files, verbosity)?)?;
        let rows = self.data.read(&self.gold, verbosity)?.examples;
        let gold = gold(&self.gold, &rows, members.ids(), self.subset)?;
        let bootstrap = Bootstrap { level: self.level, resamples: self.resamples, seed: self.seed };
        let options =
            AdviceOptions { vote: self.how.into(), exhaustive_up_to: self.exhaustive_up_to, bootstrap };
        let advice = advise(&members, &gold, &options).with_context(|| self.gold.display().to_string())?;
        let tuned = self.tuning.find(members, &gold, bootstrap)?;
        let found = Found { tuned: tuned.as_ref().map(FoundWeights::of), advice };
        let text = || match &tuned {
            Some(tuned) => format!("{}\n{}", found.advice, describe(tuned)),
            None => found.advice.to_string(),
        };
        self.result.write(text, &found)
    }
}

fn exhaustive(text: &str) -> Result<usize, String> {
    let most = AdviceOptions::MOST_EXHAUSTIVE;
    let number = text.parse().ok().filter(|number| *number <= most);
    number.ok_or_else(|| format!("expected a number of members, at most {most}"))
}

impl FoundWeights {
    fn of(tuned: &Tuned) -> Self {
        let named = |(name, number): (&str, f64)| (name.to_owned(), number);
        Self {
            weights: tuned.weights().map(named).collect(),
            offsets: tuned.offsets().map(named).collect(),
            converged: tuned.converged(),
            nested_accuracy: tuned.nested_accuracy(),
            gain_over_equal: tuned.gain_over_equal(),
        }
    }
}

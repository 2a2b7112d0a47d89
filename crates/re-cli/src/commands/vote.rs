//! `re vote`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, ensure};
use clap::Args;
use re_data::Probabilities;
use re_ensemble::{Bootstrap, Member, Members, Prior, estimate_prior, shift_prior};
use re_formats::write::PredictionFormat;
use re_report::RowSet;

use crate::data::DataArgs;
use crate::exit::Usage;
use crate::members::{self, How, MemberFile};
use crate::output::PredictionArgs;
use crate::tuning::{TuneArgs, describe, non_negative};
use crate::verbosity::Verbosity;

/// Combine the probabilities of several models
///
/// Rows are aligned by id and labels by name, so that neither has to be in the same order; what does not match is an
/// error. The result does not depend on the order of the files. All rows are held in memory.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re vote runs/a runs/b runs/c --output vote.csv
  re vote a.csv b.csv --how hard --weights 2,1 --probs vote_probs.csv
  re vote xlmr=a.csv bert=b.csv --probs - | re evaluate - dev.tsv
  # weights from a split that neither was trained on, applied to the test rows
  re vote a_test.csv b_test.csv --tune likelihood --out-of-fold a_dev.csv,b_dev.csv --gold dev.tsv
  # from what the models of k_fold runs say of training rows that they have not seen
  re vote folds/a folds/b --tune likelihood --out-of-fold folds/a,folds/b --gold train.tsv --subset
  # correct one model for classes that are rarer than in training
  re vote test.csv --train-prior train.tsv --target-prior estimate")]
pub struct Vote {
    /// Probabilities as `re predict --probs` writes them, or run folders, for their test rows; NAME=FILE names a member
    #[arg(required = true, value_name = "FILE")]
    files: Vec<MemberFile>,
    /// How the probabilities are combined
    #[arg(long, value_enum, default_value_t = How::Mean, conflicts_with = "tune")]
    how: How,
    /// Weight of each file, 0 or more, in any unit [default: equal]
    #[arg(long, value_name = "W,W,..", value_delimiter = ',', value_parser = non_negative, conflicts_with = "tune")]
    weights: Option<Vec<f64>>,
    #[command(flatten)]
    tuning: TuneArgs,
    /// The members' probabilities for the rows of --gold, one file for each, in the same order. Of run folders the out-of-fold
    /// rows are used where all of them have such rows, else for their validation rows, which look better than others for
    /// models whose checkpoint was chosen on them
    #[arg(
        long,
        value_name = "FILE,..",
        value_delimiter = ',',
        requires = "tune",
        help_heading = "Finding weights"
    )]
    out_of_fold: Option<Vec<MemberFile>>,
    /// Labelled rows to find weights on
    #[arg(long, value_name = "FILE", requires = "tune", help_heading = "Finding weights")]
    gold: Option<PathBuf>,
    /// Use only the rows that --out-of-fold has, where --gold has more
    #[arg(long, requires = "gold", help_heading = "Finding weights")]
    subset: bool,
    /// The rows to vote on are not those of --gold, even where their ids are equal
    #[arg(long, requires = "gold", help_heading = "Finding weights")]
    other_rows: bool,
    /// Labelled training rows: how frequent the labels were when the models learnt
    #[arg(long, value_name = "FILE", requires = "target_prior", help_heading = "Other label frequencies")]
    train_prior: Option<PathBuf>,
    /// Label frequencies of the test set: `uniform`, `estimate` (from the predictions) or labelled rows
    #[arg(long, value_name = "PRIOR", requires = "train_prior", help_heading = "Other label frequencies")]
    target_prior: Option<PathBuf>,
    /// Strength of the correction: 0 none, 1 full
    #[arg(
        long,
        value_name = "F",
        value_parser = non_negative,
        default_value_t = 1.0,
        requires = "train_prior",
        help_heading = "Other label frequencies"
    )]
    tau: f64,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    predictions: PredictionArgs,
}

impl Vote {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        let members = self.files.iter().chain(self.out_of_fold.iter().flatten());
        let rows = [&self.gold, &self.train_prior, &self.target_prior].into_iter().flatten();
        let inputs = members.map(|member| &member.path).chain(rows);
        self.data.check(inputs.map(PathBuf::as_path), self.predictions.paths())?;
        let members = self.members(verbosity)?;
        let mut result = match self.tuned(&members, verbosity)? {
            Some(result) => result,
            None => members.vote(self.how.into())?,
        };
        if let (Some(train), Some(target)) = (&self.train_prior, &self.target_prior) {
            result = self.shifted(&result, train, target, verbosity)?;
        }
        self.predictions.write(&result)
    }

    fn members(&self, verbosity: Verbosity) -> Result<Members> {
        let weights = self.weights.clone().unwrap_or_else(|| vec![1.0; self.files.len()]);
        if weights.len() != self.files.len() {
            let counts = (weights.len(), self.files.len());
            return Err(Usage(format!("--weights has {} values for {} files", counts.0, counts.1)).into());
        }
        if weights.iter().all(|weight| *weight == 0.0) {
            return Err(Usage("--weights are all 0, expected one above".to_owned()).into());
        }
        MemberFile::check(&self.files)?;
        let members = self.files.iter().zip(weights);
        let members = members.map(|(file, weight)| Ok(file.read(RowSet::Test)?.with_weight(weight)));
        let members = members.collect::<Result<Vec<Member>>>()?;
        let mut ids = members.iter().map(|member| (member.name(), member.probabilities().labels().names()));
        if self.predictions.format() == PredictionFormat::Submission
            && let Some((first, labels)) = ids.next()
            && let Some((other, _)) = ids.find(|(_, others)| *others != labels)
        {
            verbosity.note(format!(
                "class ids of the submission are those of {first}; {other} orders its labels differently"
            ));
        }
        drop(ids);
        Ok(Members::align(members)?)
    }

    fn tuned(&self, members: &Members, verbosity: Verbosity) -> Result<Option<Probabilities>> {
        if self.tuning.tune.is_none() {
            return Ok(None);
        }
        let (Some(out_of_fold), Some(gold)) = (&self.out_of_fold, &self.gold) else {
            return Err(Usage("--tune needs --out-of-fold and --gold".to_owned()).into());
        };
        if out_of_fold.len() != self.files.len() {
            let counts = (out_of_fold.len(), self.files.len());
            return Err(
                Usage(format!("--out-of-fold has {} files for {} members", counts.0, counts.1)).into()
            );
        }
        // The names of the members go with the weights.
        let unseen = MemberFile::read_unseen(out_of_fold, verbosity)?.into_iter().zip(&self.files);
        let named = unseen.map(|(found, member)| Member::new(&member.name, found.probabilities().clone()));
        let unseen = Members::align(named)?;
        let gold =
            members::gold(gold, &self.data.read(gold, verbosity)?.examples, unseen.ids(), self.subset)?;
        let tuned = self.tuning.find(unseen, &gold, Bootstrap::default())?;
        let Some(tuned) = tuned else { return Ok(None) };
        verbosity.note(describe(&tuned).trim_end());
        let tuned = if self.other_rows { tuned.for_other_rows() } else { tuned };
        Ok(Some(tuned.vote(members)?))
    }

    fn shifted(
        &self,
        p: &Probabilities,
        train: &Path,
        target: &Path,
        verbosity: Verbosity,
    ) -> Result<Probabilities> {
        // One row more of each class: a share of 0 could not be divided by.
        let prior = |path: &Path| -> Result<Prior> {
            let rows = self.data.read(path, verbosity)?.examples;
            // Smoothed, no row at all would be equal shares.
            ensure!(!rows.is_empty(), "{}: found no row, expected labelled ones", path.display());
            Ok(Prior::from_examples(Arc::clone(p.labels()), &rows, 1.0)?)
        };
        let train = prior(train)?;
        let target = match target.to_str() {
            Some("uniform") => Prior::uniform(Arc::clone(p.labels())),
            Some("estimate") => {
                let estimate = estimate_prior(p, &train)?;
                if !estimate.converged {
                    verbosity.note(format!(
                        "the label frequencies have not converged after {} steps",
                        estimate.steps
                    ));
                }
                estimate.prior
            }
            _ => prior(target)?,
        };
        let shares = p.labels().names().iter().zip(train.shares()).zip(target.shares());
        for ((label, from), to) in shares {
            verbosity.detail(format!("{:6.2} % -> {:6.2} %  {label}", 100.0 * from, 100.0 * to));
        }
        Ok(shift_prior(p, &train, &target, self.tau)?)
    }
}

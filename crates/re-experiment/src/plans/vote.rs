//! Several models vote.

use std::collections::HashMap;
use std::path::Path;

use re_data::{Predictor, Probabilities, RelationExample, files};
use re_ensemble::{Member, Members};
use re_formats::write::PredictionFormat;
use re_train::StopReason;
use re_trained::VoteConfig;
use re_trained::votes::{Part, Votes};

use super::derived::on_everything;
use super::members::{may_validate, on_rows_of, rows_known_to, rows_of, same_rows};
use super::predictions::{
    TEST, VALIDATION, aligned, evaluate, evaluated, predict, record_test, record_validation, save, saved,
    versus,
};
use super::transfer::lent_step;
use crate::data::ExperimentData;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, MemberConfig, Plan};
use crate::folder::{RunFolder, Summary};
use crate::session::Session;
use crate::trained::{Loading, load, recorded};

/// What a member or a vote says of the validation and the test rows; `None` where it may not be asked.
#[derive(Clone, Default)]
struct MemberProbabilities {
    validation: Option<Probabilities>,
    test: Option<Probabilities>,
}

/// The vote that is under way.
struct VoteRun<'a> {
    folder: &'a RunFolder,
    experiment: &'a Experiment,
    data: &'a ExperimentData,
    members: &'a [MemberConfig],
    answers: HashMap<&'a str, MemberProbabilities>,
    /// Best step of each member that was trained.
    steps: HashMap<&'a str, u64>,
}

pub(crate) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    members: &[MemberConfig],
    votes: &[VoteConfig],
    session: &mut Session<'_>,
) -> Result<Summary> {
    let (answers, steps) = (HashMap::new(), HashMap::new());
    let mut run = VoteRun { folder, experiment, data, members, answers, steps };
    // Those that are trained already go first: what is wrong with them shows before hours of training.
    let (given, to_train): (Vec<_>, Vec<_>) = members.iter().partition(|member| member.run.is_some());
    for member in given {
        run.predict_run(member, session)?;
    }
    session.expect(to_train.len());
    for member in to_train {
        if !run.train(member, session)? {
            return Ok(Summary::new(StopReason::Interrupted));
        }
    }
    let counted = run.count(votes)?;
    run.answers.extend(counted);
    run.conclude(votes)
}

/// One vote, on those rows of which all who take part say something.
fn count(vote: &VoteConfig, parts: Vec<Part<'_, MemberProbabilities>>) -> Result<MemberProbabilities> {
    let of = |rows: fn(&MemberProbabilities) -> Option<&Probabilities>| -> Result<Option<Probabilities>> {
        let member = |(name, weight, said): &Part<'_, _>| {
            Some(Member::new(*name, rows(said)?.clone()).with_weight(*weight))
        };
        let Some(members) = parts.iter().map(member).collect::<Option<Vec<_>>>() else { return Ok(None) };
        Ok(Some(Members::align(members)?.vote(vote.how)?))
    };
    Ok(MemberProbabilities {
        validation: of(|said| said.validation.as_ref())?,
        test: of(|said| said.test.as_ref())?,
    })
}

impl<'a> VoteRun<'a> {
    /// Predicts with a trained run or, where its models are gone, takes what it has said.
    fn predict_run(&mut self, member: &'a MemberConfig, session: &mut Session<'_>) -> Result<()> {
        let (name, Some(run)) = (member.member.as_str(), &member.run) else { return Ok(()) };
        let probabilities = match load(run, Loading::of_member(self.experiment, member, session)) {
            Ok(predictor) => self.predict(member, run, &predictor, session)?,
            Err(Error::NoModel { .. }) if Summary::read(run)?.is_some() => self.take(name, run, session)?,
            Err(error) => return Err(error),
        };
        self.answers.insert(name, probabilities);
        Ok(())
    }

    fn predict(
        &self,
        member: &MemberConfig,
        run: &Path,
        predictor: &impl Predictor,
        session: &mut Session<'_>,
    ) -> Result<MemberProbabilities> {
        let name = member.member.as_str();
        session.note(&format!("{name}: predicting with {}", run.display()))?;
        let here = self.subfolder(name)?;
        let data = rows_known_to(member, self.experiment, self.data)?;
        let predicted = |rows: &[RelationExample], file| -> Result<Option<Probabilities>> {
            if rows.is_empty() {
                return Ok(None);
            }
            let probabilities = aligned(name, predict(predictor, rows)?, &self.data.labels, rows)?;
            save(&here, file, PredictionFormat::Probabilities, &probabilities)?;
            Ok(Some(probabilities))
        };
        let validation = match may_validate(name, run, self.data, session)? {
            true => predicted(&data.validation, VALIDATION)?,
            false => None,
        };
        Ok(MemberProbabilities { validation, test: predicted(&data.test, TEST)? })
    }

    /// The probabilities that a run without models has left, of those rows that are its own.
    fn take(&self, name: &str, run: &Path, session: &mut Session<'_>) -> Result<MemberProbabilities> {
        let own = rows_of(name, run)?;
        session.note(&format!(
            "{name}: the models of {} were removed, its saved probabilities vote",
            run.display()
        ))?;
        let (here, mut probabilities) = (self.subfolder(name)?, MemberProbabilities::default());
        for (what, file, own, rows, slot) in [
            ("validation", VALIDATION, &own.validation, &self.data.validation, &mut probabilities.validation),
            ("test", TEST, &own.test, &self.data.test, &mut probabilities.test),
        ] {
            if rows.is_empty() {
                continue;
            }
            if !files::is_file(run.join(file))? {
                session.note(&format!("{name}: has saved no probabilities of {what} rows"))?;
            } else if !same_rows(own, rows) {
                session.note(&format!(
                    "{name}: its {what} rows are not those of this vote, so that it does not vote on them"
                ))?;
            } else if let Some(probabilities) = self.saved(name, run, file, rows)? {
                save(&here, file, PredictionFormat::Probabilities, &probabilities)?;
                *slot = Some(probabilities);
            }
        }
        match probabilities {
            MemberProbabilities { validation: None, test: None } => {
                Err(Error::NoModel { reference: run.to_owned() })
            }
            probabilities => Ok(probabilities),
        }
    }

    /// What a file of a run says of the rows here; `None` where there is none of either.
    fn saved(
        &self,
        name: &str,
        run: &Path,
        file: &str,
        rows: &[RelationExample],
    ) -> Result<Option<Probabilities>> {
        let path = run.join(file);
        if rows.is_empty() || !files::is_file(&path)? {
            return Ok(None);
        }
        Ok(Some(aligned(name, saved(path, &self.data.labels)?, &self.data.labels, rows)?))
    }

    /// Trains a member; false where that was interrupted.
    fn train(&mut self, member: &'a MemberConfig, session: &mut Session<'_>) -> Result<bool> {
        let name = member.member.as_str();
        if let Some(own) = member.experiment.as_ref().filter(|_| member.full_data_of.is_none())
            && (own.data.val_size, &own.data.validation)
                != (self.experiment.data.val_size, &self.experiment.data.validation)
        {
            session.note(&format!("{name}: rows are divided as in the vote, not as in its own settings"))?;
        }
        let mut own = match (&member.full_data_of, &member.experiment) {
            (Some(other), _) => self.full_data_of(other)?,
            (None, Some(experiment)) => on_rows_of(self.experiment, experiment),
            (None, None) => return Ok(true),
        };
        // What a member lends is its best step.
        own.training.keep_best |= member.lends_step(self.members);
        let Some((run, result)) = self.folder.part(name, &own, session)? else { return Ok(false) };
        self.steps.extend(result.step.map(|step| (name, step)));
        let saved = |file, rows: &[RelationExample]| self.saved(name, run.path(), file, rows);
        let probabilities = MemberProbabilities {
            validation: saved(VALIDATION, &self.data.validation)?,
            test: saved(TEST, &self.data.test)?,
        };
        self.answers.insert(name, probabilities);
        Ok(true)
    }

    /// The training of another member, on everything and up to that one's best step.
    fn full_data_of(&self, other: &str) -> Result<Experiment> {
        let missing = || Error::NoModel { reference: self.folder.path().join(other) };
        let member = self.members.iter().find(|member| member.member == other).ok_or_else(missing)?;
        let own = on_rows_of(self.experiment, member.experiment.as_ref().ok_or_else(missing)?);
        let step = match &member.run {
            Some(run) => lent_step(run)?,
            None => self.steps.get(other).copied().ok_or_else(missing)?,
        };
        let rows = ExperimentData::read(&own.data, own.training.seed)?.train.len();
        Ok(on_everything(&own, step, rows))
    }

    /// What the votes say.
    fn count(&self, votes: &'a [VoteConfig]) -> Result<Vec<(&'a str, MemberProbabilities)>> {
        let member = |name: &str| Ok(self.answers.get(name).cloned().unwrap_or_default());
        let mut counted = Votes::new(votes, member, count);
        votes.iter().map(|vote| Ok((vote.vote.as_str(), counted.of(&vote.vote)?))).collect()
    }

    /// Writes what the votes say; the last one speaks for the whole.
    fn conclude(&self, votes: &[VoteConfig]) -> Result<Summary> {
        let mut whole = Summary::new(StopReason::Completed);
        for member in self.members {
            let probabilities = self.answers.get(member.member.as_str());
            let validation = probabilities.and_then(|probabilities| probabilities.validation.as_ref());
            let test = probabilities.and_then(|probabilities| probabilities.test.as_ref());
            whole.compare(&member.member, &evaluated(self.data, validation, test)?);
        }
        for vote in votes {
            let here = self.subfolder(&vote.vote)?;
            let mut summary = Summary::new(StopReason::Completed);
            let whole_run = votes.last().filter(|last| *last == vote).map(|_| self.folder);
            for folder in [Some(&here), whole_run].into_iter().flatten() {
                summary = self.record(folder, &vote.vote)?;
            }
            whole.compare(&vote.vote, &summary);
            whole.notes.extend(self.against_best_member(vote)?);
            (whole.evaluation, whole.test_evaluation) = (summary.evaluation, summary.test_evaluation);
            whole.submission = summary.submission;
        }
        whole.notes.extend(self.chosen_on_validation()?);
        Ok(whole)
    }

    fn record(&self, folder: &RunFolder, name: &str) -> Result<Summary> {
        let mut summary = Summary::new(StopReason::Completed);
        let Some(probabilities) = self.answers.get(name) else { return Ok(summary) };
        if let Some(probabilities) = &probabilities.validation {
            summary.evaluation = Some(record_validation(folder, self.data, probabilities)?);
        }
        if let Some(probabilities) = &probabilities.test {
            record_test(folder, self.data, probabilities, &mut summary)?;
        }
        Ok(summary)
    }

    /// How sure the vote's gain over the best of those who vote is.
    fn against_best_member(&self, vote: &VoteConfig) -> Result<Option<String>> {
        let said =
            |name: &str| self.answers.get(name).and_then(|probabilities| probabilities.validation.as_ref());
        let Some(result) = said(&vote.vote) else { return Ok(None) };
        let mut best: Option<(f64, &str, &Probabilities)> = None;
        for name in &vote.of {
            let Some(probabilities) = said(name) else { continue };
            let accuracy = evaluate(&self.data.validation, probabilities)?.metrics.accuracy;
            if best.is_none_or(|(highest, ..)| accuracy > highest) {
                best = Some((accuracy, name, probabilities));
            }
        }
        best.map(|(_, name, probabilities)| {
            versus(&self.data.validation, (&vote.vote, result), (name, probabilities))
        })
        .transpose()
    }

    /// What there is to know where validation rows may have chosen the steps of members.
    fn chosen_on_validation(&self) -> Result<Option<String>> {
        let mut chosen = Vec::new();
        for member in self.members {
            let name = member.member.as_str();
            if self.answers.get(name).is_none_or(|probabilities| probabilities.validation.is_none()) {
                continue;
            }
            let run = member.run.as_ref().map(|run| recorded(run)).transpose()?.flatten();
            let settings = run.map(|(_, own)| own).or_else(|| member.experiment.as_deref().cloned());
            let by_rows = settings.is_none_or(|Experiment { training, plan, .. }| {
                let best = training.keep_best || training.early_stopping_patience > 0;
                best && !matches!(plan, Plan::KFold { .. })
            });
            if by_rows || member.lends_step(self.members) {
                chosen.push(name);
            }
        }
        Ok((!chosen.is_empty()).then(|| {
            format!(
                "{}: steps may have been chosen by validation rows: figures on them, and gains of votes, are optimistic",
                chosen.join(", ")
            )
        }))
    }

    fn subfolder(&self, name: &str) -> Result<RunFolder> {
        self.folder.inner(name)
    }
}

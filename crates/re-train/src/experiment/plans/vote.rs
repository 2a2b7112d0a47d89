//! Several models vote.

use std::collections::HashMap;

use re_data::read;
use re_data::write::PredictionFormat;
use re_data::{Probabilities, RelationExample};
use re_ensemble::{Member, Members};

use super::super::layers::Layers;
use super::super::model_folder;
use super::super::plan::{MemberConfig, VoteConfig};
use super::super::run::{RunFolder, Session};
use super::super::summary::{Part, Summary};
use super::super::{Experiment, ExperimentData};
use super::{TEST, VALIDATION, evaluate, load, predict, save, say_test, say_validation, single_of};
use crate::error::{Error, Result};
use crate::observer::StopReason;

/// What each member and vote says, by name; `None` where it may not be asked.
type Ballots = HashMap<String, Option<Probabilities>>;

pub(in super::super) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    members: &[MemberConfig],
    votes: &[VoteConfig],
    session: &mut Session<'_>,
) -> Result<Summary> {
    check(members, votes)?;
    let (mut validation, mut test) = (Ballots::new(), Ballots::new());
    for member in members {
        let Some((on_validation, on_test)) = answers(folder, experiment, data, member, session)? else {
            return Ok(Summary::new(StopReason::Interrupted));
        };
        validation.insert(member.member.clone(), on_validation);
        test.insert(member.member.clone(), on_test);
    }
    for vote in votes {
        for ballots in [&mut validation, &mut test] {
            let result = count(vote, ballots)?;
            ballots.insert(vote.vote.clone(), result);
        }
    }
    let mut summary = Summary::new(StopReason::Completed);
    for name in members.iter().map(|m| &m.member).chain(votes.iter().map(|v| &v.vote)) {
        if let Some(Some(probabilities)) = validation.get(name) {
            let evaluation = evaluate(&data.validation, probabilities)?;
            summary.parts.push(Part { name: name.clone(), evaluation });
        }
    }
    let last = votes.last().map(|vote| vote.vote.as_str()).unwrap_or_default();
    if let Some(Some(probabilities)) = validation.get(last) {
        summary.evaluation = Some(say_validation(folder, data, probabilities)?);
    }
    if let Some(Some(probabilities)) = test.get(last) {
        summary.submission = Some(say_test(folder, probabilities)?);
    }
    Ok(summary)
}

/// What a member says of the validation and of the test rows; `None` where its training was interrupted.
fn answers(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    member: &MemberConfig,
    session: &mut Session<'_>,
) -> Result<Option<(Option<Probabilities>, Option<Probabilities>)>> {
    let path = folder.path().join(&member.member);
    if let Some(run) = &member.run {
        let model = model_folder(run)?;
        session.note(&format!("{}: predicting with {}", member.member, model.display()))?;
        std::fs::create_dir_all(&path).map_err(|source| Error::io(&path, source))?;
        let here = RunFolder::new(&path);
        let classifier = load(&model, experiment)?;
        let ask = |rows: &[RelationExample], file| -> Result<Option<Probabilities>> {
            if rows.is_empty() {
                return Ok(None);
            }
            let probabilities = predict(&classifier, rows)?;
            save(&here, file, PredictionFormat::Probabilities, &probabilities)?;
            Ok(Some(probabilities))
        };
        let validation = if member.everything { None } else { ask(&data.validation, VALIDATION)? };
        return Ok(Some((validation, ask(&data.test, TEST)?)));
    }
    let mut own = Layers::of(&single_of(experiment))?.over(&member.settings, &member.member)?.experiment()?;
    if member.everything {
        own.data.val_size = 0.0;
    }
    let Some((run, _)) = folder.part(&member.member, &own, session)? else { return Ok(None) };
    let saved = |file: &str, wanted: bool| -> Result<Option<Probabilities>> {
        Ok(if wanted { Some(read::probabilities(run.path().join(file))?) } else { None })
    };
    let validated = !data.validation.is_empty() && !member.everything;
    Ok(Some((saved(VALIDATION, validated)?, saved(TEST, !data.test.is_empty())?)))
}

/// The result of a vote; `None` where one of those who vote may not be asked.
fn count(vote: &VoteConfig, ballots: &Ballots) -> Result<Option<Probabilities>> {
    let mut members = Vec::new();
    for (at, name) in vote.of.iter().enumerate() {
        let Some(Some(probabilities)) = ballots.get(name) else { return Ok(None) };
        let weight = vote.weights.as_ref().and_then(|weights| weights.get(at)).copied().unwrap_or(1.0);
        members.push(Member::new(name, probabilities.clone()).with_weight(weight));
    }
    Ok(Some(Members::align(members)?.vote(vote.how)?))
}

/// Names are unique, and votes are of what comes before them.
fn check(members: &[MemberConfig], votes: &[VoteConfig]) -> Result<()> {
    let fault = |found: String, expected: &str| {
        Err(Error::Config { key: "plan.votes", found, expected: expected.to_owned() })
    };
    if votes.is_empty() {
        return fault("no vote".to_owned(), "at least one");
    }
    let mut known: Vec<&str> = Vec::new();
    for member in members {
        let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        if member.member.starts_with('.') || member.member.is_empty() || !member.member.chars().all(plain) {
            return fault(format!("{:?}", member.member), "letters, digits, -, _ and .: a folder's name");
        }
        if known.contains(&member.member.as_str()) {
            return fault(format!("{} twice", member.member), "each name once");
        }
        known.push(&member.member);
    }
    for vote in votes {
        if let Some(name) = vote.of.iter().find(|name| !known.contains(&name.as_str())) {
            return fault(format!("{name:?} in {:?}", vote.vote), "names of members or of votes before it");
        }
        if vote.weights.as_ref().is_some_and(|weights| weights.len() != vote.of.len()) {
            return fault(format!("other numbers of weights and members in {:?}", vote.vote), "a weight for each");
        }
        if known.contains(&vote.vote.as_str()) {
            return fault(format!("{} twice", vote.vote), "each name once");
        }
        known.push(&vote.vote);
    }
    Ok(())
}

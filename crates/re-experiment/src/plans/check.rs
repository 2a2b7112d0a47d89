//! What a plan asks of its settings and rows, known before anything is trained.

use std::collections::HashSet;

use re_ensemble::Gate;
use re_qa::Rule;
use re_train::difference::{self, Difference};
use re_trained::VoteConfig;

use super::members::on_rows_of;
use super::predictions::{SUBMISSION, TEST, VALIDATION};
use super::single::check_types;
use super::text_to_graph::{joint_of, tagger_of};
use super::transfer::{given_split, lent_step};
use crate::config::Target;
use crate::data::{ExperimentData, folds, unique_ids};
use crate::error::{Error, Result};
use crate::experiment::{Experiment, MemberConfig, Plan};
use crate::folder::{ANSWERER, CONFIG, DATA_HASH, ORIGIN, PAIRS, SUMMARY};
use crate::tagging::TaggingData;

/// Makes sure that the plan, or the training of a member, can be carried out on these rows.
///
/// # Errors
/// [`re_train::Error::Config`] with the first key that is out of range; those of reading what members are trained on.
pub(crate) fn check(experiment: &Experiment, data: &ExperimentData) -> Result<()> {
    experiment.check()?;
    if experiment.data.fold.is_some() {
        return fault("data.fold", "one fold".to_owned(), "none beside a plan of several trainings");
    }
    match &experiment.plan {
        Plan::QuestionAnswering { members } => {
            data.check_ids()?;
            check_members(experiment, members)?;
            question_answering(experiment, data, members)
        }
        _ if experiment.questions.is_some() => {
            fault("questions", "settings".to_owned(), "none beside a plan that does not ask")
        }
        Plan::Single {} => check_types(experiment, data),
        Plan::KFold { .. } | Plan::PseudoLabels { .. } | Plan::TwoStage { .. }
            if experiment.data.target != Target::Relation =>
        {
            fault("data.target", format!("{:?}", experiment.data.target), "relation beside this plan")
        }
        Plan::StepTransfer { .. } if data.validation.is_empty() => fault(
            "data.val_size",
            experiment.data.val_size.to_string(),
            "more than 0, or data.validation: step transfer finds the best step on rows set aside",
        ),
        Plan::StepTransfer { split: Some(run) } => given_split(run, experiment, data).map(drop),
        Plan::StepTransfer { split: None } => Ok(()),
        Plan::KFold { folds: count } => {
            data.check_ids()?;
            let (rows, _) = folds(&experiment.data, *count, experiment.training.seed)?;
            unique_ids("training", &rows)
        }
        Plan::PseudoLabels { threshold, .. } if !(0.0..=1.0).contains(threshold) => {
            fault("plan.threshold", threshold.to_string(), "a number from 0 to 1")
        }
        Plan::PseudoLabels { rounds, .. } if !(1..=1000).contains(rounds) => {
            fault("plan.rounds", rounds.to_string(), "from 1 to 1000")
        }
        Plan::PseudoLabels { .. } => data.check_ids(),
        Plan::TwoStage { gate } => {
            data.check_ids()?;
            two_stage(*gate, data)
        }
        Plan::TextToGraph { members, shared_encoder } => text_to_graph(experiment, members, *shared_encoder),
        Plan::Vote { members, votes } => {
            data.check_ids()?;
            check_members(experiment, members)?;
            check_votes(members, votes)
        }
    }
}

/// What plans expect that first ask whether there is a relation.
const NEEDS_NO_RELATION: &str = "labels with a no-relation class, which data.no_relation names";

fn fault<T>(key: &'static str, found: String, expected: &str) -> Result<T> {
    Err(Error::config(key, found, expected))
}

fn two_stage(gate: Gate, data: &ExperimentData) -> Result<()> {
    if data.labels.no_relation().is_none() {
        return fault("plan.name", "two_stage".to_owned(), NEEDS_NO_RELATION);
    }
    match gate {
        Gate::Decide { threshold } if !(0.0..=1.0).contains(&threshold) => {
            fault("plan.gate.decide.threshold", threshold.to_string(), "a number from 0 to 1")
        }
        _ => Ok(()),
    }
}

fn text_to_graph(experiment: &Experiment, members: &[MemberConfig], shared_encoder: bool) -> Result<()> {
    if experiment.data.pairs.is_none() {
        return fault("data.pairs", "none".to_owned(), "which pairs of mentions are judged, such as {}");
    }
    let [tagger] = members else {
        return fault("plan.members", format!("{} members", members.len()), "one: the tagger");
    };
    check_name("plan.members", &tagger.member)?;
    if tagger.member == PAIRS {
        return fault("plan.members", PAIRS.to_owned(), "a name that no other folder of the plan has");
    }
    match (&tagger.run, &tagger.experiment) {
        (Some(run), _) if shared_encoder => {
            let expected = "settings with tagging: with plan.shared_encoder the tagger is trained together with the pairs";
            fault("plan.members.run", run.display().to_string(), expected)
        }
        (None, Some(own)) if shared_encoder && own.tagging.is_some() => {
            shares_settings(experiment, tagger, own)?;
            let joint = joint_of(experiment, own);
            joint.check()?;
            TaggingData::of(&joint).map(drop)
        }
        (Some(_), _) => Ok(()),
        (None, Some(own)) if own.tagging.is_some() => {
            let own = tagger_of(experiment, own);
            own.check()?;
            let data = TaggingData::of(&own)?;
            own.training.schedule(own.training.total_steps(data.train.len()))?;
            Ok(())
        }
        _ => {
            let name = &tagger.member;
            fault("plan.members", format!("no tagging in {name}"), "run, or settings with tagging: a tagger")
        }
    }
}

/// One training has one set of settings: a tagger's own ones would be ignored in silence.
fn shares_settings(experiment: &Experiment, tagger: &MemberConfig, own: &Experiment) -> Result<()> {
    let ours = Experiment {
        tagging: own.tagging.clone(),
        plan: own.plan.clone(),
        own: own.own.clone(),
        ..experiment.clone()
    };
    let json = |settings: &Experiment| {
        let path = CONFIG.into();
        serde_json::to_value(settings).map_err(|source| Error::Train(re_train::Error::Json { path, source }))
    };
    match difference::first(&json(&ours)?, &json(own)?) {
        None => Ok(()),
        Some(Difference { key, old, new }) => {
            let expected = format!(
                "{old}, as in the experiment: with plan.shared_encoder the tagger has settings of tagging alone"
            );
            fault("plan.members.settings", format!("{key} = {new} in {}", tagger.member), &expected)
        }
    }
}

fn question_answering(
    experiment: &Experiment,
    data: &ExperimentData,
    members: &[MemberConfig],
) -> Result<()> {
    let folders: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).chain([ANSWERER]).collect();
    match members {
        [classifier] if folders.contains(&classifier.member.as_str()) => {
            fault("plan.members", classifier.member.clone(), "a name that no other folder of the plan has")
        }
        [_] if !experiment.data.augmentation.is_empty() => {
            let found = format!("{} augmenters", experiment.data.augmentation.len());
            fault("data.augmentation", found, "none where questions are asked")
        }
        [_] if data.labels.no_relation().is_none() => {
            fault("plan.name", "question_answering".to_owned(), NEEDS_NO_RELATION)
        }
        [_] => {
            let (config, training) = (experiment.questions.clone().unwrap_or_default(), &experiment.training);
            config.check_with(training)?;
            // Without a number of steps it follows from the questions, which are not known yet.
            if training.steps > 0 {
                training.schedule(training.steps)?;
            }
            config.questions(&data.labels)?;
            Ok(())
        }
        _ => fault("plan.members", format!("{} members", members.len()), "one: the classifier"),
    }
}

/// Names are folders, and every member says what it is.
fn check_members(experiment: &Experiment, members: &[MemberConfig]) -> Result<()> {
    const KEY: &str = "plan.members";
    let mut known: HashSet<&str> = HashSet::new();
    for member in members {
        let name = member.member.as_str();
        if !known.insert(name) {
            return fault(KEY, format!("{name} twice"), "each name once");
        }
        check_name(KEY, name)?;
        if let Some(other) = &member.full_data_of {
            if member.experiment.is_some() {
                let found = format!("{other:?} beside settings in {name}");
                return fault("plan.members.full_data_of", found, "the settings of the other member");
            }
            let trained = |m: &&MemberConfig| m.member == *other && m.full_data_of.is_none();
            let before = members.iter().take_while(|m| m.member != name).find(trained);
            match before.and_then(|m| m.experiment.as_ref()) {
                Some(experiment) if experiment.plan == Plan::Single {} => {}
                _ => {
                    let expected = "a member before it that is one training with settings of its own";
                    return fault("plan.members.full_data_of", format!("{other:?} in {name}"), expected);
                }
            }
        } else if member.run.is_none() && member.experiment.is_none() {
            return fault(
                KEY,
                format!("nothing but the name of {name}"),
                "config, settings, run or full_data_of",
            );
        }
        if let Some(own) = member.experiment.as_ref().filter(|own| own.data.train != experiment.data.train) {
            let found = format!("{} in {name}", own.data.train.display());
            return fault(
                "data.train",
                found,
                "the training rows of the experiment: members differ in data.additional",
            );
        }
        let lent = member.lends_step(members);
        if let Some(own) = member.experiment.as_ref().filter(|_| lent || member.run.is_none()) {
            let steps = check_training(experiment, own).map_err(|error| match error {
                Error::Train(re_train::Error::Config { key, found, expected }) => {
                    Error::config(key, format!("{found} in {name}"), expected)
                }
                other => other,
            })?;
            if let Some(run) = member.run.as_ref().filter(|_| lent) {
                let step = lent_step(run)?;
                if step > steps {
                    let found = format!("step {step} of {}", run.display());
                    let expected = format!("one within the {steps} steps of the settings of {name}");
                    return fault("plan.members.full_data_of", found, &expected);
                }
            }
        }
    }
    Ok(())
}

/// Makes sure that a member can be trained, in how many steps it says: what is wrong with it shows before hours of
/// training others.
fn check_training(experiment: &Experiment, member: &Experiment) -> Result<u64> {
    let vote = matches!(experiment.plan, Plan::Vote { .. });
    if vote && member.data.target != experiment.data.target {
        let (found, expected) = (member.data.target, experiment.data.target);
        return fault("data.target", format!("{found:?}"), &format!("{expected:?} as in the vote"));
    }
    let own = on_rows_of(experiment, member);
    let data = ExperimentData::read(&own.data, own.training.seed)?;
    check(&own, &data)?;
    let steps = own.training.total_steps(data.train.len());
    own.training.schedule(steps)?;
    Ok(steps)
}

/// Votes are of what comes before them.
fn check_votes(members: &[MemberConfig], votes: &[VoteConfig]) -> Result<()> {
    const KEY: &str = "plan.votes";
    if votes.is_empty() {
        return fault(KEY, "no vote".to_owned(), "at least one");
    }
    let mut known: HashSet<&str> = members.iter().map(|member| member.member.as_str()).collect();
    for VoteConfig { vote: name, of, weights, .. } in votes {
        if of.is_empty() {
            return fault(KEY, format!("no voter in {name}"), "at least one member");
        }
        let mut voters = HashSet::new();
        for voter in of {
            if !known.contains(voter.as_str()) {
                return fault(KEY, format!("{voter:?} in {name}"), "names of members or of votes before it");
            }
            if !voters.insert(voter) {
                return fault(KEY, format!("{voter} twice in {name}"), "each member once");
            }
        }
        if let Some(weights) = weights {
            let usable = weights.iter().all(|weight| (0.0..=1e9).contains(weight));
            if weights.len() != of.len() || !usable || weights.iter().sum::<f64>() <= 0.0 {
                let expected = "a weight from 0 to 1e9 for each member, not all of them 0";
                return fault("plan.votes.weights", format!("{weights:?} in {name}"), expected);
            }
        }
        check_name(KEY, name)?;
        if !known.insert(name) {
            return fault(KEY, format!("{name} twice"), "each name of members and votes once");
        }
    }
    Ok(())
}

/// Members and votes have folders of their names.
fn check_name(key: &'static str, name: &str) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let taken = [VALIDATION, TEST, SUBMISSION, CONFIG, DATA_HASH, ORIGIN, SUMMARY];
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) || taken.contains(&name) {
        return fault(key, format!("{name:?}"), "a folder's name of letters, digits, -, _ and .");
    }
    Ok(())
}

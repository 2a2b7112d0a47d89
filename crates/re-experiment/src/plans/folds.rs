//! One training for each fold; their models vote.

use re_data::split::Split;
use re_data::{Probabilities, RelationExample};
use re_ensemble::{Member, Members, Vote};
use re_formats::write::PredictionFormat;
use re_train::StopReason;

use super::derived::single_of;
use super::predictions::{
    HOLDOUT, TEST, VALIDATION, aligned, evaluate, ids, record_test, record_validation, save, saved,
};
use crate::config::Fold;
use crate::data::{ExperimentData, folds};
use crate::error::Result;
use crate::experiment::Experiment;
use crate::folder::{Part, Rows, RunFolder, Summary};
use crate::session::Session;

/// Probabilities of all training rows, each from the model that has not seen it.
const OUT_OF_FOLD: &str = "out_of_fold_probabilities.csv";

pub(crate) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    count: usize,
    session: &mut Session<'_>,
) -> Result<Summary> {
    session.expect(count);
    let (mut runs, mut results) = (Vec::new(), Vec::new());
    for number in 1..=count {
        let mut part = single_of(experiment);
        part.data.fold = Some(Fold { number, of: count });
        // No step is chosen on the fold, so that its probabilities stay those of unseen rows.
        part.training.keep_best = false;
        part.training.early_stopping_patience = 0;
        let name = format!("fold-{number}");
        let Some((run, result)) = folder.part(&name, &part, session)? else {
            return Ok(Summary::new(StopReason::Interrupted));
        };
        runs.push((name, run));
        results.push(result);
    }
    let mut summary = Summary::new(StopReason::Completed);
    let part = |name: &str, rows, evaluation| Part { name: name.to_owned(), rows, evaluation };
    for ((name, _), result) in runs.iter().zip(&results) {
        let evaluation = result.evaluation.clone();
        summary.parts.extend(evaluation.map(|evaluation| part(name, Rows::OutOfFold, evaluation)));
    }
    let (gold, splits) = folds(&experiment.data, count, experiment.training.seed)?;
    let unseen = out_of_fold(data, &gold, &splits, &runs)?;
    save(folder, OUT_OF_FOLD, PredictionFormat::Probabilities, &unseen)?;
    summary.parts.push(part("all folds", Rows::OutOfFold, evaluate(&gold, &unseen)?));

    if !data.validation.is_empty() {
        let members = members(&runs, HOLDOUT, data, &data.validation)?;
        for member in members.members() {
            let evaluation = evaluate(&data.validation, member.probabilities())?;
            summary.parts.push(part(member.name(), Rows::Validation, evaluation));
        }
        let evaluation = record_validation(folder, data, &members.vote(Vote::Mean)?)?;
        summary.parts.push(part("vote", Rows::Validation, evaluation.clone()));
        summary.evaluation = Some(evaluation);
    }
    if !data.test.is_empty() {
        let vote = members(&runs, TEST, data, &data.test)?.vote(Vote::Mean)?;
        record_test(folder, data, &vote, &mut summary)?;
        for ((name, _), result) in runs.iter().zip(&results) {
            let evaluation = result.test_evaluation.clone();
            summary.parts.extend(evaluation.map(|evaluation| part(name, Rows::Test, evaluation)));
        }
        let evaluation = summary.test_evaluation.clone();
        summary.parts.extend(evaluation.map(|evaluation| part("vote", Rows::Test, evaluation)));
    }
    Ok(summary)
}

/// What each fold's model says of the rows of its fold, in the order of all rows.
fn out_of_fold(
    data: &ExperimentData,
    gold: &[RelationExample],
    splits: &[Split],
    runs: &[(String, RunFolder)],
) -> Result<Probabilities> {
    let classes = data.labels.len();
    let mut values = vec![0.0; gold.len() * classes];
    for ((name, run), split) in runs.iter().zip(splits) {
        let rows: Vec<RelationExample> =
            split.validation.iter().filter_map(|&row| gold.get(row).cloned()).collect();
        let found = saved(run.path().join(VALIDATION), &data.labels)?;
        let found = aligned(name, found, &data.labels, &rows)?;
        for (&row, probabilities) in split.validation.iter().zip(found.rows()) {
            if let Some(slot) = values.get_mut(row * classes..(row + 1) * classes) {
                slot.copy_from_slice(probabilities);
            }
        }
    }
    Ok(Probabilities::new(ids(gold), data.labels.clone(), values)?)
}

fn members(
    runs: &[(String, RunFolder)],
    file: &str,
    data: &ExperimentData,
    rows: &[RelationExample],
) -> Result<Members> {
    let members: Vec<Member> = runs
        .iter()
        .map(|(name, run)| Ok(Member::new(name, saved(run.path().join(file), &data.labels)?)))
        .collect::<Result<_>>()?;
    Ok(Members::align_to(members, &data.labels, &ids(rows))?)
}

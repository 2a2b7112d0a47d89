//! One training for each fold; their models vote.

use re_data::Probabilities;
use re_data::read;
use re_data::write::PredictionFormat;
use re_ensemble::{Member, Members, Vote};

use super::super::data::Fold;
use super::super::run::{RunFolder, Session};
use super::super::summary::{Part, Summary};
use super::super::{Experiment, ExperimentData};
use super::{HOLDOUT, TEST, VALIDATION, evaluate, save, say_test, say_validation, single_of};
use crate::error::Result;
use crate::observer::StopReason;

/// Probabilities of all training rows, each from the model that has not seen it.
const OUT_OF_FOLD: &str = "out_of_fold_probabilities.csv";

pub(in super::super) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    folds: usize,
    session: &mut Session<'_>,
) -> Result<Summary> {
    let mut summary = Summary::new(StopReason::Completed);
    let mut runs = Vec::new();
    for number in 1..=folds {
        let mut part = single_of(experiment);
        part.data.fold = Some(Fold { number, of: folds });
        // The step is not chosen on the fold, so that its probabilities stay those of unseen rows.
        part.training.keep_best = false;
        part.training.early_stopping_patience = 0;
        let name = format!("fold-{number}");
        let Some((run, result)) = folder.part(&name, &part, session)? else {
            return Ok(Summary::new(StopReason::Interrupted));
        };
        summary.parts.extend(result.evaluation.map(|evaluation| Part { name: name.clone(), evaluation }));
        runs.push((name, run));
    }
    let unseen = out_of_fold(data, &runs)?;
    save(folder, OUT_OF_FOLD, PredictionFormat::Probabilities, &unseen)?;
    let by_id = data.train.iter().map(|e| (e.id(), e)).collect::<std::collections::HashMap<_, _>>();
    let rows: Vec<_> = unseen.ids().iter().filter_map(|id| by_id.get(id.as_str())).map(|e| (*e).clone()).collect();
    summary.parts.push(Part { name: "out of fold".to_owned(), evaluation: evaluate(&rows, &unseen)? });

    if !data.validation.is_empty() {
        let evaluation = say_validation(folder, data, &vote(&runs, HOLDOUT)?)?;
        summary.evaluation = Some(evaluation);
    }
    if !data.test.is_empty() {
        summary.submission = Some(say_test(folder, &vote(&runs, TEST)?)?);
    }
    Ok(summary)
}

fn out_of_fold(data: &ExperimentData, runs: &[(String, RunFolder)]) -> Result<Probabilities> {
    let (mut ids, mut values) = (Vec::new(), Vec::new());
    for (_, run) in runs {
        let part = read::probabilities(run.path().join(VALIDATION))?;
        ids.extend_from_slice(part.ids());
        values.extend_from_slice(part.values());
    }
    Ok(Probabilities::new(ids, data.labels.clone(), values)?)
}

fn vote(runs: &[(String, RunFolder)], file: &str) -> Result<Probabilities> {
    let members: Vec<Member> = runs
        .iter()
        .map(|(name, run)| Ok(Member::new(name, read::probabilities(run.path().join(file))?)))
        .collect::<Result<_>>()?;
    Ok(Members::align(members)?.vote(Vote::Mean)?)
}

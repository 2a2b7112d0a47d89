//! A classifier says what is unrelated; of the rest every relation is asked for.

use re_data::{LostEntities, Predictor, Probabilities, RelationExample};
use re_qa::{GatedAnswerer, GatedAnswers, Rule};
use re_train::StopReason;

use super::answerer::{build, distinct};
use super::derived::single_of;
use super::members::{may_validate, on_rows_of, rows_known_to};
use super::predictions::{aligned, evaluated, record_test, record_validation, versus};
use crate::config::Target;
use crate::data::ExperimentData;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, MemberConfig};
use crate::folder::{ANSWERER, RunFolder, Summary};
use crate::session::Session;
use crate::trained::{Loading, answerer, load};

/// Rows that are asked about between two signs of life.
const ROWS: usize = 256;

/// What was found out about the validation and the test rows; `None` where there are none to ask about.
struct Found {
    validation: Option<GatedAnswers>,
    test: Option<GatedAnswers>,
}

pub(crate) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    members: &[MemberConfig],
    session: &mut Session<'_>,
) -> Result<Summary> {
    let missing = || Error::NoModel { reference: folder.path().to_owned() };
    let member = members.first().ok_or_else(missing)?;
    let data = &*rows_known_to(member, experiment, data)?;
    let own = answerer_of(experiment);
    // What goes on has passed this.
    if !folder.begun()? {
        check_rows(&own, data)?;
    }
    session.expect(1 + usize::from(member.run.is_none()));
    let Some((classifier, validate)) = classifier(folder, experiment, data, member, session)? else {
        return Ok(Summary::new(StopReason::Interrupted));
    };
    let Some((_, result)) = folder.part(ANSWERER, &own, session)? else {
        return Ok(Summary::new(StopReason::Interrupted));
    };
    let answerer = answerer(result.model.as_ref().ok_or_else(missing)?, Loading::own(experiment, session))?;
    let gated = GatedAnswerer::new(classifier, answerer, data.labels.clone())?;
    let mut found = Found { validation: None, test: None };
    for (what, rows, found) in [
        ("validation", data.validation.as_slice(), &mut found.validation),
        ("test", data.test.as_slice(), &mut found.test),
    ] {
        if !rows.is_empty() && (validate || what == "test") {
            *found = answer(&gated, rows, what, session)?;
            if found.is_none() {
                return Ok(Summary::new(StopReason::Interrupted));
            }
        }
    }
    let mut whole = Summary::new(StopReason::Completed);
    whole.compare(&member.member, &alone(data, &member.member, &found)?);
    whole.compare(&format!("{ANSWERER} (related rows alone)"), &result);
    conclude(folder, data, gated.answerer().rule(), &member.member, &found, whole)
}

/// The training of the model that answers.
fn answerer_of(experiment: &Experiment) -> Experiment {
    let mut own = single_of(experiment);
    own.questions = Some(experiment.questions.clone().unwrap_or_default());
    own.data.target = Target::RelationOfRelated;
    own
}

/// Makes sure that every question about every row can be asked, before hours of training.
fn check_rows(own: &Experiment, data: &ExperimentData) -> Result<()> {
    let (answerer, _) = build(own, data, &own.questions.clone().unwrap_or_default())?;
    if own.encoding.lost_entities == LostEntities::Count {
        return Ok(());
    }
    for rows in data.validation.chunks(ROWS).chain(data.test.chunks(ROWS)) {
        for label in answerer.questions().labels().names() {
            let asked: Vec<_> = rows.iter().map(|row| row.clone().with_label(label)).collect();
            answerer.encoder().encode_batch(&asked)?;
        }
    }
    Ok(())
}

/// The classifier, and whether it may be asked about the validation rows; `None` where its training was interrupted.
fn classifier(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    member: &MemberConfig,
    session: &mut Session<'_>,
) -> Result<Option<(Box<dyn Predictor>, bool)>> {
    let name = &member.member;
    if let Some(run) = &member.run {
        session.note(&format!("{name}: predicting with {}", run.display()))?;
        let predictor = load(run, Loading::of_member(experiment, member, session))?;
        return Ok(Some((predictor, may_validate(name, run, data, session)?)));
    }
    let missing = || Error::NoModel { reference: folder.path().join(name) };
    let own = on_rows_of(experiment, member.experiment.as_ref().ok_or_else(missing)?);
    let Some((run, _)) = folder.part(name, &own, session)? else { return Ok(None) };
    Ok(Some((load(run.path(), Loading::of_member(experiment, member, session))?, true)))
}

/// Asks about rows; `None` where that was interrupted.
fn answer(
    gated: &GatedAnswerer<Box<dyn Predictor>>,
    rows: &[RelationExample],
    what: &str,
    session: &mut Session<'_>,
) -> Result<Option<GatedAnswers>> {
    let (mut found, mut done) = (Vec::new(), 0);
    for part in rows.chunks(ROWS) {
        if session.stops() {
            return Ok(None);
        }
        found.push(gated.answer(part)?);
        done += part.len();
        session.note(&format!("asked about {done} of {} {what} rows", rows.len()))?;
    }
    Ok(GatedAnswers::concat(found)?)
}

/// How the classifier does by itself, where its classes are those of the experiment.
fn alone(data: &ExperimentData, name: &str, found: &Found) -> Result<Summary> {
    let said = |rows: &[RelationExample], found: &Option<GatedAnswers>| match found {
        Some(found) => direct(data, name, rows, found),
        None => Ok(None),
    };
    let (validation, test) = (said(&data.validation, &found.validation)?, said(&data.test, &found.test)?);
    evaluated(data, validation.as_ref(), test.as_ref())
}

/// What the classifier itself says of rows; `None` where it does not tell the relations apart.
fn direct(
    data: &ExperimentData,
    name: &str,
    rows: &[RelationExample],
    found: &GatedAnswers,
) -> Result<Option<Probabilities>> {
    let said = found.classifier();
    if said.labels().len() != data.labels.len() {
        return Ok(None);
    }
    aligned(name, said.clone(), &data.labels, rows).map(Some)
}

/// Writes what each rule makes of the answers; `chosen` speaks for the whole.
fn conclude(
    folder: &RunFolder,
    data: &ExperimentData,
    chosen: Rule,
    classifier: &str,
    found: &Found,
    mut whole: Summary,
) -> Result<Summary> {
    let say = |here: &RunFolder, rule: Rule| -> Result<Summary> {
        let mut summary = Summary::new(StopReason::Completed);
        if let Some(found) = &found.validation {
            summary.evaluation = Some(record_validation(here, data, &found.probabilities(rule)?)?);
        }
        if let Some(found) = &found.test {
            record_test(here, data, &found.probabilities(rule)?, &mut summary)?;
        }
        Ok(summary)
    };
    for rule in Rule::ALL {
        whole.compare(rule.name(), &say(&folder.inner(rule.name())?, rule)?);
    }
    let labelled_test = found.test.as_ref().filter(|_| data.test_is_labelled());
    for (what, rows, found) in [
        ("validation rows that were asked about", &data.validation, found.validation.as_ref()),
        ("test rows that were asked about", &data.test, labelled_test),
    ] {
        let Some(found) = found else { continue };
        if let Some(direct) = direct(data, classifier, rows, found)? {
            let against =
                versus(rows, (chosen.name(), &found.probabilities(chosen)?), (classifier, &direct))?;
            whole.notes.push(format!("{} rows: {against}", rows.len()));
        }
        let questions = data.labels.len().saturating_sub(1);
        whole.notes.extend(distinct(found.distinct(), questions, what));
    }
    let summary = say(folder, chosen)?;
    let (evaluation, test_evaluation) = (summary.evaluation, summary.test_evaluation);
    Ok(Summary { evaluation, test_evaluation, submission: summary.submission, ..whole })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::DataConfig;

    #[test]
    fn sentences_of_labelled_test_rows_do_not_train_the_answerer() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded");
        let dev = folder.join("dev.tsv");
        let (train, additional, test) = (folder.join("train.tsv"), vec![dev.clone()], Some(dev));
        let data = DataConfig { train, additional, test, ..DataConfig::default() };
        let own = answerer_of(&Experiment { data, ..Experiment::default() });
        let data = ExperimentData::read(&own.data, own.training.seed).unwrap();
        assert!(data.notes.iter().any(|note| note.contains("300 rows left out")), "{:?}", data.notes);
    }
}

//! One training of a classifier of pairs and a tagger on one encoder.

use std::sync::Arc;

use re_model::JointModel;
use re_train::{JointTask, Start, StopReason};

use super::single::{self, build, check_types, train_task};
use super::tagger::{self, record, tag};
use crate::data::ExperimentData;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::folder::{RunFolder, Summary};
use crate::session::Session;
use crate::tagging::{TaggingConfig, TaggingData};
use crate::trained::{Loading, joint};

/// Trains, evaluates the best checkpoint, predicts pairs of given mentions, and tags.
pub(crate) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    tagging: &TaggingConfig,
    (data, documents): (&ExperimentData, &TaggingData),
    start: Start,
    session: &mut Session<'_>,
) -> Result<Summary> {
    let config = &experiment.training;
    check_types(experiment, data)?;
    let (classifier, report) = build(experiment, data)?;
    let model = JointModel::new(classifier, &documents.kinds, tagging.scheme, tagging.unit, tagging.windows)?;
    let labelled = single::encoded(experiment, data, model.relations(), &report, session)?;
    let tagged = tagger::encoded(documents, model.tagger(), None, session)?;
    let mut task = JointTask::new(model, tagged, labelled, config)?.stop_when(session.stop.clone());
    if let Some(loss) = &experiment.parts.loss {
        task = task.with_loss(Arc::clone(loss), config)?;
    }
    if let Some(metric) = &experiment.parts.metric {
        task = task.with_metric(Arc::clone(metric));
    }
    if let Some(report) = task.augmentation_report() {
        session.note(&report.to_string())?;
    }

    let trained = train_task(folder, experiment, &task, start, session)?;
    drop(task);
    let (Some(model), true) = (&trained.model, trained.reason != StopReason::Interrupted) else {
        return Ok(trained);
    };
    let (relations, tagger) = joint(model, Loading::own(experiment, session))?.into_parts();
    for (name, gold) in [("validation", &documents.validation), ("test", &documents.test)] {
        if !gold.is_empty() {
            record(folder, name, gold, tag(&tagger, gold)?, session)?;
        }
    }
    single::concluded(folder, experiment, data, &relations, trained, session)
}

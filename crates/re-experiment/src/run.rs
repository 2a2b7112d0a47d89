//! Running an experiment in a folder of its own.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use re_train::checkpoint::Checkpoint;
use re_train::{Observer, Start, StopReason};

use crate::data::{ExperimentData, data_hash};
use crate::error::Result;
use crate::experiment::{Experiment, Plan};
use crate::folder::{DATA_HASH, Origin, RunFolder, SUMMARY, Summary};
use crate::plans;
use crate::session::Session;
use crate::tagging::{TaggingConfig, TaggingData};

/// What an experiment learns from.
pub(crate) enum Work<'e> {
    Rows(Box<ExperimentData>),
    Documents(&'e TaggingConfig, TaggingData),
    /// Rows, and the documents that they are pairs of.
    Both(&'e TaggingConfig, Box<ExperimentData>, TaggingData),
}

impl<'e> Work<'e> {
    /// Reads all of it.
    pub fn of(experiment: &'e Experiment) -> Result<Self> {
        let (data, seed) = (&experiment.data, experiment.training.seed);
        Ok(match &experiment.tagging {
            None => Self::Rows(Box::new(ExperimentData::read(data, seed)?)),
            Some(tagging) if tagging.shared_encoder => {
                Self::Both(tagging, Box::new(ExperimentData::read(data, seed)?), TaggingData::of(experiment)?)
            }
            Some(tagging) => Self::Documents(tagging, TaggingData::of(experiment)?),
        })
    }

    /// A hash of it.
    pub fn hash(&self, experiment: &Experiment) -> Result<String> {
        match self {
            // The documents are those of the rows.
            Self::Rows(data) | Self::Both(_, data, _) => data_hash(experiment, data),
            Self::Documents(_, data) => Ok(data.hash()),
        }
    }
}

impl RunFolder {
    /// Runs `experiment`: reads the data, makes the trainings of its plan, evaluates and predicts the test rows.
    ///
    /// `observers` watch, beside the log that is always written; once `stop` is true, training ends with a
    /// checkpoint after the current step, evaluations and predictions end after the current batch, and the summary says
    /// that the run was interrupted. A run that ended before its first checkpoint may be
    /// resumed, too: it begins anew.
    ///
    /// # Errors
    /// Whatever is wrong with data, model, settings or disk; see [`Trainer::train`](re_train::Trainer::train).
    pub fn run(
        &self,
        experiment: &Experiment,
        start: Start,
        mut observers: Vec<Box<dyn Observer>>,
        stop: Arc<AtomicBool>,
    ) -> Result<Summary> {
        let resume = if start == Start::Fresh { Start::Resume } else { start };
        self.run_in(experiment, start, &mut Session::new(&mut observers, stop, resume, Self::run_in))
    }

    pub(crate) fn run_in(
        &self,
        experiment: &Experiment,
        start: Start,
        session: &mut Session<'_>,
    ) -> Result<Summary> {
        experiment.check()?;
        let experiment = &self.resolved(experiment)?;
        let claim = self.claim(start)?;
        let work = Work::of(experiment)?;
        let single = experiment.plan == (Plan::Single {});
        // A training that ended before its first checkpoint begins anew; the trainings of a plan see to it themselves.
        let start = if single && Checkpoint::list(self.path())?.is_empty() { Start::Fresh } else { start };
        let hash = work.hash(experiment)?;
        match start {
            Start::Fresh => self.write(DATA_HASH, &hash)?,
            Start::Resume | Start::ResumeChanged => self.check_rows(experiment, &hash)?,
        }
        if let (false, Work::Rows(data)) = (single, &work) {
            self.begin_parts(experiment, data, start, session)?;
        } else if start == Start::Fresh {
            self.write_origin(&Origin::of(experiment)?)?;
        } else {
            self.check_settings(&Experiment { training: self.experiment()?.training, ..experiment.clone() })?;
            self.check_origin(&Origin::of(experiment)?, session)?;
        }
        let summary = match self.carry_out(experiment, &work, start, session) {
            Err(error) if error.is_interruption() => Summary::new(StopReason::Interrupted),
            summary => summary?,
        };
        if summary.reason == StopReason::Interrupted {
            return Ok(summary);
        }
        let summary = Summary { data_hash: Some(hash), ..summary };
        claim.place.check()?;
        self.write(SUMMARY, &summary.text(self.path())?)?;
        Ok(summary)
    }

    /// Makes the trainings of the plan, and what follows them.
    fn carry_out(
        &self,
        experiment: &Experiment,
        work: &Work<'_>,
        start: Start,
        session: &mut Session<'_>,
    ) -> Result<Summary> {
        let data = match work {
            Work::Rows(data) => data,
            Work::Documents(tagging, data) => {
                return plans::tagger::run(self, experiment, tagging, data, start, session);
            }
            Work::Both(tagging, data, documents) => {
                return plans::joint::run(
                    self,
                    experiment,
                    tagging,
                    (data.as_ref(), documents),
                    start,
                    session,
                );
            }
        };
        match &experiment.plan {
            Plan::Single {} => train(self, experiment, data, start, session),
            Plan::StepTransfer { split } => {
                plans::transfer::run(self, experiment, data, split.as_deref(), session)
            }
            Plan::KFold { folds } => plans::folds::run(self, experiment, data, *folds, session),
            Plan::PseudoLabels { unlabelled, threshold, rounds } => {
                let settings = plans::pseudo::Settings { unlabelled, threshold: *threshold, rounds: *rounds };
                plans::pseudo::run(self, experiment, data, settings, session)
            }
            Plan::TwoStage { gate } => plans::two_stage::run(self, experiment, data, *gate, session),
            Plan::QuestionAnswering { members } => {
                plans::question_answering::run(self, experiment, data, members, session)
            }
            Plan::TextToGraph { members, shared_encoder } => {
                plans::text_to_graph::run(self, experiment, members, *shared_encoder, session)
            }
            Plan::Vote { members, votes } => {
                plans::vote::run(self, experiment, data, members, votes, session)
            }
        }
    }

    /// Makes sure that a plan of several trainings can be carried out, and that it is the one that began here.
    fn begin_parts(
        &self,
        experiment: &Experiment,
        data: &ExperimentData,
        start: Start,
        session: &mut Session<'_>,
    ) -> Result<()> {
        plans::check::check(experiment, data)?;
        match start {
            Start::Fresh => self.write_config(experiment)?,
            Start::Resume | Start::ResumeChanged => self.check_settings(experiment)?,
        }
        data.notes.iter().try_for_each(|note| session.note(note))
    }
}

/// One training: of a classifier or, where questions are asked, of a model that answers them.
fn train(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    start: Start,
    session: &mut Session<'_>,
) -> Result<Summary> {
    match &experiment.questions {
        None => plans::single::run(folder, experiment, data, start, session),
        Some(questions) => plans::answerer::run(folder, experiment, data, questions, start, session),
    }
}

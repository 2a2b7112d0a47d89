//! The trainings that a run consists of: each is run, gone on with, or read where it is complete.

use re_train::{Start, StopReason};

use crate::error::{Error, Result};
use crate::experiment::{Experiment, Plan};
use crate::folder::{Origin, RunFolder, Summary};
use crate::run::Work;
use crate::session::Session;

impl RunFolder {
    /// Runs one of the trainings that this run consists of, in the folder `name`: the whole of it, the rest of it,
    /// or nothing where it is complete. `None` where it was interrupted.
    pub(crate) fn part(
        &self,
        name: &str,
        experiment: &Experiment,
        session: &mut Session<'_>,
    ) -> Result<Option<(Self, Summary)>> {
        self.check_there()?;
        let part = Self::new(self.path().join(name));
        let summary = session.part(name, part.path(), |session| part.run_or_read(experiment, session))?;
        Ok((summary.reason != StopReason::Interrupted).then_some((part, summary)))
    }

    fn run_or_read(&self, experiment: &Experiment, session: &mut Session<'_>) -> Result<Summary> {
        if let Some(summary) = Summary::read(self.path())? {
            let experiment = self.resolved(experiment)?;
            self.check_settings(&experiment)?;
            self.check_rows(&experiment, &Work::of(&experiment)?.hash(&experiment)?)?;
            if experiment.plan == (Plan::Single {}) {
                match Origin::of(&experiment) {
                    // Nothing is trained here any more, and the record of what was is all that counts.
                    Err(Error::Train(re_train::Error::Model(re_model::Error::NoModel { .. }))) => {}
                    origin => self.check_origin(&origin?, session)?,
                }
            }
            session.note(&format!("{}: complete already", self.path().display()))?;
            return Ok(summary);
        }
        if session.stops() {
            return Ok(Summary::new(StopReason::Interrupted));
        }
        let start = if self.begun()? { session.resume } else { Start::Fresh };
        (session.run)(self, experiment, start, session)
    }

    /// Makes sure that the pretrained model is the one on record. Where the caller allows another one, that is told and
    /// put on record, also of a complete part, so that the run goes on with it from then on.
    pub(crate) fn check_origin(&self, now: &Origin, session: &mut Session<'_>) -> Result<()> {
        let (path, what) = (self.path().display(), "pretrained model");
        let text = match Origin::read(self.path())?.map(|old| old.difference(now)) {
            None => format!(
                "{path}: has no record of the {what}; if it is not what it was, the result will differ from that of an \
                 uninterrupted run"
            ),
            Some(None) => return Ok(()),
            Some(Some((found, expected))) if session.resume == Start::Resume => {
                return Err(Error::Train(re_train::Error::Resume {
                    checkpoint: self.path().to_owned(),
                    what,
                    found,
                    expected,
                }));
            }
            Some(Some((found, expected))) => format!(
                "{path}: {what} is {found}, was {expected} when the run began: the result will differ from that of an \
                 uninterrupted run"
            ),
        };
        session.note(&text)?;
        if session.resume == Start::ResumeChanged { self.write_origin(now) } else { Ok(()) }
    }
}

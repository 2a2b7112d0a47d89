//! What a run shares with the trainings that it consists of.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use re_train::{Event, Observer, Start};

use crate::error::Result;
use crate::experiment::Experiment;
use crate::folder::{RunFolder, Summary};

/// Runs an experiment in its folder.
pub(crate) type RunIn = fn(&RunFolder, &Experiment, Start, &mut Session<'_>) -> Result<Summary>;

/// Who watches, when to stop, and where among its trainings a run is.
pub(crate) struct Session<'a> {
    pub observer: &'a mut dyn Observer,
    pub stop: Arc<AtomicBool>,
    /// How trainings go on that have begun.
    pub resume: Start,
    /// How the trainings that a run consists of are run: as the run itself.
    pub run: RunIn,
    /// Names of the trainings that are under way, from the outermost.
    trail: Vec<String>,
    number: usize,
    of: Option<usize>,
    told: HashSet<String>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        observer: &'a mut dyn Observer,
        stop: Arc<AtomicBool>,
        resume: Start,
        run: RunIn,
    ) -> Self {
        Self { observer, stop, resume, run, trail: Vec::new(), number: 0, of: None, told: HashSet::new() }
    }

    /// Tells something worth knowing, once: the trainings of a plan read the same files.
    pub(crate) fn note(&mut self, text: &str) -> Result<()> {
        if !self.told.insert(text.to_owned()) {
            return Ok(());
        }
        self.notify(&Event::Notice(text))
    }

    /// Says how many trainings the plan at hand makes.
    pub(crate) fn expect(&mut self, parts: usize) {
        (self.number, self.of) = (0, Some(parts));
    }

    /// Does `work`, the next training of the plan at hand, after telling that it begins.
    pub(crate) fn part<T>(
        &mut self,
        name: &str,
        folder: &Path,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.number += 1;
        self.trail.push(name.to_owned());
        let (number, of) = (self.number, self.of);
        self.notify(&Event::Part { name: &self.trail.join("/"), number, of, folder })?;
        (self.number, self.of) = (0, None);
        let result = work(self);
        (self.number, self.of) = (number, of);
        self.trail.pop();
        result
    }

    /// Whether the caller has asked to stop.
    pub(crate) fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn notify(&mut self, event: &Event<'_>) -> Result<()> {
        Ok(self.observer.notify(event).map_err(re_train::Error::Observer)?)
    }
}

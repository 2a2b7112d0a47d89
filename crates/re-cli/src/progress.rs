//! How far reading a file has come.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cleanup;
use crate::verbosity::Verbosity;

/// Time between two lines where there is no terminal for a bar.
const QUIET: Duration = Duration::from_secs(30);

/// What is counted where nothing else is said.
const ROWS: &str = "rows";

/// Rows or documents that are done, on standard error: a bar on a terminal, else now and then a line.
pub struct Progress {
    verbosity: Verbosity,
    bar: ProgressBar,
    rows: u64,
    unit: &'static str,
    began: Instant,
    said: Instant,
}

impl Progress {
    /// Opens `path` (standard input where it is `-`) so that the bar follows what is read of it; results go to
    /// `output` meanwhile.
    pub fn open(path: &Path, output: &Path, verbosity: Verbosity) -> Result<(Self, Box<dyn Read + Send>)> {
        let io = |source| re_data::Error::io(path, source);
        let (bytes, input): (_, Box<dyn Read + Send>) = if path == Path::new("-") {
            (None, Box::new(io::stdin()))
        } else {
            let file = File::open(path).map_err(io)?;
            let metadata = file.metadata().map_err(io)?;
            (metadata.is_file().then_some(metadata.len()), Box::new(file))
        };
        let progress = Self::begin(bytes, output, verbosity)?;
        let input = Box::new(progress.bar.wrap_read(input));
        Ok((progress, input))
    }

    /// Of an input of so many bytes, or of an unknown number, of which nothing is read yet; results go to `output`.
    pub fn begin(bytes: Option<u64>, output: &Path, verbosity: Verbosity) -> Result<Self> {
        let target = match verbosity.shows_bars(output) {
            true => ProgressDrawTarget::stderr_with_hz(4),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(bytes, target);
        bar.set_style(ProgressStyle::with_template(match bytes {
            Some(_) => "{spinner} {percent}% [{elapsed_precise} < {eta_precise}] {wide_bar} {msg}",
            None => "{spinner} [{elapsed_precise}] {msg}",
        })?);
        let now = Instant::now();
        Ok(Self { verbosity, bar, rows: 0, unit: ROWS, began: now, said: now })
    }

    /// The same, counting something else than rows.
    #[must_use]
    pub fn of(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// So many rows more are done.
    pub fn advance(&mut self, rows: usize) {
        self.rows += rows as u64;
        cleanup::count(rows, self.unit);
        self.bar.set_message(self.text());
        if self.bar.is_hidden() && self.said.elapsed() >= QUIET {
            self.said = Instant::now();
            self.verbosity.note(self.text());
        }
    }

    /// Says that all is done.
    pub fn finish(self) {
        self.bar.finish_and_clear();
        self.verbosity.detail(format!("{} in {:.1} s", self.text(), self.began.elapsed().as_secs_f64()));
    }

    fn text(&self) -> String {
        let speed = self.rows as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
        let Self { rows, unit, .. } = self;
        format!("{rows} {unit}, {speed:.0} {unit}/s")
    }
}

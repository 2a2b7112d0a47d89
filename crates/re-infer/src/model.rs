//! An encoder with a head: from rows to logits.

#[cfg(test)]
mod damage;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use re_checkpoint::{EncoderConfig, FileMap};
use re_data::encoded::{GroupLimits, groups};
use re_data::manifest::Check;
use re_data::{Batch, Encoded};

use crate::computing::Computing;
use crate::encoder::{Encoder, Scratch};
use crate::error::{Error, Result};
use crate::head::{Head, HeadInput};
use crate::kernel::Kernel;
use crate::linear::Pass;
use crate::weights::{Weights, open};

/// Tokens of a batch that one thread works on: enough to read the weights for, few enough for their states to stay in the cache.
const TOKENS: std::ops::RangeInclusive<usize> = 128..=512;
/// Batches for each thread, so that none waits long for the last one.
const BATCHES: usize = 4;
/// Most rows of a batch.
const ROWS: usize = 1024;

/// An encoder, a head and memory to compute in.
#[derive(Debug)]
pub(crate) struct Model {
    encoder: Encoder,
    head: Head,
    kernel: Kernel,
    stop: Arc<AtomicBool>,
    /// The files below it.
    files: Vec<(PathBuf, Arc<FileMap>)>,
    check: Check,
    scratch: Mutex<Vec<Scratch>>,
}

impl Model {
    /// Builds the model in `folder`; `head` makes the head.
    pub fn open(
        folder: &Path,
        config: EncoderConfig,
        computing: &Computing,
        head: impl FnOnce(&EncoderConfig, &mut Weights<'_>) -> Result<Head>,
    ) -> Result<Self> {
        let (path, files) = open(folder)?;
        let mut weights = Weights::new(&path, &files, &config, computing);
        let encoder = Encoder::new(config, &mut weights)?;
        let head = head(encoder.config(), &mut weights)?;
        let files = files.iter().map(|file| (file.path().to_owned(), Arc::clone(file.map()))).collect();
        let (stop, check, scratch) = (Arc::default(), Check::default(), Mutex::default());
        let kernel = computing.kernel;
        let model = Self { encoder, head, kernel, stop, files, check, scratch };
        model.check_files()?;
        Ok(model)
    }

    pub fn config(&self) -> &EncoderConfig {
        self.encoder.config()
    }

    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    pub fn set_check(&mut self, check: Check) {
        self.check = check;
    }

    pub fn stop_when(&mut self, stop: Arc<AtomicBool>) {
        self.stop = stop;
    }

    /// Calls `each` with the number of each row, the place of its first token in its batch, and the batch's logits.
    pub fn logits(&self, rows: &[Encoded], mut each: impl FnMut(RowLogits<'_>)) -> Result<()> {
        let threads = rayon::current_num_threads();
        let all: usize = rows.iter().map(Encoded::len).sum();
        let tokens = (all / (BATCHES * threads)).clamp(*TOKENS.start(), *TOKENS.end());
        let groups = groups(rows, &GroupLimits { tokens, rows: ROWS, cells: usize::MAX });
        // Few batches are divided between threads; of many, each thread has its own.
        let divided = threads > 1 && groups.len() < threads;
        let pass = Pass { kernel: self.kernel, divided };
        let one = |group: &Vec<usize>| -> Result<(Batch, Vec<f32>)> {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let batch = Batch::new(group.iter().filter_map(|&row| rows.get(row)), &[])?;
            let logits = self.forward(&batch, pass)?;
            Ok((batch, logits))
        };
        let answers: Vec<Result<(Batch, Vec<f32>)>> = match divided || threads == 1 {
            true => groups.iter().map(one).collect(),
            false => groups.par_iter().with_max_len(1).map(one).collect(),
        };
        for (group, answer) in groups.iter().zip(answers) {
            let (batch, logits) = answer?;
            for (place, (&row, &sequence)) in group.iter().zip(&batch.sequences).enumerate() {
                let token = batch.offsets.get(sequence).copied().unwrap_or_default();
                let length = rows.get(row).map_or(0, Encoded::len);
                each(RowLogits { row, place, tokens: token..token + length, logits: &logits });
            }
        }
        self.check.finish()?;
        self.check_files()
    }

    fn forward(&self, batch: &Batch, pass: Pass) -> Result<Vec<f32>> {
        self.encoder.check(batch)?;
        let positions = self.head.positions(batch);
        let lock = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = lock().pop().unwrap_or_default();
        let states = self.encoder.states(batch, positions.as_deref(), &mut scratch, pass);
        let width = usize::try_from(self.config().hidden_size).unwrap_or_default();
        let logits =
            self.head.forward(&HeadInput { states, width, batch, positions: positions.as_deref() }, pass);
        lock().push(scratch);
        Ok(logits)
    }

    /// Makes sure that the files are still what was opened.
    fn check_files(&self) -> Result<()> {
        self.files.iter().try_for_each(|(path, map)| match map.is_unchanged() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::FileChanged { path: path.clone() }),
            Err(source) => Err(re_checkpoint::Error::io(path, source).into()),
        })
    }
}

/// Where the logits of a row stand among those of its batch.
pub(crate) struct RowLogits<'a> {
    /// Number of the row among all.
    pub row: usize,
    /// Its number in the batch.
    pub place: usize,
    /// Its tokens in the batch.
    pub tokens: std::ops::Range<usize>,
    /// Of the batch.
    pub logits: &'a [f32],
}

//! Training rows as each epoch sees them.

use std::collections::BTreeSet;
use std::fmt;

use rayon::prelude::*;
use re_data::{Encoded, ExampleEncoder, RelationExample};
use re_formats::Augmentation;

use crate::hash::{mix, words};

/// The examples behind training rows, and how they vary from epoch to epoch.
#[derive(Debug)]
pub(crate) struct Variants {
    examples: Vec<RelationExample>,
    augmentation: Augmentation,
}

/// A row of one epoch, where it differs from the row itself.
enum Seen {
    /// As the augmenters at these places have made it.
    Varied(Encoded, Vec<usize>),
    /// A variant that could not be encoded or has lost an entity: the row stays as it is.
    Misfit,
}

/// What augmentation does to the training rows over a whole training.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AugmentationReport {
    /// Epochs, the last of which may be begun only.
    pub epochs: u64,
    /// Rows of all epochs together.
    pub rows: usize,
    /// Rows that differ from the original.
    pub varied: usize,
    /// Names of the augmenters, with the number of rows that each has changed.
    pub applied: Vec<(&'static str, usize)>,
    /// Rows that stay as they are because their variant does not fit into a row of tokens with both entities.
    pub misfits: usize,
}

/// Everything that a training will see of its variants, found before it begins.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub report: AugmentationReport,
    /// Token ids that occur.
    pub ids: BTreeSet<u32>,
    /// Hash of all varied rows.
    pub hash: u64,
}

impl Variants {
    pub fn new(examples: Vec<RelationExample>, augmentation: Augmentation) -> Self {
        Self { examples, augmentation }
    }

    /// Row number `row` of an epoch, where it differs from `original`.
    pub fn row(
        &self,
        encoder: &ExampleEncoder,
        epoch: u64,
        row: usize,
        original: &Encoded,
    ) -> Option<Encoded> {
        match self.see(encoder, epoch, row, original)? {
            Seen::Varied(varied, _) => Some(varied),
            Seen::Misfit => None,
        }
    }

    fn see(&self, encoder: &ExampleEncoder, epoch: u64, row: usize, original: &Encoded) -> Option<Seen> {
        let variant = self.augmentation.variant(epoch, row as u64, self.examples.get(row)?)?;
        let whole = |varied: &Encoded| {
            let mut entities = varied.entities.iter().zip(&original.entities);
            entities.all(|(varied, original)| varied.is_some() || original.is_none())
        };
        Some(match encoder.encode(&variant.example) {
            Ok(varied) if whole(&varied) => Seen::Varied(varied, variant.applied),
            _ => Seen::Misfit,
        })
    }

    /// Goes through all rows of all epochs. What tokens training will need is known only then, and a training that
    /// is resumed must see the same.
    pub fn survey(&self, encoder: &ExampleEncoder, originals: &[Encoded], epochs: u64) -> Survey {
        let names = self.augmentation.augmenters().map(|augmenter| (augmenter.name(), 0));
        let report = AugmentationReport { epochs, applied: names.collect(), ..AugmentationReport::default() };
        let mut survey = Survey { report, ..Survey::default() };
        for epoch in 0..epochs {
            let rows = originals.par_iter().enumerate();
            let seen: Vec<Option<Seen>> =
                rows.map(|(row, original)| self.see(encoder, epoch, row, original)).collect();
            seen.into_iter().for_each(|row| survey.add(row));
        }
        survey
    }
}

impl Survey {
    fn add(&mut self, row: Option<Seen>) {
        self.report.rows += 1;
        self.hash = mix(self.hash, u64::MAX);
        match row {
            None => {}
            Some(Seen::Misfit) => self.report.misfits += 1,
            Some(Seen::Varied(row, applied)) => {
                self.report.varied += 1;
                for place in applied {
                    if let Some((_, count)) = self.report.applied.get_mut(place) {
                        *count += 1;
                    }
                }
                self.hash = words(&row).fold(self.hash, mix);
                self.ids.extend(row.ids);
            }
        }
    }
}

impl fmt::Display for AugmentationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "augmentation: {} of {} rows in {} epochs are varied",
            self.varied, self.rows, self.epochs
        )?;
        let applied: Vec<String> =
            self.applied.iter().map(|(name, count)| format!("{name} {count}")).collect();
        write!(f, " ({})", applied.join(", "))?;
        if self.misfits > 0 {
            write!(f, "; {} would not fit and stay as they are", self.misfits)?;
        }
        Ok(())
    }
}

//! What happened while a file was read.

use std::collections::BTreeMap;
use std::fmt;

use re_data::Tally;
use re_data::text::brief;
use serde::Serialize;

use crate::error::RecordError;

/// What a reader met: how many rows, and which ones needed attention.
///
/// Its `Display` is a summary in one line for people; serialised it is complete up to [`Tally::KEPT`]. Ids and names stand in
/// it as [`brief`] shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ReadReport {
    /// Examples that the reader gave.
    pub rows: usize,
    /// Ids of examples of which an offset did not fit its surface form and was corrected.
    pub repaired: Tally<String>,
    /// By which other reading of the offsets they were, such as `in UTF-16 units`, each with the number of examples.
    pub readings: BTreeMap<String, usize>,
    /// Ids of examples whose two entities share at least one character.
    pub overlapping: Tally<String>,
    /// Ids of examples without a label.
    pub unlabelled: Tally<String>,
    /// Ids of those whose label is a word that stands for none ([`super::ReadOptions::blind`]).
    pub blind: Tally<String>,
    /// Malformed records that a lenient reader left out.
    pub rejected: Tally<RecordError>,
    /// Names of keys, columns or comments that examples have no place for, each with the number of examples that have
    /// it in the file; of more than [`Tally::KEPT`] names only the first ones.
    pub unread: BTreeMap<String, usize>,
}

impl ReadReport {
    pub(crate) fn add_unread(&mut self, name: &str) {
        let name = brief(name);
        if self.unread.len() < Tally::<()>::KEPT || self.unread.contains_key(&name) {
            *self.unread.entry(name).or_default() += 1;
        }
    }
}

impl fmt::Display for ReadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.rows)?;
        if let Some(first) = self.repaired.first.first() {
            write!(f, ", {} with repaired offsets (the first: {first}", self.repaired.count)?;
            for (reading, count) in &self.readings {
                write!(f, "; {count} {reading}")?;
            }
            f.write_str(")")?;
        }
        for (what, ids) in
            [("with overlapping entities", &self.overlapping), ("without label", &self.unlabelled)]
        {
            if ids.count > 0 {
                write!(f, ", {} {what}", ids.count)?;
            }
        }
        if self.blind.count > 0 {
            write!(
                f,
                " ({} of them with a label such as `blind`, which counts as no label)",
                self.blind.count
            )?;
        }
        if self.rejected.count > 0 {
            write!(f, "; {} malformed records left out", self.rejected.count)?;
        }
        if let Some(fault) = self.rejected.first.first() {
            write!(f, ", the first one {fault}")?;
        }
        for (at, (name, count)) in self.unread.iter().enumerate() {
            let before = if at == 0 { "; not read: " } else { ", " };
            write!(f, "{before}{name} ({count})")?;
        }
        Ok(())
    }
}

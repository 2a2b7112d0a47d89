//! What a layout had no place for.

use std::fmt;

use re_data::{RelationExample, Tally};
use serde::Serialize;

use crate::read::Format;

/// What a writer wrote, and what of it the layout could not hold.
///
/// Its `Display` is a summary in one line for people; serialised it is complete up to [`Tally::KEPT`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct WriteReport {
    /// Examples written.
    pub rows: usize,
    /// Ids of examples whose entity types are lost.
    pub types: Tally<String>,
    /// Ids of examples whose source is lost.
    pub sources: Tally<String>,
    /// Ids of examples in whose text line breaks became spaces.
    pub line_breaks: Tally<String>,
}

impl WriteReport {
    /// Whether everything was written.
    pub fn is_lossless(&self) -> bool {
        self.types.count + self.sources.count + self.line_breaks.count == 0
    }

    pub(super) fn add(&mut self, example: &RelationExample, format: Format) {
        self.rows += 1;
        let poor = matches!(format, Format::CompetitionTsv | Format::SemEval);
        let typed = example.entities().iter().any(|entity| entity.kind().is_some());
        for (lost, tally) in [
            (poor && typed, &mut self.types),
            (poor && example.source().is_some(), &mut self.sources),
            (format == Format::SemEval && example.text().contains(['\n', '\r']), &mut self.line_breaks),
        ] {
            if lost {
                tally.add(|| example.id().to_owned());
            }
        }
    }
}

impl fmt::Display for WriteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.rows)?;
        let mut before = "; lost: ";
        for (what, ids) in [
            ("the entity types", &self.types),
            ("the source", &self.sources),
            ("line breaks in the text", &self.line_breaks),
        ] {
            if ids.count > 0 {
                write!(f, "{before}{what} of {}", ids.count)?;
                before = ", ";
            }
        }
        Ok(())
    }
}

//! What an extraction did, in the end.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use re_data::{Document, Tally};
use re_extract::{ExtractReport, PairCounts};
use re_formats::documents::{DocumentReadReport, DocumentWriteReport};
use serde::Serialize;

use crate::documents::{print_losses, print_notes};
use crate::verbosity::Verbosity;

/// Documents that fail and are told at once; further ones are counted.
const TOLD: usize = 10;

/// What became of all documents and pairs.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// As it was given.
    pub model: PathBuf,
    pub input: PathBuf,
    /// Documents whose graph the layout cannot hold, each with the reason. The report counts the others that failed.
    pub unwritable: Tally<String>,
    /// Failures that were told.
    #[serde(skip)]
    told: usize,
    /// Relations written.
    pub relations: usize,
    #[serde(flatten)]
    pub report: ExtractReport,
    pub read: DocumentReadReport,
    #[serde(serialize_with = "report_alone")]
    pub written: (PathBuf, DocumentWriteReport),
}

fn report_alone<S: serde::Serializer>(
    (_, report): &(PathBuf, DocumentWriteReport),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    report.serialize(serializer)
}

impl Summary {
    pub fn new(model: &Path, input: &Path) -> Self {
        Self {
            model: model.to_owned(),
            input: input.to_owned(),
            unwritable: Tally::default(),
            told: 0,
            relations: 0,
            report: ExtractReport::default(),
            read: DocumentReadReport::default(),
            written: Default::default(),
        }
    }

    /// Tells that a document failed, if it is one of the first.
    pub fn tell(&mut self, failure: &str, verbosity: Verbosity) {
        if self.told < TOLD {
            self.told += 1;
            verbosity.note(failure);
        }
    }

    /// Writes a graph with `write`, or says why its layout cannot hold it: whether it is written.
    pub fn write<T>(
        &mut self,
        document: &Document,
        write: impl FnOnce(&Document) -> re_formats::Result<T>,
        verbosity: Verbosity,
    ) -> Result<bool> {
        match write(document) {
            Err(re_formats::Error::Unwritable(error)) => {
                let reason = error.to_string();
                self.tell(&reason, verbosity);
                self.unwritable.add(|| reason);
                return Ok(false);
            }
            written => written?,
        };
        self.relations += document.relations().len();
        Ok(true)
    }

    fn failed(&self) -> usize {
        self.report.failed.count + self.unwritable.count
    }

    /// Makes sure that not every document failed.
    pub fn check(&self) -> Result<()> {
        let all = self.report.documents;
        let first = self.report.failed.first.first().or(self.unwritable.first.first());
        if let Some(first) = first.filter(|_| self.failed() == all) {
            bail!("{}: all {all} documents failed, the first: {first}", self.input.display());
        }
        Ok(())
    }

    /// Says what was met on the way.
    pub fn print_notes(&self, verbosity: Verbosity) {
        // Malformed documents were told when they came.
        let read = DocumentReadReport { rejected: Tally::default(), ..self.read.clone() };
        print_notes(&read, &self.input, verbosity);
        let (path, written) = &self.written;
        print_losses(written, path, verbosity);
    }

    /// The last that is said.
    pub fn print(&self, json: bool, verbosity: Verbosity) -> Result<()> {
        if json {
            print_json(self)?;
        } else {
            verbosity.note(self.text());
        }
        Ok(())
    }

    /// The same in words.
    pub fn text(&self) -> String {
        let report = &self.report;
        let ExtractReport { documents, mentions, pairs, without_mentions, unanswered, .. } = report;
        let mut lines = vec![format!(
            "{documents} documents, {mentions} mentions, {} of {} pairs judged, {} relations",
            pairs.judged(),
            pairs.possible,
            self.relations
        )];
        let reasons = reasons(pairs);
        if !reasons.is_empty() {
            lines.push(format!("pairs without a relation: {}", reasons.join(", ")));
        }
        if let Some(first) = unanswered.first.first() {
            lines.push(format!("{} pairs were not answered, the first: {first}", unanswered.count));
        }
        if let Some(first) = without_mentions.first.first() {
            lines.push(format!("{} documents have no mention, the first: {first}", without_mentions.count));
        }
        if report.untyped_pairs > 0 {
            let untyped = report.untyped_pairs;
            lines.push(format!("{untyped} pairs have a mention without a type, and the model reads types"));
        }
        if report.ignored_relations > 0 {
            let ignored = report.ignored_relations;
            lines.push(format!("{ignored} relations of the input were not looked at"));
        }
        if self.failed() > 0 {
            lines.push(format!("{} documents failed", self.failed()));
        }
        lines.join("\n")
    }
}

/// Writes a summary that was asked for, so that it is written in full, and however little else is to be said.
pub fn print_json(summary: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(summary)? + "\n";
    std::io::stderr().write_all(text.as_bytes()).context("writing the summary")
}

/// Why pairs got no relation, each with how many.
fn reasons(pairs: &PairCounts) -> Vec<String> {
    let counts = [
        (pairs.no_relation, "\"no relation\" is most probable"),
        (pairs.below_threshold, "score below the threshold"),
        (pairs.label_not_allowed, "relation does not join these types"),
        (pairs.told_from_other_end, "told from the other end"),
        (pairs.types_not_allowed, "no relation joins these types"),
        (pairs.outside_rule, "outside the rule"),
        (pairs.unanswered, "not answered"),
    ];
    counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect()
}

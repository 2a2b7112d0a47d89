//! Sentences in other words, such as back translations, from a file.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;

use rand::Rng;
use rand::seq::IndexedRandom;
use re_data::split::normalized_text;
use re_data::text::quoted;
use re_data::{ByteSpan, RelationExample, Tally};
use serde::Serialize;

use super::Augmenter;
use crate::error::{Error, RecordError, Result};
use crate::read::offsets::as_stated;
use crate::read::paraphrases::{Paraphrase, paraphrases};
use crate::read::place::{Field, Place};

/// Replaces the sentence of a row by another wording of it, from a file.
///
/// Back translation, for example: Sennrich et al., "Improving Neural Machine Translation Models with Monolingual
/// Data" (2016). To be the first of several augmenters, since it takes the place of whatever the others made.
#[derive(Debug, Clone, PartialEq)]
pub struct Paraphrases {
    /// Wordings by id, of the entities' spans in each.
    wordings: HashMap<String, Vec<(String, [ByteSpan; 2])>>,
    report: ParaphraseReport,
}

/// What became of a file of paraphrases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ParaphraseReport {
    /// Paraphrases that are used.
    pub used: usize,
    /// Training rows that have at least one.
    pub rows: usize,
    /// Paraphrases of ids of rows that are not trained on.
    pub other_rows: usize,
    /// Paraphrases left out because they are sentences of rows that are held out.
    pub held_out: usize,
    /// Paraphrases in which both entities could not be told, and malformed records of a lenient reader.
    pub rejected: Tally<RecordError>,
}

impl fmt::Display for ParaphraseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} paraphrases of {} rows", self.used, self.rows)?;
        if self.other_rows > 0 {
            write!(f, ", {} of rows that are not trained on", self.other_rows)?;
        }
        if self.held_out > 0 {
            write!(f, ", {} left out as sentences that are held out", self.held_out)?;
        }
        if let Some(fault) = self.rejected.first.first() {
            write!(f, "; {} rejected, the first one {fault}", self.rejected.count)?;
        }
        Ok(())
    }
}

impl Paraphrases {
    /// Reads the paraphrases of the training rows `rows`; those that are sentences of `held_out`, but for spaces and
    /// punctuation, are left out, and so are those of ids that a row of `held_out` has, too.
    ///
    /// A `.jsonl` file has lines such as `{"id": "7", "text": "Pierre is loved by Marie."}`, with `entities` as in
    /// [`Format::Jsonl`](crate::read::Format::Jsonl) or without; a `.tsv` file has the columns id and text and may
    /// have four more, start and end of both entities in code points, ends inclusive. Where the spans are not given,
    /// each entity's surface form must stand in the text exactly once. A row may have several paraphrases.
    ///
    /// A paraphrase in which the entities cannot be told is rejected and counted in the report.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the file cannot be read, [`re_data::Error::Argument`] where its name tells no layout,
    /// [`Error::Record`] for the first malformed record unless `lenient`.
    pub fn open(
        path: impl AsRef<Path>,
        rows: &[RelationExample],
        held_out: &[&RelationExample],
        lenient: bool,
    ) -> Result<Self> {
        let path = path.as_ref();
        let (found, rejected) = paraphrases(path, lenient)?;
        let mut by_id: HashMap<&str, Option<&RelationExample>> = HashMap::new();
        for row in rows {
            by_id.entry(row.id()).and_modify(|known| *known = None).or_insert(Some(row));
        }
        let held_ids: HashSet<&str> = held_out.iter().map(|row| row.id()).collect();
        let held_out: HashSet<String> = held_out.iter().map(|row| normalized_text(row.text())).collect();
        let mut report = ParaphraseReport { rejected, ..ParaphraseReport::default() };
        let mut wordings: HashMap<String, Vec<_>> = HashMap::new();
        for paraphrase in found {
            let id = paraphrase.id.as_str();
            // Rows of another file that are trained on may have the id of a row that is held out.
            let Some(row) = by_id.get(id).filter(|_| !held_ids.contains(id)) else {
                report.other_rows += 1;
                continue;
            };
            if held_out.contains(&normalized_text(&paraphrase.text)) {
                report.held_out += 1;
                continue;
            }
            let place = Place::of_line(path, paraphrase.line, Some(&paraphrase.id));
            let spans = match row {
                Some(row) => locate(&paraphrase, row, &place),
                None => Err(place.error(None, "an id that several training rows have", "an id of one row")),
            };
            match spans {
                Ok(spans) => {
                    wordings.entry(paraphrase.id).or_default().push((paraphrase.text, spans));
                    report.used += 1;
                }
                Err(Error::Record(fault)) => report.rejected.add(|| *fault),
                Err(error) => return Err(error),
            }
        }
        report.rows = wordings.len();
        Ok(Self { wordings, report })
    }

    /// What became of the file.
    pub fn report(&self) -> &ParaphraseReport {
        &self.report
    }
}

impl Augmenter for Paraphrases {
    fn name(&self) -> &'static str {
        "paraphrases"
    }

    fn describe(&self) -> String {
        self.report.to_string()
    }

    fn vary(&self, example: &RelationExample, random: &mut dyn Rng) -> Option<RelationExample> {
        let (text, spans) = self.wordings.get(example.id())?.choose(random)?;
        example.in_text(text.as_str(), *spans).ok()
    }
}

/// Where both entities of `row` stand in a paraphrase.
fn locate(paraphrase: &Paraphrase, row: &RelationExample, place: &Place<'_>) -> Result<[ByteSpan; 2]> {
    let text = paraphrase.text.as_str();
    if let Some([first, second]) = &paraphrase.entities {
        return as_stated([first, second], text, place);
    }
    let find = |number: usize, name| {
        let surface = row.surface(number);
        let mut places = text
            .char_indices()
            .map(|(at, _)| at)
            .filter(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(surface)));
        match (places.next(), places.count()) {
            (Some(at), 0) => Ok(ByteSpan::with_len(at, surface.len())),
            (first, more) => {
                let found = format!("{} {} times", quoted(surface), usize::from(first.is_some()) + more);
                Err(place.error(
                    Field { column: None, name },
                    found,
                    "the entity exactly once, or its offsets",
                ))
            }
        }
    };
    let spans = [find(0, "entity 1")?, find(1, "entity 2")?];
    match spans {
        [first, second] if first == second && !same_span(row) => Err(place.error(
            None,
            format!("one {} for both entities", quoted(row.surface(0))),
            "both entities, or their offsets",
        )),
        spans => Ok(spans),
    }
}

fn same_span(row: &RelationExample) -> bool {
    let [subject, object] = row.entities();
    subject.span() == object.span()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::tests::row;
    use re_data::random::stream;

    fn open(name: &str, content: &str, lenient: bool) -> Result<Paraphrases> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let named = |id: &str, text: &str| {
            let row = row(text);
            RelationExample::new(id, row.text(), row.entities().clone()).unwrap().with_label("spouse")
        };
        let rows = [
            named("a", "[Marie] loves <Pierre>."),
            named("b", "[A]A <A>"),
            named("c", "[x] <y>"),
            named("c", "[x] <z>"),
            named("d", "[x] <y>"),
        ];
        let held_out = [named("h", "[Marie] and <Pierre>"), named("d", "[x] or <y>")];
        Paraphrases::open(&path, &rows, &held_out.each_ref(), lenient)
    }

    #[test]
    fn entities_are_found_or_given() {
        let jsonl = r#"{"id": "a", "text": "Pierre is loved by Marie."}
{"id": "a", "text": "Pierres Frau ist Maria.", "entities": [{"start": 17, "end": 22, "surface": "Maria"}, {"start": 0, "end": 6}]}
{"id": "other", "text": "anything"}
"#;
        let tsv = "a\tPierre is loved by Marie.\na\tPierres Frau ist Maria.\t17\t21\t0\t5\nother\tanything\n";
        let example = row("[Marie] loves <Pierre>.");
        let example = RelationExample::new("a", example.text(), example.entities().clone())
            .unwrap()
            .with_label("spouse");
        for (name, content) in [("p.jsonl", jsonl), ("p.tsv", tsv)] {
            let paraphrases = open(name, content, false).unwrap();
            let report = paraphrases.report();
            assert_eq!((report.used, report.rows, report.other_rows, report.rejected.count), (2, 1, 1, 0));
            let mut found: Vec<[String; 3]> = (0..20)
                .map(|index| {
                    let varied = paraphrases.vary(&example, &mut stream(7, "test", index)).unwrap();
                    assert_eq!((varied.id(), varied.label()), ("a", Some("spouse")));
                    [varied.text(), varied.surface(0), varied.surface(1)].map(str::to_owned)
                })
                .collect();
            found.sort();
            found.dedup();
            let expected = [
                ["Pierre is loved by Marie.", "Marie", "Pierre"],
                ["Pierres Frau ist Maria.", "Maria", "Pierre"],
            ];
            assert_eq!(found, expected, "{name}");
        }
        let none = RelationExample::new("z", example.text(), example.entities().clone()).unwrap();
        assert_eq!(open("p.tsv", tsv, false).unwrap().vary(&none, &mut stream(7, "test", 0)), None);
    }

    #[test]
    fn what_cannot_be_told_is_rejected_and_counted() {
        let cases = [
            ("a\tMarie loves him.", "x: id a: found \"Pierre\" 0 times, expected the entity exactly once"),
            ("a\tMarie and Marie love Pierre", "(entity 1): id a: found \"Marie\" 2 times"),
            ("b\tA", "one \"A\" for both entities"),
            ("b\tAAA", "found \"A\" 3 times"),
            ("c\tx y", "an id that several training rows have"),
            ("a\tPierre\t0\t3\t4\t9", "found characters 4..10"),
            ("a\tPierre\t3\t1\t4\t4", "at least one character"),
            ("a\t", "found \"Marie\" 0 times"),
        ];
        for (line, expected) in cases {
            let paraphrases = open("p.tsv", line, false).unwrap();
            let report = paraphrases.report();
            assert_eq!((report.used, report.rejected.count), (0, 1), "{line}");
            let fault = report.rejected.first[0].to_string();
            assert!(
                fault.contains("p.tsv:1") && fault.contains(expected.trim_start_matches("x: ")),
                "{fault}"
            );
            assert!(report.to_string().contains("1 rejected, the first one"), "{report}");
        }
        let leaked = open("p.tsv", "a\tMarie, and  Pierre!\n", false).unwrap();
        assert_eq!((leaked.report().used, leaked.report().held_out), (0, 1));
        assert!(leaked.describe().ends_with("1 left out as sentences that are held out"));
        let ambiguous = open("p.tsv", "d\ty, x\n", false).unwrap();
        assert_eq!((ambiguous.report().used, ambiguous.report().other_rows), (0, 1));
    }

    #[test]
    fn malformed_files_are_errors() {
        let fault = |name, content| open(name, content, false).unwrap_err().to_string();
        assert!(
            fault("p.tsv", "a\tb\tc")
                .contains("found 3 columns, expected 2 tab-separated columns (id, text)")
        );
        assert!(fault("p.tsv", "\tb").contains("an empty id"));
        assert!(fault("p.tsv", "a\tb\tx\t1\t2\t3").contains("column 3 (entity1): id a: found \"x\""));
        assert!(fault("p.jsonl", "{\"id\": \"a\"}").contains("missing field `text`"));
        assert!(
            fault("p.jsonl", "{\"id\": 1, \"text\": \"\", \"label\": \"x\"}")
                .contains("unknown field `label`")
        );
        assert!(fault("p.csv", "").contains("expected a file whose name ends in .jsonl or .tsv"));
        let lenient = open("p.tsv", "a\tb\tc\na\tPierre is loved by Marie.", true).unwrap();
        assert_eq!((lenient.report().used, lenient.report().rejected.count), (1, 1));
        let absent = Paraphrases::open("/nonexistent.tsv", &[], &[], false);
        assert!(matches!(absent, Err(Error::Data(re_data::Error::Io { .. }))), "{absent:?}");
    }
}

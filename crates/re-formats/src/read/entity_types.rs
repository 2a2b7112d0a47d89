//! Types of entities from a file beside the data.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use re_data::text::{brief, trim_invisible};
use re_data::{RelationExample, Tally};
use serde::Serialize;

use super::delimited::Records;
use super::place::{Field, Place};
use crate::error::Result;

/// Types of both entities by the id of the example.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntityTypes {
    by_id: HashMap<String, [Option<String>; 2]>,
}

/// How well a file of entity types fits the examples.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct AttachReport {
    /// Examples that the file lists, with types or with `O`.
    pub attached: usize,
    /// Ids of examples that it does not list; they stay as they were.
    pub missing: Tally<String>,
    /// Ids that the file lists and no example has.
    pub unused: usize,
}

impl EntityTypes {
    /// Opens a file (standard input where `path` is `-`) of three tab-separated columns without header: id, type
    /// of the first entity, type of the second one. `O`, or nothing, means that there is no type.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where it cannot be read; [`crate::Error::Record`] where a record has other than three columns
    /// or no id, or an id is duplicated with different types.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::new(super::input(path)?, path)
    }

    /// Reads the same from `input`; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`EntityTypes::open`].
    pub fn new(input: impl Read + Send, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut records = Records::new(input, path, b'\t');
        let mut by_id = HashMap::new();
        while let Some(record) = records.next()? {
            let fields: Vec<&str> = record.fields().collect();
            let place = Place::of_line(path, record.line, fields.first().copied());
            let &[id, first, second] = fields.as_slice() else {
                let found = format!("{} columns", fields.len());
                return Err(place.error(None, found, "3 tab-separated columns: id and two types"));
            };
            let field = Field { column: Some(1), name: "id" };
            if id.is_empty() {
                return Err(place.error(field, "an empty id", "an identifier"));
            }
            let types = [first, second].map(|kind| {
                Some(trim_invisible(kind).to_owned()).filter(|k| !matches!(k.as_str(), "O" | ""))
            });
            if let Some(other) = by_id.insert(id.to_owned(), types.clone())
                && other != types
            {
                return Err(place.error(field, "an id that stood before with other types", "each id once"));
            }
        }
        Ok(Self { by_id })
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no id is listed.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Types of both entities of the example `id`; `None` where the file does not list it.
    pub fn get(&self, id: &str) -> Option<&[Option<String>; 2]> {
        self.by_id.get(id)
    }

    /// The examples with their types, and how many the file did not know.
    pub fn attach(&self, examples: Vec<RelationExample>) -> (Vec<RelationExample>, AttachReport) {
        let mut report = AttachReport::default();
        let mut used = HashSet::new();
        let examples = examples
            .into_iter()
            .map(|example| match self.by_id.get_key_value(example.id()) {
                Some((id, types)) => {
                    report.attached += 1;
                    used.insert(id);
                    example.with_entity_types(types.clone())
                }
                None => {
                    report.missing.add(|| brief(example.id()));
                    example
                }
            })
            .collect();
        report.unused = self.by_id.len() - used.len();
        (examples, report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use re_data::{ByteSpan, Entity};

    #[test]
    fn types_are_attached_by_id() {
        let types =
            EntityTypes::new(&b"\xef\xbb\xbfa\tPERSON\tO\r\nb\tCITY\tTIME\nb\tCITY\tTIME"[..], "t").unwrap();
        assert_eq!(types.len(), 2);
        assert!(!types.is_empty());
        let entity = || Entity::new(ByteSpan::with_len(0, 1));
        let example = |id: &str| RelationExample::new(id, "x", [entity(), entity()]).unwrap();
        let (examples, report) = types.attach(vec![example("a"), example("c")]);
        assert_eq!(examples[0].entities()[0].kind(), Some("PERSON"));
        assert_eq!(examples[0].entities()[1].kind(), None);
        assert_eq!(types.get("b").unwrap()[1].as_deref(), Some("TIME"));
        assert_eq!((report.attached, report.missing.first, report.unused), (1, vec!["c".to_owned()], 1));
    }

    #[test]
    fn malformed_types_are_refused() {
        let fault = |file: &str| EntityTypes::new(file.as_bytes(), "t").unwrap_err().to_string();
        assert!(fault("a\tX").starts_with("t:1: id a: found 2 columns"));
        assert!(fault("\tX\tY").contains("an empty id"));
        assert!(
            fault("a\tX\tY\na\tX\tZ").starts_with("t:2: column 1 (id): id a: found an id that stood before")
        );
        let edges = EntityTypes::new(&b"a\tX \tO\r\r\n"[..], "t").unwrap();
        assert_eq!(edges.get("a"), Some(&[Some("X".to_owned()), None]));
        assert!(EntityTypes::open("/nonexistent").unwrap_err().to_string().starts_with("/nonexistent: "));
    }
}

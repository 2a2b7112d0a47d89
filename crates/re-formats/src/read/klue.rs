//! KLUE-RE: the benchmark's JSON, and the CSV in which competitions hand it out.

use std::io::Read;
use std::path::Path;

use re_data::LabelSet;
use re_data::text::{quoted, trim_invisible};

use super::Source;
use super::json_items::{Item, Items};
use super::object::Object;
use super::place::{Field, Place};
use super::python_dict;
use super::raw::RawEntity;
use super::row::Row;
use super::table::{Table, field};
use crate::error::Result;

/// Columns of the CSV form, as written; label and source may be missing where it is read.
pub(crate) const CSV_COLUMNS: [&str; 6] =
    ["id", "sentence", "subject_entity", "object_entity", "label", "source"];

/// What the CSV form says in place of a label that is kept secret.
pub(crate) const CSV_BLIND: &str = "100";

/// Full names of an entity and its parts.
struct Names {
    entity: &'static str,
    word: &'static str,
    start: &'static str,
    end: &'static str,
    kind: &'static str,
}

const SUBJECT: Names = Names {
    entity: "subject_entity",
    word: "subject_entity.word",
    start: "subject_entity.start_idx",
    end: "subject_entity.end_idx",
    kind: "subject_entity.type",
};

const OBJECT: Names = Names {
    entity: "object_entity",
    word: "object_entity.word",
    start: "object_entity.start_idx",
    end: "object_entity.end_idx",
    kind: "object_entity.type",
};

/// Rows of the benchmark's JSON.
pub(crate) struct KlueJson<'a> {
    items: Items<'a>,
    labels: LabelSet,
}

impl<'a> KlueJson<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { items: Items::new(input, path), labels: LabelSet::klue_re() }
    }
}

impl Source for KlueJson<'_> {
    fn next_row(&mut self) -> Result<Option<Row>> {
        let Some(Item { line, number, mut object }) = self.items.next()? else { return Ok(None) };
        let place = Place::of_item(self.items.path(), line, number);
        let id = object.id(&place, "guid")?;
        let place = Place { id: Some(&id), ..place };
        let mut unread = Vec::new();
        let mut entity = |names: &Names| {
            let part = object.object(&place, names.entity)?;
            entity(part, &place, names, &mut unread)
        };
        let entities = [entity(&SUBJECT)?, entity(&OBJECT)?];
        let text = object.text(&place, "sentence")?;
        let label = object.optional_label(&place, "label", &self.labels)?;
        let source = object.optional_text(&place, "source")?;
        let field = |name| Field { column: None, name };
        unread.extend(object.unread(""));
        Ok(Some(Row {
            line,
            item: Some(number),
            text,
            entities,
            label,
            inclusive_ends: true,
            label_field: field("label"),
            text_field: field("sentence"),
            source,
            unread,
            id,
        }))
    }
}

fn entity(mut part: Object, place: &Place<'_>, names: &Names, unread: &mut Vec<String>) -> Result<RawEntity> {
    let entity = RawEntity {
        // The end is the last character.
        chars: [part.index(place, names.start)?, part.index(place, names.end)?.saturating_add(1)],
        surface: Some(part.text(place, names.word)?),
        kind: part.optional_text(place, names.kind)?,
        field: part.field(names.entity),
    };
    unread.extend(part.unread(&format!("{}.", names.entity)));
    Ok(entity)
}

/// Rows of the CSV form.
pub(crate) struct KlueCsv<'a> {
    table: Table<'a>,
    /// Id, sentence, subject and object, then label and source where they are there.
    columns: ([usize; 4], [Option<usize>; 2]),
    unknown: Vec<(usize, String)>,
    /// What numbers in place of labels mean: Hugging Face's form has them, with the benchmark's `guid` for an id.
    numbers: Option<LabelSet>,
}

impl<'a> KlueCsv<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path) -> Result<Self> {
        let table = Table::new(input, path)?;
        let [id, sentence, subject, object, label, source] = CSV_COLUMNS;
        let guid = table.column("guid").filter(|_| table.column(id).is_none());
        let id = guid.map_or_else(|| table.required(id), Ok)?;
        let [sentence, subject, object] = [sentence, subject, object].map(|name| table.required(name));
        let columns = ([id, sentence?, subject?, object?], [label, source].map(|name| table.column(name)));
        let mut unknown = table.unknown_columns(&CSV_COLUMNS);
        unknown.retain(|(at, _)| Some(*at) != guid);
        Ok(Self { table, columns, unknown, numbers: guid.map(|_| LabelSet::klue_re()) })
    }
}

impl Source for KlueCsv<'_> {
    fn read_again(&mut self) {
        self.table.read_again();
    }

    fn next_row(&mut self) -> Result<Option<Row>> {
        let path = self.table.path().to_owned();
        let ([id_at, sentence_at, subject_at, object_at], [label_at, source_at]) = self.columns;
        let Some(row) = self.table.next(id_at)? else { return Ok(None) };
        let id = row.at(id_at).to_owned();
        let place =
            Place::of_line(&path, row.line, Some(&id).filter(|id| !id.is_empty()).map(String::as_str));
        if id.is_empty() {
            let name = if self.numbers.is_some() { "guid" } else { "id" };
            return Err(place.error(field(id_at, name), "an empty id", "an identifier"));
        }
        let mut unread: Vec<String> = Vec::new();
        let mut entity = |column: usize, names: &Names| {
            let dict = python_dict::parse(row.at(column)).map_err(|found| {
                let expected =
                    "a dict such as {'word': '비틀즈', 'start_idx': 24, 'end_idx': 26, 'type': 'ORG'}";
                place.error(field(column, names.entity), found, expected)
            })?;
            entity(Object::new(dict, Some(column + 1)), &place, names, &mut unread)
        };
        let entities = [entity(subject_at, &SUBJECT)?, entity(object_at, &OBJECT)?];
        unread.extend(row.filled(&self.unknown));
        let label_field = field(label_at.unwrap_or_default(), "label");
        let label = |label: String| -> Result<String> {
            let Ok(number) = label.parse::<i64>() else { return Ok(label) };
            let class = usize::try_from(number).ok();
            let name = self.numbers.as_ref().zip(class).and_then(|(labels, class)| labels.name(class));
            name.map(str::to_owned).ok_or_else(|| {
                let expected = match &self.numbers {
                    Some(labels) => format!("a label or its number, 0 to {}", labels.len() - 1),
                    None => format!("a label by its name, or {CSV_BLIND} for none"),
                };
                place.error(label_field, format!("label {}", quoted(&label)), expected)
            })
        };
        let named = label_at.map(|at| trim_invisible(row.at(at)).to_owned());
        let named = named.filter(|label| !label.is_empty() && label != CSV_BLIND);
        let label = named.map(label).transpose()?;
        Ok(Some(Row {
            line: row.line,
            item: None,
            text: row.at(sentence_at).to_owned(),
            entities,
            label,
            inclusive_ends: true,
            label_field,
            text_field: field(sentence_at, "sentence"),
            source: row.optional(source_at),
            unread,
            id,
        }))
    }
}

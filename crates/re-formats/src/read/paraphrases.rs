//! Other wordings of rows, by the rows' ids.

use std::path::Path;

use re_data::Tally;
use re_data::text::quoted;
use serde::Deserialize;

use super::delimited::Records;
use super::format::Format;
use super::jsonl::Jsonl;
use super::place::{Field, Place};
use super::raw::RawEntity;
use crate::error::{Error, RecordError, Result};

/// Another wording of a row as its file has it.
pub(crate) struct Paraphrase {
    pub(crate) line: u64,
    pub(crate) id: String,
    pub(crate) text: String,
    /// Where the entities stand, if the file says so.
    pub(crate) entities: Option<[RawEntity; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonParaphrase {
    id: JsonId,
    text: String,
    entities: Option<[JsonEntity; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonEntity {
    start: usize,
    end: usize,
    surface: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Other tools write numbers as ids.
#[derive(Deserialize)]
#[serde(untagged)]
enum JsonId {
    Text(String),
    Number(u64),
}

/// Reads all paraphrases of a file; malformed records are errors or, where `lenient`, tallied.
pub(crate) fn paraphrases(path: &Path, lenient: bool) -> Result<(Vec<Paraphrase>, Tally<RecordError>)> {
    let format = Format::guess(path, &[]);
    let input = || super::input(path);
    let mut next: Box<dyn FnMut() -> Result<Option<Paraphrase>>> = match format {
        Some(Format::CompetitionTsv) => {
            let mut records = Records::new(input()?, path, b'\t');
            Box::new(move || from_tsv(&mut records))
        }
        Some(Format::Jsonl) => {
            let mut lines = Jsonl::new(input()?, path);
            Box::new(move || from_jsonl(&mut lines))
        }
        _ => {
            return Err(Error::Data(re_data::Error::Argument {
                name: "paraphrases",
                found: path.display().to_string(),
                expected: "a file whose name ends in .jsonl or .tsv",
            }));
        }
    };
    let (mut found, mut rejected) = (Vec::new(), Tally::default());
    loop {
        match next() {
            Ok(Some(paraphrase)) => found.push(paraphrase),
            Ok(None) => return Ok((found, rejected)),
            Err(Error::Record(fault)) if lenient => rejected.add(|| *fault),
            Err(error) => return Err(error),
        }
    }
}

fn from_tsv(records: &mut Records<'_>) -> Result<Option<Paraphrase>> {
    let path = records.path().to_owned();
    let Some(record) = records.next()? else { return Ok(None) };
    let fields: Vec<&str> = record.fields().collect();
    let id = fields.first().copied().filter(|id| !id.is_empty());
    let place = Place::of_line(&path, record.line, id);
    let (text, offsets) = match fields.as_slice() {
        [_, text] => (*text, None),
        [_, text, start1, end1, start2, end2] => (*text, Some([[*start1, *end1], [*start2, *end2]])),
        _ => {
            let expected = "2 tab-separated columns (id, text), or 6 (with start and end of both entities)";
            return Err(place.error(None, format!("{} columns", fields.len()), expected));
        }
    };
    let Some(id) = id else {
        return Err(place.error(Field { column: Some(1), name: "id" }, "an empty id", "an identifier"));
    };
    let number = |field: Field, value: &str| {
        value.parse::<usize>().map_err(|_| place.error(field, quoted(value), "a character offset"))
    };
    let entity = |[start, end]: [&str; 2], column, name| -> Result<RawEntity> {
        let field = Field { column: Some(column), name };
        // As in the competition's layout, ends are inclusive.
        let behind = number(Field { column: Some(column + 1), name }, end)?.saturating_add(1);
        Ok(RawEntity { chars: [number(field, start)?, behind], surface: None, kind: None, field })
    };
    let entities = match offsets {
        Some([first, second]) => Some([entity(first, 3, "entity1")?, entity(second, 5, "entity2")?]),
        None => None,
    };
    Ok(Some(Paraphrase { line: record.line, id: id.to_owned(), text: text.to_owned(), entities }))
}

fn from_jsonl(lines: &mut Jsonl<'_>) -> Result<Option<Paraphrase>> {
    let Some((line, row)) = lines.next::<JsonParaphrase>()? else { return Ok(None) };
    let id = match row.id {
        JsonId::Text(id) => id,
        JsonId::Number(id) => id.to_string(),
    };
    let entity = |JsonEntity { start, end, surface, kind }: JsonEntity, name| RawEntity {
        chars: [start, end],
        surface,
        kind,
        field: Field { column: None, name },
    };
    let entities =
        row.entities.map(|[first, second]| [entity(first, "entities[0]"), entity(second, "entities[1]")]);
    Ok(Some(Paraphrase { line, id, text: row.text, entities }))
}

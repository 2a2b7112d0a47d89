//! SemEval-2010 Task 8: blocks of a numbered sentence with tagged entities, a relation and a comment.

use std::io::Read;
use std::path::Path;

use re_data::text::quoted;

use super::Source;
use super::lines::{Lines, split_terminator};
use super::place::{Field, Place};
use super::raw::RawEntity;
use super::row::Row;
use crate::error::{Error, Result};

/// Tags around the first and the second entity.
pub(crate) const TAGS: [[&str; 2]; 2] = [["<e1>", "</e1>"], ["<e2>", "</e2>"]];

/// How a line with a comment begins.
pub(crate) const COMMENT: &str = "Comment:";

const SENTENCE: Field = Field { column: None, name: "sentence" };
const RELATION: Field = Field { column: None, name: "relation" };

/// Rows of SemEval's files.
pub(crate) struct SemEval<'a> {
    lines: Lines<'a>,
    line: Vec<u8>,
}

/// The lines of a block.
#[derive(Default)]
struct Block {
    number: u64,
    item: Vec<u8>,
    relation: Option<Vec<u8>>,
    comment: bool,
    /// Line that is neither item nor relation nor comment.
    surplus: Option<(u64, Vec<u8>)>,
    /// The fault of a line that is too long.
    fault: Option<Error>,
}

impl<'a> SemEval<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { lines: Lines::new(input, path), line: Vec::new() }
    }

    /// Everything up to the next empty line or numbered sentence.
    fn block(&mut self) -> Result<Option<Block>> {
        let mut block = Block::default();
        loop {
            self.line.clear();
            if !self.lines.next(&mut self.line)? {
                break;
            }
            let line = split_terminator(&self.line).0;
            let blank = line.trim_ascii().is_empty();
            block.fault = block.fault.or(self.lines.check_length(&self.line).err());
            if block.number == 0 {
                if !blank {
                    block.number = self.lines.number();
                    block.item = line.to_vec();
                }
                continue;
            }
            if blank {
                break;
            }
            if line.trim_ascii_start().starts_with(COMMENT.as_bytes()) {
                block.comment |= line.trim_ascii().len() > COMMENT.len();
            } else if line.contains(&b'\t') {
                self.lines.push_back(&self.line, 1);
                break;
            } else if block.relation.is_none() {
                block.relation = Some(line.to_vec());
            } else if block.surplus.is_none() {
                block.surplus = Some((self.lines.number(), line.to_vec()));
            }
        }
        Ok(Some(block).filter(|block| block.number > 0))
    }
}

impl Source for SemEval<'_> {
    fn next_row(&mut self) -> Result<Option<Row>> {
        let Some(mut block) = self.block()? else { return Ok(None) };
        if let Some(fault) = block.fault.take() {
            return Err(fault);
        }
        let place = Place::of_line(self.lines.path(), block.number, None);
        let item = text(&block.item, &place, SENTENCE)?;
        let split = item.split_once('\t').filter(|(id, _)| !id.is_empty());
        let Some((id, sentence)) = split else {
            return Err(place.error(None, quoted(item), "a number, a tab and a sentence in quotation marks"));
        };
        let place = Place { id: Some(id), ..place };
        if let Some((line, surplus)) = &block.surplus {
            let found = format!("{} on line {line}", quoted(&String::from_utf8_lossy(surplus)));
            return Err(place.error(None, found, "a comment, an empty line or the next sentence"));
        }
        let label = block.relation.as_deref().map(|label| text(label, &place, RELATION)).transpose()?;
        let unquoted = sentence.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let Some(unquoted) = unquoted else {
            return Err(place.error(SENTENCE, quoted(sentence), "a sentence in quotation marks"));
        };
        let (text, [first, second]) = untag(unquoted, &place)?;
        let entity =
            |chars, name| RawEntity { chars, surface: None, kind: None, field: Field { column: None, name } };
        Ok(Some(Row {
            line: block.number,
            item: None,
            id: id.to_owned(),
            text,
            entities: [entity(first, "e1"), entity(second, "e2")],
            label: label.map(str::to_owned),
            inclusive_ends: false,
            label_field: RELATION,
            text_field: SENTENCE,
            source: None,
            unread: Vec::from_iter(block.comment.then(|| "comment".to_owned())),
        }))
    }
}

fn text<'l>(line: &'l [u8], place: &Place<'_>, field: Field) -> Result<&'l str> {
    std::str::from_utf8(line).map_err(|fault| {
        let byte = line.get(fault.valid_up_to()).copied().unwrap_or_default();
        place.error(field, format!("byte 0x{byte:02x}"), "UTF-8")
    })
}

/// The sentence without its tags, and the entities between them in code points.
fn untag(sentence: &str, place: &Place<'_>) -> Result<(String, [[usize; 2]; 2])> {
    let mut tags = Vec::with_capacity(4);
    for (entity, pair) in TAGS.iter().enumerate() {
        for (edge, tag) in pair.iter().enumerate() {
            let mut found = sentence.match_indices(tag);
            match (found.next(), found.next()) {
                (Some((at, _)), None) => tags.push((at, entity, edge, tag.len())),
                (None, _) => return Err(place.error(SENTENCE, format!("no {tag}"), "each tag once")),
                _ => return Err(place.error(SENTENCE, format!("{tag} more than once"), "each tag once")),
            }
        }
    }
    tags.sort_unstable();
    let (mut text, mut chars, mut read) = (String::with_capacity(sentence.len()), 0, 0);
    let mut entities = [[0; 2]; 2];
    for (at, entity, edge, length) in tags {
        let part = sentence.get(read..at).unwrap_or_default();
        text.push_str(part);
        chars += part.chars().count();
        read = at + length;
        if let Some(offset) = entities.get_mut(entity).and_then(|entity| entity.get_mut(edge)) {
            *offset = chars;
        }
    }
    text.push_str(sentence.get(read..).unwrap_or_default());
    Ok((text, entities))
}

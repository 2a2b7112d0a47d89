//! TACRED: sentences as lists of tokens.

use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::Source;
use super::json_items::{Item, Items};
use super::object::Object;
use super::place::{Field, Place};
use super::raw::RawEntity;
use super::row::Row;
use crate::error::Result;
use crate::tokens::{Joined, space_after};

/// Rows of TACRED's JSON.
pub(crate) struct Tacred<'a>(Items<'a>);

impl<'a> Tacred<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self(Items::new(input, path))
    }
}

impl Source for Tacred<'_> {
    fn next_row(&mut self) -> Result<Option<Row>> {
        let Some(Item { line, number, mut object }) = self.0.next()? else { return Ok(None) };
        let place = Place::of_item(self.0.path(), line, number);
        let id = object.id(&place, "id")?;
        let place = Place { id: Some(&id), ..place };
        let sentence = Sentence::read(&mut object, &place)?;
        let mut entity = |[start, end, kind]: [&'static str; 3]| -> Result<RawEntity> {
            Ok(RawEntity {
                chars: sentence.entity(&mut object, &place, start, end)?,
                surface: None,
                kind: object.optional_text(&place, kind)?,
                field: Field { column: None, name: start },
            })
        };
        let entities =
            [entity(["subj_start", "subj_end", "subj_type"])?, entity(["obj_start", "obj_end", "obj_type"])?];
        let label = object.optional_text(&place, "relation")?;
        let source = object.optional_text(&place, "docid")?;
        let field = |name| Field { column: None, name };
        Ok(Some(Row {
            line,
            item: Some(number),
            text: sentence.0.text,
            entities,
            label,
            inclusive_ends: false,
            label_field: field("relation"),
            text_field: field("token"),
            source,
            unread: object.unread("").collect(),
            id,
        }))
    }
}

/// The tokens of a row, joined.
struct Sentence(Joined);

impl Sentence {
    fn read(object: &mut Object, place: &Place<'_>) -> Result<Self> {
        let token = |value: &Value| value.as_str().map(str::to_owned);
        let tokens = match object.list(place, "token", "a list of strings", token)? {
            Some(tokens) => tokens,
            // The name that some conversions use.
            None => object
                .list(place, "tokens", "a list of strings", token)?
                .ok_or_else(|| place.error(object.field("token"), "nothing", "a list of strings"))?,
        };
        let mut joined = Joined::default();
        joined.add(&tokens, space_after(object, place, tokens.len())?.as_deref());
        Ok(Self(joined))
    }

    /// First character of an entity and the one behind its last, by its first and last token.
    fn entity(
        &self,
        object: &mut Object,
        place: &Place<'_>,
        start: &'static str,
        end: &'static str,
    ) -> Result<[usize; 2]> {
        let mut token = |name| {
            let at = object.index(place, name)?;
            self.0.tokens.get(at).map(|chars| (at, *chars)).ok_or_else(|| {
                let expected = match self.0.tokens.len() {
                    0 => "a token, of which the sentence has none".to_owned(),
                    tokens => format!("a token of the sentence, 0 to {}", tokens - 1),
                };
                place.error(object.field(name), at.to_string(), expected)
            })
        };
        let ((first, [from, _]), (last, [_, to])) = (token(start)?, token(end)?);
        if first > last {
            let expected = format!("the entity's last token, {first} or behind it");
            return Err(place.error(object.field(end), last.to_string(), expected));
        }
        Ok([from, to])
    }
}

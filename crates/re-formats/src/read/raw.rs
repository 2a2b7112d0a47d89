//! An entity as its format spells it.

use std::cmp::Ordering;

use re_data::text::trim_invisible;
use re_data::{ByteSpan, Entity};

use super::place::{Field, Place};
use crate::error::Error;

/// An entity as its format spells it.
pub(crate) struct RawEntity {
    /// First code point and the one behind the last.
    pub(crate) chars: [usize; 2],
    /// Surface form, where the format repeats it.
    pub(crate) surface: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) field: Field,
}

/// The surface form of an entity, and the character at which it is said to begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form<'e> {
    pub(super) surface: &'e str,
    pub(super) start: usize,
}

impl RawEntity {
    /// The entity at its place in the text.
    pub(super) fn at(self, span: ByteSpan) -> Entity {
        // Layouts with columns do not tell an empty field from none.
        match self.kind.as_deref().map(trim_invisible).filter(|kind| !kind.is_empty()) {
            Some(kind) => Entity::new(span).with_kind(kind),
            None => Entity::new(span),
        }
    }

    /// The form, where it is as long as the offsets say.
    pub(super) fn stated_form(&self) -> Option<Form<'_>> {
        let [start, end] = self.chars;
        let surface = self.surface.as_deref().filter(|surface| !surface.is_empty())?;
        (end.checked_sub(start)? == surface.chars().count()).then_some(Form { surface, start })
    }

    /// What is wrong with the entity whatever the text is.
    pub(super) fn malformed(&self, place: &Place<'_>) -> Option<Error> {
        let [start, end] = self.chars;
        let fault = |found: String| Some(place.error(self.field, found, "at least one character"));
        match start.cmp(&end) {
            Ordering::Greater => {
                fault(format!("an entity that begins at character {start} and ends before character {end}"))
            }
            Ordering::Equal => fault(format!("an empty entity at character {start}")),
            Ordering::Less if self.surface.as_deref() == Some("") => {
                Some(place.error(self.field, "an empty surface form", "the entity as it stands in the text"))
            }
            Ordering::Less => None,
        }
    }
}

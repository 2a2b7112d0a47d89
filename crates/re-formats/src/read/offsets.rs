//! Where the entities of a row stand, if need be by another reading of their offsets.
//!
//! Offsets that do not fit the entities' surface forms are corrected where one reading alone fits the whole row, and nothing
//! is left to choose: another place where a form happens to stand is another mention.

use re_data::text::quoted;
use re_data::{ByteSpan, CharSpan};

use super::place::Place;
use super::raw::{Form, RawEntity};
use crate::error::{Error, Result};

/// Both entities of a row in its text.
pub(crate) type Spans = [ByteSpan; 2];

/// Both entities where they are said to stand.
pub(crate) fn as_stated(entities: [&RawEntity; 2], text: &str, place: &Place<'_>) -> Result<Spans> {
    let row = Located { text, entities, inclusive: false, max_shift: 0 };
    row.find(&[], place).map(|(spans, _)| spans)
}

/// A way to count that leaves nothing to choose. The default is that of the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reading {
    unit: Unit,
    /// Ends include the last character where the layout has them behind it, or the other way round.
    other_ends: bool,
    from_one: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Unit {
    #[default]
    Characters,
    Utf16,
    Bytes,
}

impl Reading {
    /// All but that of the layout, the plainest first.
    fn others() -> impl Iterator<Item = Self> {
        let units = [Unit::Characters, Unit::Utf16, Unit::Bytes].into_iter();
        let ends = move |unit| [false, true].into_iter().map(move |other_ends| (unit, other_ends));
        let starts = |(unit, other_ends)| {
            [false, true].into_iter().map(move |from_one| Self { unit, other_ends, from_one })
        };
        let mut all: Vec<Self> = units.flat_map(ends).flat_map(starts).skip(1).collect();
        all.sort_by_key(Self::oddity);
        all.into_iter()
    }

    fn oddity(&self) -> usize {
        usize::from(self.unit != Unit::Characters) + usize::from(self.other_ends) + usize::from(self.from_one)
    }

    /// Whether a whole file is likely to be read so, and not a single row.
    fn is_of_files(&self) -> bool {
        self.unit != Unit::Characters || self.other_ends
    }

    fn describe(&self, row: &Located<'_>) -> String {
        let unit = match self.unit {
            Unit::Characters => None,
            Unit::Utf16 => Some("in UTF-16 units"),
            Unit::Bytes => Some("in bytes"),
        };
        let ends = if row.inclusive { "with exclusive ends" } else { "with inclusive ends" };
        let parts = [unit, self.other_ends.then_some(ends), self.from_one.then_some("counted from 1")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The offsets of an entity in bytes, where they denote something in the text.
    fn span(self, entity: &RawEntity, row: &Located<'_>) -> Option<ByteSpan> {
        let [start, end] = entity.chars;
        let end = match (self.other_ends, row.inclusive) {
            (false, _) => end,
            (true, true) => end.checked_sub(1)?,
            (true, false) => end.checked_add(1)?,
        };
        let before = usize::from(self.from_one);
        let [start, end] = [start.checked_sub(before)?, end.checked_sub(before)?];
        let span = ByteSpan::new(self.unit.byte(row.text, start)?, self.unit.byte(row.text, end)?)?;
        Some(span).filter(|span| !span.is_empty())
    }

    /// An entity by this reading, if it fits. Without its form it must stay where it is said to be.
    fn fit_of(self, entity: &RawEntity, row: &Located<'_>) -> Option<ByteSpan> {
        let span = self.span(entity, row)?;
        let fits = match &entity.surface {
            Some(surface) => row.text.get(span.range()) == Some(surface),
            None => Some(span) == Self::default().span(entity, row),
        };
        fits.then_some(span)
    }

    /// Both entities by this reading, if it fits both.
    fn fit(self, row: &Located<'_>) -> Option<Spans> {
        let [first, second] = row.entities;
        Some([self.fit_of(first, row)?, self.fit_of(second, row)?])
    }
}

impl Unit {
    /// The byte at which so many units of the text end, if a character ends there.
    fn byte(self, text: &str, units: usize) -> Option<usize> {
        let length = |c: char| match self {
            Self::Characters => 1,
            Self::Utf16 => c.len_utf16(),
            Self::Bytes => c.len_utf8(),
        };
        let mut counted = 0;
        for (at, c) in text.char_indices() {
            if counted >= units {
                return (counted == units).then_some(at);
            }
            counted += length(c);
        }
        (counted == units).then_some(text.len())
    }
}

/// What another reading made of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repair {
    /// For people, such as `in UTF-16 units`.
    pub(super) reading: String,
    /// The reading, if it is one that rows of the same file are likely to share.
    pub(super) of_file: Option<Reading>,
}

/// A row whose entities are looked for.
pub(super) struct Located<'r> {
    pub(super) text: &'r str,
    pub(super) entities: [&'r RawEntity; 2],
    /// Whether the layout's ends are those of the last character.
    pub(super) inclusive: bool,
    /// How far, in characters, an entity may stand from where it is said to.
    pub(super) max_shift: usize,
}

impl Located<'_> {
    /// Where the entities stand, and by which other reading that was found. `taken` are those by which rows of the same
    /// file were read.
    pub(super) fn find(&self, taken: &[Reading], place: &Place<'_>) -> Result<(Spans, Option<Repair>)> {
        if let Some(stated) = Reading::default().fit(self) {
            let others = taken.iter().filter_map(|reading| Some((reading, self.wherever(*reading)?)));
            return match others.into_iter().find(|(_, spans)| *spans != stated) {
                None => Ok((stated, None)),
                Some((other, _)) => Err(self.torn(other, place)),
            };
        }
        let mut found: Vec<(Spans, Repair)> = Vec::new();
        if self.max_shift > 0 {
            self.by_counting(&mut found);
            self.by_shift(&mut found);
            self.by_gaps(&mut found);
        }
        let swapped = self.are_swapped();
        match <[_; 1]>::try_from(found) {
            Ok([(spans, repair)]) if !swapped && !self.run_together(spans) => Ok((spans, Some(repair))),
            Ok([one]) => Err(self.misfit(&[one], swapped, place)),
            Err(found) => Err(self.misfit(&found, swapped, place)),
        }
    }

    /// Both entities by a reading, if their forms allow it, whatever it makes of those without.
    fn wherever(&self, reading: Reading) -> Option<Spans> {
        let place = |entity: &RawEntity| {
            let span = reading.span(entity, self)?;
            let there = self.text.get(span.range());
            entity.surface.as_deref().is_none_or(|surface| there == Some(surface)).then_some(span)
        };
        let [first, second] = self.entities;
        Some([place(first)?, place(second)?])
    }

    fn by_counting(&self, found: &mut Vec<(Spans, Repair)>) {
        let mut oddity: Vec<usize> = Vec::new();
        for reading in Reading::others() {
            let Some(spans) = reading.fit(self) else { continue };
            let of_file = Some(reading).filter(Reading::is_of_files);
            match found.iter_mut().zip(&oddity).find(|((known, _), _)| *known == spans) {
                None => {
                    found.push((spans, Repair { reading: reading.describe(self), of_file }));
                    oddity.push(reading.oddity());
                }
                // Two that say the same of this row may differ on the next one.
                Some(((_, repair), known)) if *known == reading.oddity() => {
                    repair.reading = format!("{} or {}", repair.reading, reading.describe(self));
                    repair.of_file = None;
                }
                Some(_) => {}
            }
        }
    }

    /// Both entities moved by the same number of characters. Numbers beyond the limit are no readings, but where one of them
    /// fits too, a near one is no more than a guess.
    fn by_shift(&self, found: &mut Vec<(Spans, Repair)>) {
        let [Some(first), Some(second)] = self.entities.map(RawEntity::stated_form) else { return };
        let starts: Vec<usize> = self.text.char_indices().map(|(at, _)| at).collect();
        let span_at = |at: Option<usize>, form: &Form<'_>| {
            let byte = *starts.get(at?)?;
            let stands = self.text.get(byte..)?.starts_with(form.surface);
            stands.then_some(ByteSpan::with_len(byte, form.surface.len()))
        };
        let stands = |at: usize| {
            let other = second.start.checked_add(at).and_then(|sum| sum.checked_sub(first.start));
            let [a, b] = [span_at(Some(at), &first)?, span_at(other, &second)?];
            let shift = at.abs_diff(first.start);
            let characters = if shift == 1 { "character" } else { "characters" };
            let side = if at < first.start { "right" } else { "left" };
            Some(([a, b], format!("{shift} {characters} too far {side}")))
        };
        let low = first.start.saturating_sub(self.max_shift).min(starts.len());
        let high = first.start.saturating_add(self.max_shift).saturating_add(1).clamp(low, starts.len());
        let guessed = found.is_empty();
        (low..high).filter_map(stands).for_each(|(spans, reading)| add(found, spans, reading));
        // One more is enough to leave it open.
        if guessed && found.len() == 1 {
            let far = (0..low).chain(high..starts.len()).find_map(stands);
            far.into_iter().for_each(|(spans, reading)| add(found, spans, reading));
        }
    }

    /// Both entities to the left, the later one at least as far as the earlier one: as if the offsets were those of a text
    /// from which characters, such as quotes, have been dropped since. As that leaves much open, a form must not occur twice
    /// within reach.
    fn by_gaps(&self, found: &mut Vec<(Spans, Repair)>) {
        let mut forms = Vec::new();
        for entity in self.entities {
            let Some(form) = entity.stated_form() else { return };
            let low = form.start.saturating_sub(self.max_shift);
            let reach = form.start.saturating_add(self.max_shift).saturating_add(1).saturating_sub(low);
            let window = self.text.char_indices().map(|(byte, _)| byte).enumerate().skip(low).take(reach);
            let mut here = window.filter(|(_, byte)| {
                self.text.get(*byte..).is_some_and(|rest| rest.starts_with(form.surface))
            });
            let (Some((at, byte)), None) = (here.next(), here.next()) else { return };
            let Some(missing) = form.start.checked_sub(at) else { return };
            forms.push((form.start, missing, ByteSpan::with_len(byte, form.surface.len())));
        }
        let &[(start, missing, first), (other_start, other_missing, second)] = forms.as_slice() else {
            return;
        };
        if start.cmp(&other_start) == missing.cmp(&other_missing) || missing == other_missing {
            add(found, [first, second], "of a text with more characters before them".to_owned());
        }
    }

    /// Whether each entity stands where the other one is said to.
    fn are_swapped(&self) -> bool {
        let [first, second] = self.entities;
        let stands = |entity: &RawEntity, at: &RawEntity| {
            let there = Reading::default().span(at, self).and_then(|span| self.text.get(span.range()));
            entity.surface.is_some() && there == entity.surface.as_deref()
        };
        stands(first, second) && stands(second, first)
    }

    /// Whether entities that are said to be apart share characters.
    fn run_together(&self, [first, second]: Spans) -> bool {
        let [a, b] = self.entities.map(|entity| CharSpan::new(entity.chars[0], entity.chars[1]));
        a.zip(b).is_some_and(|(a, b)| !a.overlaps(&b)) && first.overlaps(&second)
    }

    /// The fault of offsets that no reading explains, or more than one.
    fn misfit(&self, found: &[(Spans, Repair)], swapped: bool, place: &Place<'_>) -> Error {
        let [first, second] = self.entities;
        if let Some(fault) = self.entities.into_iter().find_map(|entity| entity.malformed(place)) {
            return fault;
        }
        let entity = if Reading::default().fit_of(first, self).is_some() { second } else { first };
        let [start, end] = entity.chars;
        let surface = quoted(entity.surface.as_deref().unwrap_or_default());
        let there = CharSpan::new(start, end).and_then(|chars| chars.to_bytes(self.text));
        let stands = match there.and_then(|span| self.text.get(span.range())) {
            Some(there) => format!("{} at characters {start}..{end}", quoted(there)),
            // What is expected names the length.
            None if entity.surface.is_none() => format!("characters {start}..{end}"),
            None => format!("characters {start}..{end} of a text of {}", self.text.chars().count()),
        };
        let expected = match (entity.surface.is_some(), swapped, found.len()) {
            (false, ..) => format!("a span in a text of {}", self.text.chars().count()),
            (_, true, _) => format!("{surface}, which stands where the other entity is"),
            (.., 0) if self.max_shift == 0 => format!("{surface} there"),
            (.., 0 | 1) => format!("{surface} there, or a reading of the offsets that fits both entities"),
            _ => format!("{surface} there, or one reading that fits both entities, not several"),
        };
        place.error(entity.field, stands, expected)
    }

    /// The fault of offsets that fit as they are, and elsewhere by a reading of this file's.
    fn torn(&self, reading: &Reading, place: &Place<'_>) -> Error {
        let [first, second] = self.entities;
        let moved = reading.span(first, self) != Reading::default().span(first, self);
        let entity = if moved { first } else { second };
        let [start, end] = entity.chars;
        let found = format!(
            "offsets {start}..{end} for which two readings fit: as written, and {}, which earlier rows of this file needed",
            reading.describe(self)
        );
        place.error(entity.field, found, "offsets that fit in one way")
    }
}

fn add(found: &mut Vec<(Spans, Repair)>, spans: Spans, reading: String) {
    if !found.iter().any(|(known, _)| *known == spans) {
        found.push((spans, Repair { reading, of_file: None }));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::read::place::Field;

    type Entity<'a> = (Option<&'a str>, usize, usize);

    fn find(text: &str, entities: [Entity<'_>; 2], taken: &[Reading]) -> std::result::Result<String, String> {
        let raw = entities.map(|(surface, start, end)| RawEntity {
            chars: [start, end],
            surface: surface.map(str::to_owned),
            kind: None,
            field: Field { column: None, name: "entity" },
        });
        let row = Located { text, entities: [&raw[0], &raw[1]], inclusive: false, max_shift: 8 };
        match row.find(taken, &Place::of_line(Path::new("f"), 1, None)) {
            Ok((spans, repair)) => {
                let [a, b] = spans.map(|span| span.to_chars(text).unwrap());
                Ok(format!("{a} {b} {}", repair.map(|repair| repair.reading).unwrap_or_default()))
            }
            Err(fault) => Err(fault.to_string()),
        }
    }

    fn found(text: &str, entities: [(&str, usize, usize); 2]) -> String {
        find(text, entities.map(|(surface, start, end)| (Some(surface), start, end)), &[]).unwrap()
    }

    fn fault(text: &str, entities: [(&str, usize, usize); 2]) -> String {
        find(text, entities.map(|(surface, start, end)| (Some(surface), start, end)), &[]).unwrap_err()
    }

    #[test]
    fn one_reading_that_fits_both_entities_is_taken() {
        // `Kim` occurs twice, and the first entity fits as it is said to be.
        let kim = "😀😀😀😀 Kim Kim school";
        assert_eq!(found(kim, [("Kim", 9, 12), ("school", 17, 23)]), "5..8 13..19 in UTF-16 units");
        assert_eq!(found("가나 다라 마", [("다라", 7, 13), ("마", 14, 17)]), "3..5 6..7 in bytes");
        assert_eq!(found("가나 다라", [("가나", 0, 1), ("다라", 3, 4)]), "0..2 3..5 with inclusive ends");
        assert_eq!(found("가 나", [("가", 0, 0), ("나", 2, 2)]), "0..1 2..3 with inclusive ends");
        assert_eq!(found("가 나 다", [("가", 1, 2), ("다", 5, 6)]), "0..1 4..5 counted from 1");
        assert_eq!(found("abc 나 다", [("나", 2, 3), ("다", 4, 5)]), "4..5 6..7 2 characters too far left");
        assert_eq!(
            found("나 (다)의 로고", [("다", 5, 6), ("나", 1, 2)]),
            "3..4 0..1 of a text with more characters before them"
        );
        // Both that count from 1 and UTF-16 units say this of the row.
        assert_eq!(
            found("😀 가 나", [("가", 3, 4), ("나", 5, 6)]),
            "2..3 4..5 counted from 1 or in UTF-16 units"
        );
        // An entity without its form stays where it is said to be.
        let one = find("가 😀 나", [(None, 0, 1), (Some("나"), 5, 6)], &[]);
        assert_eq!(one.unwrap(), "0..1 4..5 in UTF-16 units");
    }

    #[test]
    fn another_mention_is_never_taken() {
        // Each could be found within 8 characters, but not both in the same way, or in more than one.
        let faults = [
            fault("Kim or Kim, a school", [("Kim", 3, 6), ("school", 14, 20)]),
            fault("Kim Kim Kim school", [("Kim", 2, 5), ("school", 11, 17)]),
            fault("a b a b", [("a", 2, 3), ("b", 4, 5)]),
            fault("Ann saw Bob. Ann saw Bob.", [("Ann", 6, 9), ("Bob", 14, 17)]),
            fault("가나 다", [("가나", 0, 2), ("라", 3, 4)]),
            // As far off as is allowed, and farther.
            fault("123456789 나 다", [("나", 1, 2), ("다", 3, 4)]),
        ];
        for fault in faults {
            assert!(fault.starts_with("f:1 (entity): found "), "{fault}");
        }
        assert!(fault("Ann Bob", [("Bob", 0, 3), ("Ann", 4, 7)]).contains("where the other entity is"));
        let open = find("가 나", [(None, 2, 3), (Some("가"), 1, 2)], &[]).unwrap_err();
        assert!(open.contains("\" \" at characters 1..2, expected \"가\" there"), "{open}");
    }

    #[test]
    fn a_name_that_stands_everywhere_is_looked_for_twice() {
        // All places of 400,000 would be compared with each other.
        let text = "가".repeat(400_000);
        let open = fault(&text, [("가", 500_000, 500_001), ("가", 500_000, 500_001)]);
        assert!(open.contains("or a reading of the offsets that fits both entities"), "{open}");
        let end = 400_003;
        let open = fault(&text, [("가", end, end + 1), ("가", end, end + 1)]);
        assert!(open.contains("one reading that fits both entities, not several"), "{open}");
    }

    #[test]
    fn what_fits_by_the_reading_of_rows_before_too_is_open() {
        let utf16 = Reading { unit: Unit::Utf16, ..Reading::default() };
        let entities = [(Some("가"), 0, 1), (None, 3, 4)];
        assert_eq!(find("가 😀 나", entities, &[]).unwrap(), "0..1 3..4 ");
        let open = find("가 😀😀 나", [(Some("가"), 0, 1), (None, 4, 6)], &[utf16]).unwrap_err();
        assert!(open.contains("two readings fit: as written, and in UTF-16 units"), "{open}");
        assert_eq!(find("가 나", [(Some("가"), 0, 1), (None, 2, 3)], &[utf16]).unwrap(), "0..1 2..3 ");
    }

    #[test]
    fn what_is_no_span_says_so() {
        assert!(
            fault("하나", [("하", 2, 0), ("나", 1, 2)]).contains("begins at character 2 and ends before")
        );
        assert!(fault("하나", [("셋", 1, 1), ("나", 1, 2)]).contains("an empty entity at character 1"));
        assert!(fault("하나", [("", 0, 1), ("나", 1, 2)]).contains("an empty surface form"));
        assert!(fault("하나", [("셋", usize::MAX - 1, usize::MAX), ("나", 1, 2)]).contains("of a text of 2"));
        let outside = find("하나", [(None, 1, 3), (None, 0, 1)], &[]).unwrap_err();
        assert!(outside.contains("characters 1..3, expected a span in a text of 2"), "{outside}");
    }
}

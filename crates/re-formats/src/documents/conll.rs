//! Columns of words and tags.

use std::io::Read;
use std::path::{Path, PathBuf};

use re_data::Document;
use re_data::text::quoted;

use super::plain::{check_mark, utf8};
use super::raw::{RawDocument, RawMention};
use super::report::{Losses, Lost};
use super::tags::{Decoder, flat, tag};
use super::writer::{Holds, Unfit, name};
use super::{MAX_DOCUMENT, Source};
use crate::error::Result;
use crate::read::lines::{Lines, split_terminator};
use crate::read::place::{Field, Place};
use crate::tokens::Joined;

const BOUNDARY: &str = "-DOCSTART-";

pub(super) struct Conll<'a> {
    lines: Lines<'a>,
    path: PathBuf,
    documents: usize,
}

impl<'a> Conll<'a> {
    pub(super) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { lines: Lines::new(input, path).with_limit(MAX_DOCUMENT), path: path.to_owned(), documents: 0 }
    }

    /// The lines up to an empty one, and the number of the first; boundaries between files are passed over.
    fn block(&mut self) -> Result<Option<(u64, Vec<String>)>> {
        let (mut block, mut first, mut size) = (Vec::new(), 0, 0);
        // A fault costs its document, which ends with an empty line all the same.
        let mut fault = None;
        let mut bytes = Vec::new();
        while self.lines.next(&mut bytes)? {
            let number = self.lines.number();
            let (body, _) = split_terminator(&bytes);
            let empty = body.iter().all(|&byte| byte == b' ');
            if empty && first > 0 {
                break;
            }
            let behind = body.strip_prefix(BOUNDARY.as_bytes());
            let is_boundary =
                first == 0 && behind.is_some_and(|rest| matches!(rest, [] | [b' ' | b'\t', ..]));
            if !empty && !is_boundary && fault.is_none() {
                first = if first == 0 { number } else { first };
                match self.checked(body, number, size) {
                    Ok(line) => block.push(line),
                    Err(found) => fault = Some(found),
                }
                size += body.len();
            }
            bytes.clear();
        }
        match fault {
            Some(fault) => Err(fault),
            None => Ok((!block.is_empty()).then_some((first, block))),
        }
    }

    /// A line as text, where that of its document before it comes to `size` bytes.
    fn checked(&self, body: &[u8], number: u64, size: usize) -> Result<String> {
        self.lines.check_length(body)?;
        let place = Place::of_line(&self.path, number, None);
        if size + body.len() > MAX_DOCUMENT {
            let found = format!("more than {MAX_DOCUMENT} bytes without an empty line");
            return Err(place.error(None, found, "an empty line behind each document"));
        }
        utf8(body, &place).map(str::to_owned)
    }
}

/// The columns of a line: between tabs or, where it has none, between spaces.
fn columns(line: &str) -> Vec<&str> {
    match line.contains('\t') {
        true => line.split('\t').collect(),
        false => line.split(' ').filter(|column| !column.is_empty()).collect(),
    }
}

impl Source for Conll<'_> {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some((line, block)) = self.block()? else { return Ok(None) };
        self.documents += 1;
        let id = self.documents.to_string();
        let mut words: Vec<String> = Vec::with_capacity(block.len());
        let (mut decoder, mut width) = (Decoder::default(), 0);
        for (number, text) in (line..).zip(&block) {
            let place = Place::of_line(&self.path, number, Some(&id));
            let columns = columns(text);
            if words.is_empty() {
                width = columns.len();
            }
            let (word, tag) = match columns.as_slice() {
                // A test file without tags.
                [word] if width == 1 => (*word, "O"),
                [word, .., tag] if columns.len() == width => (*word, *tag),
                _ => {
                    let found = format!("{} columns: {}", columns.len(), quoted(text));
                    let expected = match width {
                        0 | 1 => "a word and its tag".to_owned(),
                        _ => format!("{width} columns, as in the line that begins the document"),
                    };
                    return Err(place.error(None, found, expected));
                }
            };
            if word.is_empty() {
                let field = Field { column: Some(1), name: "word" };
                return Err(place.error(field, "an empty word", "a word"));
            }
            decoder.push(tag).map_err(|(found, expected)| {
                place.error(Field { column: Some(width), name: "tag" }, found, expected)
            })?;
            words.push(word.to_owned());
        }
        let mut joined = Joined::default();
        joined.add(&words, None);
        let mentions = decoder.finish().into_iter().filter_map(|mention| {
            let chars = joined.chars(mention.start, mention.end)?;
            Some(RawMention { chars, kind: mention.kind, ..RawMention::default() })
        });
        let mentions = mentions.collect();
        Ok(Some(RawDocument { line, id, text: joined.text, mentions, ..RawDocument::default() }))
    }
}

/// Whether a character stands between words.
fn between(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

pub(super) fn lines(document: &Document, before: usize, losses: &mut Losses) -> Result<String, Unfit> {
    let holds = Holds { mentions: true, ..Holds::default() };
    holds.count(document, losses);
    losses.add(Lost::Id, usize::from(document.id() != (before + 1).to_string()));
    let (mentions, overlapping) = flat(document);
    losses.add(Lost::Mention, overlapping);
    let unfit = |c: char| c.is_control();
    let mut lines = String::new();
    let (mut words, mut at) = (Vec::new(), 0);
    let mut characters = document.text().chars();
    let mut add = |words: &mut Vec<String>, stretch: String, kind: Option<Option<&str>>| -> usize {
        let mut count = 0;
        for word in stretch.split(between).filter(|word| !word.is_empty()) {
            let tag = kind.map_or("O".to_owned(), |kind| tag(count == 0, kind));
            lines.push_str(&format!("{word}\t{tag}\n"));
            words.push(word.to_owned());
            count += 1;
        }
        count
    };
    for mention in mentions {
        let span = mention.span();
        let outside: String = characters.by_ref().take(span.start() - at).collect();
        add(&mut words, outside, None);
        let inside: String = characters.by_ref().take(span.len()).collect();
        let kind = mention.kind().map(|kind| name(kind, unfit, losses));
        let edge = inside.starts_with(between) || inside.ends_with(between);
        let lost = match add(&mut words, inside, Some(kind.as_deref())) {
            0 => Lost::Mention,
            _ => Lost::Edge,
        };
        losses.add(lost, usize::from(edge));
        at = span.end();
    }
    add(&mut words, characters.collect(), None);
    let fault = |found: &str, expected| Err(Unfit { field: "text", found: found.to_owned(), expected });
    match words.first().map(String::as_str) {
        None => return fault(document.text(), "a text with at least one word"),
        Some(BOUNDARY) => return fault(BOUNDARY, "a text that does not begin with -DOCSTART-"),
        Some(first) if before == 0 => check_mark(first)?,
        Some(_) => {}
    }
    losses.add(Lost::Text, usize::from(words.join(" ") != document.text()));
    Ok(lines + "\n")
}

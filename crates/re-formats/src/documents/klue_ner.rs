//! KLUE-NER: a character and its tag on each line.

use std::io::Read;
use std::path::{Path, PathBuf};

use re_data::Document;
use re_data::text::quoted;

use super::plain::utf8;
use super::raw::{RawDocument, RawMention};
use super::report::{Losses, Lost};
use super::tags::{Decoder, flat, tag};
use super::writer::{Holds, name};
use super::{MAX_DOCUMENT, Source};
use crate::error::{Error, Result};
use crate::read::lines::{Lines, split_terminator};
use crate::read::place::{Field, Place};

/// What stands before an id.
const HEAD: &str = "## ";

pub(super) struct KlueNer<'a> {
    lines: Lines<'a>,
    path: PathBuf,
    /// The head that was read last, of a document without an empty line before it.
    head: Option<(u64, String)>,
}

impl<'a> KlueNer<'a> {
    pub(super) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { lines: Lines::new(input, path).with_limit(MAX_DOCUMENT), path: path.to_owned(), head: None }
    }

    fn line(&mut self) -> Result<Option<(u64, String)>> {
        let mut bytes = Vec::new();
        if !self.lines.next(&mut bytes)? {
            return Ok(None);
        }
        self.lines.check_length(&bytes)?;
        let number = self.lines.number();
        let (body, _) = split_terminator(&bytes);
        Ok(Some((number, utf8(body, &Place::of_line(&self.path, number, None))?.to_owned())))
    }

    /// Passes over the rest of what begins like no document: it is one fault, however many lines it has.
    fn pass_block(&mut self) -> Result<()> {
        loop {
            match self.line() {
                Ok(Some((number, line))) if line.starts_with(HEAD) => {
                    self.head = Some((number, line));
                    return Ok(());
                }
                Ok(Some((_, line))) if !line.is_empty() => {}
                Err(Error::Record(_)) => {}
                Ok(_) => return Ok(()),
                Err(fault) => return Err(fault),
            }
        }
    }

    /// The next line that begins a document.
    fn next_head(&mut self) -> Result<Option<(u64, String)>> {
        if let Some(head) = self.head.take() {
            return Ok(Some(head));
        }
        while let Some((number, line)) = self.line()? {
            if line.starts_with(HEAD) {
                return Ok(Some((number, line)));
            }
            if !line.is_empty() {
                let expected = "## ID, a tab and the text, or an empty line before it";
                let fault = Place::of_line(&self.path, number, None).error(None, quoted(&line), expected);
                self.pass_block()?;
                return Err(fault);
            }
        }
        Ok(None)
    }
}

impl Source for KlueNer<'_> {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some((line, head)) = self.next_head()? else { return Ok(None) };
        let head = head.strip_prefix(HEAD).unwrap_or_default();
        let place = Place::of_line(&self.path, line, None);
        // A fault costs its document, which ends with an empty line all the same.
        let mut fault = None;
        let (id, marked) = head.split_once('\t').unwrap_or_else(|| {
            fault = Some(place.error(None, quoted(head), "an id, a tab and the text"));
            (head, "")
        });
        let mut characters = Characters { ends: vec![0], ..Characters::default() };
        loop {
            let (number, line) = match self.line() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(found @ Error::Record(_)) => {
                    fault.get_or_insert(found);
                    continue;
                }
                Err(found) => return Err(found),
            };
            if line.is_empty() {
                break;
            }
            if line.starts_with(HEAD) {
                self.head = Some((number, line));
                break;
            }
            let place = Place::of_line(&self.path, number, Some(id));
            if fault.is_none() {
                fault = characters.push(&line, &place).err();
            }
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        let Characters { text, decoder, ends } = characters;
        // Files without answers have the text alone.
        let text = if text.is_empty() { marked.to_owned() } else { text };
        let mentions = decoder.finish().into_iter().filter_map(|mention| {
            let chars = [*ends.get(mention.start)?, *ends.get(mention.end)?];
            Some(RawMention { chars, kind: mention.kind, ..RawMention::default() })
        });
        let mentions = mentions.collect();
        Ok(Some(RawDocument { line, id: id.to_owned(), text, mentions, ..RawDocument::default() }))
    }
}

/// The characters of a document and their tags.
#[derive(Default)]
struct Characters {
    text: String,
    decoder: Decoder,
    /// Where the character of each line ends: in some files one has several code points.
    ends: Vec<usize>,
}

impl Characters {
    fn push(&mut self, line: &str, place: &Place<'_>) -> Result<()> {
        let parts = line.rsplit_once('\t').filter(|(character, _)| !character.is_empty());
        let Some((character, tag)) = parts else {
            return Err(place.error(None, quoted(line), "a character, a tab and its tag"));
        };
        self.decoder.push(tag).map_err(|(found, expected)| {
            place.error(Field { column: Some(2), name: "tag" }, found, expected)
        })?;
        self.text.push_str(character);
        if self.text.len() > MAX_DOCUMENT {
            let found = format!("more than {MAX_DOCUMENT} bytes without an empty line");
            return Err(place.error(None, found, "an empty line behind each document"));
        }
        self.ends.push(self.ends.last().copied().unwrap_or_default() + character.chars().count());
        Ok(())
    }
}

pub(super) fn lines(document: &Document, losses: &mut Losses) -> String {
    Holds { mentions: true, ..Holds::default() }.count(document, losses);
    let breaks = |c: char| matches!(c, '\n' | '\t' | '\r');
    let id = document.id();
    losses.add(Lost::Id, usize::from(id.contains(breaks)));
    losses.add(Lost::Text, usize::from(document.text().contains('\n')));
    let (mentions, overlapping) = flat(document);
    losses.add(Lost::Mention, overlapping);
    let (mut marked, mut lines) = (String::new(), String::new());
    let mut mentions = mentions.into_iter().peekable();
    let mut inside = None;
    for (at, c) in document.text().chars().enumerate() {
        let begun = mentions.next_if(|mention| mention.span().start() == at);
        if let Some(mention) = begun {
            marked.push('<');
            inside =
                Some((mention.span().end(), mention.kind().map(|kind| name(kind, char::is_control, losses))));
        }
        marked.push(if breaks(c) { ' ' } else { c });
        let tag = match &inside {
            Some((_, kind)) => tag(begun.is_some(), kind.as_deref()),
            None => "O".to_owned(),
        };
        lines.push_str(&format!("{}\t{tag}\n", if c == '\n' { ' ' } else { c }));
        if let Some((_, kind)) = inside.take_if(|(end, _)| *end == at + 1) {
            marked.push_str(&format!(":{}>", kind.unwrap_or_default()));
        }
    }
    format!("{HEAD}{}\t{marked}\n{lines}\n", id.replace(breaks, " "))
}

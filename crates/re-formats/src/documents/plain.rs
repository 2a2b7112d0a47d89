//! Plain texts: a file, or a line, for each document.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use re_data::{Document, files};

use super::raw::RawDocument;
use super::report::{Losses, Lost};
use super::writer::{Holds, Unfit};
use super::{MAX_DOCUMENT, Source, file_names};
use crate::error::{Error, Result};
use crate::read::lines::{BOM, Lines, split_terminator};
use crate::read::place::Place;

/// A file that is a document.
pub(super) struct Text<'a> {
    input: Option<Box<dyn Read + Send + 'a>>,
    path: PathBuf,
}

impl<'a> Text<'a> {
    pub(super) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { input: Some(Box::new(input)), path: path.to_owned() }
    }
}

impl Source for Text<'_> {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some(input) = self.input.take() else { return Ok(None) };
        let text = whole(input, &self.path)?;
        Ok(Some(RawDocument { line: 1, id: id_of(&self.path), text, ..RawDocument::default() }))
    }
}

/// The texts of a folder.
pub(super) struct Texts {
    files: IntoIter<PathBuf>,
}

impl Texts {
    pub(super) fn of_folder(path: &Path) -> Result<Self> {
        Ok(Self { files: files::entries(path)?.into_iter() })
    }
}

impl Source for Texts {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some(path) = self.files.next() else { return Ok(None) };
        if !has_extension(&path, "txt") || !files::is_file(&path)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let unread = vec![format!("{name} in the folder")];
            return Ok(Some(RawDocument { unread, skipped: true, ..RawDocument::default() }));
        }
        let text = of_file(&path)?;
        let id = id_of(&path);
        Ok(Some(RawDocument { path: Some(path), line: 1, id, text, ..RawDocument::default() }))
    }
}

pub(super) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// The id of the document in a file.
pub(super) fn id_of(path: &Path) -> String {
    file_names::to_id(&path.file_stem().unwrap_or_default().to_string_lossy())
}

/// The text of a file.
pub(super) fn of_file(path: &Path) -> Result<String> {
    whole(File::open(path).map_err(|e| Error::io(path, e))?, path)
}

fn whole(input: impl Read, path: &Path) -> Result<String> {
    let id = id_of(path);
    let place = Place::of_line(path, 1, Some(&id));
    let mut bytes = Vec::new();
    input.take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut bytes).map_err(|e| Error::io(path, e))?;
    if bytes.len() > MAX_DOCUMENT {
        return Err(place.error(None, format!("more than {MAX_DOCUMENT} bytes"), "smaller texts"));
    }
    while bytes.starts_with(BOM) {
        bytes.drain(..BOM.len());
    }
    String::from_utf8(bytes).map_err(|fault| {
        let at = fault.utf8_error().valid_up_to();
        let before = fault.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let found = format!("bytes that are no UTF-8, behind byte {at}");
        Place { line, ..place }.error(None, found, "text in UTF-8")
    })
}

/// A file of which each line is a document.
pub(super) struct TextLines<'a> {
    lines: Lines<'a>,
    path: PathBuf,
}

impl<'a> TextLines<'a> {
    pub(super) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { lines: Lines::new(input, path).with_limit(MAX_DOCUMENT), path: path.to_owned() }
    }
}

impl Source for TextLines<'_> {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let mut bytes = Vec::new();
        if !self.lines.next(&mut bytes)? {
            return Ok(None);
        }
        self.lines.check_length(&bytes)?;
        let line = self.lines.number();
        let (body, _) = split_terminator(&bytes);
        if body.is_empty() {
            let unread = vec!["empty lines".to_owned()];
            return Ok(Some(RawDocument { unread, skipped: true, ..RawDocument::default() }));
        }
        let text = utf8(body, &Place::of_line(&self.path, line, None))?.to_owned();
        Ok(Some(RawDocument { line, id: line.to_string(), text, ..RawDocument::default() }))
    }
}

/// A line as text.
pub(super) fn utf8<'b>(line: &'b [u8], place: &Place<'_>) -> Result<&'b str> {
    std::str::from_utf8(line).map_err(|fault| {
        let found = format!("bytes that are no UTF-8, behind byte {} of the line", fault.valid_up_to());
        place.error(None, found, "text in UTF-8")
    })
}

/// Refuses a text that begins a file with what would be taken for the mark of the file's encoding.
pub(super) fn check_mark(text: &str) -> Result<(), Unfit> {
    match text.as_bytes().starts_with(BOM) {
        false => Ok(()),
        true => {
            let expected = "a text that does not begin the file with a byte order mark";
            Err(Unfit { field: "text", found: text.to_owned(), expected })
        }
    }
}

pub(super) fn text(document: &Document, losses: &mut Losses) -> Result<String, Unfit> {
    Holds::default().count(document, losses);
    check_mark(document.text())?;
    Ok(document.text().to_owned())
}

pub(super) fn line(document: &Document, before: usize, losses: &mut Losses) -> Result<String, Unfit> {
    Holds::default().count(document, losses);
    let text = document.text();
    losses.add(Lost::Id, usize::from(document.id() != (before + 1).to_string()));
    if before == 0 {
        check_mark(text)?;
    }
    let broken = text.contains('\n') || text.ends_with('\r');
    losses.add(Lost::Text, usize::from(broken));
    Ok(if broken { text.replace(['\n', '\r'], " ") } else { text.to_owned() } + "\n")
}

//! Records of delimiter-separated files with CSV quoting.
//!
//! Own code rather than the `csv` crate's reader, which accepts text behind a closing quote and lets an
//! unbalanced quote swallow the rest of the file: here both are faults of the record in which they begin,
//! and reading can go on with the line behind that record's first one.

use std::io::Read;
use std::path::Path;

use super::lines::{Lines, MAX_RECORD, split_terminator};
use super::place::{Field, Place};
use crate::error::Result;

/// Splits an input into records.
pub(crate) struct Records<'a> {
    lines: Lines<'a>,
    delimiter: u8,
    raw: Vec<u8>,
    /// Where the first line of the record that was read last ends in `raw`, and how many lines follow it.
    first: (usize, u64),
    fields: Fields,
}

/// One record, its fields without quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'r> {
    /// Line on which it begins, from 1.
    pub(crate) line: u64,
    text: &'r str,
    ends: &'r [usize],
}

impl<'r> Record<'r> {
    pub(crate) fn fields(&self) -> impl ExactSizeIterator<Item = &'r str> {
        let (text, mut start) = (self.text, 0);
        self.ends
            .iter()
            .map(move |&end| text.get(std::mem::replace(&mut start, end)..end).unwrap_or_default())
    }
}

impl<'a> Records<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path, delimiter: u8) -> Self {
        let lines = Lines::new(input, path);
        Self { lines, delimiter, raw: Vec::new(), first: (0, 0), fields: Fields::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.lines.path()
    }

    /// The next record; empty lines between records are passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>> {
        self.raw.clear();
        self.first = (0, 0);
        loop {
            if !self.lines.next(&mut self.raw)? {
                return Ok(None);
            }
            if !split_terminator(&self.raw).0.is_empty() {
                break;
            }
            self.raw.clear();
        }
        self.lines.check_length(&self.raw)?;
        let line = self.lines.number();
        let first = self.raw.len();
        self.fields.clear();
        let mut state = self.fields.feed(&self.raw, self.delimiter);
        while state == State::Open && self.raw.len() <= MAX_RECORD {
            let start = self.raw.len();
            if !self.lines.next(&mut self.raw)? {
                break;
            }
            state = self.fields.feed(self.raw.get(start..).unwrap_or_default(), self.delimiter);
        }
        self.first = (first, self.lines.number() - line);
        if state != State::Complete {
            return Err(self.unbalanced(state, line));
        }
        match std::str::from_utf8(&self.fields.bytes) {
            Ok(text) => Ok(Some(Record { line, text, ends: &self.fields.ends })),
            Err(fault) => {
                let at = fault.valid_up_to();
                let column = 1 + self.fields.ends.iter().take_while(|&&end| end <= at).count();
                let byte = self.fields.bytes.get(at).copied().unwrap_or_default();
                let id = self.fields.first().filter(|_| column > 1);
                Err(Place::of_line(self.lines.path(), line, id).error(
                    Field { column: Some(column), name: "text encoding" },
                    format!("byte 0x{byte:02x}"),
                    "UTF-8",
                ))
            }
        }
    }

    /// The fault of a record whose quotes do not pair; what follows its first line will be read anew.
    fn unbalanced(&mut self, state: State, line: u64) -> crate::Error {
        let last = self.lines.number();
        let column = self.fields.ends.len() + 1;
        let reach = if last > line { format!(" that runs on to line {last}") } else { String::new() };
        let found = match state {
            State::Stray => format!("a quoted field{reach} with text behind its closing quote"),
            _ => format!("a quoted field{reach} without a closing quote"),
        };
        let id = self.fields.first().filter(|_| column > 1);
        let fault = Place::of_line(self.lines.path(), line, id).error(
            Field { column: Some(column), name: "quoting" },
            found,
            "quotes around the whole field and each quote inside it doubled",
        );
        self.read_again();
        fault
    }

    /// Makes all lines but the first of the record that was read last be read again, as records of their own: where it is
    /// faulty, two stray quotes far apart may have joined them.
    pub(crate) fn read_again(&mut self) {
        let (first, count) = std::mem::take(&mut self.first);
        if count > 0 {
            self.lines.push_back(self.raw.get(first..).unwrap_or_default(), count);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The record ended with the line.
    Complete,
    /// The line ended inside quotes.
    Open,
    /// Text follows a closing quote.
    Stray,
}

/// Fields of the record that is being read: their bytes without quotes, and where each one ends.
#[derive(Default)]
struct Fields {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    quoted: bool,
}

impl Fields {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.quoted = false;
    }

    fn first(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes.get(..*self.ends.first()?)?).ok()
    }

    fn feed(&mut self, line: &[u8], delimiter: u8) -> State {
        let (mut rest, terminator) = split_terminator(line);
        loop {
            if !self.quoted {
                if let Some(inside) = rest.strip_prefix(b"\"") {
                    (rest, self.quoted) = (inside, true);
                    continue;
                }
                let (field, behind) = cut(rest, delimiter);
                self.bytes.extend_from_slice(field);
                self.ends.push(self.bytes.len());
                let Some(behind) = behind else { return State::Complete };
                rest = behind;
                continue;
            }
            let (part, behind) = cut(rest, b'"');
            self.bytes.extend_from_slice(part);
            match behind.map(<[u8]>::split_first) {
                None => {
                    self.bytes.extend_from_slice(terminator);
                    return State::Open;
                }
                Some(Some((b'"', behind))) => {
                    self.bytes.push(b'"');
                    rest = behind;
                }
                Some(Some((&byte, behind))) if byte == delimiter => {
                    self.ends.push(self.bytes.len());
                    (rest, self.quoted) = (behind, false);
                }
                Some(None) => {
                    self.ends.push(self.bytes.len());
                    self.quoted = false;
                    return State::Complete;
                }
                Some(Some(_)) => return State::Stray,
            }
        }
    }
}

/// What stands before the first `byte`, and what behind it if there is one.
fn cut(bytes: &[u8], byte: u8) -> (&[u8], Option<&[u8]>) {
    let mut parts = bytes.splitn(2, |&b| b == byte);
    (parts.next().unwrap_or_default(), parts.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines and fields of the records, or the message of the fault.
    fn read(input: &[u8], delimiter: u8) -> Vec<std::result::Result<(u64, Vec<String>), String>> {
        let mut records = Records::new(input, Path::new("f"), delimiter);
        let mut found = Vec::new();
        loop {
            match records.next() {
                Ok(None) => return found,
                Ok(Some(r)) => found.push(Ok((r.line, r.fields().map(str::to_owned).collect()))),
                Err(fault) => found.push(Err(fault.to_string())),
            }
        }
    }

    fn ok(line: u64, fields: &[&str]) -> std::result::Result<(u64, Vec<String>), String> {
        Ok((line, fields.iter().map(|&f| f.to_owned()).collect()))
    }

    #[test]
    fn quotes_delimiters_and_terminators() {
        assert_eq!(
            read(b"a,b\r\n\r\n,\n\"x\"\"y\",\",\"\n\"\"", b','),
            [ok(1, &["a", "b"]), ok(3, &["", ""]), ok(4, &["x\"y", ","]), ok(5, &[""]),]
        );
        assert_eq!(read(b"a\t5\" disk\n", b'\t'), [ok(1, &["a", "5\" disk"])]);
        assert_eq!(
            read(b"1,\"two\r\nlines\"\n2,x\n", b','),
            [ok(1, &["1", "two\r\nlines"]), ok(3, &["2", "x"])]
        );
    }

    #[test]
    fn unbalanced_quotes_cost_one_line() {
        let found = read(b"1,\"open\n2,fine\n3,\"closed\"\n4,\"open\n5,fine", b',');
        let faults = |message: &str, at: usize| {
            assert!(found[at].as_ref().unwrap_err().contains(message), "{:?}", found[at]);
        };
        assert_eq!(found.len(), 5);
        faults("f:1: column 2 (quoting): id 1: found a quoted field that runs on to line 3 with text", 0);
        assert_eq!(found[1], ok(2, &["2", "fine"]));
        assert_eq!(found[2], ok(3, &["3", "closed"]));
        faults("f:4: column 2 (quoting): id 4: found a quoted field that runs on to line 5 without", 3);
        assert_eq!(found[4], ok(5, &["5", "fine"]));
        assert!(read(b"\"a\" b,c", b',')[0].as_ref().unwrap_err().contains("text behind its closing quote"));
    }

    #[test]
    fn an_endless_quoted_field_is_given_up() {
        let mut input = b"1,\"open\n".to_vec();
        input.extend(std::iter::repeat_n(*b"2,x\n", MAX_RECORD / 4 + 10).flatten());
        let mut records = Records::new(input.as_slice(), Path::new("f"), b',');
        assert!(records.next().is_err());
        assert_eq!(records.next().unwrap().unwrap().line, 2);
    }

    #[test]
    fn bytes_that_are_no_text_name_their_column() {
        let found = read(b"7,ab,c\xffd\n8,x,y\n\xff,", b',');
        assert_eq!(
            found[0].as_ref().unwrap_err(),
            "f:1: column 3 (text encoding): id 7: found byte 0xff, expected UTF-8"
        );
        assert_eq!(found[1], ok(2, &["8", "x", "y"]));
        assert!(found[2].as_ref().unwrap_err().starts_with("f:3: column 1 (text encoding): found"));
    }
}

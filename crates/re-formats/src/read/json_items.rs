//! Objects of a JSON array of any size, or objects that follow one another, one in memory at a time.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::lines::{BOM, MAX_RECORD};
use super::object::Object;
use super::place::Place;
use crate::error::{Error, Result};
use crate::json::{self, UniqueKeys};

/// Cuts an input into objects.
///
/// After a fault it goes on with the next object: brackets are counted, and a string ends with its line at the
/// latest, as JSON has no line breaks in strings. Where an object that is faulty has swallowed a line that begins with a
/// brace, that line is read again as another object, so that a missing quote or brace costs one object and not the rest of
/// the file.
pub(crate) struct Items<'a> {
    input: Input<'a>,
    path: PathBuf,
    line: u64,
    number: u64,
    state: State,
    bytes: Vec<u8>,
    /// Whether a line that begins with a brace begins an object, as a fault has shown.
    by_lines: bool,
    /// Largest object in bytes.
    limit: usize,
}

/// Bytes to read, some of them again.
struct Input<'a> {
    rest: Box<dyn BufRead + Send + 'a>,
    /// What comes before the rest, and how much of it has been read.
    again: (Vec<u8>, usize),
}

/// How the bytes of an object end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// With the bracket that closes it.
    Closed,
    /// With the input.
    Ended,
    /// Before a line that begins another object.
    Broken,
}

/// What is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first byte, which tells an array from a sequence.
    Start,
    /// The first element of the array, or its end.
    First,
    /// An element of the array, after a comma.
    Element,
    /// A comma or the end of the array.
    Comma,
    /// An object of a sequence, or the end of the input.
    Sequence,
    /// The end of the input, after that of the array.
    Behind,
    End,
}

/// One object and where it stands.
pub(crate) struct Item {
    pub(crate) line: u64,
    pub(crate) number: u64,
    pub(crate) object: Object,
}

impl<'a> Items<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self {
            input: Input { rest: Box::new(BufReader::with_capacity(1 << 16, input)), again: (Vec::new(), 0) },
            path: path.to_owned(),
            line: 1,
            number: 0,
            state: State::Start,
            bytes: Vec::new(),
            by_lines: false,
            limit: MAX_RECORD,
        }
    }

    /// The same with another limit to the size of an object, in bytes.
    pub(crate) fn with_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next object.
    pub(crate) fn next(&mut self) -> Result<Option<Item>> {
        while self.state != State::End {
            let next = self.peek()?;
            self.state = match (self.state, next) {
                (State::Start, Some(b'[')) => self.pass(State::First),
                (State::Start, Some(b'{')) => State::Sequence,
                (State::First | State::Comma, Some(b']')) => self.pass(State::Behind),
                (State::Comma, Some(b',')) => self.pass(State::Element),
                (State::First | State::Element | State::Sequence, Some(b'{')) => {
                    return self.item().map(Some);
                }
                (State::Sequence | State::Behind, None) => State::End,
                (state, _) => return Err(self.astray(state, next)),
            };
        }
        Ok(None)
    }

    /// The fault of something else than what is due; the next object is then looked for.
    fn astray(&mut self, state: State, found: Option<u8>) -> Error {
        let expected = match state {
            State::Start => "a JSON array of objects, or objects one after the other",
            State::Comma => "a comma or the end of the array",
            State::Behind => "nothing behind the array",
            _ => "an object",
        };
        let fault = self.unexpected(found, expected);
        self.state = match (state, found) {
            (State::Start, _) | (_, None) => State::End,
            (State::Element | State::Behind, Some(b']')) => self.pass(State::Behind),
            // The array was closed too early, or another one follows it.
            (State::Behind, Some(b'[')) => self.pass(State::First),
            (State::Behind, Some(b',')) => State::Comma,
            (_, Some(b'{')) => State::Element,
            _ => match self.skip() {
                Err(fault) => return fault,
                Ok(_) if state == State::Sequence => State::Sequence,
                Ok(Some(b'{')) => State::Element,
                Ok(None) if state == State::Behind => State::End,
                Ok(_) => State::Comma,
            },
        };
        fault
    }

    /// Passes over what is no object, up to a byte with which the next one or the array's end may come.
    fn skip(&mut self) -> Result<Option<u8>> {
        loop {
            self.consume(1);
            if let next @ (None | Some(b',' | b'{' | b']')) = self.peek()? {
                return Ok(next);
            }
        }
    }

    fn unexpected(&self, found: Option<u8>, expected: &str) -> Error {
        let found = match found {
            None => "the end of the file".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("{:?}", char::from(byte)),
            Some(byte) => format!("byte 0x{byte:02x}"),
        };
        self.place(self.line, self.number + 1).error(None, found, expected)
    }

    fn place(&self, line: u64, number: u64) -> Place<'_> {
        Place::of_item(&self.path, line, number)
    }

    /// The object that begins here.
    fn item(&mut self) -> Result<Item> {
        self.number += 1;
        let (line, number) = (self.line, self.number);
        self.state = if self.state == State::Sequence { State::Sequence } else { State::Comma };
        let (cut, another) = self.cut()?;
        let place = self.place(line, number);
        let fault = match serde_json::from_slice(&self.bytes) {
            _ if self.bytes.len() > self.limit => {
                let found = format!("an object of more than {} bytes", self.limit);
                place.error(None, found, "smaller objects")
            }
            _ if cut == Cut::Ended && another.is_none() => {
                place.error(None, "the end of the file inside an object", "a complete file")
            }
            Ok(UniqueKeys(values)) if cut == Cut::Closed => {
                return Ok(Item { line, number, object: Object::new(values, None) });
            }
            Ok(_) => place.error(None, "an object that is not closed", "a JSON object"),
            Err(mut fault) => {
                // What the object has swallowed is no part of its fault.
                let own = self.bytes.get(..another.map_or(self.bytes.len(), |(at, _)| at));
                if let Err(first) = serde_json::from_slice::<UniqueKeys>(own.unwrap_or_default()) {
                    fault = first;
                }
                let at = line + fault.line().saturating_sub(1) as u64;
                let found = format!("{} (on line {at})", json::what(&fault));
                place.error(None, found, "a JSON object")
            }
        };
        match (cut, another) {
            (Cut::Ended, None) => self.state = State::End,
            // The rest of the line belongs to the same object, whose brackets do not pair.
            (Cut::Closed, None) if self.bytes.len() <= self.limit => self.leave_line()?,
            _ => {}
        }
        if let Some((at, line)) = another {
            self.by_lines = true;
            self.input.push_back(self.bytes.get(at..).unwrap_or_default());
            self.line = line;
        }
        if (another.is_some() || cut == Cut::Broken) && self.state == State::Comma {
            self.state = State::Element;
        }
        Err(fault)
    }

    /// Moves everything up to the bracket that closes the first one into `bytes`, but not more than one byte above
    /// the limit. The first line behind that of the bracket that begins another object, as it seems, comes with its place in
    /// `bytes`; where lines are known to begin objects, or there is no room for more, the object ends before it.
    fn cut(&mut self) -> Result<(Cut, Option<(usize, u64)>)> {
        self.bytes.clear();
        let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
        let (mut fresh, mut another) = (false, None);
        loop {
            let available = self.input.fill(&self.path)?;
            if available.is_empty() {
                return Ok((Cut::Ended, another));
            }
            let (mut taken, mut end) = (0, None);
            for &byte in available {
                let kept = self.bytes.len() + taken;
                if fresh && byte == b'{' {
                    if self.by_lines || kept > self.limit {
                        end = Some(Cut::Broken);
                        break;
                    }
                    another = another.or(Some((kept, self.line)));
                }
                if another.is_some() && kept >= self.limit {
                    end = Some(Cut::Broken);
                    break;
                }
                taken += 1;
                fresh = byte == b'\n' || fresh && byte.is_ascii_whitespace();
                self.line += u64::from(byte == b'\n');
                match byte {
                    b'\n' => (quoted, escaped) = (false, false),
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    b'{' | b'[' if !quoted => depth += 1,
                    b'}' | b']' if !quoted => {
                        depth -= 1;
                        if depth == 0 {
                            end = Some(Cut::Closed);
                            break;
                        }
                    }
                    _ => {}
                }
            }
            let room = (self.limit + 1).saturating_sub(self.bytes.len()).min(taken);
            self.bytes.extend_from_slice(available.get(..room).unwrap_or_default());
            self.input.consume(taken);
            if let Some(end) = end {
                return Ok((end, another));
            }
        }
    }

    /// Passes over the rest of a line unless another object begins on it.
    fn leave_line(&mut self) -> Result<()> {
        let (mut rest, mut line) = (Vec::new(), 0);
        while line == 0 && rest.len() <= self.limit {
            let available = self.input.fill(&self.path)?;
            let Some(part) = available.split_inclusive(|&byte| byte == b'\n').next() else { break };
            rest.extend_from_slice(part);
            line = u64::from(part.ends_with(b"\n"));
            let read = part.len();
            self.input.consume(read);
        }
        // The bracket that was read last comes before it.
        let marks = rest.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
        let marks: Vec<u8> = std::iter::once(b'}').chain(marks).collect();
        let begins = |from: &[u8]| from.starts_with(b"},{") || from.starts_with(b"}{");
        let another = matches!(marks.as_slice(), [_] | [_, b','] | [_, b']', ..])
            || (0..marks.len()).any(|at| marks.get(at..).is_some_and(begins))
            || rest.len() > self.limit;
        if another {
            self.input.push_back(&rest);
            return Ok(());
        }
        self.line += line;
        let closed = marks.ends_with(b"]");
        if self.state == State::Comma {
            self.state = match self.peek()? {
                _ if closed => State::Behind,
                Some(b'{') => State::Element,
                _ => State::Comma,
            };
        }
        Ok(())
    }

    /// The next byte that is no white space, which stays where it is.
    fn peek(&mut self) -> Result<Option<u8>> {
        if self.state == State::Start {
            for mark in BOM.iter().cycle() {
                if self.input.fill(&self.path)?.first() != Some(mark) {
                    break;
                }
                self.consume(1);
            }
        }
        loop {
            let available = self.input.fill(&self.path)?;
            let space = available.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let (length, next) = (available.len(), available.get(space).copied());
            self.consume(space);
            if next.is_some() || length == 0 {
                return Ok(next);
            }
        }
    }

    fn pass(&mut self, state: State) -> State {
        self.consume(1);
        state
    }

    fn consume(&mut self, bytes: usize) {
        if bytes > 0 {
            let read = self.input.fill(&self.path).ok().and_then(|available| available.get(..bytes));
            self.line += read.map_or(0, |read| read.iter().filter(|&&byte| byte == b'\n').count()) as u64;
            self.input.consume(bytes);
        }
    }
}

impl Input<'_> {
    /// Bytes that are there to be read; none at the end of the input.
    fn fill(&mut self, path: &Path) -> Result<&[u8]> {
        let (again, at) = &self.again;
        if *at < again.len() {
            return Ok(again.get(*at..).unwrap_or_default());
        }
        fill(&mut *self.rest, path)
    }

    fn consume(&mut self, bytes: usize) {
        let (again, at) = &mut self.again;
        if *at == again.len() {
            return self.rest.consume(bytes);
        }
        *at += bytes;
        if *at == again.len() {
            self.again = (Vec::new(), 0);
        }
    }

    /// Makes what was read last be read again.
    fn push_back(&mut self, bytes: &[u8]) {
        let (again, at) = &mut self.again;
        // What was read from there already need not be moved.
        let start = at.checked_sub(bytes.len()).filter(|start| again.get(*start..*at) == Some(bytes));
        if let Some(start) = start {
            *at = start;
            return;
        }
        again.splice(..*at, bytes.iter().copied());
        *at = 0;
    }
}

/// Bytes that are there to be read; none at the end of the input.
fn fill<'b>(input: &'b mut (dyn BufRead + Send + '_), path: &Path) -> Result<&'b [u8]> {
    // What this loop has found is borrowed for too long to be returned. At the end of the input, where nothing is kept, the
    // second call reads anew, and may be interrupted too.
    let ended = loop {
        match input.fill_buf() {
            Ok(available) => break available.is_empty(),
            Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
            Err(fault) => return Err(Error::io(path, fault)),
        }
    };
    if ended { Ok(&[]) } else { input.fill_buf().map_err(|fault| Error::io(path, fault)) }
}

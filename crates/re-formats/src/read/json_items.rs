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
/// latest, as JSON has no line breaks in strings, so that a missing quote costs one object and not the rest of the file.
pub(crate) struct Items<'a> {
    input: Box<dyn BufRead + Send + 'a>,
    path: PathBuf,
    line: u64,
    number: u64,
    state: State,
    bytes: Vec<u8>,
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
            input: Box::new(BufReader::with_capacity(1 << 16, input)),
            path: path.to_owned(),
            line: 1,
            number: 0,
            state: State::Start,
            bytes: Vec::new(),
        }
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
            (State::Start | State::Behind, _) | (_, None) | (State::Element, Some(b']')) => State::End,
            (_, Some(b'{')) => State::Element,
            _ => match self.skip() {
                Err(fault) => return fault,
                Ok(_) if state == State::Sequence => State::Sequence,
                Ok(Some(b'{')) => State::Element,
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
        Place { path: &self.path, line, item: Some(number), id: None }
    }

    /// The object that begins here.
    fn item(&mut self) -> Result<Item> {
        self.number += 1;
        let (line, number) = (self.line, self.number);
        self.state = if self.state == State::Sequence { State::Sequence } else { State::Comma };
        let complete = self.cut()?;
        let place = self.place(line, number);
        if self.bytes.len() > MAX_RECORD {
            let found = format!("an object of more than {MAX_RECORD} bytes");
            return Err(place.error(None, found, "smaller objects"));
        }
        if !complete {
            self.state = State::End;
            let found = "the end of the file inside an object";
            return Err(self.place(line, number).error(None, found, "a complete file"));
        }
        match serde_json::from_slice(&self.bytes) {
            Ok(UniqueKeys(values)) => Ok(Item { line, number, object: Object::new(values, None) }),
            Err(fault) => {
                let at = line + fault.line().saturating_sub(1) as u64;
                let found = format!("{} (on line {at})", json::what(&fault));
                Err(place.error(None, found, "a JSON object"))
            }
        }
    }

    /// Moves everything up to the bracket that closes the first one into `bytes`, but not more than one byte above
    /// the limit; false where the input ends before.
    fn cut(&mut self) -> Result<bool> {
        self.bytes.clear();
        let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
        loop {
            let available = fill(&mut *self.input, &self.path)?;
            if available.is_empty() {
                return Ok(false);
            }
            let mut taken = 0;
            let mut closed = false;
            for &byte in available {
                taken += 1;
                self.line += u64::from(byte == b'\n');
                match byte {
                    b'\n' => (quoted, escaped) = (false, false),
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    b'{' | b'[' if !quoted => depth += 1,
                    b'}' | b']' if !quoted => {
                        depth -= 1;
                        closed = depth == 0;
                    }
                    _ => {}
                }
                if closed {
                    break;
                }
            }
            let room = (MAX_RECORD + 1).saturating_sub(self.bytes.len()).min(taken);
            self.bytes.extend_from_slice(available.get(..room).unwrap_or_default());
            self.input.consume(taken);
            if closed {
                return Ok(true);
            }
        }
    }

    /// The next byte that is no white space, which stays where it is.
    fn peek(&mut self) -> Result<Option<u8>> {
        if self.state == State::Start {
            for mark in BOM {
                if fill(&mut *self.input, &self.path)?.first() != Some(mark) {
                    break;
                }
                self.consume(1);
            }
        }
        loop {
            let available = fill(&mut *self.input, &self.path)?;
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
            let read = self.input.fill_buf().ok().and_then(|available| available.get(..bytes));
            self.line += read.map_or(0, |read| read.iter().filter(|&&byte| byte == b'\n').count()) as u64;
            self.input.consume(bytes);
        }
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

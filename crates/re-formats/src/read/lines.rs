//! Physical lines of an input of any size, with their numbers.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::place::Place;
use crate::error::{Error, Result};

/// Longest record in bytes; a longer one is a fault, which bounds the memory that any input can claim.
pub(crate) const MAX_RECORD: usize = 4 << 20;

pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads raw lines, terminators included, and hands lines that were pushed back out again.
pub(crate) struct Lines<'a> {
    input: Box<dyn BufRead + Send + 'a>,
    path: PathBuf,
    number: u64,
    /// Longest line in bytes.
    limit: usize,
    /// Lines to read again, and how much of them has been.
    replay: (Vec<u8>, usize),
}

impl<'a> Lines<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self {
            input: Box::new(BufReader::with_capacity(1 << 16, input)),
            path: path.to_owned(),
            number: 0,
            limit: MAX_RECORD,
            replay: (Vec::new(), 0),
        }
    }

    /// The same with another limit to the length of a line, in bytes.
    pub(crate) fn with_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of the line that was read last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Appends the next line to `line`; false at the end of the input. Byte order marks are dropped, and of a
    /// line above the limit only so much is kept that it still shows as too long.
    pub(crate) fn next(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        let start = line.len();
        if !self.replayed(line) && !self.read(line)? {
            return Ok(false);
        }
        self.number += 1;
        while self.number == 1 && line.get(start..).is_some_and(|read| read.starts_with(BOM)) {
            line.drain(start..start + BOM.len());
        }
        Ok(true)
    }

    /// The fault of the line read last, where it is longer than any record may be.
    pub(crate) fn check_length(&self, line: &[u8]) -> Result<()> {
        if line.len() <= self.limit {
            return Ok(());
        }
        let place = Place::of_line(&self.path, self.number, None);
        Err(place.error(None, format!("more than {} bytes without a line end", self.limit), "shorter lines"))
    }

    /// Makes `lines`, which end at the line read last, be read again.
    pub(crate) fn push_back(&mut self, lines: &[u8], count: u64) {
        let (bytes, at) = &mut self.replay;
        self.number -= count;
        // What was read from there already need not be moved.
        let start = at.checked_sub(lines.len()).filter(|start| bytes.get(*start..*at) == Some(lines));
        if let Some(start) = start {
            *at = start;
            return;
        }
        bytes.splice(..*at, lines.iter().copied());
        *at = 0;
    }

    fn replayed(&mut self, line: &mut Vec<u8>) -> bool {
        let (bytes, at) = &mut self.replay;
        let Some(next) = bytes.get(*at..).and_then(|rest| rest.split_inclusive(|&b| b == b'\n').next())
        else {
            return false;
        };
        line.extend_from_slice(next);
        *at += next.len();
        if *at == bytes.len() {
            self.replay = (Vec::new(), 0);
        }
        true
    }

    /// Reads to the end of the line but keeps no more than one byte above the limit.
    fn read(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        let start = line.len();
        let mut any = false;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(fault) if fault.kind() == ErrorKind::Interrupted => continue,
                Err(fault) => return Err(Error::io(&self.path, fault)),
            };
            let Some(part) = available.split_inclusive(|&b| b == b'\n').next() else {
                return Ok(any);
            };
            any = true;
            let room = (self.limit + 1).saturating_sub(line.len() - start);
            line.extend_from_slice(part.get(..room).unwrap_or(part));
            let (used, ended) = (part.len(), part.ends_with(b"\n"));
            self.input.consume(used);
            if ended {
                if used > room {
                    line.push(b'\n');
                }
                return Ok(true);
            }
        }
    }
}

/// The beginning of an input: read part by part until it is `enough`, the input ends, or 16 KiB are there.
pub(crate) fn head(input: &mut impl Read, enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    const LONGEST: usize = 1 << 14;
    let (mut head, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let read = match input.read(&mut part) {
            Ok(read) => read,
            Err(fault) if fault.kind() == ErrorKind::Interrupted => continue,
            Err(fault) => return Err(fault),
        };
        head.extend_from_slice(part.get(..read).unwrap_or_default());
        if read == 0 || head.len() >= LONGEST || enough(&head) {
            return Ok(head);
        }
    }
}

/// The beginning of an input without byte order marks, of which files that were put together have several.
pub(crate) fn without_marks(mut head: &[u8]) -> &[u8] {
    while let Some(rest) = head.strip_prefix(BOM) {
        head = rest;
    }
    head
}

/// The line without its terminator, and the terminator.
pub(crate) fn split_terminator(line: &[u8]) -> (&[u8], &[u8]) {
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    (body, line.get(body.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        let mut line = Vec::new();
        while lines.next(&mut line).unwrap() {
            found.push((lines.number(), String::from_utf8(std::mem::take(&mut line)).unwrap()));
        }
        found
    }

    #[test]
    fn lines_keep_their_terminators_and_numbers() {
        let mut lines = Lines::new(&b"\xef\xbb\xbfa\r\n\nlast"[..], Path::new("x"));
        assert_eq!(all(&mut lines), [(1, "a\r\n".into()), (2, "\n".into()), (3, "last".into())]);
        assert_eq!(split_terminator(b"a\r\n"), (&b"a"[..], &b"\r\n"[..]));
        assert_eq!(split_terminator(b"a"), (&b"a"[..], &b""[..]));
    }

    #[test]
    fn pushed_back_lines_come_again() {
        let mut lines = Lines::new(&b"a\nb\nc\nd"[..], Path::new("x"));
        let mut line = Vec::new();
        for _ in 0..3 {
            lines.next(&mut line).unwrap();
        }
        lines.push_back(b"b\nc\n", 2);
        line.clear();
        lines.next(&mut line).unwrap();
        assert_eq!((lines.number(), line.as_slice()), (2, &b"b\n"[..]));
        lines.push_back(b"b\n", 1);
        assert_eq!(all(&mut lines), [(2, "b\n".into()), (3, "c\n".into()), (4, "d".into())]);
    }

    #[test]
    fn a_line_without_end_is_refused_and_skipped() {
        let mut input = vec![b'x'; MAX_RECORD + 70_000];
        input.extend_from_slice(b"\nnext");
        let mut lines = Lines::new(input.as_slice(), Path::new("x"));
        let mut line = Vec::new();
        assert!(lines.next(&mut line).unwrap());
        assert_eq!(line.len(), MAX_RECORD + 2);
        assert!(lines.check_length(&line).unwrap_err().to_string().starts_with("x:1: found more than"));
        assert_eq!(all(&mut lines), [(2, "next".into())]);
    }

    #[test]
    fn read_faults_name_the_file() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("disk on fire"))
            }
        }
        let fault = Lines::new(Broken, Path::new("x.tsv")).next(&mut Vec::new()).unwrap_err();
        let Error::Data(re_data::Error::Io { path, source }) = fault else { panic!("{fault}") };
        assert_eq!((path.to_str(), source.to_string().as_str()), (Some("x.tsv"), "disk on fire"));
    }
}

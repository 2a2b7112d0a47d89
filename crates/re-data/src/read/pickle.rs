//! Just enough of Python's pickle format to read a dict between strings and integers.
//!
//! Nothing is executed or built but flat values: each opcode adds at most one, so that a hostile file can
//! claim no more memory than its own size, and nesting, classes and calls are refused by name. (The
//! `serde-pickle` crate does nest and copy, and can be made to exhaust memory or stack by a few bytes.)

use std::collections::HashMap;
use std::rc::Rc;

use crate::text::quoted;

/// Key or value of the dict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scalar {
    Text(Rc<str>),
    Int(i64),
}

#[derive(Debug, Clone)]
enum Item {
    Mark,
    Dict,
    Scalar(Scalar),
}

/// The items of the pickled dict, in the order of the file, or what is wrong with it.
pub(crate) fn dict(bytes: &[u8]) -> Result<Vec<(Scalar, Scalar)>, String> {
    let mut machine = Machine { rest: bytes, stack: Vec::new(), memo: HashMap::new(), dict: None };
    loop {
        let at = bytes.len() - machine.rest.len();
        match machine.step() {
            Ok(false) => {}
            Ok(true) => return machine.dict.ok_or_else(|| "the pickle holds no dict".to_owned()),
            Err(fault) => return Err(format!("{fault} at byte {at} of the pickle")),
        }
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Item>,
    memo: HashMap<u32, Item>,
    dict: Option<Vec<(Scalar, Scalar)>>,
}

type Step<T> = Result<T, String>;

impl<'a> Machine<'a> {
    /// Executes one opcode; true at the end of the pickle.
    fn step(&mut self) -> Step<bool> {
        let [opcode] = self.array()?;
        match opcode {
            b'.' => return Ok(true),
            // Protocol number, frame length: nothing to do.
            0x80 => drop(self.array::<1>()?),
            0x95 => drop(self.array::<8>()?),
            b'(' => self.stack.push(Item::Mark),
            b'}' => self.begin_dict()?,
            b'd' => {
                let items = self.above_mark()?;
                self.begin_dict()?;
                self.insert(items)?;
            }
            b's' => {
                let from = self.stack.len().saturating_sub(2);
                let items = self.stack.split_off(from);
                self.insert(items)?;
            }
            b'u' => {
                let items = self.above_mark()?;
                self.insert(items)?;
            }
            b'q' => {
                let [slot] = self.array()?;
                self.memoize(slot.into())?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.memoize(slot)?;
            }
            b'p' => {
                let slot = self.line_number()?;
                self.memoize(slot)?;
            }
            0x94 => self.memoize(u32::try_from(self.memo.len()).unwrap_or(u32::MAX))?,
            b'h' => {
                let [slot] = self.array()?;
                self.recall(slot.into())?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot)?;
            }
            b'g' => {
                let slot = self.line_number()?;
                self.recall(slot)?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.int(value.into());
            }
            b'K' => {
                let [value] = self.array()?;
                self.int(value.into());
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.int(value.into());
            }
            // Long integers, in decimal with a final L.
            b'I' | b'L' => {
                let value = self.line_number()?;
                self.int(value);
            }
            0x8a => {
                let [length] = self.array()?;
                let value = self.long(length)?;
                self.int(value);
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(u64::from(length))?;
            }
            0x8c => {
                let [length] = self.array()?;
                self.text(u64::from(length))?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)?;
            }
            b'V' => {
                let line = self.line()?;
                let text = raw_unicode_escape(line).ok_or("an invalid text")?;
                self.stack.push(Item::Scalar(Scalar::Text(text.into())));
            }
            other => {
                return Err(format!("opcode 0x{other:02x}, not needed for a dict of strings and integers,"));
            }
        }
        Ok(false)
    }

    fn bytes(&mut self, length: usize) -> Step<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("an early end")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or("an early end")?;
        self.rest = rest;
        Ok(*taken)
    }

    fn line(&mut self) -> Step<&'a [u8]> {
        let length = self.rest.iter().position(|&b| b == b'\n').ok_or("an early end")?;
        let line = self.bytes(length)?;
        self.bytes(1)?;
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn line_number<T: std::str::FromStr>(&mut self) -> Step<T> {
        let line = std::str::from_utf8(self.line()?).unwrap_or_default();
        line.trim_end_matches('L').parse().map_err(|_| format!("{} in place of an integer", quoted(line)))
    }

    /// A little-endian two's complement integer of `length` bytes.
    fn long(&mut self, length: u8) -> Step<i64> {
        let bytes = self.bytes(length.into())?;
        let negative = bytes.last().is_some_and(|&b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        if bytes.len() > wide.len() {
            return Err("an integer of more than 64 bits".to_owned());
        }
        for (slot, &byte) in wide.iter_mut().zip(bytes) {
            *slot = byte;
        }
        Ok(i64::from_le_bytes(wide))
    }

    fn int(&mut self, value: i64) {
        self.stack.push(Item::Scalar(Scalar::Int(value)));
    }

    fn text(&mut self, length: u64) -> Step<()> {
        let bytes = self.bytes(usize::try_from(length).map_err(|_| "an early end")?)?;
        let text = std::str::from_utf8(bytes).map_err(|_| "text that is not UTF-8")?;
        self.stack.push(Item::Scalar(Scalar::Text(text.into())));
        Ok(())
    }

    fn begin_dict(&mut self) -> Step<()> {
        if self.dict.replace(Vec::new()).is_some() {
            return Err("a second dict".to_owned());
        }
        self.stack.push(Item::Dict);
        Ok(())
    }

    fn above_mark(&mut self) -> Step<Vec<Item>> {
        let mark = self.stack.iter().rposition(|item| matches!(item, Item::Mark)).ok_or("a missing mark")?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn insert(&mut self, items: Vec<Item>) -> Step<()> {
        let (Some(Item::Dict), Some(dict)) = (self.stack.last(), &mut self.dict) else {
            return Err("an item outside a dict".to_owned());
        };
        let mut items = items.into_iter();
        while let Some(key) = items.next() {
            match (key, items.next()) {
                (Item::Scalar(key), Some(Item::Scalar(value))) => dict.push((key, value)),
                _ => return Err("a dict item that is no pair of strings and integers".to_owned()),
            }
        }
        Ok(())
    }

    fn memoize(&mut self, slot: u32) -> Step<()> {
        let top = self.stack.last().ok_or("a memo of nothing")?;
        self.memo.insert(slot, top.clone());
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Step<()> {
        let item = self.memo.get(&slot).ok_or("an unknown memo")?;
        self.stack.push(item.clone());
        Ok(())
    }
}

/// Latin-1 with `\uXXXX` and `\UXXXXXXXX` escapes, as protocol 0 writes text.
fn raw_unicode_escape(line: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut rest = line;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let digits = match (byte, behind.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(byte));
                continue;
            }
        };
        let hex = std::str::from_utf8(behind.get(1..=digits)?).ok()?;
        text.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
        rest = behind.get(digits + 1..)?;
    }
    Some(text)
}

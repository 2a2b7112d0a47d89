//! The operands of pickle instructions.

use std::str::FromStr;

use crate::fault::Fault;

/// A pickle that is read from the front.
pub(crate) struct Reader<'a> {
    length: usize,
    /// What has not been read yet.
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(program: &'a [u8]) -> Self {
        Self { length: program.len(), rest: program }
    }

    /// Bytes read so far.
    pub fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    pub fn byte(&mut self) -> Result<u8, Fault> {
        self.array().map(|[byte]| byte)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(|| self.cut())?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub fn take(&mut self, length: u64) -> Result<&'a [u8], Fault> {
        let taken = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (bytes, rest) = taken.ok_or_else(|| self.cut())?;
        self.rest = rest;
        Ok(bytes)
    }

    pub fn text(&mut self, length: u64) -> Result<&'a str, Fault> {
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.fault("other bytes", "UTF-8"))
    }

    /// What stands before the next line feed, which is skipped, without a carriage return at its end.
    pub fn line(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| self.cut())?;
        let line = self.take(length as u64)?;
        self.byte()?;
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }

    pub fn line_of_text(&mut self) -> Result<&'a str, Fault> {
        let line = self.line()?;
        std::str::from_utf8(line).map_err(|_| self.fault("other bytes", "UTF-8"))
    }

    /// A decimal number on a line of its own; that of a long integer ends in `L`.
    pub fn decimal<T: FromStr>(&mut self) -> Result<T, Fault> {
        let line = self.line_of_text()?;
        let number = line.strip_suffix('L').unwrap_or(line).parse();
        number.map_err(|_| self.fault("another line", "an integer of at most 64 bits"))
    }

    /// An integer of `length` bytes in two's complement.
    pub fn long(&mut self, length: u8) -> Result<i64, Fault> {
        let bytes = self.take(length.into())?;
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut number = [if negative { 0xff } else { 0 }; 8];
        let low =
            number.get_mut(..bytes.len()).ok_or_else(|| self.fault("a longer integer", "one of 64 bits"))?;
        low.copy_from_slice(bytes);
        Ok(i64::from_le_bytes(number))
    }

    /// A line of Latin-1 with `\uXXXX` and `\UXXXXXXXX` escapes, as protocol 0 writes text.
    pub fn escaped_text(&mut self) -> Result<String, Fault> {
        let line = self.line()?;
        unescaped(line).ok_or_else(|| self.fault("an invalid escape", "text"))
    }

    fn cut(&self) -> Fault {
        self.fault("the end", "the rest of an instruction")
    }

    fn fault(&self, found: &str, expected: &'static str) -> Fault {
        Fault::Malformed { offset: self.offset(), found: found.to_owned(), expected }
    }
}

fn unescaped(line: &[u8]) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_a_sign_and_at_most_64_bits() {
        let number = |bytes: &[u8]| Reader::new(bytes).long(bytes.len() as u8);
        assert_eq!(number(&[]).unwrap(), 0);
        assert_eq!(number(&[0xff, 0x00]).unwrap(), 255);
        assert_eq!(number(&[0x00, 0xff]).unwrap(), -256);
        assert_eq!(number(&[0, 0, 0, 0, 0, 0, 0, 0x80]).unwrap(), i64::MIN);
        assert!(number(&[0; 9]).is_err());
    }
}

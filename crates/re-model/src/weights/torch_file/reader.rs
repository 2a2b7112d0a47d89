//! The operands of pickle instructions.

use super::Fault;

/// A pickle that is read from the front.
pub(super) struct Reader<'a> {
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

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.cut())?;
        self.rest = rest;
        Ok(bytes)
    }

    pub fn text(&mut self, length: usize) -> Result<&'a str, Fault> {
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.fault("other bytes", "UTF-8"))
    }

    /// Text up to the next line feed, which is skipped.
    pub fn line(&mut self) -> Result<&'a str, Fault> {
        let length = self.rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| self.cut())?;
        let line = self.text(length)?;
        self.take(1)?;
        Ok(line)
    }

    /// An integer of `length` bytes in two's complement.
    pub fn long(&mut self, length: usize) -> Result<i64, Fault> {
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut number = [if negative { 0xff } else { 0 }; 8];
        let low = number.get_mut(..length).ok_or_else(|| self.fault("a longer integer", "one of 64 bits"))?;
        low.copy_from_slice(bytes);
        Ok(i64::from_le_bytes(number))
    }

    /// A fault in what was read last.
    pub fn fault(&self, found: &str, expected: &'static str) -> Fault {
        Fault::malformed(format!("data.pkl before byte {}", self.offset()), found, expected)
    }

    fn cut(&self) -> Fault {
        self.fault("the end", "the rest of an instruction")
    }
}

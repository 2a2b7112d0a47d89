//! Offsets in UTF-16 units, in which JavaScript counts.

/// The places in a text where UTF-16 units and code points differ.
pub(super) struct Utf16 {
    /// Where the characters of two units stand, in code points.
    wide: Vec<usize>,
}

impl Utf16 {
    pub(super) fn of(text: &str) -> Self {
        let wide = text.chars().enumerate().filter(|(_, c)| c.len_utf16() == 2);
        Self { wide: wide.map(|(at, _)| at).collect() }
    }

    /// Units before the code point `char`.
    pub(super) fn unit(&self, char: usize) -> usize {
        char + self.wide.partition_point(|&at| at < char)
    }

    /// The code point before which so many units stand; `None` within one.
    pub(super) fn char(&self, unit: usize) -> Option<usize> {
        // The n-th wide character, from 0, begins at unit `at + n`.
        let (mut low, mut high) = (0, self.wide.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.wide.get(middle) {
                Some(at) if at + middle < unit => low = middle + 1,
                _ => high = middle,
            }
        }
        let char = unit.checked_sub(low)?;
        (self.unit(char) == unit).then_some(char)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_code_points_go_both_ways() {
        let text = "a😀b😀😀c";
        let offsets = Utf16::of(text);
        for char in 0..=text.chars().count() {
            let unit = text.chars().take(char).map(char::len_utf16).sum();
            assert_eq!((offsets.unit(char), offsets.char(unit)), (unit, Some(char)));
        }
        assert!([2, 5, 7].iter().all(|&inside| offsets.char(inside).is_none()));
        assert_eq!(offsets.char(20), Some(17));
    }
}

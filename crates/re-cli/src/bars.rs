//! Bars of block characters.

use std::ops::RangeInclusive;

/// Width of the longest bar in characters.
const WIDTH: f64 = 40.0;

/// A bar of `count`, the longest one being that of `most`. What is not zero is seen.
pub fn bar(count: usize, most: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (8.0 * WIDTH * count as f64 / most.max(1) as f64).round() as usize;
    let eighths = eighths.max(usize::from(count > 0));
    "█".repeat(eighths / 8) + EIGHTHS.get(eighths % 8).copied().unwrap_or_default()
}

/// Lines of a histogram: range, count and bar.
pub fn histogram(bins: &[(RangeInclusive<usize>, usize)]) -> String {
    let most = bins.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let line = |(range, count): &(RangeInclusive<usize>, usize)| {
        format!("{:>6}-{:<5} {count:>7}  {}\n", range.start(), range.end(), bar(*count, most))
    };
    bins.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion() {
        assert_eq!(bar(8, 8).chars().count(), 40);
        assert_eq!(bar(4, 8), "█".repeat(20));
        assert_eq!((bar(0, 8), bar(1, 100_000), bar(0, 0)), (String::new(), "▏".to_owned(), String::new()));
        assert_eq!(bar(1, 64), "▋");
    }
}

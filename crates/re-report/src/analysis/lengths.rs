//! Whether long sentences are harder.

/// Rows whose texts are of similar length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthBin {
    /// Shortest text, in code points.
    pub shortest: usize,
    /// Longest text, in code points.
    pub longest: usize,
    /// Number of rows.
    pub rows: usize,
    /// How many of them are right.
    pub right: usize,
}

/// Sorts rows, given as length of the text and whether they are right, into about `bins` bins of about equally
/// many rows. Rows of one length stay together.
pub fn by_length(rows: impl IntoIterator<Item = (usize, bool)>, bins: usize) -> Vec<LengthBin> {
    let mut rows: Vec<(usize, bool)> = rows.into_iter().collect();
    rows.sort_unstable();
    let enough = rows.len().div_ceil(bins.max(1));
    let mut found: Vec<LengthBin> = Vec::new();
    for same in rows.chunk_by(|(a, _), (b, _)| a == b) {
        let length = same.first().map_or(0, |(length, _)| *length);
        let right = same.iter().filter(|(_, right)| *right).count();
        match found.last_mut().filter(|bin| bin.rows < enough) {
            Some(bin) => {
                bin.longest = length;
                bin.rows += same.len();
                bin.right += right;
            }
            None => found.push(LengthBin { shortest: length, longest: length, rows: same.len(), right }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_equally_many_rows_and_part_no_length() {
        let lengths = [3, 1, 2, 2, 2, 5, 4, 9];
        let found = by_length(lengths.map(|length| (length, length > 2)), 4);
        let bins: Vec<_> = found.iter().map(|bin| (bin.shortest, bin.longest, bin.rows, bin.right)).collect();
        assert_eq!(bins, [(1, 2, 4, 0), (3, 4, 2, 2), (5, 9, 2, 2)]);
        assert!(by_length([], 4).is_empty());
        assert_eq!(by_length([(7, true)], 0).len(), 1);
    }
}

//! Hashes of rows, by which a checkpoint knows its own.

use re_data::Encoded;

/// What a row of tokens is made of, as numbers to hash.
pub fn words(row: &Encoded) -> impl Iterator<Item = u64> {
    let ids = row.ids.iter().chain(&row.type_ids).map(|&id| u64::from(id));
    let spans = row.entities.iter().chain(&row.marked).flatten();
    ids.chain(spans.flat_map(|span| [span.start() as u64, span.end() as u64]))
}

/// The hash that goes on with one more number.
pub fn mix(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
}

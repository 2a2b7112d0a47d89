//! Random streams keyed by what they are for, so that none depends on how much another has drawn.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The stream of random numbers for `purpose` (such as `"shuffle"`) at `index` (an epoch or a step)
/// under `seed`. Equal arguments give equal streams on every machine.
pub fn stream(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    let words = [seed, index, fnv1a(purpose.as_bytes()), purpose.len() as u64];
    for (slot, word) in key.chunks_exact_mut(8).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// 64-bit FNV-1a hash: stable across versions and machines, unlike the standard library's.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::Rng;

    use super::*;

    #[test]
    fn each_key_has_its_own_stream() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        let all =
            [first(7, "shuffle", 0), first(8, "shuffle", 0), first(7, "dropout", 0), first(7, "shuffle", 1)];
        for (i, a) in all.iter().enumerate() {
            assert_eq!(all.iter().filter(|b| *b == a).count(), 1, "stream {i}");
        }
        assert_eq!(first(7, "shuffle", 0), all[0]);
    }
}

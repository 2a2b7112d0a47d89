//! Which documents are worth the time of somebody who annotates.

mod sampler;

use std::cmp::Ordering;
use std::collections::HashSet;

use rand::RngExt;
use re_data::random::{fnv1a, stream};
use re_data::text::brief;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::outcome::Extracted;

pub use sampler::{Sampled, Sampler};

/// Characters of the pieces of text that documents are compared by.
const GRAM: usize = 3;

/// What doubt is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtBy {
    /// How near the second answer comes to the first.
    #[default]
    Margin,
    /// How spread out all answers are.
    Entropy,
    /// Nothing: each document is as likely to be picked as another. A test set needs that, as the most doubtful documents say
    /// nothing of all.
    Random,
}

/// How [`sample()`] picks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SampleOptions {
    /// Documents that are wanted.
    pub count: usize,
    /// The picks come from so many times as many of the most doubtful documents: 1 looks at doubt alone, and a large
    /// number at diversity alone.
    pub pool: usize,
    /// Decides between equally doubtful documents, and draws those of [`DoubtBy::Random`].
    pub seed: u64,
}

impl SampleOptions {
    /// Documents that the picks come from.
    fn pooled(&self) -> usize {
        self.count.saturating_mul(self.pool)
    }

    fn check(&self) -> Result<()> {
        match self.pool {
            0 => Err(Error::setting("pool", 0, "at least one")),
            _ => Ok(()),
        }
    }
}

impl Default for SampleOptions {
    fn default() -> Self {
        Self { count: 50, pool: 4, seed: 42 }
    }
}

/// A document that may be picked.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    id: String,
    doubt: f64,
    /// Comes first among equally doubtful documents where it is smaller.
    turn: u64,
    content: Content,
}

/// What the distance between documents is taken from.
#[derive(Debug, Clone, PartialEq)]
enum Content {
    /// Hashes of the pieces of the text, ascending, each once.
    Grams(Vec<u64>),
    Vector(Vec<f32>),
}

impl Candidate {
    /// A document of which the model is this unsure, from 0 to 1.
    pub fn new(id: impl Into<String>, text: &str, doubt: f64) -> Self {
        let characters: Vec<(usize, char)> = text.char_indices().collect();
        let piece = |piece: &[(usize, char)]| {
            let start = piece.first().map_or(0, |(at, _)| *at);
            let end = piece.last().map_or(0, |(at, last)| at + last.len_utf8());
            fnv1a(text.get(start..end).unwrap_or_default().as_bytes())
        };
        let mut grams: Vec<u64> = match characters.len() {
            ..GRAM => vec![piece(&characters)],
            _ => characters.windows(GRAM).map(piece).collect(),
        };
        grams.sort_unstable();
        grams.dedup();
        Self { id: id.into(), doubt, turn: 0, content: Content::Grams(grams) }
    }

    /// A document that was extracted. Equally doubtful ones are told apart by the seed and their ids.
    pub fn of(extracted: &Extracted, by: DoubtBy, seed: u64) -> Self {
        let id = extracted.document.id();
        let mut drawn = stream(seed, "sample", fnv1a(id.as_bytes()));
        let doubt = match by {
            DoubtBy::Margin => extracted.doubt.margin,
            DoubtBy::Entropy => extracted.doubt.entropy,
            DoubtBy::Random => drawn.random(),
        };
        Self { turn: drawn.random(), ..Self::new(id, extracted.document.text(), doubt) }
    }

    /// The same document, compared with others by a vector, such as the mean of its hidden states, and not by its text.
    #[must_use]
    pub fn with_vector(mut self, vector: Vec<f32>) -> Self {
        self.content = Content::Vector(vector);
        self
    }

    /// Id of the document.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// A document that was picked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pick {
    /// Its place among the candidates.
    pub candidate: usize,
    /// How unsure the model is of it.
    pub doubt: f64,
    /// Distance to the nearest document that was picked before it, 0 to 1; 1 for the first.
    pub distance: f64,
}

/// Picks documents that the model is unsure of and that differ from each other, in the order in which to annotate them.
///
/// Of the most doubtful documents the most doubtful comes first, and then always the one that is farthest from all that are
/// picked: the greedy solution of the k-center problem (Sener and Savarese 2018, "Active learning for convolutional neural
/// networks: a core-set approach"). The distance of texts is one less the share of common pieces of three characters
/// (Jaccard), that of vectors half of one less their cosine. Equal distances go by doubt, equal doubts by the seed
/// ([`Candidate::of`]) and by id, so that the order of the candidates does not matter.
///
/// ```
/// use re_extract::sample::{Candidate, SampleOptions, sample};
/// let candidates = [
///     Candidate::new("1", "Marie loves Pierre.", 0.9),
///     Candidate::new("2", "Marie loves Pierre!", 0.8),
///     Candidate::new("3", "Acme hired Irène.", 0.7),
///     Candidate::new("4", "It rained.", 0.0),
/// ];
/// let picks = sample(&candidates, SampleOptions { count: 2, pool: 2, ..SampleOptions::default() })?;
/// let ids: Vec<_> = picks.iter().map(|pick| candidates[pick.candidate].id()).collect();
/// // "3" and "4" have nothing in common with "1", and "3" is the more doubtful.
/// assert_eq!(ids, ["1", "3"]);
/// # Ok::<(), re_extract::Error>(())
/// ```
///
/// # Errors
/// [`Error::RepeatedDocument`], and [`Error::Setting`] where a doubt is not from 0 to 1, only some documents have vectors,
/// vectors have different lengths or values that are not finite, or the pool is 0.
pub fn sample(candidates: &[Candidate], options: SampleOptions) -> Result<Vec<Pick>> {
    check(candidates)?;
    options.check()?;
    let mut pool: Vec<(usize, &Candidate)> = candidates.iter().enumerate().collect();
    pool.sort_by(|(_, a), (_, b)| by_doubt(a, b));
    pool.truncate(options.pooled());
    let mut nearest = vec![1.0f64; pool.len()];
    let mut picks: Vec<Pick> = Vec::new();
    while picks.len() < options.count && !pool.is_empty() {
        // The pool is in the order of doubt, so that the first of equals is the most doubtful.
        let best = re_data::predict::argmax(&nearest);
        let (candidate, document) = pool.remove(best);
        let distance = nearest.remove(best);
        for ((_, other), nearest) in pool.iter().zip(&mut nearest) {
            *nearest = nearest.min(distance_of(&document.content, &other.content));
        }
        picks.push(Pick { candidate, doubt: document.doubt, distance });
    }
    Ok(picks)
}

fn by_doubt(a: &Candidate, b: &Candidate) -> Ordering {
    b.doubt.total_cmp(&a.doubt).then(a.turn.cmp(&b.turn)).then_with(|| a.id.cmp(&b.id))
}

fn check(candidates: &[Candidate]) -> Result<()> {
    let mut seen = HashSet::new();
    let length = |content: &Content| match content {
        Content::Grams(_) => None,
        Content::Vector(vector) => Some(vector.len()),
    };
    let first = candidates.first().map(|candidate| length(&candidate.content));
    for candidate in candidates {
        if !seen.insert(candidate.id()) {
            return Err(Error::RepeatedDocument { side: "documents", id: candidate.id.clone() });
        }
        let field = |what| format!("document {}: {what}", brief(&candidate.id));
        if !(0.0..=1.0).contains(&candidate.doubt) {
            return Err(Error::setting(field("doubt"), candidate.doubt, "a number from 0 to 1"));
        }
        let found = length(&candidate.content);
        if Some(found) != first {
            let found = found.map_or("none".to_owned(), |length| format!("one of {length} values"));
            return Err(Error::setting(
                field("vector"),
                found,
                "one of equal length for all, or none for all",
            ));
        }
        if let Content::Vector(vector) = &candidate.content
            && let Some(value) = vector.iter().find(|value| !value.is_finite())
        {
            return Err(Error::setting(field("vector"), value, "finite values"));
        }
    }
    Ok(())
}

fn distance_of(one: &Content, other: &Content) -> f64 {
    match (one, other) {
        (Content::Grams(one), Content::Grams(other)) => {
            let common = one.iter().filter(|gram| other.binary_search(gram).is_ok()).count();
            let all = one.len() + other.len() - common;
            if all == 0 { 0.0 } else { 1.0 - common as f64 / all as f64 }
        }
        (Content::Vector(one), Content::Vector(other)) => {
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let norms = (dot(one, one) * dot(other, other)).sqrt();
            // Vectors without a direction are alike, and unlike all others.
            match (norms > 0.0, one == other) {
                (true, _) => (0.5 - 0.5 * dot(one, other) / norms).clamp(0.0, 1.0),
                (false, same) => f64::from(u8::from(!same)),
            }
        }
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(candidates: &[Candidate], count: usize, pool: usize) -> Vec<&str> {
        let picks = sample(candidates, SampleOptions { count, pool, ..SampleOptions::default() }).unwrap();
        picks.iter().map(|pick| candidates[pick.candidate].id()).collect()
    }

    #[test]
    fn texts_are_compared_by_their_pieces() {
        let content = |text| Candidate::new("x", text, 0.0).content;
        let distance = |a, b| distance_of(&content(a), &content(b));
        // abc, bcd against bcd, cde: one of three.
        assert!((distance("abcd", "bcde") - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((distance("abcd", "abcd"), distance("", ""), distance("", "가")), (0.0, 0.0, 1.0));
        assert_eq!((distance("가나", "가나"), distance("가나", "나가")), (0.0, 1.0));
    }

    #[test]
    fn vectors_are_compared_by_their_angle() {
        let distance = |a: [f32; 2], b: [f32; 2]| {
            distance_of(&Content::Vector(a.to_vec()), &Content::Vector(b.to_vec()))
        };
        assert_eq!((distance([1.0, 0.0], [2.0, 0.0]), distance([1.0, 0.0], [-1.0, 0.0])), (0.0, 1.0));
        assert_eq!((distance([1.0, 0.0], [0.0, 3.0]), distance([0.0, 0.0], [0.0, 3.0])), (0.5, 1.0));
        let of = |id, doubt, vector: [f32; 2]| Candidate::new(id, "same", doubt).with_vector(vector.to_vec());
        let candidates = [of("a", 0.9, [1.0, 0.0]), of("b", 0.8, [1.0, 0.1]), of("c", 0.1, [-1.0, 0.0])];
        assert_eq!(ids(&candidates, 2, 9), ["a", "c"]);
        assert_eq!(ids(&candidates, 2, 1), ["a", "b"]);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let message =
            |candidates: &[Candidate]| sample(candidates, SampleOptions::default()).unwrap_err().to_string();
        let new = |id, doubt| Candidate::new(id, "text", doubt);
        assert_eq!(
            message(&[new("a", 0.1), new("a", 0.2)]),
            "documents: found document a twice, expected each id once"
        );
        assert!(message(&[new("a", f64::NAN)]).starts_with("document a: doubt: found NaN"));
        let mixed = message(&[new("a", 0.1), new("b", 0.1).with_vector(vec![1.0])]);
        assert!(mixed.starts_with("document b: vector: found one of 1 values"), "{mixed}");
        assert!(
            message(&[new("a", 0.1).with_vector(vec![f32::INFINITY])]).contains("expected finite values")
        );
        assert!(sample(&[], SampleOptions { pool: 0, ..SampleOptions::default() }).is_err());
        assert_eq!(ids(&[new("a", 0.1)], 5, 1), ["a"]);
        assert_eq!(ids(&[new("a", 0.1)], 0, 1), [""; 0]);
    }

    proptest! {
        #[test]
        fn the_order_of_candidates_does_not_matter(
            raw in prop::collection::vec(("[ab]{0,6}", 0u8..4), 0..12),
            count in 0usize..6,
            pool in 1usize..4,
        ) {
            let of = |(number, (text, doubt)): (usize, &(String, u8))| {
                Candidate::new(format!("{number:02}"), text, f64::from(*doubt) / 4.0)
            };
            let candidates: Vec<Candidate> = raw.iter().enumerate().map(of).collect();
            let mut turned = candidates.clone();
            turned.reverse();
            let picked = ids(&candidates, count, pool);
            prop_assert_eq!(&picked, &ids(&turned, count, pool));
            prop_assert_eq!(picked.len(), count.min(candidates.len()));
            prop_assert_eq!(picked.iter().collect::<HashSet<_>>().len(), picked.len());
        }
    }
}

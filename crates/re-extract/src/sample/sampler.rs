//! Picking from a stream.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use re_data::split::normalized_text;

use super::{Candidate, DoubtBy, Pick, SampleOptions, by_doubt, sample};
use crate::error::{Error, Result};
use crate::outcome::Extracted;

/// Picks documents from a stream, as [`sample()`] does from those at hand. Only `count * pool` documents are kept to choose from,
/// however many come; of those with the same [`normalized_text`] one, the most doubtful.
///
/// The order in which documents come does not matter.
#[derive(Debug)]
pub struct Sampler {
    by: DoubtBy,
    options: SampleOptions,
    /// The most doubtful documents so far, in the order of [`Rank`].
    kept: BTreeMap<Rank, Extracted>,
    /// For each kept text its place among them.
    texts: HashMap<String, Rank>,
    repeated: usize,
}

/// Orders documents as [`by_doubt`] does.
#[derive(Debug, Clone)]
struct Rank(Candidate);

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Rank {}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        by_doubt(&self.0, &other.0)
    }
}

/// What a [`Sampler`] picked.
#[derive(Debug)]
pub struct Sampled {
    /// The documents, in the order in which to annotate them.
    pub picks: Vec<(Extracted, Pick)>,
    /// Documents that were left out, as their text is that of another one.
    pub repeated: usize,
}

impl Sampler {
    /// A sampler to which no document has come.
    ///
    /// # Errors
    /// [`Error::Setting`] where the pool is 0.
    pub fn new(by: DoubtBy, options: SampleOptions) -> Result<Self> {
        options.check()?;
        // The farthest of documents that were drawn would be no draw any more.
        let pool = if by == DoubtBy::Random { 1 } else { options.pool };
        let options = SampleOptions { pool, ..options };
        Ok(Self { by, options, kept: BTreeMap::new(), texts: HashMap::new(), repeated: 0 })
    }

    /// A document comes.
    ///
    /// # Errors
    /// [`Error::RepeatedDocument`] where a kept document has its id.
    pub fn add(&mut self, extracted: Extracted) -> Result<()> {
        let rank = Rank(Candidate::of(&extracted, self.by, self.options.seed));
        let text = normalized_text(extracted.document.text());
        if let Some(known) = self.texts.get(&text) {
            if known.0.id() == rank.0.id() {
                return Err(Error::RepeatedDocument { side: "documents", id: rank.0.id().to_owned() });
            }
            self.repeated += 1;
            if *known <= rank {
                return Ok(());
            }
            self.kept.remove(known);
        }
        self.texts.insert(text, rank.clone());
        self.kept.insert(rank, extracted);
        if self.kept.len() > self.options.pooled()
            && let Some((_, last)) = self.kept.pop_last()
        {
            self.texts.remove(&normalized_text(last.document.text()));
        }
        Ok(())
    }

    /// The picks among all documents that came.
    ///
    /// # Errors
    /// As [`sample()`].
    pub fn finish(self) -> Result<Sampled> {
        let (ranks, mut documents): (Vec<Rank>, Vec<Option<Extracted>>) =
            self.kept.into_iter().map(|(rank, document)| (rank, Some(document))).unzip();
        let candidates: Vec<Candidate> = ranks.into_iter().map(|Rank(candidate)| candidate).collect();
        let picks = sample(&candidates, self.options)?;
        let taken = picks.into_iter().filter_map(|pick| {
            let document = documents.get_mut(pick.candidate)?.take()?;
            Some((document, pick))
        });
        Ok(Sampled { picks: taken.collect(), repeated: self.repeated })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use re_data::{Document, Tally};

    use super::*;
    use crate::outcome::{Doubt, PairCounts};

    fn extracted(id: &str, text: &str, doubt: f64) -> Extracted {
        Extracted {
            document: Document::new(id, text, Vec::new()).unwrap(),
            abstained: None,
            unanswered: Tally::default(),
            pairs: PairCounts::default(),
            doubt: Doubt { margin: doubt, entropy: 1.0 - doubt },
        }
    }

    fn picked(by: DoubtBy, options: SampleOptions, documents: Vec<Extracted>) -> (Vec<String>, usize) {
        let mut sampler = Sampler::new(by, options).unwrap();
        documents.into_iter().for_each(|document| sampler.add(document).unwrap());
        let sampled = sampler.finish().unwrap();
        let id = |(document, _): &(Extracted, Pick)| document.document.id().to_owned();
        (sampled.picks.iter().map(id).collect(), sampled.repeated)
    }

    #[test]
    fn an_equal_text_is_picked_once() {
        let documents = vec![
            extracted("1", "Marie left.", 0.5),
            extracted("2", "Marie  left", 0.9),
            extracted("3", "Marie left!", 0.7),
            extracted("4", "Otto came.", 0.1),
        ];
        let options = SampleOptions { count: 3, ..SampleOptions::default() };
        assert_eq!(picked(DoubtBy::Margin, options, documents), (vec!["2".to_owned(), "4".to_owned()], 2));
    }

    #[test]
    fn a_draw_depends_on_the_seed_alone() {
        let documents = || (0..200).map(|n| extracted(&n.to_string(), &format!("text {n}"), 0.5)).collect();
        let draw = |by, seed| picked(by, SampleOptions { count: 20, pool: 4, seed }, documents()).0;
        assert_eq!(draw(DoubtBy::Random, 1), draw(DoubtBy::Random, 1));
        assert_ne!(draw(DoubtBy::Random, 1), draw(DoubtBy::Random, 2));
        // Equal doubts, too, are told apart by the seed.
        assert_ne!(draw(DoubtBy::Margin, 1), draw(DoubtBy::Margin, 2));
        assert!(
            Sampler::new(DoubtBy::Margin, SampleOptions { pool: 0, ..SampleOptions::default() }).is_err()
        );
        let mut sampler = Sampler::new(DoubtBy::Margin, SampleOptions::default()).unwrap();
        sampler.add(extracted("1", "a", 0.5)).unwrap();
        assert!(sampler.add(extracted("1", "a", 0.5)).is_err());
    }

    proptest! {
        #[test]
        fn a_stream_gives_what_all_documents_give(
            raw in prop::collection::vec(("[abc]{1,4}", 0u8..4), 0..20),
            count in 0usize..4,
            pool in 1usize..4,
            by in prop::sample::select(vec![DoubtBy::Margin, DoubtBy::Entropy]),
        ) {
            let options = SampleOptions { count, pool, ..SampleOptions::default() };
            let of = |(number, (text, doubt)): (usize, &(String, u8))| {
                extracted(&format!("{number:02}"), text, f64::from(*doubt) / 4.0)
            };
            let documents: Vec<Extracted> = raw.iter().enumerate().map(of).collect();
            // The most doubtful of each text.
            let mut best: HashMap<&str, Candidate> = HashMap::new();
            for document in &documents {
                let candidate = Candidate::of(document, by, options.seed);
                let known = best.entry(document.document.text()).or_insert_with(|| candidate.clone());
                if by_doubt(&candidate, known).is_lt() {
                    *known = candidate;
                }
            }
            let best: Vec<Candidate> = best.into_values().collect();
            let expected: Vec<String> =
                sample(&best, options).unwrap().iter().map(|pick| best[pick.candidate].id().to_owned()).collect();
            let mut turned = documents.clone();
            turned.reverse();
            prop_assert_eq!(&picked(by, options, documents).0, &expected);
            prop_assert_eq!(&picked(by, options, turned).0, &expected);
        }
    }
}

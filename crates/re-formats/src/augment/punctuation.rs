//! Random punctuation between words.

use rand::seq::{IndexedRandom, index};
use rand::{Rng, RngExt};
use re_data::RelationExample;
use re_data::edit::{Edit, words};

use super::{Augmenter, share};
use crate::error::Result;

/// The marks of the paper.
const MARKS: [&str; 6] = [".", ";", "?", ":", "!", ","];

/// Inserts punctuation marks before words, never inside an entity: from one up to a share of the number of words,
/// as many as chance says.
///
/// Karimi et al., "AEDA: An Easier Data Augmentation Technique for Text Classification" (2021).
#[derive(Debug, Clone, PartialEq)]
pub struct Punctuation {
    share: f64,
}

impl Punctuation {
    /// Insertion before at most `share` (above 0, up to 1) of the words; the paper's is a third.
    ///
    /// # Errors
    /// [`re_data::Error::Argument`] where `share` is out of range.
    pub fn new(share: f64) -> Result<Self> {
        Ok(Self { share: self::share(share)? })
    }
}

impl Augmenter for Punctuation {
    fn name(&self) -> &'static str {
        "punctuation"
    }

    fn vary(&self, example: &RelationExample, random: &mut dyn Rng) -> Option<RelationExample> {
        let entities = example.entities().each_ref().map(|entity| entity.span());
        let words: Vec<usize> = words(example.text()).map(|word| word.start()).collect();
        let most = ((words.len() as f64 * self.share) as usize).max(1);
        let inside = |at: usize| entities.iter().any(|entity| entity.start() < at && at < entity.end());
        let places: Vec<usize> = words.into_iter().filter(|&at| !inside(at)).collect();
        if places.is_empty() {
            return None;
        }
        let count = random.random_range(1..=most).min(places.len());
        let chosen = index::sample(random, places.len(), count);
        let mut edits = Vec::with_capacity(count);
        for at in chosen.into_iter().filter_map(|at| places.get(at)) {
            let mark = MARKS.choose(random).copied().unwrap_or_default();
            edits.push(Edit { span: re_data::ByteSpan::with_len(*at, 0), text: format!("{mark} ") });
        }
        example.edited(edits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::tests::row;
    use re_data::random::stream;

    #[test]
    fn marks_stand_before_words_and_nothing_else_changes() {
        let row = row("옛날 [그레타 슈타델]은 <조선>의 큰 장군 이었다 한다 고 말 했 다");
        let augmenter = Punctuation::new(1.0 / 3.0).unwrap();
        let mut counts = std::collections::BTreeSet::new();
        for index in 0..200 {
            let varied = augmenter.vary(&row, &mut stream(7, "test", index)).unwrap();
            assert_eq!([varied.surface(0), varied.surface(1)], ["그레타 슈타델", "조선"]);
            let (marks, words): (Vec<&str>, Vec<&str>) =
                varied.text().split(' ').partition(|word| MARKS.contains(word));
            assert_eq!(words.join(" "), row.text());
            counts.insert(marks.len());
        }
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[test]
    fn nothing_is_inserted_into_an_entity_that_is_the_whole_text() {
        let row = row("[그레타 <슈타델> 씨]");
        let varied = Punctuation::new(1.0).unwrap().vary(&row, &mut stream(7, "test", 0)).unwrap();
        assert_eq!([varied.surface(0), varied.surface(1)], ["그레타 슈타델 씨", "슈타델"]);
        assert!(varied.text().ends_with(" 그레타 슈타델 씨"));
    }
}

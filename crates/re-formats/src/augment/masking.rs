//! Word masking: some words outside the entities are hidden or dropped.

use rand::Rng;
use rand::seq::index;
use re_data::edit::{Edit, words};
use re_data::{ByteSpan, RelationExample};

use super::{Augmenter, share};
use crate::error::Result;

/// Hides or drops a share of the words that touch no entity, at least one.
///
/// A word is what stands between white space, so that particles and punctuation at an entity stay with it.
#[derive(Debug, Clone, PartialEq)]
pub struct WordMasking {
    share: f64,
    mask: Option<String>,
}

impl WordMasking {
    /// Masking of `share` (above 0, up to 1) of the words outside the entities. Each is replaced by `mask`, the
    /// tokenizer's mask token as it is written in text, or dropped where that is `None`.
    ///
    /// # Errors
    /// [`re_data::Error::Argument`] where `share` is out of range.
    pub fn new(share: f64, mask: Option<String>) -> Result<Self> {
        Ok(Self { share: self::share(share)?, mask })
    }
}

impl Augmenter for WordMasking {
    fn name(&self) -> &'static str {
        "word_masking"
    }

    fn vary(&self, example: &RelationExample, random: &mut dyn Rng) -> Option<RelationExample> {
        let entities = example.entities().each_ref().map(|entity| entity.span());
        let outside = |word: &ByteSpan| !entities.iter().any(|entity| entity.overlaps(word));
        let words: Vec<ByteSpan> = words(example.text()).filter(outside).collect();
        if words.is_empty() {
            return None;
        }
        let count = ((words.len() as f64 * self.share).round() as usize).clamp(1, words.len());
        let mut chosen = index::sample(random, words.len(), count).into_vec();
        chosen.sort_unstable();
        let chosen = chosen.into_iter().filter_map(|at| words.get(at).copied());
        let edits: Vec<Edit> = match &self.mask {
            Some(mask) => chosen.map(|span| Edit { span, text: mask.clone() }).collect(),
            None => dropped(example.text(), entities, chosen),
        };
        example.edited(edits)
    }
}

/// Edits that take out words, each with the white space before it; words that the text begins with have it behind.
fn dropped(text: &str, entities: [ByteSpan; 2], words: impl Iterator<Item = ByteSpan>) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    // Behind what goes at the beginning of the text.
    let mut beginning = 0;
    for word in words {
        let before = text.get(beginning..word.start()).unwrap_or_default().trim_end().len();
        let behind = text.get(word.end()..).unwrap_or_default();
        let (mut start, mut end) = (beginning + before, word.end());
        if before == 0 {
            end += behind.len() - behind.trim_start().len();
        }
        // White space that belongs to an entity stays.
        let [ends, starts] = [ByteSpan::end, ByteSpan::start].map(|bound| entities.each_ref().map(bound));
        start = ends.into_iter().filter(|end| *end <= word.start()).fold(start, usize::max);
        end = starts.into_iter().filter(|start| *start >= word.end()).fold(end, usize::min);
        if before == 0 {
            beginning = end;
        }
        edits.extend(ByteSpan::new(start, end).map(|span| Edit { span, text: String::new() }));
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::tests::row;
    use re_data::random::stream;

    fn texts(augmenter: &WordMasking, example: &RelationExample) -> Vec<String> {
        let vary = |index| augmenter.vary(example, &mut stream(7, "test", index)).unwrap();
        let mut texts: Vec<String> = (0..40).map(|index| vary(index).text().to_owned()).collect();
        texts.sort();
        texts.dedup();
        texts
    }

    #[test]
    fn words_are_hidden_one_by_one() {
        let row = row("옛날 [이순신]은 <조선>의 큰 장군");
        let masking = WordMasking::new(0.3, Some("<m>".into())).unwrap();
        let expected =
            ["<m> 이순신은 조선의 큰 장군", "옛날 이순신은 조선의 <m> 장군", "옛날 이순신은 조선의 큰 <m>"];
        assert_eq!(texts(&masking, &row), expected);
        let all = WordMasking::new(1.0, Some("<m>".into())).unwrap();
        assert_eq!(texts(&all, &row), ["<m> 이순신은 조선의 <m> <m>"]);
    }

    #[test]
    fn words_are_dropped_with_one_side_of_their_white_space() {
        let row = row("아주 옛날 [이순신]은 그때 <조선>의 장군");
        let one = WordMasking::new(0.1, None).unwrap();
        let expected = [
            "아주 옛날 이순신은 그때 조선의",
            "아주 옛날 이순신은 조선의 장군",
            "아주 이순신은 그때 조선의 장군",
            "옛날 이순신은 그때 조선의 장군",
        ];
        assert_eq!(texts(&one, &row), expected);
        assert_eq!(texts(&WordMasking::new(1.0, None).unwrap(), &row), ["이순신은 조선의"]);
    }

    #[test]
    fn rows_of_entities_alone_have_no_variant() {
        let row = row("[이순신]은 <조선>의");
        assert_eq!(WordMasking::new(0.5, None).unwrap().vary(&row, &mut stream(1, "test", 0)), None);
        for share in [0.0, -0.1, 1.1, f64::NAN] {
            let error = WordMasking::new(share, None).unwrap_err().to_string();
            assert!(error.starts_with("augmentation share = "), "{error}");
        }
    }
}

//! Variants of training rows: the same relation in other words or between other names.
//!
//! An [`Augmenter`] is one way to vary a row; an [`Augmentation`] applies several, each with a probability, anew in
//! every epoch. What it does to a row follows from seed, epoch and number of the row alone, so that any epoch can
//! be made at any time. The spans of both entities stay exact, and label and id stay as they are.
//!
//! ```
//! use re_formats::augment::{Augmentation, Punctuation, WordMasking};
//! # use re_data::{ByteSpan, Entity, RelationExample};
//! # let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
//! # let example = RelationExample::new("1", "Marie loves Pierre.", [entity(0, 5), entity(12, 6)])?;
//! let augmentation = Augmentation::new(7)
//!     .with(0.5, WordMasking::new(0.15, Some("[MASK]".to_owned()))?)?
//!     .with(0.5, Punctuation::new(0.3)?)?;
//! for epoch in 0..3 {
//!     let varied = augmentation.variant(epoch, 0, &example);
//!     assert_eq!(varied.as_ref().map_or(&example, |v| &v.example).surface(1), "Pierre");
//! }
//! # Ok::<(), re_formats::Error>(())
//! ```

mod config;
mod masking;
mod paraphrase;
mod punctuation;
mod swap;

use std::fmt;

use rand::{Rng, RngExt};
use re_data::RelationExample;
use re_data::random::stream;

use crate::error::{Error, Result};

pub use config::{AugmenterConfig, Material, Replacement};
pub use masking::WordMasking;
pub use paraphrase::{ParaphraseReport, Paraphrases};
pub use punctuation::Punctuation;
pub use swap::EntitySwap;

/// One way to vary a row.
///
/// Implement it for a way of your own; [`RelationExample::edited`] keeps spans exact.
pub trait Augmenter: fmt::Debug + Send + Sync {
    /// Its name in configurations and messages.
    fn name(&self) -> &'static str;

    /// What it draws on, in a few words for people; empty where there is nothing to say.
    fn describe(&self) -> String {
        String::new()
    }

    /// A variant with the same id, label and entity types; `None` where this way has none for the row.
    ///
    /// It must follow from the arguments alone.
    fn vary(&self, example: &RelationExample, random: &mut dyn Rng) -> Option<RelationExample>;
}

/// Several augmenters in their order, each with the probability that it is applied to a row.
#[derive(Debug)]
pub struct Augmentation {
    seed: u64,
    steps: Vec<(f64, Box<dyn Augmenter>)>,
}

/// A row as one epoch sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The varied row.
    pub example: RelationExample,
    /// The augmenters that changed it, by their places in the augmentation.
    pub applied: Vec<usize>,
}

impl Augmentation {
    /// An augmentation that does nothing yet.
    pub fn new(seed: u64) -> Self {
        Self { seed, steps: Vec::new() }
    }

    /// Adds an augmenter that is applied, after those before it, with `probability` (0 to 1) to each row.
    ///
    /// # Errors
    /// [`re_data::Error::Argument`] where the probability is out of range.
    pub fn with(self, probability: f64, augmenter: impl Augmenter + 'static) -> Result<Self> {
        self.with_boxed(probability, Box::new(augmenter))
    }

    fn with_boxed(mut self, probability: f64, augmenter: Box<dyn Augmenter>) -> Result<Self> {
        if !(0.0..=1.0).contains(&probability) {
            return Err(Error::Data(re_data::Error::Argument {
                name: "augmentation probability",
                found: probability.to_string(),
                expected: "a number from 0 to 1",
            }));
        }
        self.steps.push((probability, augmenter));
        Ok(self)
    }

    /// Adds what `configs` describe, made of `material`.
    ///
    /// # Errors
    /// [`re_data::Error::Argument`] where a setting is out of range, or words are to be masked and the material has no mask
    /// token; those of [`Paraphrases::open`].
    pub fn with_configs(self, configs: &[AugmenterConfig], material: &Material<'_>) -> Result<Self> {
        configs.iter().try_fold(self, |augmentation, config| {
            augmentation.with_boxed(config.probability(), config.build(material)?)
        })
    }

    /// The augmenters in their order.
    pub fn augmenters(&self) -> impl ExactSizeIterator<Item = &dyn Augmenter> {
        self.steps.iter().map(|(_, augmenter)| augmenter.as_ref())
    }

    /// Row number `row` as epoch number `epoch` (from 0) sees it; `None` where it is the row itself.
    pub fn variant(&self, epoch: u64, row: u64, example: &RelationExample) -> Option<Variant> {
        let mut varied: Option<Variant> = None;
        for (place, (probability, augmenter)) in self.steps.iter().enumerate() {
            // Each augmenter has a stream of its own, which no other one's draws move.
            let purpose = format!("augment {place} {} epoch {epoch}", augmenter.name());
            let mut random = stream(self.seed, &purpose, row);
            if !random.random_bool(*probability) {
                continue;
            }
            let present = varied.as_ref().map_or(example, |variant| &variant.example);
            if let Some(next) = augmenter.vary(present, &mut random) {
                let mut applied = varied.map_or_else(Vec::new, |variant| variant.applied);
                applied.push(place);
                varied = Some(Variant { example: next, applied });
            }
        }
        varied
    }
}

/// A share of words, above 0 up to 1.
fn share(value: f64) -> Result<f64> {
    if value > 0.0 && value <= 1.0 {
        return Ok(value);
    }
    Err(Error::Data(re_data::Error::Argument {
        name: "augmentation share",
        found: value.to_string(),
        expected: "a number above 0, up to 1",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use re_data::edit::Edit;
    use re_data::{ByteSpan, Entity};

    /// A row from a text with `[...]` around the first entity and `<...>` around the second.
    pub(super) fn row(marked: &str) -> RelationExample {
        let mut text = String::new();
        let mut bounds = [0; 4];
        for c in marked.chars() {
            match "[]<>".find(c) {
                Some(place) => bounds[place] = text.len(),
                None => text.push(c),
            }
        }
        let entity = |at: usize| Entity::new(ByteSpan::new(bounds[at], bounds[at + 1]).unwrap());
        RelationExample::new("1", text, [entity(0), entity(2)]).unwrap()
    }

    /// Appends its mark.
    #[derive(Debug)]
    struct Mark(&'static str);

    impl Augmenter for Mark {
        fn name(&self) -> &'static str {
            "mark"
        }

        fn vary(&self, example: &RelationExample, random: &mut dyn Rng) -> Option<RelationExample> {
            let text = format!("{}{}", self.0, random.random_range(0..10));
            example.edited([Edit { span: ByteSpan::with_len(example.text().len(), 0), text }])
        }
    }

    #[test]
    fn variants_follow_from_seed_epoch_row_and_place() {
        let row = row("[a] <b>");
        let make = |seed| Augmentation::new(seed).with(0.5, Mark("x")).unwrap().with(0.5, Mark("y")).unwrap();
        let text = |seed, epoch, number| {
            make(seed).variant(epoch, number, &row).map(|variant| variant.example.text().to_owned())
        };
        let all = |seed, epoch| (0..200).map(|number| text(seed, epoch, number)).collect::<Vec<_>>();
        assert_eq!(all(7, 3), all(7, 3));
        assert_ne!(all(7, 3), all(7, 4));
        assert_ne!(all(7, 3), all(8, 3));
        let unchanged = all(7, 3).iter().filter(|text| text.is_none()).count();
        assert!((30..70).contains(&unchanged), "{unchanged} of 200 at a quarter");
        // An augmenter draws the same whatever the ones before it do.
        let alone = Augmentation::new(7).with(0.0, Mark("x")).unwrap().with(0.5, Mark("y")).unwrap();
        for number in 0..50 {
            let end = |augmentation: &Augmentation| {
                let variant = augmentation.variant(0, number, &row).filter(|v| v.applied.contains(&1))?;
                Some(variant.example.text().chars().rev().take(2).collect::<String>())
            };
            assert_eq!(end(&alone), end(&make(7)));
        }
    }

    #[test]
    fn probabilities_of_0_and_1_are_exact() {
        let row = row("[a] <b>");
        let augmentation = Augmentation::new(7).with(1.0, Mark("x")).unwrap().with(0.0, Mark("y")).unwrap();
        assert!((0..100).all(|n| augmentation.variant(0, n, &row).is_some_and(|v| v.applied == [0])));
        for probability in [-0.1, 1.1, f64::NAN] {
            let error = Augmentation::new(7).with(probability, Mark("x")).unwrap_err().to_string();
            assert!(error.starts_with("augmentation probability = "), "{error}");
        }
        assert_eq!(Augmentation::new(7).variant(0, 0, &row), None);
    }
}

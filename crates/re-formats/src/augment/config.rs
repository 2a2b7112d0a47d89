//! Augmenters by name, as they stand in configurations.

use std::path::PathBuf;

use re_data::RelationExample;
use serde::{Deserialize, Serialize};

use super::{Augmenter, EntitySwap, Paraphrases, Punctuation, WordMasking};
use crate::error::{Error, Result};

/// An augmenter and the probability with which it is applied to a row in an epoch.
///
/// ```
/// use re_formats::augment::AugmenterConfig;
/// let config: AugmenterConfig = serde_json::from_str(r#"{"name": "word_masking", "probability": 0.5}"#)?;
/// assert_eq!(config.probability(), 0.5);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum AugmenterConfig {
    /// [`Paraphrases`]: another wording of the sentence from a file. To be the first one.
    Paraphrases {
        /// Probability, 0 to 1.
        probability: f64,
        /// The file; see [`Paraphrases::open`].
        file: PathBuf,
    },
    /// [`EntitySwap`]: other names of the same types for both entities.
    EntitySwap {
        /// Probability, 0 to 1.
        probability: f64,
        /// Whether names come only from entities in the same role of rows with the same label.
        #[serde(default)]
        same_label: bool,
    },
    /// [`WordMasking`]: some words outside the entities are hidden or dropped.
    WordMasking {
        /// Probability, 0 to 1.
        probability: f64,
        /// Share of the words outside the entities, above 0 up to 1.
        #[serde(default = "default_masking")]
        share: f64,
        /// What becomes of a word.
        #[serde(default)]
        replacement: Replacement,
    },
    /// [`Punctuation`]: punctuation marks between words.
    Punctuation {
        /// Probability, 0 to 1.
        probability: f64,
        /// Largest number of marks as a share of the number of words, above 0 up to 1.
        #[serde(default = "default_punctuation")]
        share: f64,
    },
}

/// What becomes of a masked word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// The tokenizer's mask token takes its place.
    #[default]
    Mask,
    /// It is dropped.
    Drop,
}

/// What augmenters are made of: only the training rows of the present split, so that nothing crosses its border.
#[derive(Debug, Clone, Default)]
pub struct Material<'a> {
    /// The rows that are trained on.
    pub train: &'a [RelationExample],
    /// Rows that are not: their sentences are no paraphrases.
    pub held_out: Vec<&'a RelationExample>,
    /// The tokenizer's mask token as it is written in text.
    pub mask_token: Option<&'a str>,
    /// Whether malformed paraphrases are left out and counted, instead of being errors.
    pub lenient: bool,
}

fn default_masking() -> f64 {
    0.15
}

fn default_punctuation() -> f64 {
    1.0 / 3.0
}

impl AugmenterConfig {
    /// Probability with which it is applied to a row, 0 to 1.
    pub fn probability(&self) -> f64 {
        match self {
            Self::Paraphrases { probability, .. }
            | Self::EntitySwap { probability, .. }
            | Self::WordMasking { probability, .. }
            | Self::Punctuation { probability, .. } => *probability,
        }
    }

    /// The file it reads, if it reads one.
    pub fn file_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Paraphrases { file, .. } => Some(file),
            _ => None,
        }
    }

    /// The augmenter, made of `material`.
    ///
    /// # Errors
    /// As [`Augmentation::with_configs`](super::Augmentation::with_configs).
    pub fn build(&self, material: &Material<'_>) -> Result<Box<dyn Augmenter>> {
        Ok(match self {
            Self::Paraphrases { file, .. } => {
                Box::new(Paraphrases::open(file, material.train, &material.held_out, material.lenient)?)
            }
            Self::EntitySwap { same_label, .. } => Box::new(EntitySwap::new(material.train, *same_label)),
            Self::WordMasking { share, replacement: Replacement::Drop, .. } => {
                Box::new(WordMasking::new(*share, None)?)
            }
            Self::WordMasking { share, replacement: Replacement::Mask, .. } => {
                let mask = material.mask_token.ok_or_else(|| {
                    Error::Data(re_data::Error::Argument {
                        name: "word_masking replacement",
                        found: "mask, with a tokenizer that has no mask token".to_owned(),
                        expected: "drop",
                    })
                })?;
                Box::new(WordMasking::new(*share, Some(mask.to_owned()))?)
            }
            Self::Punctuation { share, .. } => Box::new(Punctuation::new(*share)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Augmentation;
    use crate::augment::tests::row;

    fn parse(text: &str) -> std::result::Result<AugmenterConfig, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn names_and_defaults() {
        let masking =
            parse(r#"{"name": "word_masking", "probability": 0.5, "replacement": "drop"}"#).unwrap();
        let expected =
            AugmenterConfig::WordMasking { probability: 0.5, share: 0.15, replacement: Replacement::Drop };
        assert_eq!(masking, expected);
        assert!(parse(r#"{"name": "word_masking"}"#).unwrap_err().contains("missing field `probability`"));
        assert!(
            parse(r#"{"name": "entity_swap", "probability": 1, "share": 1}"#).unwrap_err().contains("share")
        );
        assert!(parse(r#"{"name": "shuffle", "probability": 1}"#).unwrap_err().contains("word_masking"));
    }

    #[test]
    fn all_are_built_of_the_material() {
        let rows = [row("[a] x y z <b>"), row("[c] x y z <d>")];
        let configs = [
            AugmenterConfig::EntitySwap { probability: 1.0, same_label: false },
            AugmenterConfig::WordMasking { probability: 1.0, share: 1.0, replacement: Replacement::Mask },
            AugmenterConfig::Punctuation { probability: 0.0, share: 0.3 },
        ];
        let material = Material { train: &rows, mask_token: Some("#"), ..Material::default() };
        let augmentation = Augmentation::new(7).with_configs(&configs, &material).unwrap();
        let names: Vec<&str> = augmentation.augmenters().map(Augmenter::name).collect();
        assert_eq!(names, ["entity_swap", "word_masking", "punctuation"]);
        let varied = augmentation.variant(0, 0, &rows[0]).unwrap();
        assert_eq!(varied.applied, [0, 1]);
        assert!(["c # # # d", "d # # # c"].contains(&varied.example.text()), "{}", varied.example.text());

        let without = Material { mask_token: None, ..material };
        let error = Augmentation::new(7).with_configs(&configs, &without).unwrap_err().to_string();
        assert!(error.contains("no mask token (expected drop)"), "{error}");
        let bad = [AugmenterConfig::Punctuation { probability: 2.0, share: 0.3 }];
        assert!(Augmentation::new(7).with_configs(&bad, &without).is_err());
    }
}

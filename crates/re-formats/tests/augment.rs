//! Variants of rows: spans stay exact wherever entities stand, and nothing but what was asked for changes.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::HashSet;

use proptest::prelude::*;
use re_data::{ByteSpan, EncodeOptions, Entity, ExampleEncoder, MarkupConfig, RelationExample, Tokenizer};
use re_formats::augment::{Augmentation, AugmenterConfig, Material, Replacement};
use re_formats::read::{self, EntityTypes, ReadOptions};

const MARKS: [char; 6] = ['.', ';', '?', ':', '!', ','];

/// Texts of words, spaces of all kinds, particles, marks and characters of one to four bytes.
fn example() -> impl Strategy<Value = RelationExample> {
    let part = prop::sample::select(vec![
        "이순신",
        "은",
        "는",
        "와의",
        " ",
        "  ",
        "\u{3000}",
        "\n",
        "a",
        "Zoë",
        "𝄞",
        ".",
        "(世宗)",
        "'",
        "》",
        "10",
        "\u{301}",
    ]);
    let text = prop::collection::vec(part, 1..24).prop_map(|parts| parts.concat());
    (text, any::<[prop::sample::Index; 4]>(), any::<[bool; 2]>()).prop_map(|(text, bounds, typed)| {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let entity = |a: usize, typed: bool| {
            let [a, b] = [bounds[a].index(places.len() - 1), bounds[a + 1].index(places.len() - 1)];
            let entity = Entity::new(ByteSpan::new(places[a.min(b)], places[a.max(b) + 1]).unwrap());
            if typed { entity.with_kind("PERSON") } else { entity }
        };
        let entities = [entity(0, typed[0]), entity(2, typed[1])];
        RelationExample::new("x", text.clone(), entities).unwrap().with_label("l")
    })
}

/// The one variant that `config` makes of the first of `rows`.
fn vary(config: AugmenterConfig, rows: &[RelationExample], seed: u64) -> Option<RelationExample> {
    let material = Material { train: rows, mask_token: Some("<mask>"), ..Material::default() };
    let augmentation = Augmentation::new(seed).with_configs(&[config], &material).unwrap();
    augmentation.variant(0, 0, &rows[0]).map(|variant| variant.example)
}

fn surfaces(row: &RelationExample) -> [&str; 2] {
    [row.surface(0), row.surface(1)]
}

fn kinds(row: &RelationExample) -> [Option<&str>; 2] {
    row.entities().each_ref().map(|entity| entity.kind())
}

/// What must hold of every variant.
fn same_but_for_text(varied: &RelationExample, row: &RelationExample) {
    assert_eq!((varied.id(), varied.label()), (row.id(), row.label()));
    assert_eq!(kinds(varied), kinds(row));
}

/// How the entities lie to one another.
fn order(row: &RelationExample) -> [std::cmp::Ordering; 2] {
    let [a, b] = row.entities().each_ref().map(|entity| entity.span());
    [a.start().cmp(&b.start()), a.end().cmp(&b.end())]
}

fn without(text: &str, dropped: impl Fn(char) -> bool) -> String {
    text.chars().filter(|c| !dropped(*c)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn masking_leaves_the_entities_and_the_words_at_them(row in example(), seed: u64, share in 0.01..=1.0) {
        let config = |replacement| AugmenterConfig::WordMasking { probability: 1.0, share, replacement };
        let spans = row.entities().each_ref().map(|entity| entity.span());
        let outside = row.text().split_whitespace().filter(|word| {
            let at = word.as_ptr() as usize - row.text().as_ptr() as usize;
            !spans.iter().any(|span| span.overlaps(&ByteSpan::with_len(at, word.len())))
        });
        let outside = outside.count();
        let rows = [row.clone()];
        let masked = vary(config(Replacement::Mask), &rows, seed);
        let dropped = vary(config(Replacement::Drop), &rows, seed);
        prop_assert_eq!(masked.is_some(), outside > 0);
        prop_assert_eq!(dropped.is_some(), outside > 0);
        let count = ((outside as f64 * share).round() as usize).max(1);
        if let (Some(masked), Some(dropped)) = (masked, dropped) {
            for varied in [&masked, &dropped] {
                same_but_for_text(varied, &row);
                prop_assert_eq!(surfaces(varied), surfaces(&row));
                prop_assert_eq!(order(varied), order(&row));
            }
            prop_assert_eq!(masked.text().matches("<mask>").count(), count);
            let words = |row: &RelationExample| row.text().split_whitespace().count();
            prop_assert_eq!(words(&masked), words(&row));
            prop_assert_eq!(words(&dropped) + count, words(&row));
        }
    }

    #[test]
    fn punctuation_only_adds_marks(row in example(), seed: u64, share in 0.01..=1.0) {
        let config = AugmenterConfig::Punctuation { probability: 1.0, share };
        let bare = |text: &str| without(text, |c| MARKS.contains(&c) || c.is_whitespace());
        if let Some(varied) = vary(config, std::slice::from_ref(&row), seed) {
            same_but_for_text(&varied, &row);
            prop_assert_eq!(surfaces(&varied), surfaces(&row));
            prop_assert_eq!(order(&varied), order(&row));
            prop_assert_eq!(bare(varied.text()), bare(row.text()));
            let added = varied.text().chars().count() - row.text().chars().count();
            let most = (row.text().split_whitespace().count() as f64 * share) as usize;
            prop_assert!(added >= 2 && added % 2 == 0 && added / 2 <= most.max(1), "{added} of {most}");
        }
    }

    #[test]
    fn swapped_names_are_those_of_the_training_rows(row in example(), other in example(), seed: u64) {
        let rows = [row.clone(), other.clone()];
        let varied = vary(AugmenterConfig::EntitySwap { probability: 1.0, same_label: false }, &rows, seed);
        let [a, b] = row.entities().each_ref().map(|entity| entity.span());
        if a.overlaps(&b) {
            prop_assert_eq!(varied, None);
        } else if let Some(varied) = varied {
            same_but_for_text(&varied, &row);
            prop_assert_eq!(order(&varied), order(&row));
            let mut changed = 0;
            for number in 0..2 {
                let (old, new) = (row.surface(number), varied.surface(number));
                if old != new {
                    changed += 1;
                    let is_name = |at: usize| other.surface(at) == new && kinds(&other)[at] == kinds(&row)[number];
                    prop_assert!(is_name(0) || is_name(1));
                    prop_assert!(!row.text().contains(new));
                }
            }
            prop_assert!(changed > 0);
            prop_assert_ne!(varied.surface(0), varied.surface(1));
        }
    }

    #[test]
    fn all_together_keep_the_entities_apart(row in example(), other in example(), seed: u64, epoch in 0u64..4) {
        let rows = [row.clone(), other];
        let configs = [
            AugmenterConfig::EntitySwap { probability: 0.5, same_label: true },
            AugmenterConfig::WordMasking { probability: 0.5, share: 0.3, replacement: Replacement::Drop },
            AugmenterConfig::WordMasking { probability: 0.5, share: 0.3, replacement: Replacement::Mask },
            AugmenterConfig::Punctuation { probability: 0.5, share: 0.3 },
        ];
        let material = Material { train: &rows, mask_token: Some("[MASK]"), ..Material::default() };
        let augmentation = Augmentation::new(seed).with_configs(&configs, &material).unwrap();
        let variant = augmentation.variant(epoch, 1, &row);
        prop_assert_eq!(&variant, &augmentation.variant(epoch, 1, &row));
        if let Some(variant) = variant {
            same_but_for_text(&variant.example, &row);
            prop_assert!(!variant.applied.is_empty());
            if !variant.applied.contains(&0) {
                prop_assert_eq!(surfaces(&variant.example), surfaces(&row));
            }
        }
    }
}

#[test]
fn most_rows_of_a_corpus_have_variants_and_none_has_names_from_elsewhere() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded");
    names_are_swapped_within(&folder.join("train.tsv"));
}

#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn most_rows_have_variants_and_none_has_names_from_elsewhere_in_shared_data() {
    names_are_swapped_within(&common::shared("p-stage2/train.tsv"));
}

fn names_are_swapped_within(path: &std::path::Path) {
    let rows = read::examples(path, &ReadOptions::default()).unwrap().examples;
    let rows = EntityTypes::open(path.with_file_name("entity_types.tsv")).unwrap().attach(rows).0;
    let (train, held_out) = rows.split_at(rows.len() / 2);
    let names: HashSet<(Option<&str>, &str)> =
        train.iter().flat_map(|row| [0, 1].map(|number| (kinds(row)[number], row.surface(number)))).collect();
    let configs = [AugmenterConfig::EntitySwap { probability: 1.0, same_label: false }];
    let material = Material { train, held_out: held_out.iter().collect(), ..Material::default() };
    let augmentation = Augmentation::new(7).with_configs(&configs, &material).unwrap();
    let mut varied = 0;
    for (number, row) in train.iter().enumerate() {
        let Some(variant) = augmentation.variant(0, number as u64, row) else { continue };
        varied += 1;
        for number in 0..2 {
            let new = (kinds(row)[number], variant.example.surface(number));
            assert!(names.contains(&new), "{new:?}");
        }
    }
    assert!(varied * 10 > train.len() * 9, "{varied} of {}", train.len());
}

#[test]
fn a_tokenizer_reads_each_masked_word_as_one_mask() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/model");
    let tokenizer = Tokenizer::from_folder(folder).unwrap();
    let mask = tokenizer.special().mask.clone().unwrap();
    let markup = MarkupConfig::EntityTokens { entity_embedding: false, pair: true };
    let options = EncodeOptions { max_length: 250, ..EncodeOptions::default() };
    let encoder = ExampleEncoder::new(tokenizer, markup.build().unwrap(), options).unwrap();
    let config =
        AugmenterConfig::WordMasking { probability: 1.0, share: 0.3, replacement: Replacement::Mask };
    let material = Material { mask_token: Some(&mask.content), ..Material::default() };
    let augmentation = Augmentation::new(7).with_configs(&[config], &material).unwrap();
    let train = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/embedded/dev.tsv");
    let rows = read::examples(train, &ReadOptions::default()).unwrap().examples;
    let mut masked = 0;
    for (number, row) in rows.iter().enumerate() {
        let Some(variant) = augmentation.variant(0, number as u64, row) else { continue };
        let ids = encoder.encode(&variant.example).unwrap().ids;
        let words = variant.example.text().matches(&mask.content).count();
        assert_eq!(ids.iter().filter(|id| **id == mask.id).count(), words);
        masked += usize::from(words > 0);
    }
    assert!(masked > 250, "{masked}");
}

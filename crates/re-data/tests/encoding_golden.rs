//! Ids and type ids equal those of `transformers` (fixtures/tokenization/make.py wrote them).
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use re_data::markup::{MarkedText, Markup};
use re_data::{
    ByteSpan, EncodeOptions, Entity, ExampleEncoder, LostEntities, RelationExample, Result, Tokenizer,
    Truncation,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    vocab_size: usize,
    special: BTreeMap<String, u32>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    pair: Option<String>,
    max_length: Option<usize>,
    ids: Vec<u32>,
    type_ids: Vec<u32>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tokenization")
}

/// Writes the golden row's texts as they are: the text as sentence, the id as first segment.
#[derive(Debug)]
struct Verbatim {
    pair: bool,
}

impl Markup for Verbatim {
    fn name(&self) -> &'static str {
        "verbatim"
    }
    fn write(&self, example: &RelationExample, _: &str) -> Result<MarkedText> {
        let spans = example.entities().each_ref().map(|e| e.span());
        Ok(MarkedText {
            first: self.pair.then(|| example.id().to_owned()),
            sentence: example.text().to_owned(),
            entities: spans,
            marked: spans,
        })
    }
    fn writes_pair(&self) -> bool {
        self.pair
    }
}

/// `class_types` is false where `transformers` gives all-zero type ids, which we replace.
fn check(name: &str, folder: &Path, class_types: bool) {
    let text = std::fs::read_to_string(fixtures().join(format!("{name}.json"))).unwrap();
    let golden: Golden = serde_json::from_str(&text).unwrap();
    let mut tokenizer = Tokenizer::from_folder(folder).unwrap();
    assert_eq!(tokenizer.add_tokens(&["[ENT]", "[/ENT]"]).unwrap(), 2);
    assert_eq!(tokenizer.add_tokens(&["[ENT]", "[/ENT]"]).unwrap(), 0);
    assert_eq!(tokenizer.vocab_size(), golden.vocab_size);
    let special = tokenizer.special().clone();
    for (role, token) in [
        ("cls", special.cls),
        ("sep", special.sep),
        ("pad", special.pad),
        ("unk", special.unk),
        ("mask", special.mask),
    ] {
        assert_eq!(token.map(|t| t.id), golden.special.get(role).copied(), "{role}");
    }
    let saved = tempfile::tempdir().unwrap();
    tokenizer.save(saved.path()).unwrap();
    let again = Tokenizer::from_folder(saved.path()).unwrap();
    let mut encoders = HashMap::new();
    for row in &golden.rows {
        let (first, second) = (row.text.as_str(), row.pair.as_deref());
        if let Some(max_length) = row.max_length {
            let (id, sentence) = second.map_or(("", first), |second| (first, second));
            // Lost entities are counted, so any span that has tokens will do.
            let Some(entity) = spelled(&tokenizer, sentence) else { continue };
            let entities = [Entity::new(entity), Entity::new(entity)];
            let example = RelationExample::new(id, sentence, entities).unwrap();
            let pair = second.is_some();
            let encoder = encoders.entry((max_length, pair)).or_insert_with(|| {
                let options = EncodeOptions {
                    max_length,
                    truncation: Truncation::Tail,
                    lost_entities: LostEntities::Count,
                    type_vocab_size: if class_types { 2 } else { 1 },
                };
                let markup = Box::new(Verbatim { pair }) as Box<dyn Markup>;
                ExampleEncoder::new(tokenizer.clone(), markup, options).unwrap()
            });
            let encoded = encoder.encode(&example).unwrap();
            assert_eq!(encoded.ids, row.ids, "{name}: {:?} {:?} {max_length}", row.text, row.pair);
            assert_eq!(encoded.type_ids, row.type_ids, "{name}: {:?} {:?}", row.text, row.pair);
        } else {
            for tokenizer in [&tokenizer, &again] {
                let encoded = tokenizer.encode(first, second).unwrap();
                assert_eq!(encoded.ids, row.ids, "{name}: {:?} {:?}", row.text, row.pair);
                assert_eq!(encoded.type_ids, row.type_ids, "{name}: {:?} {:?}", row.text, row.pair);
            }
        }
    }
}

/// Bytes of a token that covers whole characters of `text`.
fn spelled(tokenizer: &Tokenizer, text: &str) -> Option<ByteSpan> {
    let pieces = tokenizer.pieces(text).unwrap();
    let spans = pieces.offsets.iter().map(|&(start, end)| (start as usize, end as usize));
    let mut whole = spans.filter(|&(start, end)| start < end && text.get(start..end).is_some());
    whole.next().and_then(|(start, end)| ByteSpan::new(start, end))
}

#[test]
fn small_wordpiece_equals_transformers() {
    check("wordpiece", &fixtures().join("wordpiece"), true);
}

#[test]
fn small_unigram_equals_transformers() {
    check("unigram", &fixtures().join("unigram"), false);
}

#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn mbert_equals_transformers_in_shared_data() {
    let shared = std::env::var_os("RE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    check("mbert", &shared.join("data/bert-base-multilingual-cased"), true);
}

#[test]
#[ignore = "needs the folder that make_e5_small.py makes (RE_E5)"]
fn xlm_r_equals_transformers_with_e5() {
    check("e5", Path::new(&std::env::var_os("RE_E5").unwrap()), false);
}

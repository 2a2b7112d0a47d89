//! Rows of every markup: spans, truncation, type ids, loading and saving, and the word memory's exactness.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use re_data::markup::{EntityTokens, Pair, Plain, PlainTyped, Query, TypedPunct, TypedTokens};
use re_data::{
    ByteSpan, EncodeOptions, Encoded, Entity, Error, ExampleEncoder, LostEntities, Markup, RelationExample,
    Tokenizer, Truncation,
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tokenization").join(name)
}

fn tokenizer(name: &str) -> Tokenizer {
    Tokenizer::from_folder(folder(name)).unwrap()
}

fn entity(start: usize, end: usize) -> Entity {
    Entity::new(ByteSpan::new(start, end).unwrap())
}

fn encoder(name: &str, markup: impl Markup + 'static, options: EncodeOptions) -> ExampleEncoder {
    ExampleEncoder::new(tokenizer(name), Box::new(markup) as Box<dyn Markup>, options).unwrap()
}

fn tokens(encoder: &ExampleEncoder, row: &Encoded) -> Vec<String> {
    row.ids.iter().map(|&id| encoder.tokenizer().token(id).unwrap()).collect()
}

#[test]
fn rows_look_as_documented() {
    let example = RelationExample::new("1", "이순신은 조선", [entity(0, 9), entity(13, 19)]).unwrap();
    let encoder =
        encoder("wordpiece", EntityTokens { entity_embedding: true, pair: true }, EncodeOptions::default());
    assert_eq!(encoder.required_type_vocab_size(), 3);
    let row = encoder.encode(&example).unwrap();
    let tokens = tokens(&encoder, &row);
    assert_eq!(tokens.first().unwrap(), "[CLS]");
    assert_eq!(tokens.iter().filter(|t| *t == "[SEP]").count(), 3);
    for entity in [0, 1] {
        let (span, marked) = (row.entities[entity].unwrap(), row.marked[entity].unwrap());
        assert_eq!(tokens[marked.start()], "[ENT]");
        assert_eq!(tokens[marked.end() - 1], "[/ENT]");
        assert_eq!(tokens[span.range()].concat().replace("##", ""), example.surface(entity));
        assert!(row.type_ids[span.range()].iter().all(|&t| t == 2));
        assert_eq!(row.type_ids[marked.start()], 1);
    }
    let surfaces: usize = row.entities.iter().flatten().map(|span| span.len()).sum();
    assert_eq!(row.type_ids.iter().filter(|&&t| t == 2).count(), surfaces);
}

#[test]
fn type_ids_follow_the_model_where_the_tokenizer_has_none() {
    let example = RelationExample::new("1", "이순신은 조선", [entity(0, 9), entity(13, 19)]).unwrap();
    let row = |name, type_vocab_size| {
        let options = EncodeOptions { type_vocab_size, ..EncodeOptions::default() };
        encoder(name, Pair, options).encode(&example).unwrap()
    };
    for name in ["wordpiece", "unigram"] {
        assert!(row(name, 1).type_ids.iter().all(|&t| t == 0));
        let row = row(name, 2);
        let second = row.entities[0].unwrap().start();
        assert!(row.type_ids[..second].iter().all(|&t| t == 0), "{:?}", row.type_ids);
        assert!(row.type_ids[second..].iter().all(|&t| t == 1), "{:?}", row.type_ids);
    }
}

#[test]
fn a_window_keeps_what_the_tail_would_lose() {
    let text = format!("{}이순신은 조선{}", "가온기술 ".repeat(60), " 대표".repeat(40));
    let start = text.find("이순신").unwrap();
    let example =
        RelationExample::new("7", text.as_str(), [entity(start, start + 9), entity(0, 12)]).unwrap();
    let options = |truncation, lost_entities| EncodeOptions {
        max_length: 20,
        truncation,
        lost_entities,
        ..EncodeOptions::default()
    };
    let window =
        encoder("wordpiece", EntityTokens::default(), options(Truncation::Window, LostEntities::Error));
    let row = window.encode(&example).unwrap();
    assert_eq!(row.len(), 20);
    let all = tokens(&window, &row);
    for entity in [0, 1] {
        let marked = row.marked[entity].unwrap();
        assert_eq!([&all[marked.start()], &all[marked.end() - 1]], ["[ENT]", "[/ENT]"]);
        let surface = all[row.entities[entity].unwrap().range()].concat().replace("##", "");
        assert_eq!(surface, example.surface(entity));
    }
    let tail = encoder("wordpiece", Plain, options(Truncation::Tail, LostEntities::Error));
    match tail.encode(&example) {
        Err(Error::LostEntity { id, entity: 0, max_length: 20, needed }) => {
            assert_eq!((id.as_str(), needed > 80), ("7", true));
        }
        other => panic!("{other:?}"),
    }
    let tail = encoder("wordpiece", Plain, options(Truncation::Tail, LostEntities::Count));
    let short = RelationExample::new("8", "이순신은 조선", [entity(0, 9), entity(13, 19)]).unwrap();
    let (rows, report) = tail.encode_batch(&[example.clone(), short]).unwrap();
    assert_eq!((rows.len(), report.rows, report.truncated, report.longest), (2, 2, 1, 20));
    assert_eq!(rows[0].entities[0], None);
    assert!(rows[0].entities[1].is_some());
    assert_eq!(report.lost.len(), 1);
    assert_eq!((report.lost[0].id.as_str(), report.lost[0].entity), ("7", 0));
    assert_eq!(report.tokens + report.padding(), 40);
}

#[test]
fn what_cannot_work_is_refused() {
    let new = |options| ExampleEncoder::new(tokenizer("unigram"), Box::new(Pair) as Box<dyn Markup>, options);
    let max_length = EncodeOptions { max_length: 4, ..EncodeOptions::default() };
    assert!(matches!(new(max_length), Err(Error::Argument { name: "max_length", .. })));
    let type_vocab_size = EncodeOptions { type_vocab_size: 0, ..EncodeOptions::default() };
    assert!(matches!(new(type_vocab_size), Err(Error::Argument { name: "type_vocab_size", .. })));

    let example = RelationExample::new("3", "a\u{200b} b", [entity(1, 4), entity(5, 6)]).unwrap();
    let error = encoder("wordpiece", Plain, EncodeOptions::default()).encode(&example).unwrap_err();
    assert!(matches!(error, Error::EntityWithoutTokens { entity: 0, .. }), "{error}");
    let count = EncodeOptions { lost_entities: LostEntities::Count, ..EncodeOptions::default() };
    let row = encoder("wordpiece", Plain, count).encode(&example).unwrap();
    assert!(row.entities[0].is_none() && row.entities[1].is_some(), "{row:?}");

    let empty = tempfile::tempdir().unwrap();
    let error = Tokenizer::from_folder(empty.path()).unwrap_err();
    assert!(error.to_string().contains("found neither tokenizer.json nor vocab.txt"), "{error}");
    std::fs::write(empty.path().join("vocab.txt"), "[CLS]\n[UNK]\n").unwrap();
    let error = Tokenizer::from_folder(empty.path()).unwrap_err();
    assert!(error.to_string().ends_with("the vocabulary lacks the sep_token \"[SEP]\""), "{error}");
    std::fs::write(empty.path().join("tokenizer.json"), "{").unwrap();
    let error = Tokenizer::from_folder(empty.path()).unwrap_err();
    assert!(error.to_string().ends_with("tokenizer.json: not a tokenizer file"), "{error}");
}

#[test]
fn a_class_setting_decides_the_case() {
    let folder = tempfile::tempdir().unwrap();
    let vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nab\n##c\nAb\n";
    std::fs::write(folder.path().join("vocab.txt"), vocabulary).unwrap();
    let ids = |text| Tokenizer::from_folder(folder.path()).unwrap().pieces(text).unwrap().ids;
    assert_eq!(ids("Abc abc"), [7, 6, 5, 6]);
    std::fs::write(folder.path().join("tokenizer_config.json"), r#"{"do_lower_case": true}"#).unwrap();
    assert_eq!(ids("Abc abc"), [5, 6, 5, 6]);
}

/// A byte-level tokenizer that puts a space before each text.
fn byte_level() -> Tokenizer {
    let golden = std::fs::read_to_string(folder("folders.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&golden).unwrap();
    let named = |folder: &&serde_json::Value| folder["name"] == "roberta, a prefix by setting";
    let files = &golden["folders"].as_array().unwrap().iter().find(named).unwrap()["files"];
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files.as_object().unwrap() {
        std::fs::write(folder.path().join(name), content.to_string()).unwrap();
    }
    Tokenizer::from_folder(folder.path()).unwrap()
}

#[test]
fn a_run_of_spaces_takes_no_more_memory_than_its_text() {
    let text = format!("가 {}나", " ".repeat(3_000_000));
    let words = tokenizer("wordpiece");
    assert_eq!(words.pieces(&text).unwrap().ids, words.pieces("가 나").unwrap().ids);
    // What looks at spaces cannot pass over them, and refuses what would take it gigabytes.
    for tokenizer in [tokenizer("unigram"), byte_level()] {
        let error = tokenizer.pieces(&text).unwrap_err().to_string();
        assert!(error.contains("cannot cut a text of 3000007 bytes into words"), "{error}");
    }
}

fn rows(tokenizer: &Tokenizer, markup: Box<dyn Markup>, examples: &[RelationExample]) -> Vec<Encoded> {
    let encoder = ExampleEncoder::new(tokenizer.clone(), markup, EncodeOptions::default()).unwrap();
    encoder.encode_batch(examples).unwrap().0
}

#[test]
fn white_space_at_the_ends_of_an_entity_belongs_to_no_word() {
    let text = "나랄산예술 대학교는 \u{3000}카를린을\t\n 초대하였다 .";
    let at = |word: &str| text.find(word).map(|start| (start, start + word.len())).unwrap();
    let (subject, object) = (at("나랄산예술 대학교"), at("카를린을"));
    let example = |subject: (usize, usize), object: (usize, usize)| {
        RelationExample::new("1", text, [entity(subject.0, subject.1), entity(object.0, object.1)]).unwrap()
    };
    let wide = (object.0 - 4, object.1 + 3);
    assert_eq!(text[wide.0..wide.1].trim(), "카를린을");
    let examples = [example(subject, object), example(subject, wide)];
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/model");
    let others = [byte_level(), Tokenizer::from_folder(embedded).unwrap()];
    for tokenizer in TOKENIZERS.iter().chain(&others) {
        let markups: [Box<dyn Markup>; 5] = [
            Box::new(Plain),
            Box::new(Pair),
            Box::new(EntityTokens::default()),
            Box::new(TypedPunct),
            Box::new(Query),
        ];
        for markup in markups {
            let name = markup.name();
            let rows = rows(tokenizer, markup, &examples);
            assert_eq!(rows[0], rows[1], "{name}");
        }
        let pieces = tokenizer.pieces(text).unwrap();
        let [bare, wide] = [object, wide].map(|(start, end)| ByteSpan::new(start, end).unwrap());
        assert_eq!(pieces.covering(bare), pieces.covering(wide));
    }
    // With the embedded default's tokenizer the next word was counted.
    let text = "나래산예술대학교는 니콜라 카를린을 초대하였다.";
    let start = text.find("카를린을").unwrap();
    let example = RelationExample::new("a", text, [entity(0, 24), entity(start, start + 13)]).unwrap();
    assert_eq!(rows(&others[1], Box::new(Plain), &[example])[0].entities[1].unwrap().range(), 7..9);

    let blank = RelationExample::new("2", "a  b", [entity(0, 1), entity(1, 3)]).unwrap();
    for tokenizer in TOKENIZERS.iter().chain(&others) {
        let encoder = ExampleEncoder::new(
            tokenizer.clone(),
            Box::new(Plain) as Box<dyn Markup>,
            EncodeOptions::default(),
        );
        let error = encoder.unwrap().encode(&blank).unwrap_err();
        assert!(matches!(error, Error::EntityWithoutTokens { entity: 1, .. }), "{error}");
    }
}

#[test]
fn the_space_before_a_text_belongs_to_no_entity() {
    let tokenizer = byte_level();
    let text = "㈜오뚜기는 a";
    let example = RelationExample::new("1", text, [entity(0, 12), entity(16, 17)]).unwrap();
    let row = &rows(&tokenizer, Box::new(Plain), std::slice::from_ref(&example))[0];
    let name = |at: usize| tokenizer.token(row.ids[at]).unwrap();
    assert_eq!((name(0), name(1)), ("<s>".to_owned(), "Ġ".to_owned()));
    // Twelve bytes without a merge.
    assert_eq!(row.entities[0].unwrap().range(), 2..14);
    // A word of one letter behind a marker, where the space and the letter have the same byte.
    let row = &rows(&tokenizer, Box::new(EntityTokens::default()), &[example])[0];
    let encoder = ExampleEncoder::new(
        tokenizer,
        Box::new(EntityTokens::default()) as Box<dyn Markup>,
        EncodeOptions::default(),
    );
    let names = tokens(&encoder.unwrap(), row);
    assert_eq!(&names[row.entities[1].unwrap().range()], ["a"]);
    assert_eq!(names[row.marked[1].unwrap().start()], "[ENT]");
}

#[test]
fn special_tokens_in_the_text_of_a_row_are_told() {
    let example = |id, text: &str| RelationExample::new(id, text, [entity(0, 1), entity(2, 3)]).unwrap();
    let examples = [example("1", "a b [ENT]c[/ENT] [ENT]"), example("2", "a b"), example("3", "a b[SEP]")];
    let report = |markup: Box<dyn Markup>| {
        let encoder = ExampleEncoder::new(tokenizer("wordpiece"), markup, EncodeOptions::default()).unwrap();
        encoder.encode_batch(&examples).unwrap().1.tokens_in_text
    };
    let marked = report(Box::<EntityTokens>::default());
    let named = |id: &str, tokens: &[&str]| (id.to_owned(), tokens.iter().map(|t| (*t).to_owned()).collect());
    assert_eq!(marked.first, [named("1", &["[/ENT]", "[ENT]"]), named("3", &["[SEP]"])]);
    assert_eq!(marked.rows, 2);
    // Without markers, their names are a text like any other.
    assert_eq!(report(Box::new(Plain)).first, [named("3", &["[SEP]"])]);
}

/// Both small tokenizers, and the second one in the class of XLM-R, which splits at white space.
static TOKENIZERS: LazyLock<[Tokenizer; 3]> = LazyLock::new(|| {
    let xlm_r = tempfile::tempdir().unwrap();
    let read = |file: &str| std::fs::read_to_string(folder("unigram").join(file)).unwrap();
    std::fs::write(xlm_r.path().join("tokenizer.json"), read("tokenizer.json")).unwrap();
    let config = read("tokenizer_config.json").replace("PreTrainedTokenizerFast", "XLMRobertaTokenizer");
    std::fs::write(xlm_r.path().join("tokenizer_config.json"), config).unwrap();
    [tokenizer("wordpiece"), tokenizer("unigram"), Tokenizer::from_folder(xlm_r.path()).unwrap()]
});
/// The same tokenizers without anything of ours.
static BARE: LazyLock<[tokenizers::Tokenizer; 3]> = LazyLock::new(|| {
    TOKENIZERS.each_ref().map(|tokenizer| {
        let folder = tempfile::tempdir().unwrap();
        tokenizer.save(folder.path()).unwrap();
        tokenizers::Tokenizer::from_file(folder.path().join("tokenizer.json")).unwrap()
    })
});
static ENCODERS: LazyLock<Vec<ExampleEncoder>> = LazyLock::new(|| {
    let mut encoders = Vec::new();
    for tokenizer in TOKENIZERS.iter() {
        for max_length in [12, 30, 100_000] {
            for truncation in [Truncation::Window, Truncation::Tail] {
                let markups: [Box<dyn Markup>; 8] = [
                    Box::new(Plain),
                    Box::new(PlainTyped::new(&["PER", "ORG"]).unwrap()),
                    Box::new(Pair),
                    Box::new(Query),
                    Box::new(EntityTokens { entity_embedding: true, pair: false }),
                    Box::new(EntityTokens { entity_embedding: false, pair: true }),
                    Box::new(TypedPunct),
                    Box::new(TypedTokens::new(&["PER", "ORG"]).unwrap()),
                ];
                for markup in markups {
                    let lost_entities = LostEntities::Count;
                    let options = EncodeOptions { max_length, truncation, lost_entities, type_vocab_size: 2 };
                    encoders.push(ExampleEncoder::new(tokenizer.clone(), markup, options).unwrap());
                }
            }
        }
    }
    encoders
});

/// Text of the kinds that matter: words, spaces, marks, markers, any character at all.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => "[가-힣]{1,4}",
        3 => "[a-zA-Z0-9]{1,4}",
        4 => Just(" ".to_owned()),
        2 => "[\"'()“”‘’《》.,#@^*·…]",
        1 => "[ \t\n\u{3000}\u{200b}\u{a0}\u{ad}\u{200d}\u{300}\u{308}¨①ﬁ㈜Ａ李한́]",
        1 => prop_oneof![Just("[SEP]"), Just("</s>"), Just("<mask>"), Just("[ENT]"), Just("👨‍👩‍👧"), Just("🇰🇷")]
            .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(part, 1..30).prop_map(|parts| parts.concat())
}

fn example() -> impl Strategy<Value = RelationExample> {
    (text(), any::<[prop::sample::Index; 4]>()).prop_map(|(text, [a, b, c, d])| {
        let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let entity = |a: prop::sample::Index, b: prop::sample::Index, kind: &str| {
            let (a, b) = (a.index(bounds.len()), b.index(bounds.len() - 1));
            let b = if b >= a { b + 1 } else { b };
            entity(bounds[a.min(b)], bounds[a.max(b)]).with_kind(kind)
        };
        let entities = [entity(a, b, "PER"), entity(c, d, "ORG")];
        RelationExample::new("1", text, entities).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_word_memory_changes_nothing(text in text()) {
        for (ours, bare) in TOKENIZERS.iter().zip(BARE.iter()) {
            let pieces = ours.pieces(&text).unwrap();
            let expected = bare.encode(text.as_str(), false).unwrap();
            prop_assert_eq!(&pieces.ids, expected.get_ids(), "{:?}", text);
            let offsets: Vec<_> = pieces.offsets.iter().map(|&(s, e)| (s as usize, e as usize)).collect();
            // White space at the ends of a token is ours to leave out.
            let bare = |&(start, end): &(usize, usize)| {
                let part = &text[start..end];
                let end = start + part.trim_end().len();
                (end.min(start + part.len() - part.trim_start().len()), end)
            };
            let expected: Vec<_> = expected.get_offsets().iter().map(bare).collect();
            prop_assert_eq!(&offsets, &expected, "{:?}", text);
        }
    }

    #[test]
    fn spans_hold_exactly_the_tokens_of_the_entities(example in example()) {
        for encoder in ENCODERS.iter() {
            let row = match encoder.encode(&example) {
                Ok(row) => row,
                Err(Error::EntityWithoutTokens { .. }) => continue,
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            };
            prop_assert!(row.len() <= encoder.options().max_length);
            prop_assert_eq!(row.len(), row.type_ids.len());
            prop_assert!(row.type_ids.iter().all(|&t| (t as usize) < encoder.required_type_vocab_size()));
            let written = encoder.write(&example).unwrap();
            let pieces = encoder.tokenizer().pieces(&written.sentence).unwrap();
            for entity in [0, 1] {
                prop_assert_eq!(row.entities[entity].is_some(), row.marked[entity].is_some());
                for (span, bytes) in [
                    (row.entities[entity], written.entities[entity]),
                    (row.marked[entity], written.marked[entity]),
                ] {
                    let Some(span) = span else {
                        let surface = written.entities[entity];
                        let blank = written.sentence[surface.range()].trim().is_empty();
                        let without_tokens = blank || pieces.covering(surface).is_none();
                        prop_assert!(encoder.options().max_length < 100 || without_tokens);
                        continue;
                    };
                    let ids: Vec<u32> = pieces
                        .offsets
                        .iter()
                        .zip(&pieces.ids)
                        .filter(|((s, e), _)| (*s as usize) < bytes.end() && bytes.start() < *e as usize && s < e)
                        .map(|(_, &id)| id)
                        .collect();
                    // Tokens without bytes may stand between those of an entity, never at its ends.
                    let found = &row.ids[span.range()];
                    prop_assert_eq!(found.first(), ids.first());
                    prop_assert_eq!(found.last(), ids.last());
                    prop_assert!(found.len() >= ids.len());
                }
            }
        }
    }
}

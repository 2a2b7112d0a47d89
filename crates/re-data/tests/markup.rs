//! Markups: what they write, and where the entities stand in it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use re_data::{ByteSpan, Entity, Markup, MarkupConfig, RelationExample};
use rstest::rstest;

/// An example whose entities are the first occurrences of `subject` and `object` from a byte on.
fn example(text: &str, subject: (usize, usize), object: (usize, usize)) -> RelationExample {
    let entity = |(start, end), kind: &str| Entity::new(ByteSpan::new(start, end).unwrap()).with_kind(kind);
    RelationExample::new("1", text, [entity(subject, "PER"), entity(object, "ORG")]).unwrap()
}

fn all() -> Vec<Box<dyn Markup>> {
    let configs = [
        r#"{"name": "plain"}"#,
        r#"{"name": "plain_typed", "types": ["PER", "ORG"]}"#,
        r#"{"name": "pair"}"#,
        r#"{"name": "entity_tokens"}"#,
        r#"{"name": "entity_tokens", "entity_embedding": true, "pair": true}"#,
        r#"{"name": "typed_punct"}"#,
        r#"{"name": "typed_tokens", "types": ["PER", "ORG"]}"#,
        r#"{"name": "query"}"#,
    ];
    configs.iter().map(|c| serde_json::from_str::<MarkupConfig>(c).unwrap().build().unwrap()).collect()
}

#[rstest]
#[case::in_order((0, 2), (4, 6), "<ab>cd{ef}gh")]
#[case::reversed((4, 6), (0, 2), "{ab}cd<ef>gh")]
#[case::adjacent((0, 2), (2, 4), "<ab>{cd}efgh")]
#[case::adjacent_reversed((2, 4), (0, 2), "{ab}<cd>efgh")]
#[case::both_ends((0, 1), (7, 8), "<a>bcdefg{h}")]
#[case::nested((0, 8), (2, 4), "<ab{cd}efgh>")]
#[case::nested_reversed((2, 4), (0, 8), "{ab<cd>efgh}")]
#[case::common_start((0, 4), (0, 2), "<{ab}cd>efgh")]
#[case::common_start_reversed((0, 2), (0, 4), "{<ab>cd}efgh")]
#[case::common_end((0, 4), (2, 4), "<ab{cd}>efgh")]
#[case::common_end_reversed((2, 4), (0, 4), "{ab<cd>}efgh")]
#[case::crossing((0, 4), (2, 6), "<ab{cd>ef}gh")]
#[case::crossing_reversed((2, 6), (0, 4), "{ab<cd}ef>gh")]
#[case::identical((2, 4), (2, 4), "ab<{cd}>efgh")]
#[case::whole((0, 8), (0, 8), "<{abcdefgh}>")]
fn markers_are_well_ordered(
    #[case] subject: (usize, usize),
    #[case] object: (usize, usize),
    #[case] expected: &str,
) {
    let example = example("abcdefgh", subject, object);
    let markers = [("<", ">"), ("{", "}")]
        .map(|(open, close)| re_data::markup::Markers { open: open.into(), close: close.into() });
    let written = re_data::markup::insert_markers(&example, &markers);
    assert_eq!(written.sentence, expected);
    for (entity, (open, close)) in [("<", ">"), ("{", "}")].into_iter().enumerate() {
        let marked = &expected[written.marked[entity].range()];
        assert!(marked.starts_with(open) && marked.ends_with(close), "{marked}");
        let surface = &expected[written.entities[entity].range()];
        let letters = |text: &str| text.replace(['<', '>', '{', '}'], "");
        assert_eq!(letters(surface), example.surface(entity));
        assert_eq!(letters(marked), example.surface(entity));
        // No marker stands at the ends of a surface form.
        assert!(
            surface.starts_with(char::is_alphabetic) && surface.ends_with(char::is_alphabetic),
            "{surface}"
        );
    }
}

#[test]
fn every_markup_writes_what_it_documents() {
    let text = "이순신은 조선 장군이다";
    let example = example(text, (0, 9), (13, 19));
    let written: Vec<_> = all().iter().map(|m| m.write(&example, "[SEP]").unwrap()).collect();
    let sentences: Vec<_> = written.iter().map(|w| w.sentence.as_str()).collect();
    let tokens = "[ENT]이순신[/ENT]은 [ENT]조선[/ENT] 장군이다";
    let punct = "@ * PER * 이순신 @은 # ^ ORG ^ 조선 # 장군이다";
    let typed = "[S:PER]이순신[/S:PER]은 [O:ORG]조선[/O:ORG] 장군이다";
    assert_eq!(sentences, [text, text, text, tokens, tokens, punct, typed, text]);
    let first: Vec<_> = written.iter().map(|w| w.first.as_deref()).collect();
    let pair = Some("이순신[SEP]조선");
    assert_eq!(first, [None, None, pair, None, pair, None, None, Some("이순신과 조선의 관계는?")]);
    for (markup, written) in all().iter().zip(&written) {
        assert_eq!(markup.writes_pair(), written.first.is_some());
        for entity in [0, 1] {
            assert_eq!(&written.sentence[written.entities[entity].range()], example.surface(entity));
            assert!(written.marked[entity].contains(&written.entities[entity]));
        }
        for token in markup.tokens() {
            let of_other_type = ["S:ORG", "O:PER", "S:O]", "O:O]"].iter().any(|other| token.contains(other));
            assert_eq!(written.sentence.contains(&token), !of_other_type, "{token}");
        }
    }
}

#[test]
fn an_entity_without_a_type_has_the_type_o_and_others_must_be_known() {
    let untyped = example("ab", (0, 1), (1, 2)).with_entity_types([Some("PER".into()), None]);
    let unknown = example("ab", (0, 1), (1, 2)).with_entity_types([Some("PER".into()), Some("DAT".into())]);
    for markup in all() {
        let written = markup.write(&untyped, "[SEP]").unwrap().sentence;
        match markup.name() {
            "typed_punct" => assert!(written.contains("# ^ O ^ b #"), "{written}"),
            "typed_tokens" => assert!(written.contains("[O:O]b[/O:O]"), "{written}"),
            _ => {}
        }
        let error = markup.write(&unknown, "[SEP]").err();
        assert_eq!(error.is_some(), !markup.entity_types().is_empty() || markup.name() == "typed_tokens");
        if let Some(error) = error {
            assert_eq!(
                error.to_string(),
                "example 1: entity 2 has the type \"DAT\", expected one of PER, ORG, O"
            );
        }
    }
}

#[rstest]
#[case(r#"{"name": "pair", "separator": "x"}"#)]
#[case(r#"{"name": "plain", "x": 1}"#)]
#[case(r#"{"name": "marked"}"#)]
#[case(r#"{"name": "typed_tokens", "types": "PER"}"#)]
fn unknown_settings_are_refused(#[case] config: &str) {
    assert!(serde_json::from_str::<MarkupConfig>(config).is_err());
}

#[test]
fn configurations_survive_a_round_trip() {
    let config = MarkupConfig::EntityTokens { entity_embedding: true, pair: false };
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<MarkupConfig>(&text).unwrap(), config);
    for types in [vec![], vec!["".to_owned()], vec!["A".to_owned(), "A".to_owned()]] {
        assert!(MarkupConfig::TypedTokens { types: types.clone() }.build().is_err());
        assert!(MarkupConfig::PlainTyped { types }.build().is_err());
    }
}

#[test]
fn types_that_are_left_out_are_taken_from_the_rows() {
    let config: MarkupConfig = serde_json::from_str(r#"{"name": "plain_typed"}"#).unwrap();
    let filled = config.or_types(["ORG", "PER", "ORG", "O"]);
    assert_eq!(filled, MarkupConfig::PlainTyped { types: vec!["ORG".into(), "PER".into()] });
    assert_eq!(filled.clone().or_types(["DAT"]), filled);
    assert_eq!(MarkupConfig::Query {}.or_types(["DAT"]), MarkupConfig::Query {});
}

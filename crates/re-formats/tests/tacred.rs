//! TACRED's JSON.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::{fault, read};
use re_data::{ByteSpan, Entity, LabelSet, RelationExample};
use re_formats::read::{Format, ReadOptions};
use re_formats::write::ExampleWriter;
use rstest::rstest;

const GOOD: &str = r#"{"id": "e1", "docid": "d7", "relation": "per:title", "token": ["Zoë", "-LRB-", "the", "chief", "-RRB-", "left"],
"subj_start": 0, "subj_end": 0, "obj_start": 2, "obj_end": 3, "subj_type": "PERSON", "obj_type": "TITLE",
"stanford_pos": ["NNP"], "stanford_head": [1]}"#;

fn options() -> ReadOptions {
    ReadOptions {
        format: Some(Format::Tacred),
        labels: Some(Arc::new(LabelSet::tacred())),
        ..ReadOptions::default()
    }
}

#[test]
fn tokens_become_text() {
    for name in ["token", "tokens"] {
        let file = format!("[{}]", GOOD.replace("token", name));
        let (rows, report) = read(file.as_bytes(), "t.json", &options());
        let row = rows[0].as_ref().unwrap();
        assert_eq!(row.text(), "Zoë -LRB- the chief -RRB- left");
        assert_eq!((row.surface(0), row.surface(1)), ("Zoë", "the chief"));
        assert_eq!(row.entities().each_ref().map(|e| e.kind()), [Some("PERSON"), Some("TITLE")]);
        assert_eq!((row.id(), row.label(), row.source()), ("e1", Some("per:title"), Some("d7")));
        assert_eq!(report.to_string(), "1 rows; not read: stanford_head (1), stanford_pos (1)");
    }
    let bare = r#"{"id": 4, "token": ["a", "b"], "subj_start": 1, "subj_end": 1, "obj_start": 0, "obj_end": 1, "space_after": [false, true]}"#;
    let (rows, report) = read(bare.as_bytes(), "t.json", &options());
    let row = rows[0].as_ref().unwrap();
    assert_eq!((row.id(), row.text(), row.surface(0), row.surface(1)), ("4", "ab ", "b", "ab"));
    assert_eq!(report.overlapping.count, 1);
}

#[rstest]
#[case::no_id(("\"id\": \"e1\", ", ""), "id", "nothing", "an identifier")]
#[case::no_tokens(("\"token\"", "\"words\""), "token", "nothing", "a list of strings")]
#[case::tokens_kind(("[\"Zoë\", \"-LRB-\", \"the\", \"chief\", \"-RRB-\", \"left\"]", "\"Zoë\""), "token", "\"Zoë\"", "a list of strings")]
#[case::token_kind(("\"the\"", "3"), "token", "3", "a list of strings")]
#[case::no_start(("\"subj_start\": 0, ", ""), "subj_start", "nothing", "an offset")]
#[case::start_kind(("\"subj_start\": 0", "\"subj_start\": \"0\""), "subj_start", "\"0\"", "an offset")]
#[case::behind(("\"obj_end\": 3", "\"obj_end\": 6"), "obj_end", "6", "a token of the sentence, 0 to 5")]
#[case::reversed(("\"obj_end\": 3", "\"obj_end\": 1"), "obj_end", "1", "the entity's last token, 2 or behind it")]
#[case::empty(("\"Zoë\"", "\"\""), "subj_start", "an empty entity at character 0", "at least one")]
#[case::kind(("\"PERSON\"", "[]"), "subj_type", "[]", "a string")]
#[case::relation(("per:title", "per:job"), "relation", "label \"per:job\"", "one of the 42 labels")]
#[case::spaces(("\"stanford_pos\": [\"NNP\"]", "\"space_after\": [true]"), "space_after", "1 values for 6 tokens", "one for each token")]
#[case::space_kind(("\"stanford_pos\": [\"NNP\"]", "\"space_after\": [1]"), "space_after", "1", "true and false")]
#[case::docid(("\"d7\"", "7"), "docid", "7", "a string")]
fn malformed_objects(
    #[case] change: (&str, &str),
    #[case] field: &str,
    #[case] found: &str,
    #[case] expected: &str,
) {
    let bad = GOOD.replace(change.0, change.1);
    assert_ne!(bad, GOOD);
    let file = format!("[{GOOD},{bad},\n{GOOD}]");
    let error = fault(file.as_bytes(), "t.json", &options());
    assert_eq!((error.field, error.line, error.item), (Some(field), 3, Some(2)), "{error}");
    assert!(error.found.contains(found), "{error}");
    assert!(error.expected.contains(expected), "{error}");
    let (rows, report) = read(file.as_bytes(), "t.json", &ReadOptions { lenient: true, ..options() });
    assert_eq!((rows.len(), report.rejected.count), (2, 1));
}

/// Text with its entities in brackets, `(` the first and `[` the second, and how it is written.
#[rstest]
#[case("(Zoë) left [Rome] .", "[\"Zoë\",\"left\",\"Rome\",\".\"]", [0, 0, 2, 2], None)]
#[case("a (b c)[d]", "[\"a\",\"b\",\"c\",\"d\"]", [1, 2, 3, 3], Some("[true,true,false,false]"))]
#[case("(은언군)의 [외가] ", "[\"은언군\",\"의\",\"외가\"]", [0, 0, 2, 2], Some("[false,true,true]"))]
#[case(" (a)  [b]", "[\"\",\"a\",\"\",\"b\"]", [1, 1, 3, 3], None)]
#[case("x( a )y [c]", "[\"x\",\"\",\"a\",\"\",\"y\",\"c\"]", [1, 3, 5, 5], Some("[false,true,true,false,true,false]"))]
#[case("([ ])", "[\"\",\"\"]", [0, 1, 0, 1], None)]
#[case("([a] b)", "[\"a\",\"b\"]", [0, 1, 0, 0], None)]
#[case("x( [y])", "[\"x\",\"\",\"y\"]", [1, 2, 2, 2], Some("[false,true,false]"))]
fn texts_are_cut_into_tokens(
    #[case] marked: &str,
    #[case] tokens: &str,
    #[case] offsets: [usize; 4],
    #[case] spaces: Option<&str>,
) {
    let mut text = String::new();
    let mut edges = [0; 4];
    for c in marked.chars() {
        match "()[]".find(c) {
            Some(at) => edges[at] = text.len(),
            None => text.push(c),
        }
    }
    let span = |a, b| Entity::new(ByteSpan::new(a, b).unwrap());
    let example =
        RelationExample::new("1", text, [span(edges[0], edges[1]), span(edges[2], edges[3])]).unwrap();
    let mut out = Vec::new();
    let mut writer = ExampleWriter::new(&mut out, "-", Format::Tacred);
    writer.write(&example).unwrap();
    writer.finish().unwrap();
    let [a, b, c, d] = offsets;
    let spaces = spaces.map(|s| format!(",\"space_after\":{s}")).unwrap_or_default();
    assert_eq!(
        String::from_utf8(out.clone()).unwrap(),
        format!(
            "[\n{{\"id\":\"1\",\"token\":{tokens},\"subj_start\":{a},\"subj_end\":{b},\"obj_start\":{c},\"obj_end\":{d}{spaces}}}\n]\n"
        )
    );
    assert_eq!(read(&out, "-", &options()).0[0].as_ref().unwrap(), &example);
}

#[test]
fn a_sentence_without_tokens_is_said_to_have_none() {
    let bad = "{\"id\": \"a\", \"token\": [], \"subj_start\": 0, \"subj_end\": 0, \"obj_start\": 0, \"obj_end\": 0}";
    let options = ReadOptions { format: Some(Format::Tacred), ..ReadOptions::default() };
    assert_eq!(fault(bad.as_bytes(), "t.json", &options).expected, "a token, of which the sentence has none");
}

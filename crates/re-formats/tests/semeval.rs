//! SemEval-2010 Task 8.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::{fault, read};
use re_data::{ByteSpan, Entity, LabelSet, RelationExample};
use re_formats::Error;
use re_formats::read::{self, Format, ReadOptions};
use re_formats::write::ExampleWriter;
use rstest::rstest;

fn options() -> ReadOptions {
    ReadOptions {
        format: Some(Format::SemEval),
        labels: Some(Arc::new(LabelSet::semeval_2010_task8())),
        ..ReadOptions::default()
    }
}

const GOOD: &str = "1\t\"The <e1>child</e1> sat in the <e2>cradle</e2>.\"\r\nOther\r\nComment:\r\n\r\n";

#[test]
fn blocks_and_test_items() {
    let file = "\u{feff}1\t\"A \"big\" <e1>système</e1> of <e2>parts</e2>.\"\r\nComponent-Whole(e2,e1)\r\nComment: a\tb\r\n\r\n\r\n\
                2\t\"<e2>X</e2> by <e1>Y</e1>\"\n3\t\"  <e1><e2>a</e2> b</e1>\"\nOther\nComment:   \n\
                4\t\"<e1>a <e2>b</e1> c</e2> <e3>\"\nOther";
    let (rows, report) = read(file.as_bytes(), "T.TXT", &options());
    let rows: Vec<RelationExample> = rows.into_iter().map(Result::unwrap).collect();
    let found: Vec<_> =
        rows.iter().map(|r| (r.id(), r.text(), r.surface(0), r.surface(1), r.label())).collect();
    assert_eq!(
        found,
        [
            ("1", "A \"big\" système of parts.", "système", "parts", Some("Component-Whole(e2,e1)")),
            ("2", "X by Y", "Y", "X", None),
            ("3", "  a b", "a b", "a", Some("Other")),
            ("4", "a b c <e3>", "a b", "b c", Some("Other")),
        ]
    );
    assert_eq!(
        report.to_string(),
        "4 rows, 2 with overlapping entities, 1 without label; not read: comment (1)"
    );
}

#[rstest]
#[case::no_tab("what is this\r\n\r\n", None, "\"what is this\"", "a number, a tab and a sentence")]
#[case::no_id("\t\"<e1>a</e1> <e2>b</e2>\"\r\n\r\n", None, "\\t", "a number, a tab")]
#[case::no_quotes(
    "2\t<e1>a</e1> <e2>b</e2>\r\nOther\r\n\r\n",
    Some("sentence"),
    "<e1>a",
    "in quotation marks"
)]
#[case::open("2\t\"<e1>a</e1> <e2>b</e2>\r\nOther\r\n\r\n", Some("sentence"), "<e2>b", "in quotation marks")]
#[case::one_quote("2\t\"\r\nOther\r\n\r\n", Some("sentence"), "\"\\\"\"", "in quotation marks")]
#[case::no_tag("2\t\"<e1>a</e1> <e2>b\"\r\nOther\r\n\r\n", Some("sentence"), "no </e2>", "each tag once")]
#[case::twice(
    "2\t\"<e1>a</e1> <e2>b</e2> <e1>\"\r\nOther\r\n\r\n",
    Some("sentence"),
    "<e1> more than once",
    "each tag once"
)]
#[case::empty(
    "2\t\"<e1></e1> <e2>b</e2>\"\r\nOther\r\n\r\n",
    Some("e1"),
    "an empty entity at character 0",
    "at least one character"
)]
#[case::reversed(
    "2\t\"<e1>a</e1> </e2>b<e2>\"\r\nOther\r\n\r\n",
    Some("e2"),
    "begins at character 3 and ends before character 2",
    "at least one"
)]
#[case::label(
    "2\t\"<e1>a</e1> <e2>b</e2>\"\r\nother\r\n\r\n",
    Some("relation"),
    "label \"other\"",
    "one of the 19 labels"
)]
#[case::surplus(
    "2\t\"<e1>a</e1> <e2>b</e2>\"\r\nOther\r\nOther\r\nx\r\n\r\n",
    None,
    "\"Other\" on line 7",
    "a comment, an empty line"
)]
#[case::answers("2\tOther\r\n", Some("sentence"), "\"Other\"", "in quotation marks")]
fn malformed_items(
    #[case] bad: &str,
    #[case] field: Option<&str>,
    #[case] found: &str,
    #[case] expected: &str,
) {
    let file = format!("{GOOD}{bad}{GOOD}");
    let error = fault(file.as_bytes(), "T.TXT", &options());
    assert_eq!((error.line, error.field), (5, field), "{error}");
    assert!(error.found.contains(found), "{error}");
    assert!(error.expected.contains(expected), "{error}");
    // The whole block is left out, and nothing else.
    let (rows, report) = read(file.as_bytes(), "T.TXT", &ReadOptions { lenient: true, ..options() });
    assert_eq!((rows.len(), report.rejected.count), (2, 1), "{:?}", report.rejected);
}

#[test]
fn bytes_that_are_no_text_and_endless_lines() {
    let bad = [b"2\t\"\xe9<e1>a</e1> <e2>b</e2>\"\nOther\n\n", GOOD.as_bytes()].concat();
    assert_eq!(fault(&bad, "T", &options()).to_string(), "T:1 (sentence): found byte 0xe9, expected UTF-8");
    let bad = [b"2\t\"<e1>a</e1> <e2>b</e2>\"\n\xff\n\n", GOOD.as_bytes()].concat();
    assert_eq!(
        fault(&bad, "T", &options()).to_string(),
        "T:1 (relation): id 2: found byte 0xff, expected UTF-8"
    );
    let long = format!("2\t\"{}\"\nOther\n\n{GOOD}", "x".repeat(5 << 20));
    let (rows, report) = read(long.as_bytes(), "T", &ReadOptions { lenient: true, ..options() });
    assert_eq!((rows.len(), report.rejected.count), (1, 1));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let entity = || Entity::new(ByteSpan::with_len(0, 1));
    let message = |id: &str, text: &str, label: &str| {
        let example = RelationExample::new(id, text, [entity(), entity()]).unwrap().with_label(label);
        let mut out = Vec::new();
        let error = ExampleWriter::new(&mut out, "o.txt", Format::SemEval).write(&example).unwrap_err();
        assert!(matches!(error, Error::Unwritable(_)));
        assert!(out.is_empty());
        error.to_string()
    };
    assert_eq!(
        message("1", "x <e1>", "Other"),
        "o.txt: example 1: text \"x <e1>\" cannot be written as semeval (expected none of the tags <e1>, </e1>, <e2>, </e2> in it)"
    );
    assert!(message("a\tb", "x", "y").contains("id \"a\\tb\" cannot be written"));
    assert!(message("1", "x", "a\nb").contains("label \"a\\nb\" cannot be written"));
    assert!(message("1", "x", "Comment: y").contains("not a comment"));
    assert!(message("1", "x", " ").contains("label \"\""));
}

#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn the_real_files_in_shared_data() {
    for (file, count) in [("TRAIN_FILE.TXT", 8000), ("TEST_FILE.txt", 2717)] {
        let path = common::shared(&format!("semeval2010-task8/{file}"));
        // Neither name nor options tell the layout.
        let found = read::examples(&path, &ReadOptions { format: None, ..options() }).unwrap();
        let report = &found.report;
        assert_eq!((report.rows, report.overlapping.count), (count, 0));
        assert_eq!(report.unlabelled.count, if count == 8000 { 0 } else { count });
        // Written again it is the same file, but for the comments.
        let mut written = Vec::new();
        let mut writer = ExampleWriter::new(&mut written, "-", Format::SemEval);
        found.examples.iter().for_each(|example| writer.write(example).unwrap());
        writer.finish().unwrap();
        let original = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
        let without_comments: Vec<&str> = original
            .split("\r\n")
            .map(|line| if line.starts_with("Comment:") { "Comment:" } else { line })
            .collect();
        assert_eq!(String::from_utf8(written).unwrap(), without_comments.join("\r\n"));
        let comments = original
            .lines()
            .filter(|line| line.strip_prefix("Comment:").is_some_and(|c| !c.trim().is_empty()));
        assert_eq!(report.unread.get("comment").copied().unwrap_or_default(), comments.count());
    }
}

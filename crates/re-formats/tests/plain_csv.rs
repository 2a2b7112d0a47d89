//! Comma-separated values with a header.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::{fault, read};
use re_data::{LabelSet, RelationExample};
use re_formats::read::{ExampleReader, Format, ReadOptions};
use rstest::rstest;

fn options() -> ReadOptions {
    ReadOptions { labels: Some(Arc::new(LabelSet::new(["x", "y"]).unwrap())), ..ReadOptions::default() }
}

const HEADER: &str = "id,text,entity1,start1,end1,type1,entity2,start2,end2,type2,label,source\n";
const GOOD: &str = "1,가나 다,가나,0,2,PER,다,3,4,,x,web\n";

#[test]
fn all_columns_and_few() {
    let file = format!("\u{feff}{HEADER}{GOOD}2,\"a,\"\"b\"\"\n\",a,0,1,,b,3,4,,,\r\n");
    let (rows, report) = read(file.as_bytes(), "t.csv", &options());
    let rows: Vec<RelationExample> = rows.into_iter().map(Result::unwrap).collect();
    assert_eq!((rows[0].surface(0), rows[0].surface(1)), ("가나", "다"));
    assert_eq!(rows[0].entities().each_ref().map(|e| e.kind()), [Some("PER"), None]);
    assert_eq!((rows[0].label(), rows[0].source()), (Some("x"), Some("web")));
    assert_eq!((rows[1].text(), rows[1].surface(1), rows[1].label()), ("a,\"b\"\n", "b", None));
    assert_eq!(report.to_string(), "2 rows, 1 without label");

    let file = "end2,start2,lable,end1,start1,text,id\n4,3,x,2,0,가나 다,7\n4,3,,2,0,가나 다,8\n";
    let (rows, report) = read(file.as_bytes(), "-", &options());
    let row = rows[0].as_ref().unwrap();
    assert_eq!((row.id(), row.surface(0), row.surface(1), row.label()), ("7", "가나", "다", None));
    assert_eq!(report.to_string(), "2 rows, 2 without label; not read: lable (1)");
}

#[rstest]
#[case::columns(("web", "web,1"), None, None, "13 columns", "12 as in the header")]
#[case::no_id(("1,가", ",가"), Some(1), Some("id"), "an empty id", "an identifier")]
#[case::no_text(("가나 다", ""), Some(2), Some("text"), "an empty text", "a sentence")]
#[case::start(("0,2", "zero,2"), Some(4), Some("start1"), "\"zero\"", "a character offset")]
#[case::end((",3,4", ",3,"), Some(9), Some("end2"), "\"\"", "a character offset")]
#[case::negative(("0,2", "-1,2"), Some(4), Some("start1"), "\"-1\"", "a character offset")]
#[case::surface((",다,", ",라,"), Some(7), Some("entity2"), "\"다\" at characters 3..4", "\"라\" there")]
#[case::behind((",다,3,4", ",,3,9"), Some(7), Some("entity2"), "characters 3..9", "a span in a text of 4")]
#[case::reversed(("0,2", "2,0"), Some(3), Some("entity1"), "begins at character 2", "at least one")]
#[case::label(("x,web", "z,web"), Some(11), Some("label"), "label \"z\"", "one of the 2 labels")]
#[case::quote(("가나 다", "\"가나 다"), Some(2), Some("quoting"), "without a closing quote", "each quote inside it doubled")]
fn malformed_rows(
    #[case] change: (&str, &str),
    #[case] column: Option<usize>,
    #[case] field: Option<&str>,
    #[case] found: &str,
    #[case] expected: &str,
) {
    let bad = GOOD.replacen(change.0, change.1, 1);
    assert_ne!(bad, GOOD);
    let file = format!("{HEADER}{GOOD}{bad}{GOOD}");
    let error = fault(file.as_bytes(), "t.csv", &options());
    assert_eq!((error.line, error.column, error.field), (3, column, field), "{error}");
    assert!(error.found.contains(found), "{error}");
    assert!(error.expected.contains(expected), "{error}");
    let (rows, report) = read(file.as_bytes(), "t.csv", &ReadOptions { lenient: true, ..options() });
    assert_eq!((rows.len(), report.rejected.count), (2, 1), "{:?}", report.rejected);
}

#[test]
fn without_surface_forms_faults_name_the_offsets() {
    let file = "id,text,start1,end1,start2,end2\n1,가나,0,9,1,2\n";
    assert_eq!(
        fault(file.as_bytes(), "t.csv", &options()).to_string(),
        "t.csv:2: column 3 (start1): id 1: found characters 0..9, expected a span in a text of 2"
    );
}

#[test]
fn a_missing_column_is_named() {
    for name in ["id", "text", "start1", "end1", "start2", "end2"] {
        let header = HEADER.replace(&format!("{name},"), &format!("{name}s,"));
        let options = ReadOptions { format: Some(Format::Csv), ..options() };
        let error =
            ExampleReader::new(header.as_bytes(), "t.csv", &options).map(drop).unwrap_err().to_string();
        assert!(
            error.starts_with("t.csv:1: found the header ")
                && error.ends_with(&format!("expected a column {name}")),
            "{error}"
        );
    }
}

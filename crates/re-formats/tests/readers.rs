//! Readers and writers of examples.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::HashSet;
use std::io::Read;
use std::sync::Arc;

use common::{fault, lenient, read};
use proptest::prelude::*;
use re_data::split::{self, Split};
use re_data::stats::Stats;
use re_data::{LabelSet, RelationExample};
use re_formats::Error;
use re_formats::read::{self, ExampleReader, Format, ReadOptions, ReadReport};
use re_formats::write::{self, ExampleWriter};
use rstest::rstest;

const ROW: &str = "1\t가나 다\t가나\t0\t1\t다\t3\t3\tx\n";

#[test]
fn competition_rows_with_every_known_trap() {
    let file = "\u{feff}q-1\t\"\"\"가나\"\" 다, \"\"라\"\"\"\t가나\t1\t2\t라\t9\t9\tx\r\n\
                \r\n\
                left-2\t가나 가나 가나다라\t가나\t5\t6\t다라\t10\t11\tx\r\n\
                nest-3\t서울대학교\t서울\t0\t1\t서울대\t0\t2\tblind\r\n\
                multi-4\t\"가\n나\"\t가\t0\t0\t나\t2\t2\tx\n\
                last-5\t😀 가 나\t가\t2\t2\t나\t4\t4\tx";
    let (rows, report) = read(file.as_bytes(), "t.tsv", &ReadOptions::default());
    let rows: Vec<_> = rows.into_iter().map(Result::unwrap).collect();
    assert_eq!(rows[0].text(), "\"가나\" 다, \"라\"");
    assert_eq!(rows[0].surface(1), "라");
    let starts = |row: &RelationExample| {
        row.entities().each_ref().map(|e| e.span().to_chars(row.text()).unwrap().start())
    };
    assert_eq!(starts(&rows[1]), [3, 8]);
    assert_eq!(rows[2].label(), None);
    assert_eq!(rows[3].text(), "가\n나");
    assert_eq!(starts(&rows[4]), [2, 4]);
    assert_eq!((report.rows, report.repaired.first), (5, vec!["left-2".to_owned()]));
    assert_eq!(report.overlapping.first, ["nest-3"]);
    assert_eq!(report.unlabelled.first, ["nest-3"]);
}

#[rstest]
#[case::columns("1\t가\n", 1, None, "2 columns", "9 tab-separated columns")]
#[case::header("id\tsentence\tsubject\ts\te\tobject\ts\te\tlabel\n", 1, Some(5), "\"e\"", "no header line")]
#[case::number("1\t가나\t가\t0\t0.0\t나\t1\t1\tx\n", 1, Some(5), "\"0.0\"", "a character offset")]
#[case::negative("1\t가나\t가\t0\t0\t나\t-1\t1\tx\n", 1, Some(7), "\"-1\"", "a character offset")]
#[case::huge("1\t가나\t가\t0\t99999999999999999999\t나\t1\t1\tx\n", 1, Some(5), "999", "a character offset")]
#[case::largest(
    "1\t가나\t다\t18446744073709551614\t18446744073709551615\t나\t1\t1\tx\n",
    1,
    Some(3),
    "of a text of 2",
    "\"다\" there"
)]
#[case::range(
    "1\t가나\t다\t20\t20\t나\t1\t1\tx\n",
    1,
    Some(3),
    "characters 20..21 of a text of 2",
    "\"다\" there"
)]
#[case::reversed(
    "1\t가나\t가\t1\t0\t나\t1\t1\tx\n",
    1,
    Some(3),
    "an empty entity at character 1",
    "at least one"
)]
#[case::surface(
    "1\t가나\t가\t0\t0\t다\t1\t1\tx\n",
    1,
    Some(6),
    "\"나\" at characters 1..2",
    "\"다\" there, or a reading of the offsets"
)]
#[case::no_surface("1\t가나\t\t0\t0\t다\t1\t1\tx\n", 1, Some(3), "an empty surface form", "as it stands")]
#[case::no_text("1\t\t가\t0\t0\t다\t1\t1\tx\n", 1, Some(2), "an empty text", "a sentence")]
#[case::no_id("\t가나\t가\t0\t0\t나\t1\t1\tx\n", 1, Some(1), "an empty id", "an identifier")]
#[case::label("1\t가나\t가\t0\t0\t나\t1\t1\tz\n", 1, Some(9), "label \"z\"", "one of the 2 labels")]
#[case::quote(
    "1\t\"가나\t가\t0\t0\t나\t1\t1\tx\n",
    1,
    Some(2),
    "without a closing quote",
    "each quote inside it doubled"
)]
fn malformed_rows_say_what_is_wrong_where(
    #[case] row: &str,
    #[case] line: u64,
    #[case] column: Option<usize>,
    #[case] found: &str,
    #[case] expected: &str,
) {
    let labels = Arc::new(LabelSet::new(["x", "y"]).unwrap());
    let options = ReadOptions { labels: Some(labels), ..ReadOptions::default() };
    let error = fault(row.as_bytes(), "t.tsv", &options);
    assert_eq!((error.line, error.column), (line, column), "{error}");
    assert!(error.found.contains(found), "{error}");
    assert!(error.expected.contains(expected), "{error}");
    assert_eq!(error.path.to_str(), Some("t.tsv"));

    // A lenient reader lists the row and reads on, with the right line numbers.
    let file = format!("{ROW}{row}{ROW}");
    let (rows, report) = read(file.as_bytes(), "t.tsv", &ReadOptions { lenient: true, ..options });
    assert_eq!((rows.len(), report.rows, report.rejected.count), (2, 2, 1), "{:?}", report.rejected);
    assert_eq!(report.rejected.first[0].line, line + 1);
    assert!(report.to_string().starts_with("2 rows; 1 malformed records left out, the first one t.tsv:2:"));
}

#[test]
fn two_stray_quotes_cost_two_rows() {
    // The text that the first one opens ends with the second one, and has nine columns.
    let begins = "1\t\"가나 다\t가나\t0\t1\t다\t3\t3\tx\n";
    let ends = "1\t나 라\"\t나\t0\t0\t라\t2\t2\tx\n";
    let file = format!("{ROW}{begins}{}{ends}{ROW}", ROW.repeat(50));
    let (rows, report) = read(file.as_bytes(), "t.tsv", &lenient());
    let lines: Vec<u64> = report.rejected.first.iter().map(|fault| fault.line).collect();
    assert_eq!((rows.len(), lines), (53, vec![2]), "{:?}", report.rejected);
    let header = "id,text,entity1,start1,end1,entity2,start2,end2\n";
    let row = "1,가나 다,가나,0,2,다,3,4\n";
    let (begins, ends) = (row.replacen(",가", ",\"가", 1), "1,나 라\",나,0,1,라,2,3\n");
    let file = format!("{header}{begins}{}{ends}{row}", row.repeat(50));
    let (rows, report) = read(file.as_bytes(), "t.csv", &lenient());
    assert_eq!((rows.len(), report.rejected.count), (52, 1), "{:?}", report.rejected);
}

#[test]
fn strict_reading_ends_at_the_first_fault() {
    let (rows, _) = read(format!("{ROW}bad\n{ROW}").as_bytes(), "t.tsv", &ReadOptions::default());
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[1].as_ref().unwrap_err().to_string(),
        "t.tsv:2: id bad: found 1 columns, expected 9 tab-separated columns"
    );
}

#[test]
fn labels_of_blind_rows_can_be_named() {
    let options = ReadOptions { blind: vec!["?".into()], ..ReadOptions::default() };
    let row = |label: &str| format!("1\t가나\t가\t0\t0\t나\t1\t1\t{label}\n");
    let (rows, report) = read((row("?") + &row("blind")).as_bytes(), "t.tsv", &options);
    assert_eq!(rows[0].as_ref().unwrap().label(), None);
    assert_eq!(rows[1].as_ref().unwrap().label(), Some("blind"));
    assert_eq!(
        report.to_string(),
        "2 rows, 1 without label (1 of them with a label such as `blind`, which counts as no label)"
    );
    let (rows, _) = read(row("").as_bytes(), "t.tsv", &ReadOptions::default());
    assert_eq!(rows[0].as_ref().unwrap().label(), None);
}

#[test]
fn jsonl_rows() {
    let file = "{\"id\":\"a\",\"text\":\"가 나\",\"entities\":[{\"start\":0,\"end\":1,\"type\":\"P\"},{\"start\":2,\"end\":3}],\"label\":\"x\"}\r\n\
                \n\
                {\"id\":7,\"text\":\"가 나\",\"entities\":[{\"start\":1,\"end\":2,\"surface\":\"가\"},{\"start\":3,\"end\":4,\"surface\":\"나\",\"type\":\"\"}],\"label\":null,\"source\":\"\"}";
    let (rows, report) = read(file.as_bytes(), "-", &ReadOptions::default());
    let rows: Vec<_> = rows.into_iter().map(Result::unwrap).collect();
    assert_eq!(rows[0].entities()[0].kind(), Some("P"));
    assert_eq!(rows[0].label(), Some("x"));
    assert_eq!((rows[1].id(), rows[1].surface(0), rows[1].label()), ("7", "가", None));
    assert_eq!((rows[1].entities()[1].kind(), rows[1].source()), (None, None));
    assert_eq!(report.repaired.first, ["7"]);
}

#[rstest]
#[case::syntax("{\"id\":", None, "EOF while parsing a value (byte 6 of the line)")]
#[case::twice("{\"id\":\"a\",\"id\":\"b\"}", None, "the key \"id\" twice (byte")]
#[case::no_object("[]", None, "expected a JSON object")]
#[case::missing("{\"id\":\"a\",\"text\":\"x\"}", Some("entities"), "nothing")]
#[case::none("{\"id\":\"a\",\"text\":\"x\",\"entities\":[],\"lable\":\"y\"}", Some("entities"), "[]")]
#[case::unknown(
    "{\"id\":\"a\",\"text\":\"xy\",\"entities\":[{\"start\":0,\"end\":1},{\"start\":1,\"end\":2}],\"n\":1}",
    None,
    "the key \"n\""
)]
#[case::unknown_part(
    "{\"id\":\"a\",\"text\":\"xy\",\"entities\":[{\"start\":0,\"end\":1},{\"start\":1,\"end\":2,\"n\":1}]}",
    None,
    "the key \"entities[1].n\""
)]
#[case::missing_part(
    "{\"id\":\"a\",\"text\":\"xy\",\"entities\":[{\"start\":0},{\"start\":1,\"end\":2}]}",
    Some("entities[0].end"),
    "nothing"
)]
#[case::range(
    "{\"id\":\"a\",\"text\":\"xy\",\"entities\":[{\"start\":0,\"end\":1},{\"start\":1,\"end\":3}]}",
    Some("entities[1]"),
    "characters 1..3"
)]
#[case::id(
    "{\"id\":\"\",\"text\":\"xy\",\"entities\":[{\"start\":0,\"end\":1},{\"start\":1,\"end\":2}]}",
    Some("id"),
    "\"\""
)]
#[case::bytes("{\"id\":\"\u{1}\"}", None, "control character")]
fn malformed_json_rows(#[case] row: &str, #[case] field: Option<&str>, #[case] found: &str) {
    let error = fault(row.as_bytes(), "t.jsonl", &ReadOptions::default());
    assert_eq!(error.field, field, "{error}");
    assert!(error.found.contains(found), "{error}");
    let good =
        "{\"id\":\"b\",\"text\":\"xy\",\"entities\":[{\"start\":0,\"end\":1},{\"start\":1,\"end\":2}]}";
    let (rows, report) = read(format!("{row}\n{good}").as_bytes(), "t.jsonl", &lenient());
    assert_eq!((rows.len(), report.rejected.first[0].line), (1, 1));
}

#[test]
fn absent_files_unknown_layouts_and_folders() {
    let open = |path: &str| ExampleReader::open(path, &ReadOptions::default()).map(drop).unwrap_err();
    assert!(matches!(open("/nonexistent.tsv"), Error::Data(re_data::Error::Io { .. })));
    assert!(matches!(open("/"), Error::Data(re_data::Error::Io { .. })));
    let unknown = ExampleReader::new(&b"what is this"[..], "t.txt", &ReadOptions::default()).map(drop);
    let message = unknown.unwrap_err().to_string();
    assert!(
        message.contains(
            "content of t.txt tells (expected one of tsv, jsonl, csv, klue-json, klue-csv, semeval, tacred)"
        ),
        "{message}"
    );
    let (rows, report) = read(b"", "empty.tsv", &ReadOptions::default());
    assert!(rows.is_empty());
    assert_eq!(report, ReadReport::default());
}

#[test]
fn a_layout_that_was_asked_for_beats_the_extension() {
    let options = ReadOptions { format: Some(Format::CompetitionTsv), ..ReadOptions::default() };
    assert_eq!(read(ROW.as_bytes(), "t.jsonl", &options).1.rows, 1);
}

/// Gives `rows` copies of a row without ever holding them.
struct Endless {
    rows: usize,
    at: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && self.rows > 0 {
            buffer[filled] = ROW.as_bytes()[self.at];
            filled += 1;
            self.at = (self.at + 1) % ROW.len();
            self.rows -= usize::from(self.at == 0);
        }
        Ok(filled)
    }
}

#[test]
fn rows_stream_from_any_input() {
    let mut reader = ExampleReader::new(
        Endless { rows: 50_000, at: 0 },
        "-",
        &ReadOptions { blind: vec!["x".into()], ..lenient() },
    )
    .unwrap();
    assert_eq!(reader.by_ref().filter(Result::is_ok).count(), 50_000);
    let report = reader.report();
    assert_eq!((report.unlabelled.count, report.unlabelled.first.len()), (50_000, 1000));
}

#[test]
fn writers_say_which_file_failed() {
    #[derive(Debug)]
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk full"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::Error::other("disk full"))
        }
    }
    let (rows, _) = read(ROW.as_bytes(), "t.tsv", &ReadOptions::default());
    let example = rows[0].as_ref().unwrap();
    for format in Format::ALL {
        let mut writer = ExampleWriter::new(Full, "out", format);
        let written = writer.write(example);
        let error = written.and_then(|()| writer.finish().map(drop)).unwrap_err();
        let Error::Data(re_data::Error::Io { path, source }) = error else { panic!("{error}") };
        assert_eq!((path.to_str(), source.to_string().as_str()), (Some("out"), "disk full"));
    }
    assert!(write::examples("/nonexistent/x", Format::Jsonl, [example]).is_err());
}

proptest! {
    #[test]
    fn no_input_makes_a_reader_panic_or_hang(
        file in proptest::collection::vec(
            prop_oneof![Just(b'"'), Just(b'\t'), Just(b'\n'), Just(b'0'), Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b','), any::<u8>()], 0..200)
    ) {
        for format in Format::ALL {
            let options = ReadOptions { format: Some(format), ..lenient() };
            // Only a header without the needed columns is refused as a whole.
            let Ok(mut reader) = ExampleReader::new(file.as_slice(), "-", &options) else {
                prop_assert!(matches!(format, Format::Csv | Format::KlueCsv));
                continue;
            };
            prop_assert!(reader.all(|row| row.is_ok()));
        }
    }
}

#[test]
fn files_are_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, _) = read(ROW.as_bytes(), "t.tsv", &ReadOptions::default());
    let rows: Vec<_> = rows.into_iter().map(Result::unwrap).collect();
    for name in ["a.tsv", "a.jsonl", "a.csv"] {
        let path = folder.path().join(name);
        write::examples(&path, Format::guess(&path, b"").unwrap(), &rows).unwrap();
        let result = read::examples(&path, &ReadOptions::default()).unwrap();
        assert_eq!(result.examples, rows);
        assert_eq!(result.report.to_string(), "1 rows");
    }
}

/// Rows, rows with repaired offsets, overlapping entities, and rows without label of the competition's files.
#[rstest]
#[case("train.tsv", [8000, 9, 3, 0])]
#[case("test.tsv", [1000, 0, 0, 1000])]
#[case("unseen.tsv", [1000, 3, 0, 1000])]
#[case("additional.tsv", [14981, 0, 0, 0])]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn real_files_in_shared_data(#[case] file: &str, #[case] expected: [usize; 4]) {
    let path = common::shared(&format!("p-stage2/{file}"));
    let labels = common::shared("p-stage2/label_type.pkl");
    let labels = Some(Arc::new(read::labels(labels).unwrap()));
    let read::ReadResult { examples, report, .. } =
        read::examples(path, &ReadOptions { labels, ..ReadOptions::default() }).unwrap();
    assert_eq!(
        [report.rows, report.repaired.count, report.overlapping.count, report.unlabelled.count],
        expected
    );
    assert_eq!(examples.len(), report.rows);
    if file == "train.tsv" {
        let row = |id: &str| examples.iter().find(|e| e.id() == id).unwrap();
        let [a, b] = row("wikipedia-24799-159-32-48-15-29").entities().clone();
        let text = row("wikipedia-24799-159-32-48-15-29").text();
        assert_eq!(a.span().to_chars(text).unwrap().start(), 30);
        assert_eq!(b.span().to_chars(text).unwrap().start(), 13);
    }
}

#[test]
fn offsets_that_say_the_other_entity_are_no_slip() {
    let read = |first: (&str, usize, usize), second: (&str, usize, usize)| {
        let entity = |(surface, start, end): (&str, usize, usize)| {
            format!("{{\"surface\":\"{surface}\",\"start\":{start},\"end\":{end}}}")
        };
        let row = format!(
            "{{\"id\":\"a\",\"text\":\"Ann Bob Annex\",\"entities\":[{},{}],\"label\":\"x\"}}",
            entity(first),
            entity(second)
        );
        read(row.as_bytes(), "r.jsonl", &ReadOptions::default()).0.remove(0)
    };
    for (first, second, expected) in [
        (
            ("Bob", 0, 3),
            ("Ann", 4, 7),
            "found \"Ann\" at characters 0..3, expected \"Bob\", which stands where the other entity is",
        ),
        (
            ("Ann", 4, 7),
            ("Bob", 8, 11),
            "found \"Bob\" at characters 4..7, expected \"Ann\", which stands where the other entity is",
        ),
        (
            ("Bob", 0, 3),
            ("Bob", 4, 7),
            "found \"Ann\" at characters 0..3, expected \"Bob\" there, or a reading",
        ),
        (
            ("Bob", 4, 7),
            ("Bob", 0, 3),
            "found \"Ann\" at characters 0..3, expected \"Bob\" there, or a reading",
        ),
    ] {
        let error = read(first, second).unwrap_err().to_string();
        assert!(error.starts_with("r.jsonl:1 (entities[") && error.contains(expected), "{error}");
    }
    // Both too far right.
    for slip in [1, 2] {
        let row = read(("Ann", slip, 3 + slip), ("Bob", 4 + slip, 7 + slip)).unwrap();
        assert_eq!([row.surface(0), row.surface(1)], ["Ann", "Bob"]);
    }
    // Entities that share characters may do so where they are found.
    let inside = read(("Annex", 9, 14), ("Ann", 9, 12)).unwrap();
    assert_eq!([inside.surface(0), inside.surface(1)], ["Annex", "Ann"]);
}

/// A row in every layout with `LABEL` in the place of the label, and the label that it is written as.
fn rows_with_labels() -> [(Format, &'static str); 7] {
    const KLUE: &str = "{\"guid\": \"a\", \"sentence\": \"가 나\", \"subject_entity\": {\"word\": \"가\", \"start_idx\": 0, \
        \"end_idx\": 0}, \"object_entity\": {\"word\": \"나\", \"start_idx\": 2, \"end_idx\": 2}, \"label\": \"LABEL\"}";
    const KLUE_CSV: &str = "id,sentence,subject_entity,object_entity,label\n\
        a,가 나,\"{'word': '가', 'start_idx': 0, 'end_idx': 0}\",\"{'word': '나', 'start_idx': 2, 'end_idx': 2}\",LABEL\n";
    [
        (Format::CompetitionTsv, "a\t가 나\t가\t0\t0\t나\t2\t2\tLABEL\n"),
        (
            Format::Jsonl,
            "{\"id\":\"a\",\"text\":\"가 나\",\"entities\":[{\"start\":0,\"end\":1},{\"start\":2,\"end\":3}],\"label\":\"LABEL\"}",
        ),
        (Format::Csv, "id,text,start1,end1,start2,end2,label\na,가 나,0,1,2,3,LABEL\n"),
        (Format::KlueJson, KLUE),
        (Format::KlueCsv, KLUE_CSV),
        (Format::SemEval, "a\t\"<e1>가</e1> <e2>나</e2>\"\nLABEL\nComment:\n"),
        (
            Format::Tacred,
            "{\"id\":\"a\",\"token\":[\"가\",\"나\"],\"subj_start\":0,\"subj_end\":0,\"obj_start\":1,\"obj_end\":1,\"relation\":\"LABEL\"}",
        ),
    ]
}

#[test]
fn labels_have_no_invisible_edges_in_any_layout() {
    for (format, row) in rows_with_labels() {
        let options = ReadOptions { format: Some(format), ..ReadOptions::default() };
        let label = |label: &str| {
            let (mut rows, report) = read(row.replace("LABEL", label).as_bytes(), "-", &options);
            (rows.remove(0).unwrap().label().map(str::to_owned), report.blind.count)
        };
        for edges in ["x y", "x y ", "  x y", "\u{a0}x y\u{3000}", "\u{feff}x y\u{200b}", "x y\u{200f}"] {
            assert_eq!(label(edges), (Some("x y".to_owned()), 0), "{format} {edges:?}");
        }
        // None too, whether it is a word or not; the word is counted.
        assert_eq!(label("blind "), (None, 1), "{format}");
        assert_eq!(label("\u{200b}").0, None, "{format}");
        if matches!(format, Format::CompetitionTsv | Format::Csv | Format::KlueCsv | Format::SemEval) {
            assert_eq!(label("x y\r").0.as_deref(), Some("x y"), "{format}");
        }
        let written = read(row.replace("LABEL", "x y ").as_bytes(), "-", &options).0.remove(0).unwrap();
        let mut out = Vec::new();
        let mut writer = ExampleWriter::new(&mut out, "-", format);
        writer.write(&written).unwrap();
        writer.finish().unwrap();
        let (rows, _) = read(&out, "-", &options);
        assert_eq!(rows[0].as_ref().unwrap().label(), Some("x y"), "{format}");
    }
    let numbers = ReadOptions { format: Some(Format::KlueCsv), ..ReadOptions::default() };
    let row = rows_with_labels()[4].1;
    assert_eq!(
        read(row.replace("LABEL", "100 ").as_bytes(), "-", &numbers).0[0].as_ref().unwrap().label(),
        None
    );
    assert!(read(row.replace("LABEL", " 7").as_bytes(), "-", &numbers).0[0].is_err());
}

#[test]
fn labels_of_the_label_set_are_found_whatever_their_edges() {
    let labels = Some(Arc::new(LabelSet::new(["x ", "y"]).unwrap()));
    let options = ReadOptions { labels, ..ReadOptions::default() };
    let (rows, _) = read(ROW.replace("x\n", "x\r\r\n").as_bytes(), "t.tsv", &options);
    assert_eq!(rows[0].as_ref().unwrap().label(), Some("x"));
}

#[test]
fn an_indented_comment_is_no_relation() {
    let file = "1\t\"The <e1>keeper</e1> of <e2>the</e2> tower slept.\"\n  Other\n  Comment: why\n\n\
                2\t\"<e1>a</e1> <e2>b</e2>\"\n Comment:\n";
    let (rows, _) = read(file.as_bytes(), "s.txt", &ReadOptions::default());
    let labels: Vec<_> = rows.iter().map(|row| row.as_ref().unwrap().label()).collect();
    assert_eq!(labels, [Some("Other"), None]);
}

#[test]
fn offsets_in_utf_16_units_are_no_other_mention() {
    let row = "{\"id\": \"a\", \"text\": \"😀😀😀😀 Kim Kim school\", \"entities\": [{\"start\": 9, \"end\": 12, \
               \"surface\": \"Kim\"}, {\"start\": 17, \"end\": 23, \"surface\": \"school\"}]}\n";
    // The same text without forms: where its entities stand cannot be told any more.
    let open = row.replace(", \"surface\": \"Kim\"", "").replace(", \"surface\": \"school\"", "");
    let open = open.replace("17", "14").replace("23", "16");
    let (rows, report) = read(format!("{row}{row}{open}").as_bytes(), "u16.jsonl", &lenient());
    let spans = |row: &RelationExample| {
        row.entities().each_ref().map(|e| e.span().to_chars(row.text()).unwrap().range())
    };
    assert_eq!(spans(rows[0].as_ref().unwrap()), [5..8, 13..19]);
    assert_eq!(
        report.to_string().split("; 1 malformed").next().unwrap(),
        "2 rows, 2 with repaired offsets (the first: a; 2 in UTF-16 units), 2 without label"
    );
    assert!(report.rejected.first[0].found.contains(
        "two readings fit: as written, and in UTF-16 units, which earlier rows of this file needed"
    ));
    // Before any row has shown how the file counts, it is read as its layout says.
    assert!(read(open.as_bytes(), "u16.jsonl", &ReadOptions::default()).0[0].is_ok());
    // No offset is repaired where none may be.
    let exact = ReadOptions { max_shift: 0, ..ReadOptions::default() };
    assert!(fault(row.as_bytes(), "u16.jsonl", &exact).expected.ends_with("\" there"));
}

#[test]
fn messages_are_short_and_steer_no_terminal() {
    let long = "x".repeat(3_000_000);
    for value in ["\u{1b}[31m", long.as_str()] {
        let rows = [
            format!("{value}\tb\n"),
            format!("1\t가나\t가\t{value}\t0\t나\t1\t1\tx\n"),
            format!("1\t가나\t{value}\t0\t0\t나\t1\t1\tx\n"),
            format!("1\t가나\t가\t0\t0\t나\t1\t1\t{value}\n"),
            format!("{value}\t가나\t가\t0\t0\t나\t9\t1\tx\n"),
        ];
        let labels = Some(Arc::new(LabelSet::new(["y"]).unwrap()));
        let options = ReadOptions { labels, ..lenient() };
        for row in rows {
            let (_, report) = read(row.as_bytes(), "t.tsv", &options);
            let shown = report.to_string();
            assert!(report.rejected.count == 1 && shown.len() < 1000, "{} bytes", shown.len());
            assert!(!shown.contains('\u{1b}'), "{shown:?}");
        }
    }
}

#[test]
fn an_interrupted_read_is_tried_again() {
    /// Is interrupted before and behind each part, and at the end.
    struct Interrupted(Vec<&'static [u8]>, bool);
    impl Read for Interrupted {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            if self.0.is_empty() {
                return Ok(0);
            }
            let part = self.0.remove(0);
            to[..part.len()].copy_from_slice(part);
            Ok(part.len())
        }
    }
    for (format, row) in rows_with_labels() {
        let (first, second) = row.as_bytes().split_at(20);
        for given in [Some(format), None] {
            let options = ReadOptions { format: given, ..ReadOptions::default() };
            // What begins with a value of its own is guessed from the whole of it.
            let parts = if given.is_some() { vec![first, second] } else { vec![row.as_bytes()] };
            let reader = ExampleReader::new(Interrupted(parts, false), "-", &options).unwrap();
            assert_eq!(reader.map(Result::unwrap).count(), 1, "{format}");
        }
    }
}

#[test]
fn a_chunk_is_bounded_in_bytes_too() {
    let text = "가 나 ".to_owned() + &"x".repeat(1 << 20);
    let row = format!("a\t{text}\t가\t0\t0\t나\t2\t2\tx\n");
    let file = row.repeat(20);
    let mut reader = ExampleReader::new(file.as_bytes(), "t.tsv", &ReadOptions::default()).unwrap();
    let mut sizes = Vec::new();
    loop {
        let rows = re_data::stream::chunk(&mut reader, 100).unwrap();
        if rows.is_empty() {
            break;
        }
        sizes.push(rows.len());
    }
    assert_eq!(sizes, [16, 4]);
}

#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn labels_keep_their_shares_in_splits_in_shared_data() {
    let path = common::shared("p-stage2/train.tsv");
    let examples = read::examples(path, &ReadOptions::default()).unwrap().examples;
    let share = |rows: &[usize], label: Option<&str>| {
        let of_label = rows.iter().filter(|&&row| examples[row].label() == label).count();
        100.0 * of_label as f64 / rows.len() as f64
    };
    let labels: HashSet<_> = examples.iter().map(RelationExample::label).collect();
    let near = |split: &Split, size: f64| {
        assert!((split.validation.len() as f64 / size - 1.0).abs() < 0.01, "{}", split.validation.len());
        for &label in &labels {
            let (train, validation) = (share(&split.train, label), share(&split.validation, label));
            assert!((train - validation).abs() < 0.25, "{label:?}: {train} % and {validation} %");
        }
    };
    for seed in [1, 7] {
        for fraction in [0.05, 0.1, 0.3, 0.5] {
            near(&split::by_fraction(&examples, fraction, seed).unwrap(), 8000.0 * fraction);
        }
        split::k_fold(&examples, 5, seed).unwrap().iter().for_each(|fold| near(fold, 1600.0));
    }
}

#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn statistics_of_the_real_rows_in_shared_data() {
    let path = common::shared("p-stage2/train.tsv");
    let examples = read::examples(path, &ReadOptions::default()).unwrap().examples;
    let stats = Stats::of(&examples);
    assert_eq!((stats.rows, stats.labels.len(), stats.unlabelled, stats.overlapping.count), (8000, 42, 0, 3));
    assert_eq!(stats.labels[0].0, "관계_없음");
}

//! KLUE-RE: the benchmark's JSON and its CSV form.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::{fault, lenient, read};
use re_data::{LabelSet, RelationExample};
use re_formats::read::{self, ExampleReader, Format, ReadOptions};
use re_formats::write::ExampleWriter;
use rstest::rstest;

const GOOD: &str = r#"{"guid": "g", "sentence": "가나 다", "subject_entity": {"word": "가나", "start_idx": 0, "end_idx": 1, "type": "PER"},
"object_entity": {"word": "다", "start_idx": 3, "end_idx": 3, "type": "ORG"}, "label": "no_relation", "source": "wikipedia"}"#;

fn options() -> ReadOptions {
    ReadOptions { labels: Some(Arc::new(LabelSet::klue_re())), ..ReadOptions::default() }
}

fn json() -> ReadOptions {
    ReadOptions { format: Some(Format::KlueJson), ..options() }
}

#[test]
fn an_array_and_a_sequence_of_objects() {
    for file in [
        format!("[{GOOD},\n{GOOD}]"),
        format!("\u{feff} [ {GOOD} , {GOOD} ] \n"),
        format!("{GOOD}\n{GOOD}\n"),
        format!("{GOOD}{GOOD}"),
    ] {
        let (rows, report) = read(file.as_bytes(), "k.json", &options());
        let rows: Vec<RelationExample> = rows.into_iter().map(Result::unwrap).collect();
        assert_eq!((rows.len(), report.to_string().as_str()), (2, "2 rows"));
        let row = &rows[1];
        assert_eq!((row.id(), row.label(), row.source()), ("g", Some("no_relation"), Some("wikipedia")));
        assert_eq!((row.surface(0), row.surface(1)), ("가나", "다"));
        assert_eq!(row.entities().each_ref().map(|e| e.kind()), [Some("PER"), Some("ORG")]);
    }
    let (rows, _) = read(b" [ ] ", "k.json", &json());
    assert!(rows.is_empty());
}

#[test]
fn what_may_be_missing_and_what_is_left_over() {
    let file = r#"[{"guid": 7, "sentence": "가나", "subject_entity": {"word": "가", "start_idx": 0, "end_idx": 0, "x": 1},
        "object_entity": {"word": "나", "start_idx": 1, "end_idx": 1, "type": null}, "label": null, "title": "t", "none": null}]"#;
    let (rows, report) = read(file.as_bytes(), "k.json", &json());
    let row = rows[0].as_ref().unwrap();
    assert_eq!((row.id(), row.label(), row.source()), ("7", None, None));
    assert_eq!(row.entities().each_ref().map(|e| e.kind()), [None, None]);
    assert_eq!(report.to_string(), "1 rows, 1 without label; not read: subject_entity.x (1), title (1)");
}

/// Faults of one object: the change that makes it bad, field, what was found and what was expected.
#[rstest]
#[case::no_id(("\"guid\": \"g\", ", ""), "guid", "nothing", "an identifier")]
#[case::empty_id(("\"g\"", "\"\""), "guid", "\"\"", "an identifier")]
#[case::id_kind(("\"g\"", "[1]"), "guid", "[1]", "an identifier")]
#[case::id_beyond_64_bits(("\"g\"", "12345678901234567890123"), "guid", "1.2345678901234568e+22", "up to 64 bits")]
#[case::no_text(("\"sentence\": \"가나 다\", ", ""), "sentence", "nothing", "a string")]
#[case::text_kind(("\"가나 다\"", "3"), "sentence", "3", "a string")]
#[case::empty_text(("\"가나 다\"", "\"\""), "sentence", "an empty text", "a sentence")]
#[case::null(("\"가나 다\"", "null"), "sentence", "nothing", "a string")]
#[case::no_entity(("object_entity", "other"), "object_entity", "nothing", "an object")]
#[case::entity_kind(("{\"word\": \"가나\", \"start_idx\": 0, \"end_idx\": 1, \"type\": \"PER\"}", "\"가나\""), "subject_entity", "\"가나\"", "an object")]
#[case::no_word(("\"word\": \"다\", ", ""), "object_entity.word", "nothing", "a string")]
#[case::empty_word(("\"word\": \"다\"", "\"word\": \"\""), "object_entity", "an empty surface form", "as it stands")]
#[case::no_start(("\"start_idx\": 0, ", ""), "subject_entity.start_idx", "nothing", "an offset")]
#[case::start_kind(("\"start_idx\": 0", "\"start_idx\": \"0\""), "subject_entity.start_idx", "\"0\"", "an offset")]
#[case::fraction(("\"end_idx\": 1", "\"end_idx\": 1.5"), "subject_entity.end_idx", "1.5", "an offset")]
#[case::negative(("\"end_idx\": 1", "\"end_idx\": -1"), "subject_entity.end_idx", "-1", "an offset")]
#[case::huge(("\"end_idx\": 1", "\"end_idx\": 18446744073709551616"), "subject_entity.end_idx", "1.8446744073709552e+19", "an offset")]
#[case::behind(("\"start_idx\": 3, \"end_idx\": 3", "\"start_idx\": 30, \"end_idx\": 30"), "object_entity", "characters 30..31 of a text of 4", "\"다\" there")]
#[case::reversed(("\"start_idx\": 0", "\"start_idx\": 2"), "subject_entity", "an empty entity at character 2", "at least one")]
#[case::surface(("\"word\": \"다\"", "\"word\": \"라\""), "object_entity", "\"다\" at characters 3..4", "\"라\" there")]
#[case::kind_kind(("\"PER\"", "7"), "subject_entity.type", "7", "a string")]
#[case::label(("no_relation", "nonsense"), "label", "label \"nonsense\"", "one of the 30 labels")]
#[case::label_number(("\"no_relation\"", "30"), "label", "30", "a label or its number, 0 to 29")]
#[case::source_kind(("\"wikipedia\"", "{}"), "source", "{}", "a string")]
fn malformed_objects(
    #[case] change: (&str, &str),
    #[case] field: &str,
    #[case] found: &str,
    #[case] expected: &str,
) {
    let bad = GOOD.replace(change.0, change.1);
    assert_ne!(bad, GOOD);
    let file = format!("[\n{GOOD},\n{bad},\n{GOOD}\n]");
    let error = fault(file.as_bytes(), "k.json", &json());
    assert_eq!((error.field, error.line, error.item), (Some(field), 4, Some(2)), "{error}");
    assert!(error.found.contains(found), "{error}");
    assert!(error.expected.contains(expected), "{error}");
    let (rows, report) = read(file.as_bytes(), "k.json", &ReadOptions { lenient: true, ..json() });
    assert_eq!((rows.len(), report.rejected.count), (2, 1), "{:?}", report.rejected);
}

#[test]
fn a_fault_is_written_out_in_full() {
    let file = format!("[{}]", GOOD.replace("\"word\": \"다\"", "\"word\": \"라\""));
    assert_eq!(
        fault(file.as_bytes(), "k.json", &json()).to_string(),
        "k.json:1: item 1 (object_entity): id g: found \"다\" at characters 3..4, expected \"라\" there, or a reading of the offsets that fits both entities"
    );
    let long = GOOD.replace("\"가나 다\"", &format!("[\"{}\"]", "x".repeat(1000)));
    let error = fault(long.as_bytes(), "k.json", &json());
    assert!(error.found.ends_with('…') && error.found.len() < 250, "{error}");
}

/// Faults of the file around the objects: the file, line and message of the first fault, and the rows that a lenient
/// reader saves.
#[rstest]
#[case::empty("", 1, "found the end of the file, expected a JSON array", 0)]
#[case::scalar("3", 1, "found '3', expected a JSON array", 0)]
#[case::binary("\u{1}", 1, "found byte 0x01, expected a JSON array", 0)]
#[case::truncated("[\nGOOD,\n", 4, "item 2: found the end of the file, expected an object", 1)]
#[case::unclosed("[GOOD\n", 3, "found the end of the file, expected a comma or the end of the array", 1)]
#[case::cut(
    "[GOOD,\n{\"guid\": \"x",
    3,
    "item 2: found the end of the file inside an object, expected a complete file",
    1
)]
#[case::no_comma("[GOOD GOOD]", 2, "found '{', expected a comma or the end of the array", 2)]
#[case::trailing_comma("[GOOD,]", 2, "found ']', expected an object", 1)]
#[case::leading_comma("[,GOOD]", 1, "found ',', expected an object", 1)]
#[case::number("[1, GOOD]", 1, "found '1', expected an object", 1)]
#[case::junk("[GOOD junk GOOD]", 2, "found 'j', expected a comma", 2)]
#[case::behind("[GOOD] GOOD", 2, "found '{', expected nothing behind the array", 2)]
#[case::closed_early("[GOOD], GOOD, GOOD]", 2, "found ',', expected nothing behind the array", 3)]
#[case::two_files("[GOOD]\n[GOOD, GOOD]\n", 3, "found '[', expected nothing behind the array", 3)]
#[case::comma_and_more("[GOOD,] GOOD]", 2, "found ']', expected an object", 2)]
#[case::behind_nothing("[] x", 1, "found 'x', expected nothing behind the array", 0)]
#[case::between("GOOD, GOOD", 2, "found ',', expected an object", 2)]
#[case::syntax(
    "[GOOD, {\n\"guid\" 1}, GOOD]",
    2,
    "found expected `:` (on line 3), expected a JSON object",
    2
)]
#[case::key_twice("[GOOD, {\"guid\": {\"x\": 1,\n\"x\": 2}}, GOOD]", 2, "the key \"x\" twice (on line 3)", 2)]
#[case::open_quote("[GOOD, {\"guid\": \"open,\n\"b\": {}}, GOOD]", 2, "control character", 2)]
#[case::brackets("[GOOD, {\"guid\": [}, GOOD]", 2, "found expected value (on line 2)", 1)]
fn malformed_files(#[case] file: &str, #[case] line: u64, #[case] message: &str, #[case] rows: usize) {
    let file = file.replace("GOOD", GOOD);
    let error = fault(file.as_bytes(), "k.json", &json());
    assert_eq!(error.line, line, "{error}");
    assert!(error.to_string().contains(message), "{error}");
    let (found, report) = read(file.as_bytes(), "k.json", &ReadOptions { lenient: true, ..json() });
    assert_eq!(found.len(), rows, "{:?}", report.rejected);
    assert!(report.rejected.count >= 1);
}

#[test]
fn an_object_that_does_not_close_costs_one_line() {
    let good = GOOD.replace('\n', " ");
    let faults = [
        good.replacen("\"ORG\"}", "\"ORG\"", 1),
        good.trim_end_matches('}').to_owned(),
        good.replacen("\"가나 다\"", "\"가나 다", 1),
        good.replacen("\"g\"", "\"g", 1),
        good.replacen("\"PER\"", "\"PER", 1),
        good.replacen("\"wikipedia\"", "\"wikipedia", 1),
    ];
    for fault in &faults {
        for [begin, between, end] in [["[", ",\n", "]\n"], ["[\n", ",\n", "\n]"], ["", "\n", ""]] {
            let mut rows = vec![good.as_str(); 100];
            rows[9] = fault;
            rows[59] = fault;
            let file = format!("{begin}{}{end}", rows.join(between));
            let (found, report) = read(file.as_bytes(), "k.json", &ReadOptions { lenient: true, ..json() });
            assert_eq!((found.len(), report.rejected.count), (98, 2), "{fault}: {:?}", report.rejected.first);
            let line = 10 + begin.matches('\n').count() as u64;
            assert_eq!(report.rejected.first[0].line, line, "{fault}");
        }
    }
}

#[test]
fn bytes_that_are_no_text() {
    let mut file = GOOD.as_bytes().to_vec();
    let at = GOOD.find("가").unwrap();
    file[at] = 0xff;
    assert!(fault(&file, "k.json", &json()).found.contains("invalid unicode code point"));
}

#[test]
fn an_endless_object_is_given_up_in_constant_memory() {
    let file = format!("[{{\"guid\": \"{}\"}}, {GOOD}]", "x".repeat(5 << 20));
    let (rows, report) = read(file.as_bytes(), "k.json", &ReadOptions { lenient: true, ..json() });
    assert_eq!((rows.len(), report.rejected.count), (1, 1));
    assert!(report.rejected.first[0].found.contains("more than 4194304 bytes"));
}

#[test]
fn objects_stream() {
    /// An array that never ends.
    struct Endless(usize);
    impl std::io::Read for Endless {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let file = format!("[{GOOD},");
            // The bracket stands once.
            let at = if self.0 == 0 { 0 } else { 1 + (self.0 - 1) % (file.len() - 1) };
            let part = &file.as_bytes()[at..];
            let n = part.len().min(to.len());
            to[..n].copy_from_slice(&part[..n]);
            self.0 += n;
            Ok(n)
        }
    }
    let reader = ExampleReader::new(Endless(0), "-", &options()).unwrap();
    assert_eq!(reader.take(20_000).filter(Result::is_ok).count(), 20_000);
}

const CSV: &str = "id,sentence,subject_entity,object_entity,label,source\n";
const CSV_ROW: &str = "0,\"가나, \"\"다\"\"\",\"{'word': '가나', 'start_idx': 0, 'end_idx': 1, 'type': 'PER'}\",\"{'word': '다', 'start_idx': 5, 'end_idx': 5, 'type': 'ORG'}\",no_relation,wikipedia\n";

#[test]
fn the_csv_form() {
    let file = format!(
        "{CSV}{CSV_ROW}1,it's,\"{{'word': \"\"it's\"\", 'start_idx': 0, 'end_idx': 3}}\",\"{{'word': 't', 'start_idx': 1, 'end_idx': 1}}\",100,\n"
    );
    let (rows, report) = read(file.as_bytes(), "train.csv", &options());
    let rows: Vec<RelationExample> = rows.into_iter().map(Result::unwrap).collect();
    assert_eq!((rows[0].text(), rows[0].surface(1)), ("가나, \"다\"", "다"));
    assert_eq!((rows[0].label(), rows[0].source()), (Some("no_relation"), Some("wikipedia")));
    assert_eq!((rows[1].label(), rows[1].source(), rows[1].surface(0)), (None, None, "it's"));
    assert_eq!(
        report.to_string(),
        "2 rows, 2 with overlapping entities, 1 without label".replace("2 with", "1 with")
    );
}

#[test]
fn labels_of_hugging_face_are_numbers() {
    let json = GOOD.replace("\"no_relation\"", "29");
    let csv = format!("{CSV}{CSV_ROW}").replacen("id", "guid", 1).replace("no_relation", "29");
    for (file, name) in [(json, "k.json"), (csv, "k.csv")] {
        let (rows, report) = read(file.as_bytes(), name, &options());
        assert_eq!(rows[0].as_ref().unwrap().label(), Some("per:title"));
        assert_eq!(report.to_string(), "1 rows");
    }
    let file = format!("{CSV}{CSV_ROW}").replacen("id", "guid", 1).replace("no_relation", "-1");
    let error = fault(file.as_bytes(), "k.csv", &options());
    assert_eq!((error.found.as_str(), error.field), ("label \"-1\"", Some("label")), "{error}");
}

#[test]
fn csv_columns_in_any_order_and_number() {
    let file = "Unnamed: 0,object_entity,subject_entity,sentence,id\n4,\"{'word': '다', 'start_idx': 0, 'end_idx': 0}\",\"{'word': '다', 'start_idx': 0, 'end_idx': 0, 'n': 1}\",다,x\n";
    let (rows, report) = read(file.as_bytes(), "train.csv", &options());
    assert_eq!(rows[0].as_ref().unwrap().id(), "x");
    assert_eq!(report.unread.keys().collect::<Vec<_>>(), ["Unnamed: 0", "subject_entity.n"]);
}

#[rstest]
#[case::dict(("{'word': '다'", "['다'"), Some(4), "object_entity", "'[' in place of '{'", "a dict such as")]
#[case::code(("'word': '다'", "'word': exit()"), Some(4), "object_entity", "\"exit\" in place of a string", "a dict such as")]
#[case::key(("{'word': '다'", "{'form': '다'"), Some(4), "object_entity.word", "nothing", "a string")]
#[case::offset(("'start_idx': 5", "'start_idx': '5'"), Some(4), "object_entity.start_idx", "\"5\"", "an offset")]
#[case::surface(("'start_idx': 0", "'start_idx': 30"), Some(3), "subject_entity", "begins at character 30", "at least one")]
#[case::no_id(("0,\"가", ",\"가"), Some(1), "id", "an empty id", "an identifier")]
#[case::no_text(("\"가나, \"\"다\"\"\"", ""), Some(2), "sentence", "an empty text", "a sentence")]
#[case::label(("no_relation", "x"), Some(5), "label", "label \"x\"", "one of the 30 labels")]
#[case::number(("no_relation", "7"), Some(5), "label", "label \"7\"", "a label by its name, or 100 for none")]
fn malformed_csv_rows(
    #[case] change: (&str, &str),
    #[case] column: Option<usize>,
    #[case] field: &str,
    #[case] found: &str,
    #[case] expected: &str,
) {
    let bad = CSV_ROW.replace(change.0, change.1);
    assert_ne!(bad, CSV_ROW);
    let file = format!("{CSV}{CSV_ROW}{bad}{CSV_ROW}");
    let error = fault(file.as_bytes(), "k.csv", &options());
    assert_eq!((error.line, error.column, error.field), (3, column, Some(field)), "{error}");
    assert!(error.found.contains(found), "{error}");
    assert!(error.expected.contains(expected), "{error}");
    let (rows, report) = read(file.as_bytes(), "k.csv", &ReadOptions { lenient: true, ..options() });
    assert_eq!((rows.len(), report.rejected.count), (2, 1));
}

#[test]
fn csv_without_its_columns_is_refused_even_leniently() {
    let options = ReadOptions { format: Some(Format::KlueCsv), ..lenient() };
    let open =
        |file: &'static str| ExampleReader::new(file.as_bytes(), "k.csv", &options).map(drop).unwrap_err();
    assert_eq!(
        open("id,sentence,label\n").to_string(),
        "k.csv:1: found the header \"id,sentence,label\", expected a column subject_entity"
    );
    assert!(open("").to_string().contains("found the header \"\", expected a column id"));
    assert!(open("id,id\n").to_string().contains("the name of column 1 too"));
}

#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn the_real_rows_in_shared_data() {
    for (file, count) in [("train", 15_547), ("dev", 2_316)] {
        let path = common::shared(&format!("klue-re/klue-re-part_{file}.json"));
        let found = read::examples(&path, &options()).unwrap();
        assert_eq!(found.report.to_string(), format!("{count} rows"));
        // What the file says is what the spans hold, without the reader's help.
        let items: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(items.len(), count);
        for (item, example) in items.iter().zip(&found.examples) {
            assert_eq!(example.text(), item["sentence"]);
            assert_eq!(example.label().unwrap(), item["label"]);
            for (at, key) in ["subject_entity", "object_entity"].iter().enumerate() {
                let (entity, part) = (&example.entities()[at], &item[key]);
                assert_eq!(example.surface(at), part["word"]);
                assert_eq!(entity.kind().unwrap(), part["type"]);
                let chars = entity.span().to_chars(example.text()).unwrap();
                assert_eq!(
                    (chars.start(), chars.end() - 1),
                    (
                        part["start_idx"].as_u64().unwrap() as usize,
                        part["end_idx"].as_u64().unwrap() as usize,
                    )
                );
            }
        }
        // Written again, it holds the same values.
        let mut file = Vec::new();
        let mut writer = ExampleWriter::new(&mut file, "-", Format::KlueJson);
        found.examples.iter().for_each(|example| writer.write(example).unwrap());
        assert!(writer.report().is_lossless());
        writer.finish().unwrap();
        assert_eq!(serde_json::from_slice::<Vec<serde_json::Value>>(&file).unwrap(), items);
    }
}

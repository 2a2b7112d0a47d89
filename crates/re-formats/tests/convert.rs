//! From every layout to every other.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{example, read};
use proptest::prelude::*;
use re_data::{ByteSpan, Entity, RelationExample};
use re_formats::Error;
use re_formats::convert::{self, ConvertReport};
use re_formats::read::{self, ExampleReader, Format, ReadOptions};
use re_formats::write::{self, ExampleWriter, WriteReport};

fn written(examples: &[RelationExample], format: Format) -> (Vec<u8>, WriteReport) {
    let mut file = Vec::new();
    let mut writer = ExampleWriter::new(&mut file, "-", format);
    examples.iter().for_each(|example| writer.write(example).unwrap());
    let report = writer.report().clone();
    writer.finish().unwrap();
    (file, report)
}

fn given(format: Format) -> ReadOptions {
    ReadOptions { format: Some(format), ..ReadOptions::default() }
}

/// What is left of an example that was written as `format`.
fn rest(example: &RelationExample, format: Format) -> RelationExample {
    if !matches!(format, Format::CompetitionTsv | Format::SemEval) {
        return example.clone();
    }
    let text = match format {
        Format::SemEval => example.text().replace(['\n', '\r'], " "),
        _ => example.text().to_owned(),
    };
    let rest = RelationExample::new(example.id(), text, example.entities().clone()).unwrap();
    let rest = rest.with_entity_types([None, None]);
    match example.label() {
        Some(label) => rest.with_label(label),
        None => rest,
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(examples in proptest::collection::vec(example(), 0..5)) {
        for format in Format::ALL {
            let (file, report) = written(&examples, format);
            let (rows, found) = read(&file, "-", &given(format));
            let rows: Vec<_> = rows.into_iter().map(Result::unwrap).collect();
            prop_assert_eq!((found.repaired.count, found.unread.len()), (0, 0));
            let expected: Vec<_> = examples.iter().map(|example| rest(example, format)).collect();
            prop_assert_eq!(&rows, &expected, "{}", format);
            // The report tells a loss where there is one, and only there.
            prop_assert_eq!(report.is_lossless(), expected == examples);
            prop_assert_eq!(report.rows, examples.len());
        }
    }

    #[test]
    fn every_way_round_ends_where_it_began(example in example()) {
        let examples = [example];
        for from in Format::ALL {
            let (file, _) = written(&examples, from);
            for to in Format::ALL {
                let mut out = Vec::new();
                let mut reader = ExampleReader::new(file.as_slice(), "-", &given(from)).unwrap();
                let report = convert::convert(&mut reader, ExampleWriter::new(&mut out, "-", to)).unwrap();
                let (rows, _) = read(&out, "-", &given(to));
                let expected = rest(&rest(&examples[0], from), to);
                prop_assert_eq!(report.is_lossless(), expected == rest(&examples[0], from));
                prop_assert_eq!(rows.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [expected]);
            }
        }
    }
}

#[test]
fn what_is_written_is_recognised_by_its_content() {
    let file = "a,text,start1,end1,start2,end2,id\n,Ann met Bob,0,3,8,11,1\n";
    let (rows, _) = read(file.as_bytes(), "-", &ReadOptions::default());
    let rows: Vec<_> = rows.into_iter().map(Result::unwrap).collect();
    for format in Format::ALL {
        let (file, _) = written(&rows, format);
        let reader = ExampleReader::new(file.as_slice(), "-", &ReadOptions::default()).unwrap();
        assert_eq!(reader.format(), format);
    }
}

#[test]
fn files_are_converted_and_losses_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let row = r#"{"guid": "g", "sentence": "가\n나", "subject_entity": {"word": "가", "start_idx": 0, "end_idx": 0, "type": "PER"},
        "object_entity": {"word": "나", "start_idx": 2, "end_idx": 2, "type": "ORG"}, "label": "no_relation", "source": "w", "url": "u"}"#;
    std::fs::write(path("a.json"), format!("[{row}, {{}}, {row}]")).unwrap();
    let lenient = common::lenient();
    let report = convert::files(path("a.json"), &lenient, path("b.txt"), Some(Format::SemEval)).unwrap();
    assert!(!report.is_lossless());
    assert_eq!(
        report.written.to_string(),
        "2 rows; lost: the entity types of 2, the source of 2, line breaks in the text of 2"
    );
    assert!(report.read.to_string().starts_with("2 rows; 1 malformed records left out"), "{}", report.read);
    assert!(report.read.to_string().ends_with("; not read: url (2)"), "{}", report.read);
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains("\"line_breaks\":{\"count\":2,\"first\":[\"g\",\"g\"]}"), "{json}");
    assert_eq!(
        std::fs::read_to_string(path("b.txt")).unwrap(),
        "g\t\"<e1>가</e1> <e2>나</e2>\"\r\nno_relation\r\nComment:\r\n\r\n".repeat(2)
    );

    // A fault leaves the file that was there, and nothing beside it.
    let options = ReadOptions::default();
    let before = std::fs::read(path("b.txt")).unwrap();
    assert!(convert::files(path("a.json"), &options, path("b.txt"), Some(Format::Csv)).is_err());
    assert_eq!(std::fs::read(path("b.txt")).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);

    // A file may be converted in place, and the name of the new one tells the layout.
    let report = convert::files(path("b.txt"), &options, path("b.txt"), Some(Format::Jsonl)).unwrap();
    assert_eq!(
        report,
        ConvertReport {
            read: report.read.clone(),
            written: WriteReport { rows: 2, ..WriteReport::default() }
        }
    );
    let options = given(Format::Jsonl);
    convert::files(path("b.txt"), &options, path("c.csv"), None).unwrap();
    let rows = read::examples(path("c.csv"), &ReadOptions::default()).unwrap();
    assert_eq!((rows.report.rows, rows.examples[0].text()), (2, "가 나"));
    let unknown = convert::files(path("c.csv"), &options, path("d.json"), None).unwrap_err();
    assert!(matches!(unknown, Error::Data(re_data::Error::Argument { name: "format", .. })), "{unknown}");
    assert!(convert::files(path("absent.csv"), &options, path("d.csv"), None).is_err());
}

/// All real rows through all layouts that lose nothing, and back.
#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn real_rows_survive_every_lossless_layout_in_shared_data() {
    let files = ["klue-re/klue-re-part_dev.json", "semeval2010-task8/TRAIN_FILE.TXT", "p-stage2/train.tsv"];
    for file in files {
        let path = common::shared(file);
        let examples = read::examples(path, &ReadOptions::default()).unwrap().examples;
        for format in Format::ALL {
            let (file, report) = written(&examples, format);
            if !report.is_lossless() {
                assert!(matches!(format, Format::CompetitionTsv | Format::SemEval));
                continue;
            }
            let (rows, _) = read(&file, "-", &given(format));
            assert_eq!(rows.into_iter().map(Result::unwrap).collect::<Vec<_>>(), examples);
        }
    }
}

#[test]
fn a_label_that_would_be_read_as_none_is_refused() {
    let entity = |start| Entity::new(ByteSpan::with_len(start, 1));
    let example = RelationExample::new("7", "ab", [entity(0), entity(1)]).unwrap();
    for (format, label) in [
        (Format::CompetitionTsv, "blind"),
        (Format::CompetitionTsv, ""),
        (Format::Csv, ""),
        (Format::KlueCsv, ""),
        (Format::KlueCsv, "100"),
        (Format::KlueCsv, "7"),
    ] {
        let mut writer = ExampleWriter::new(Vec::new(), "-", format);
        let error = writer.write(&example.clone().with_label(label)).unwrap_err();
        assert!(matches!(error, Error::Unwritable(fault) if fault.field == "label" && fault.found == label));
    }
}

#[test]
fn an_id_that_would_be_read_as_the_mark_of_the_file_is_refused() {
    let entity = |start| Entity::new(ByteSpan::with_len(start, 1));
    let example = |id: &str| RelationExample::new(id, "ab", [entity(0), entity(1)]).unwrap();
    let marked = example("\u{feff}7");
    let error = ExampleWriter::new(Vec::new(), "-", Format::CompetitionTsv).write(&marked).unwrap_err();
    assert!(matches!(error, Error::Unwritable(fault) if fault.field == "id"));
    let (file, _) = written(&[example("1"), marked], Format::CompetitionTsv);
    let (rows, _) = read(&file, "-", &given(Format::CompetitionTsv));
    assert_eq!(rows[1].as_ref().unwrap().id(), "\u{feff}7");
    // As many marks as there may be begin a file, and no id.
    let (rows, _) = read(&["\u{feff}\u{feff}".as_bytes(), &file].concat(), "-", &ReadOptions::default());
    assert_eq!(rows[0].as_ref().unwrap().id(), "1");
}

#[test]
fn an_empty_file_is_a_whole_one() {
    for format in Format::ALL {
        let (file, report) = written(&[], format);
        assert_eq!(report, WriteReport::default());
        assert!(read(&file, "-", &given(format)).0.is_empty(), "{format}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    write::examples(&path, Format::KlueJson, []).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "[]\n");
}

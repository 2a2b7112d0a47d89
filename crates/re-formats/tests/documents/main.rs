//! Documents in every layout.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod graphs;
mod round_trip;

use std::path::Path;

use common::shared;
use re_data::stats::DocumentStats;
use re_data::{CharSpan, Document, Mention, Pair, Relation};
use re_formats::documents::{
    self, DocumentFormat, DocumentReadOptions, DocumentReader, DocumentWriter, Losses,
};
use re_formats::{Error, RecordError};
use rstest::rstest;
use serde_json::Value;

fn options(format: DocumentFormat) -> DocumentReadOptions {
    DocumentReadOptions { format: Some(format), lenient: false }
}

/// The documents of a file.
fn read(format: DocumentFormat, file: &str) -> Vec<Document> {
    let reader = DocumentReader::new(file.as_bytes(), "demo", &options(format)).unwrap();
    reader.map(|document| document.unwrap_or_else(|error| panic!("{error}\n{file}"))).collect()
}

/// The first fault of a file.
fn fault(format: DocumentFormat, file: &str) -> RecordError {
    let mut reader = DocumentReader::new(file.as_bytes(), "demo", &options(format)).unwrap();
    match reader.find_map(Result::err) {
        Some(Error::Record(fault)) => *fault,
        other => panic!("expected a record error, found {other:?} in {file}"),
    }
}

/// What a writer makes of documents, and what it says of each; a folder for the layouts of folders.
fn written(format: DocumentFormat, documents: &[Document], path: &Path) -> re_formats::Result<Vec<Losses>> {
    let mut writer = DocumentWriter::create(path, format)?;
    let losses = documents.iter().map(|document| writer.write(document)).collect();
    writer.finish()?;
    losses
}

fn mention(start: usize, end: usize, kind: &str) -> Mention {
    Mention::new(CharSpan::new(start, end).unwrap()).with_kind(kind)
}

/// `Marie loves Pierre.` with both names and their relation.
fn couple() -> Document {
    let relation = Relation::new(Pair { subject: 0, object: 1 }, "spouse");
    let mentions = vec![mention(0, 5, "PER"), mention(12, 18, "PER")];
    Document::new("7", "Marie loves Pierre.", mentions).unwrap().with_relations(vec![relation]).unwrap()
}

#[rstest]
#[case(DocumentFormat::Jsonl, r#"{"id": 7, "text": "Marie loves Pierre.", "mentions": [{"start": 0, "end": 5, "type": "PER"}, {"start": 12, "end": 18, "surface": "Pierre", "type": "PER"}], "relations": [{"subject": 0, "object": 1, "label": "spouse"}]}"#)]
#[case(DocumentFormat::Spert, r#"[{"tokens": ["Marie", "loves", "Pierre."], "space_after": [true, true, false], "orig_id": 7, "entities": [], "relations": []}]"#)]
#[case(DocumentFormat::Spert, r#"[{"tokens": ["Marie", "loves", "Pierre", "."], "space_after": [true, true, false, false], "orig_id": 7, "entities": [{"type": "PER", "start": 0, "end": 1}, {"type": "PER", "start": 2, "end": 3}], "relations": [{"type": "spouse", "head": 0, "tail": 1}]}]"#)]
#[case(DocumentFormat::SciErc, r#"{"doc_key": "7", "sentences": [["Marie", "loves", "Pierre", "."]], "space_after": [[true, true, false, false]], "ner": [[[0, 0, "PER"], [2, 2, "PER"]]], "relations": [[[0, 0, 2, 2, "spouse"]]], "clusters": []}"#)]
#[case(DocumentFormat::LabelStudio, r#"[{"id": 1, "data": {"id": 7, "text": "Marie loves Pierre."}, "annotations": [{"result": [], "was_cancelled": true}, {"result": [
  {"id": "x", "type": "labels", "from_name": "l", "to_name": "t", "value": {"start": 0, "end": 5, "text": "Marie", "labels": ["PER"]}},
  {"from_id": "y", "to_id": "x", "type": "relation", "direction": "left", "labels": ["spouse"]},
  {"id": "y", "type": "labels", "from_name": "l", "to_name": "t", "value": {"start": 12, "end": 18, "labels": ["PER"]}}]}]}]"#)]
#[case(DocumentFormat::Doccano, r#"{"id": 7, "text": "Marie loves Pierre.", "entities": [{"id": 40, "label": "PER", "start_offset": 0, "end_offset": 5}, {"id": 41, "label": "PER", "start_offset": 12, "end_offset": 18}], "relations": [{"id": 1, "from_id": 40, "to_id": 41, "type": "spouse"}], "Comments": []}"#)]
#[case(
    DocumentFormat::DoccanoLabel,
    r#"{"id": 7, "text": "Marie loves Pierre.", "label": [[0, 5, "PER"], [12, 18, "PER"]]}"#
)]
#[case(DocumentFormat::Prodigy, r#"{"text": "Marie loves Pierre.", "meta": {"id": "7"}, "spans": [{"start": 0, "end": 5, "label": "PER"}, {"start": 12, "end": 18, "label": "PER"}],
 "tokens": [{"text": "Marie", "start": 0, "end": 5, "id": 0}, {"text": "loves", "start": 6, "end": 11, "id": 1}, {"text": "Pierre", "start": 12, "end": 18, "id": 2}], "relations": [{"head": 0, "child": 2, "label": "spouse"}]}"#)]
fn layouts_are_read(#[case] format: DocumentFormat, #[case] file: &str) {
    let file = match format {
        DocumentFormat::Prodigy => file.replace('\n', ""),
        _ => file.to_owned(),
    };
    let documents = read(format, &file);
    let whole = couple();
    let expected = match documents[0].relations().len() {
        0 if documents[0].mentions().is_empty() => Document::new("7", whole.text(), vec![]).unwrap(),
        0 => Document::new("7", whole.text(), whole.mentions().to_vec()).unwrap(),
        _ => whole,
    };
    assert_eq!(documents, [expected]);
    let guessed = DocumentReader::new(file.as_bytes(), "-", &DocumentReadOptions::default()).unwrap();
    assert_eq!(guessed.format(), format);
}

#[test]
fn entities_of_docred_are_related_where_they_are_closest() {
    let file = r#"[{"title": "A", "sents": [["Marie", "Curie", "left", "Rome"], ["Curie", "met", "Pierre"]],
      "vertexSet": [[{"name": "Marie Curie", "pos": [0, 2], "sent_id": 0, "type": "PER"}, {"name": "Curie", "pos": [0, 1], "sent_id": 1, "type": "PER"}],
                    [{"name": "Pierre", "pos": [2, 3], "sent_id": 1, "type": "PER"}]],
      "labels": [{"h": 0, "t": 1, "r": "P26", "evidence": [1]}]}]"#;
    let mut reader = DocumentReader::new(file.as_bytes(), "-", &DocumentReadOptions::default()).unwrap();
    let document = reader.next().unwrap().unwrap();
    assert_eq!(document.text(), "Marie Curie left Rome\nCurie met Pierre");
    let surfaces: Vec<&str> = (0..3).map(|mention| document.surface(mention)).collect();
    assert_eq!(surfaces, ["Marie Curie", "Curie", "Pierre"]);
    let entities: Vec<_> = document.mentions().iter().map(Mention::entity).collect();
    assert_eq!(entities, [Some("0"), Some("0"), Some("1")]);
    assert_eq!(document.relations(), [Relation::new(Pair { subject: 1, object: 2 }, "P26")]);
    assert_eq!(
        reader.report().to_string(),
        "1 documents, 3 mentions, 1 relations; not read: labels.evidence (1)"
    );
}

#[test]
fn clusters_are_entities() {
    let file = r#"{"doc_key": "A", "sentences": [["a", "b"], ["c", "a"]], "ner": [[[0, 0, "X"]], [[2, 2, "Y"]]], "relations": [[], [[2, 2, 3, 3, "r"]]], "clusters": [[[0, 0], [3, 3]]], "dataset": "s"}"#;
    let mut reader = DocumentReader::new(file.as_bytes(), "-", &DocumentReadOptions::default()).unwrap();
    let document = reader.next().unwrap().unwrap();
    let shown: Vec<_> = (document.mentions().iter().enumerate())
        .map(|(number, mention)| (document.surface(number), mention.kind(), mention.entity()))
        .collect();
    assert_eq!(shown, [("a", Some("X"), Some("0")), ("c", Some("Y"), None), ("a", None, Some("0"))]);
    assert_eq!(document.relations(), [Relation::new(Pair { subject: 1, object: 2 }, "r")]);
    assert_eq!(reader.report().unread.get("dataset"), Some(&1));
}

#[test]
fn folders_of_brat_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a%2Fb.txt"), "😀 Zoë\nSmith met 가나 and co").unwrap();
    let annotations = "T1\tPER 2 5;6 11\tZoë Smith\nT2\tORG 16 18\t가나\r\nT3\tORG 16 18;23 25\t가나 co\n\
        E1\tMeet:T1 Who:T2\nR1\tknows Arg1:T2 Arg2:T1\t\nR2\tknows Arg1:T1 Arg2:T3\nN1\tReference T2 Wikidata:Q1\t가나\n\
        A1\tNegated R1\n#1\tAnnotatorNotes T1\tsure?\n*\tEquiv T1 T3\n";
    std::fs::write(at("a%2Fb.ann"), annotations).unwrap();
    std::fs::write(at("plain.txt"), "x").unwrap();
    std::fs::write(at("annotation.conf"), "").unwrap();
    let result = documents::read(folder.path(), &DocumentReadOptions::default()).unwrap();
    assert_eq!(result.format, DocumentFormat::Brat);
    let document = &result.documents[0];
    assert_eq!((document.id(), document.surface(0), document.surface(1)), ("a/b", "Zoë\nSmith", "가나"));
    assert_eq!(document.mentions()[1].entity(), Some("Wikidata:Q1"));
    assert_eq!(document.relations(), [Relation::new(Pair { subject: 1, object: 0 }, "knows")]);
    assert_eq!(result.documents[1].id(), "plain");
    let unread: Vec<&str> = result.report.unread.keys().map(String::as_str).collect();
    assert_eq!(
        unread,
        [
            "# lines (notes)",
            "A lines (attributes)",
            "E lines (events)",
            "Equiv lines of events, or of mentions with an entity",
            "R lines of events or discontinuous mentions",
            "T lines with gaps (discontinuous mentions)",
            "annotation.conf in the folder",
        ]
    );
    for name in ["plain.txt", "a%2Fb.ann"] {
        let options = DocumentReadOptions { format: Some(DocumentFormat::Brat), lenient: false };
        assert_eq!(documents::read(at(name), &options).unwrap().documents.len(), 1, "{name}");
    }
    for (bad, line, expected) in [
        ("T1\tPER 0 x\tx", 1, "T1, a tab, TYPE START END"),
        ("T1\tPER 0 1\tx\nT1\tPER 0 1\tx", 2, "a name of its own"),
        ("T1\tPER 0 1\tx\nR1\tr Arg1:T1 Arg2:T9", 2, "the name of a T or E line"),
        ("T1\tPER 0 1\tx\nR1\tr Arg1:T1", 2, "R1, a tab"),
        ("\nT1\tPER 0 2\tx", 2, "a stretch of the text of 1 characters"),
        ("T1\tPER 1 1\tx", 1, "at least one character"),
        ("T1\tPER 0 1\ty", 1, "\"y\" there"),
        ("what", 1, "a line of brat"),
    ] {
        std::fs::write(at("plain.ann"), bad).unwrap();
        let Err(Error::Record(fault)) = documents::read(at("plain.txt"), &options(DocumentFormat::Brat))
        else {
            panic!("{bad}")
        };
        assert_eq!((fault.line, fault.id.as_deref()), (line, Some("plain")), "{fault}");
        assert!(fault.path.ends_with("plain.ann") && fault.expected.contains(expected), "{fault}");
    }
    std::fs::remove_file(at("plain.txt")).unwrap();
    let error = documents::read(folder.path(), &DocumentReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("plain.ann:1: id plain: found no text, expected"), "{error}");
}

#[test]
fn columns_and_characters_are_read() {
    let file = "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\r\nrejects VBZ I-VP O\r\n\n\nPeter NNP I-NP B-PER\nBlackburn NNP I-NP I-PER\n";
    let documents = read(DocumentFormat::Conll, file);
    let shown: Vec<_> = documents.iter().map(|d| (d.id(), d.text(), d.surface(0))).collect();
    assert_eq!(shown, [("1", "EU rejects", "EU"), ("2", "Peter Blackburn", "Peter Blackburn")]);
    assert_eq!(read(DocumentFormat::Conll, "a\nb\n\nc\n")[0].text(), "a b");
    assert_eq!(
        read(DocumentFormat::Conll, "-DOCSTART-\na -DOCSTART-\n-DOCSTART- O\n")[0].text(),
        "a -DOCSTART-"
    );
    assert_eq!(read(DocumentFormat::Conll, "-DOCSTART-s O\n")[0].text(), "-DOCSTART-s");

    let file = "## id-1\tmarked <up:PS>\n가\tB-PS\n\tO\n \tO\n나\tI-LC\n다\tI-LC\n\n## id-2\tblind text\n\n## id-3\t<x:O>\nx\tB\n";
    let documents = read(DocumentFormat::KlueNer, &file.replace("\n\tO", "\n\t\tO"));
    assert_eq!((documents[0].id(), documents[0].text()), ("id-1", "가\t 나다"));
    assert_eq!((documents[0].surface(1), documents[0].mentions()[1].kind()), ("나다", Some("LC")));
    assert_eq!((documents[1].text(), documents[1].mentions().len()), ("blind text", 0));
    assert_eq!((documents[2].text(), documents[2].mentions()[0].kind()), ("x", None));
}

#[test]
fn plain_texts_are_read() {
    let documents = read(DocumentFormat::Lines, "\u{feff}a b\r\n\nc\n");
    let shown: Vec<_> = documents.iter().map(|d| (d.id(), d.text())).collect();
    assert_eq!(shown, [("1", "a b"), ("3", "c")]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one.txt"), "a\r\nb\n").unwrap();
    std::fs::write(folder.path().join("two.txt"), "c").unwrap();
    let result = documents::read(folder.path(), &DocumentReadOptions::default()).unwrap();
    let shown: Vec<_> = result.documents.iter().map(|d| (d.id(), d.text())).collect();
    assert_eq!((result.format, shown), (DocumentFormat::Text, vec![("one", "a\r\nb\n"), ("two", "c")]));
    let result = documents::read(folder.path().join("one.txt"), &DocumentReadOptions::default()).unwrap();
    assert_eq!(result.documents, [Document::new("one", "a\r\nb\n", vec![]).unwrap()]);
}

const JSONL: &str = r#"{"id": "d", "text": "가나 x", "mentions": [{"start": 0, "end": 2, "type": "A"}, {"start": 3, "end": 4}], "relations": [{"subject": 0, "object": 1, "label": "r"}]}"#;

#[test]
fn documents_are_converted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.jsonl"), JSONL).unwrap();
    let report = documents::convert_files(
        at("a.jsonl"),
        &DocumentReadOptions::default(),
        at("brat"),
        Some(DocumentFormat::Brat),
    );
    let report = report.unwrap();
    assert_eq!(
        report.written.to_string(),
        "1 documents; lost: 1 missing types (written as MENTION) in 1 documents"
    );
    assert!(report.read.is_lossless() && !report.is_lossless());
    assert_eq!(
        std::fs::read_to_string(at("brat/d.ann")).unwrap(),
        "T1\tA 0 2\t가나\nT2\tMENTION 3 4\tx\nR1\tr Arg1:T1 Arg2:T2\n"
    );
    let options = DocumentReadOptions::default();
    documents::convert_files(at("brat"), &options, at("b.jsonl"), None).unwrap();
    let again = std::fs::read_to_string(at("b.jsonl")).unwrap();
    assert!(again.contains(r#"{"start":3,"end":4,"surface":"x","type":"MENTION"}"#), "{again}");
    assert!(documents::convert_files(at("brat"), &options, at("b.what"), None).is_err());
}

#[rstest]
#[case("conll04/conll04_train.json", [922, 3377, 1283])]
#[case("conll04/conll04_dev.json", [231, 893, 343])]
#[case("conll04/conll04_test_blind.json", [288, 0, 0])]
#[ignore = "needs ../shared/data"]
fn conll04_is_read_and_written_in_shared_data(#[case] file: &str, #[case] counts: [usize; 3]) {
    let [documents, mentions, relations] = counts;
    let result = documents::read(shared(file), &DocumentReadOptions::default()).unwrap();
    assert_eq!(result.format, DocumentFormat::Spert);
    let stats = DocumentStats::of(&result.documents);
    assert_eq!([stats.documents, stats.mentions, stats.relations], [documents, mentions, relations]);
    assert!(result.report.is_lossless(), "{}", result.report);
    assert_eq!((stats.nested, stats.crossing, stats.repeated_ids), (0, 0, 0));
    if mentions > 0 {
        let mut types: Vec<&str> = stats.types.iter().filter_map(|(kind, _)| kind.as_deref()).collect();
        let mut labels: Vec<&str> = stats.labels.iter().map(|(label, _)| label.as_str()).collect();
        types.sort_unstable();
        labels.sort_unstable();
        assert_eq!(types, ["Loc", "Org", "Other", "Peop"]);
        assert_eq!(labels, ["Kill", "Live_In", "Located_In", "OrgBased_In", "Work_For"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.json");
    let losses = written(DocumentFormat::Spert, &result.documents, &out).unwrap();
    assert!(losses.iter().all(Losses::is_empty));
    let values = |path: &Path| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap();
    let mut original = values(&shared(file));
    // The blind part has no lists, where empty ones are written.
    for document in original.as_array_mut().unwrap() {
        for key in ["entities", "relations"] {
            document.as_object_mut().unwrap().entry(key).or_insert_with(|| Value::Array(Vec::new()));
        }
    }
    assert_eq!(values(&out), original);
}

#[rstest]
#[case("klue-ner/klue-ner-part_train.tsv", 3732)]
#[case("klue-ner/klue-ner-part_dev.tsv", 406)]
#[case("klue-ner/klue-ner-part_test_blind.tsv", 862)]
#[ignore = "needs ../shared/data"]
fn klue_ner_is_read_and_written_in_shared_data(#[case] file: &str, #[case] documents: usize) {
    let result = documents::read(shared(file), &DocumentReadOptions::default()).unwrap();
    assert_eq!((result.format, result.documents.len()), (DocumentFormat::KlueNer, documents));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.tsv");
    let losses = written(DocumentFormat::KlueNer, &result.documents, &out).unwrap();
    assert!(losses.iter().all(Losses::is_empty));
    if file.contains("blind") {
        assert!(result.documents.iter().all(|document| document.mentions().is_empty()));
        return;
    }
    let mut kinds: Vec<String> =
        DocumentStats::of(&result.documents).types.into_iter().filter_map(|(k, _)| k).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["DT", "LC", "OG", "PS", "QT", "TI"]);
    // The lines of characters are canonical; the marked text beside the id is not.
    let lines = |path: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        let line = |line: &str| match line.strip_prefix("## ") {
            Some(head) => head.split('\t').next().unwrap().to_owned(),
            None => line.to_owned(),
        };
        text.trim_end().split('\n').map(line).collect()
    };
    let original = lines(&shared(file));
    assert!(original == lines(&out));
    let mentions: usize = result.documents.iter().map(|document| document.mentions().len()).sum();
    assert_eq!(original.iter().filter(|line| line.contains("\tB-")).count(), mentions);
}

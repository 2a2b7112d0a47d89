//! Documents in every layout.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::Path;

use common::shared;
use proptest::prelude::*;
use re_data::stats::DocumentStats;
use re_data::{CharSpan, Document, Mention, Pair, Relation};
use re_formats::documents::{
    self, DocumentFormat, DocumentReadOptions, DocumentReader, DocumentWriter, Losses, Lost, UNTYPED,
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

/// A change to a good document, and the part, field, finding and expectation of the fault that it makes.
#[rstest]
#[case("\"id\": \"d\"", "\"id\": \"\"", "", "id", "\"\"", "an identifier")]
#[case("가나 x", "", "", "text", "an empty text", "at least one character")]
#[case("\"text\"", "\"txt\"", "", "text", "nothing", "a string")]
#[case(
    "\"end\": 2",
    "\"end\": 5",
    "mention 0",
    "end",
    "before character 5",
    "a stretch of the text of 4 characters; bytes of UTF-8"
)]
#[case(
    "\"end\": 2",
    "\"end\": 99",
    "mention 0",
    "end",
    "before character 99",
    "a stretch of the text of 4 characters"
)]
#[case(
    "\"end\": 2",
    "\"end\": 0",
    "mention 0",
    "end",
    "from character 0 to before character 0",
    "at least one character"
)]
#[case("\"start\": 3", "\"start\": 9", "mention 1", "end", "from character 9", "the end behind the start")]
#[case("\"end\": 2", "\"end\": -1", "mention 0", "end", "-1", "an offset")]
#[case("\"end\": 2", "\"end\": \"2\"", "mention 0", "end", "\"2\"", "an offset")]
#[case("\"end\": 2", "\"end\": 2.5", "mention 0", "end", "2.5", "an offset")]
#[case("\"type\": \"A\"", "\"type\": 1", "mention 0", "type", "1", "a string")]
#[case("\"type\": \"A\"", "\"type\": \" \"", "mention 0", "type", "an empty one", "a name")]
#[case("\"type\": \"A\"", "\"score\": 1.5", "mention 0", "score", "1.5", "a number from 0 to 1")]
#[case("\"type\": \"A\"", "\"entity\": \"\"", "mention 0", "entity", "an empty id", "an id")]
#[case("\"type\": \"A\"", "\"kind\": \"A\"", "mention 0", "", "the key \"kind\"", "start, end, surface")]
#[case(
    "\"type\": \"A\"",
    "\"surface\": \"나 \"",
    "mention 0",
    "start",
    "\"가나\" at characters 0 to 2",
    "\"나 \" there"
)]
#[case("\"object\": 1", "\"object\": 2", "relation 0", "object", "2", "the number of a mention, 0 to 1")]
#[case("\"object\": 1", "\"object\": 0", "relation 0", "object", "0", "another mention than the subject")]
#[case("\"label\": \"r\"", "\"label\": \"\"", "relation 0", "label", "an empty one", "a name")]
#[case("\"relations\": [", "\"relations\": [7, ", "", "relations", "7", "a list of objects")]
#[case("\"relations\": [", "\"relation\": [", "", "", "the key \"relation\"", "id, text, mentions")]
#[case("가나", "\u{1}", "", "", "control character", "one JSON object")]
#[case("\"mentions\": [", "\"mentions\": {", "", "", "", "one JSON object")]
fn faults_name_their_place(
    #[case] from: &str,
    #[case] to: &str,
    #[case] part: &str,
    #[case] field: &str,
    #[case] found: &str,
    #[case] expected: &str,
) {
    let bad = JSONL.replacen(from, to, 1);
    assert_ne!(bad, JSONL);
    let other = JSONL.replace("\"d\"", "\"e\"");
    let file = format!("{other}\n{bad}\n");
    let error = fault(DocumentFormat::Jsonl, &file);
    assert_eq!((error.line, error.part.as_deref().unwrap_or_default()), (2, part), "{error}");
    assert_eq!(error.field.unwrap_or_default(), field, "{error}");
    assert!(error.found.contains(found), "{error}");
    assert!(error.expected.contains(expected), "{error}");
    let lenient = DocumentReadOptions { format: Some(DocumentFormat::Jsonl), lenient: true };
    let file = format!("{file}{JSONL}\n");
    let mut reader = DocumentReader::new(file.as_bytes(), "demo", &lenient).unwrap();
    assert_eq!(reader.by_ref().filter_map(Result::ok).count(), 2);
    assert_eq!(reader.report().rejected.count, 1);
}

#[test]
fn offsets_in_another_unit_are_named() {
    let with = |chars: [usize; 2]| {
        format!(
            r#"{{"id": "d", "text": "😀😀 가나다", "mentions": [{{"start": {}, "end": {}, "surface": "가나"}}]}}"#,
            chars[0], chars[1]
        )
    };
    assert_eq!(read(DocumentFormat::Jsonl, &with([3, 5]))[0].surface(0), "가나");
    for (chars, hint) in [([3, 4], "with an inclusive end"), ([4, 6], "counted from 1")] {
        let error = fault(DocumentFormat::Jsonl, &with(chars)).to_string();
        assert!(error.contains(&format!("({hint} the offsets would fit)")), "{error}");
    }
    let text = "\"text\": \"😀a가나다라마바사\"";
    let file = with([3, 5]).replace("\"text\": \"😀😀 가나다\"", text);
    let error = fault(DocumentFormat::Jsonl, &file).to_string();
    assert_eq!(
        error,
        "demo:1: mention 0 (start): id d: found \"나다\" at characters 3 to 5 (in UTF-16 units the offsets would fit), \
         expected \"가나\" there"
    );
    let task = r#"[{"data": {"id": "d", "text": "😀a가나다"}, "predictions": [{"result": [{"id": "x", "type": "labels", "value": {"start": 2, "end": 4, "text": "가나", "labels": []}}]}]}]"#;
    let error = fault(DocumentFormat::LabelStudio, task).to_string();
    assert!(error.contains("(in code points the offsets would fit)"), "{error}");
    let error = fault(DocumentFormat::LabelStudio, &task.replace("\"start\": 2", "\"start\": 1")).to_string();
    assert!(error.contains("(value.start): id d: found 1, which is within a character"), "{error}");
}

#[rstest]
#[case(
    DocumentFormat::Spert,
    r#"[{"tokens": ["a"], "entities": [{"type": "X", "start": 0, "end": 2}]}]"#,
    "tokens 0 to 2",
    "a stretch of the 1 tokens"
)]
#[case(
    DocumentFormat::Spert,
    r#"[{"tokens": ["a"], "entities": [{"type": "X", "start": 1, "end": 0}]}]"#,
    "tokens 1 to 0",
    "not empty"
)]
#[case(
    DocumentFormat::Spert,
    r#"[{"tokens": ["a"], "entities": [{"start": 0, "end": 1}]}]"#,
    "nothing",
    "a string"
)]
#[case(
    DocumentFormat::Spert,
    r#"[{"tokens": ["a"], "relations": [{"type": "r", "head": 0, "tail": 1}]}]"#,
    "0",
    "one of 0 entities"
)]
#[case(DocumentFormat::Spert, r#"[{"tokens": "a"}]"#, "\"a\"", "a list of strings")]
#[case(DocumentFormat::Spert, r#"[{"tokens": []}]"#, "an empty text", "at least one")]
#[case(
    DocumentFormat::Spert,
    r#"[{"tokens": ["a"], "orig_id": 1}, {"tokens": ["b"], "orig_id": 1}]"#,
    "the id of an earlier document",
    "an id of its own"
)]
#[case(
    DocumentFormat::Spert,
    r#"[{"tokens": ["a"], "space_after": []}]"#,
    "0 values for 1 tokens",
    "one for each token"
)]
#[case(
    DocumentFormat::SciErc,
    r#"{"doc_key": "a", "sentences": [["a"]], "ner": [[[0, 1, "X"]]]}"#,
    "tokens 0 to 1",
    "the document's 1 tokens"
)]
#[case(
    DocumentFormat::SciErc,
    r#"{"doc_key": "a", "sentences": [["a"]], "ner": [[[0, 0]]]}"#,
    "[0,0]",
    "[first token, last token, type]"
)]
#[case(DocumentFormat::SciErc, r#"{"doc_key": "a", "sentences": [["a", "b"]], "ner": [[[0, 0, "X"]]], "relations": [[[0, 0, 1, 1, "r"]]]}"#, "tokens 1 to 1, which are no mention", "in ner or clusters")]
#[case(
    DocumentFormat::SciErc,
    r#"{"doc_key": "a", "sentences": [["a"]], "ner": [[[0, 0, "X"]]], "clusters": [[[0, 0]], [[0, 0]]]}"#,
    "in cluster 0, too",
    "one cluster"
)]
#[case(DocumentFormat::SciErc, r#"{"doc_key": "a", "sentences": ["a"]}"#, "\"a\"", "a list of sentences")]
#[case(
    DocumentFormat::DocRed,
    r#"[{"title": "a", "sents": [["a"]], "vertexSet": [[{"pos": [0, 2], "sent_id": 0, "type": "X"}]]}]"#,
    "tokens 0 to 2",
    "the 1 tokens of sentence 0"
)]
#[case(
    DocumentFormat::DocRed,
    r#"[{"title": "a", "sents": [["a"]], "vertexSet": [[{"pos": [0, 1], "sent_id": 1, "type": "X"}]]}]"#,
    "1",
    "one of 1 sentences"
)]
#[case(DocumentFormat::DocRed, r#"[{"title": "a", "sents": [["a"]], "vertexSet": [[{"pos": [0, 1], "sent_id": 0, "type": "X"}]], "labels": [{"h": 0, "t": 1, "r": "x"}]}]"#, "1", "one of 1 entities")]
#[case(DocumentFormat::DocRed, r#"[{"title": "a", "sents": [["a"]], "vertexSet": [[{"pos": [0, 1], "sent_id": 0, "type": "X"}]], "labels": [{"h": 0, "t": 0, "r": "x"}]}]"#, "the entity of h", "another entity")]
#[case(DocumentFormat::LabelStudio, r#"[{"id": 1, "data": {}}]"#, "nothing", "a string")]
#[case(DocumentFormat::LabelStudio, r#"[{"data": {"text": "ab"}, "annotations": [{"result": [{"type": "relation", "from_id": "x", "to_id": "y", "labels": ["r"]}]}]}]"#, "x", "the id of a region")]
#[case(DocumentFormat::Doccano, r#"{"text": "ab", "entities": [{"id": 1, "label": "X", "start_offset": 0, "end_offset": 1}], "relations": [{"from_id": 1, "to_id": 2, "type": "r"}]}"#, "2", "the id of an entity")]
#[case(DocumentFormat::Doccano, r#"{"text": "ab", "entities": [{"id": 1, "label": "X", "start_offset": 0, "end_offset": 1}, {"id": 1, "label": "X", "start_offset": 1, "end_offset": 2}]}"#, "1", "no other entity")]
#[case(
    DocumentFormat::DoccanoLabel,
    r#"{"text": "ab", "label": ["positive"]}"#,
    "\"positive\"",
    "[start, end, type]"
)]
#[case(
    DocumentFormat::Prodigy,
    r#"{"text": "ab", "spans": [{"start": 0, "end": 3}]}"#,
    "before character 3",
    "the text of 2 characters"
)]
#[case(
    DocumentFormat::Prodigy,
    r#"{"text": "ab", "relations": [{"head": 0, "child": 1, "label": "r"}]}"#,
    "0",
    "one of 0 tokens"
)]
#[case(DocumentFormat::Prodigy, r#"{"text": "ab", "relations": [{"head": 0, "head_span": {"start": 0, "end": 1, "label": "X"}, "child": 1, "label": "r"}]}"#, "X at characters 0 to 1", "one of the document's spans")]
#[case(DocumentFormat::Conll, "a\tO\nb\n", "1 columns", "2 columns")]
#[case(DocumentFormat::Conll, "a\tO\nb\tL-X\n", "the tag \"L-X\"", "B- or I- begins")]
#[case(DocumentFormat::Conll, "a\tB-\n", "the tag \"B-\"", "and a type")]
#[case(DocumentFormat::Conll, "\tO\n", "an empty word", "a word")]
#[case(DocumentFormat::KlueNer, "가\tO\n", "가", "## ID")]
#[case(DocumentFormat::KlueNer, "## id\n가\tO\n", "id", "an id, a tab and the text")]
#[case(DocumentFormat::KlueNer, "## id\t가\n가O\n", "가O", "a character, a tab and its tag")]
#[case(DocumentFormat::KlueNer, "## id\t가\n가\t\n", "the tag \"\"", "O, or B-")]
fn every_layout_refuses_what_is_not_right(
    #[case] format: DocumentFormat,
    #[case] file: &str,
    #[case] found: &str,
    #[case] expected: &str,
) {
    let error = fault(format, file);
    assert!(error.found.contains(found), "{error}");
    assert!(error.expected.contains(expected), "{error}");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for format in DocumentFormat::ALL.into_iter().filter(|format| *format != DocumentFormat::Brat) {
        let file: &[u8] = match format {
            DocumentFormat::Spert | DocumentFormat::DocRed | DocumentFormat::LabelStudio => {
                b"[{\"id\": \"\xff\"}]"
            }
            DocumentFormat::KlueNer => b"## id\t\xff\n",
            _ => b"{\"a\": \"\xff\"}\tO\n",
        };
        let mut reader = DocumentReader::new(file, "demo", &options(format)).unwrap();
        let error = reader.next().unwrap().unwrap_err();
        assert!(matches!(error, Error::Record(_)), "{format}: {error}");
        assert!(reader.next().is_none());
    }
}

/// An input of 100 MB without a line break, which takes no memory.
struct Endless(usize);

impl std::io::Read for Endless {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let bytes = to.len().min(self.0);
        to[..bytes].fill(b'x');
        self.0 -= bytes;
        Ok(bytes)
    }
}

#[test]
fn lines_without_end_are_refused() {
    for format in DocumentFormat::ALL.into_iter().filter(|format| *format != DocumentFormat::Brat) {
        let head: &[u8] = match format {
            DocumentFormat::Spert | DocumentFormat::DocRed | DocumentFormat::LabelStudio => b"[{\"id\": \"",
            DocumentFormat::KlueNer => b"## id\t",
            _ => b"",
        };
        let input = std::io::Read::chain(head, Endless(100 << 20));
        let mut reader = DocumentReader::new(input, "demo", &options(format)).unwrap();
        let error = reader.next().unwrap().unwrap_err();
        let Error::Record(fault) = error else { panic!("{format}: {error}") };
        assert!(fault.found.contains("more than 16777216 bytes") && fault.line == 1, "{format}: {fault}");
    }
}

#[test]
fn formats_must_fit_what_is_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let open =
        |format| DocumentReader::open(folder.path(), &options(format)).map(drop).unwrap_err().to_string();
    assert!(open(DocumentFormat::Spert).contains("expected a file"), "{}", open(DocumentFormat::Spert));
    let new = DocumentReader::new(&b""[..], "-", &options(DocumentFormat::Brat)).map(drop).unwrap_err();
    assert!(new.to_string().contains("expected a folder"), "{new}");
    let unknown =
        DocumentReader::new(&b"[]"[..], "-", &DocumentReadOptions::default()).map(drop).unwrap_err();
    assert!(unknown.to_string().contains("expected one of jsonl, text"), "{unknown}");
    let write = |documents: &[Document], format| {
        let out = tempfile::tempdir().unwrap();
        written(format, documents, &out.path().join("out")).unwrap_err().to_string()
    };
    let document = |id: &str, text: &str| Document::new(id, text, vec![]).unwrap();
    for (documents, format, expected) in [
        (vec![document("a", "")], DocumentFormat::Jsonl, "at least one character"),
        (vec![document("", "x")], DocumentFormat::Jsonl, "an id"),
        (
            vec![document("a", "x"), document("a", "y")],
            DocumentFormat::Jsonl,
            "an id that no document before has",
        ),
        (vec![document("a", " \n")], DocumentFormat::Conll, "at least one word"),
        (vec![document("a", "-DOCSTART- x")], DocumentFormat::Conll, "does not begin with -DOCSTART-"),
        (vec![document("a", "\u{feff}x")], DocumentFormat::Lines, "byte order mark"),
        (vec![document(&"x".repeat(300), "x")], DocumentFormat::Text, "the name of a file"),
    ] {
        let error = write(&documents, format);
        assert!(error.contains(": document ") && error.contains(expected), "{error}");
    }
    assert!(DocumentWriter::create("-", DocumentFormat::Brat).is_err());
    assert!(DocumentWriter::new(Vec::new(), "-", DocumentFormat::Text).is_err());
}

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

/// Texts of everything that layouts stumble over, with mentions anywhere: nested, overlapping, touching, equal.
fn document() -> impl Strategy<Value = Document> {
    let character = prop_oneof![
        4 => prop::sample::select(vec!['a', 'b', ' ', ' ', '가', 'é']),
        1 => prop::sample::select(vec!['\n', '\r', '\t', '😀', '\u{301}', '\u{200d}', '\u{1}', '\u{feff}', '\u{2028}', '"', '\\', '#', '-']),
        1 => any::<char>(),
    ];
    let name = || prop_oneof![3 => "[A-C]", 1 => "[A-Z가-힣:;<> _\\t-]{0,3}[A-Z]"];
    let id = prop_oneof![2 => "[1-9][0-9]{0,2}", 1 => "[a-z가-힣/%:. ]{0,6}[a-z]"];
    let mention = (
        any::<(prop::sample::Index, prop::sample::Index)>(),
        prop::option::weighted(0.8, name()),
        prop::option::weighted(0.3, 0f32..=1f32),
        prop::option::weighted(0.4, prop_oneof!["[0-3]", "Q[0-9]", "w:[a-b]", "entity:x", "a b"]),
    );
    let relation = (
        any::<(prop::sample::Index, prop::sample::Index)>(),
        name(),
        prop::option::weighted(0.3, 0f32..=1f32),
    );
    let parts = (
        id,
        prop::collection::vec(character, 1..24),
        prop::collection::vec(mention, 0..6),
        prop::collection::vec(relation, 0..5),
        prop::option::of("[a-z가-힣,\" ]{1,8}"),
    );
    parts.prop_map(|(id, text, mentions, relations, source)| {
        let length = text.len();
        let text: String = text.into_iter().collect();
        let mention =
            |((start, len), kind, score, entity): (_, Option<String>, Option<f32>, Option<String>)| {
                let (start, len): (prop::sample::Index, prop::sample::Index) = (start, len);
                let start = start.index(length);
                // Mostly short ones, so that some touch.
                let len = 1 + len.index((length - start).min(6));
                let mut mention = Mention::new(CharSpan::with_len(start, len));
                if let Some(kind) = kind {
                    mention = mention.with_kind(kind);
                }
                if let Some(score) = score {
                    mention = mention.with_score(score);
                }
                match entity {
                    Some(entity) => mention.with_entity(entity),
                    None => mention,
                }
            };
        let mentions: Vec<Mention> = mentions.into_iter().map(mention).collect();
        let count = mentions.len();
        let mut kept: Vec<Relation> = Vec::new();
        for ((subject, object), label, score) in relations {
            if count < 2 {
                break;
            }
            let subject = subject.index(count);
            let object = (subject + 1 + object.index(count - 1)) % count;
            let relation = Relation::new(Pair { subject, object }, label);
            if kept.iter().any(|other| (other.pair(), other.label()) == (relation.pair(), relation.label())) {
                continue;
            }
            kept.push(match score {
                Some(score) => relation.with_score(score),
                None => relation,
            });
        }
        let document = Document::new(id, text, mentions).unwrap().with_relations(kept).unwrap();
        match source {
            Some(source) => document.with_source(source),
            None => document,
        }
    })
}

/// What is left of mentions where `losses` says that something went: (span, text, type, score, entity).
type Shown = (Option<CharSpan>, String, Option<String>, Option<u32>, Option<String>);

fn shown(document: &Document, number: usize, losses: &Losses) -> Shown {
    let mention = &document.mentions()[number];
    let lost = |lost| losses.count(lost) > 0;
    let moved = lost(Lost::Text) || lost(Lost::Edge);
    let surface = match moved {
        true => document.surface(number).chars().filter(|c| !c.is_whitespace()).collect(),
        false => document.surface(number).to_owned(),
    };
    let kind = match mention.kind() {
        None if lost(Lost::Untyped) => Some(UNTYPED.to_owned()),
        kind => kind.map(str::to_owned),
    };
    (
        Some(mention.span()).filter(|_| !moved),
        surface,
        kind.filter(|_| !lost(Lost::Name)),
        mention.score().map(f32::to_bits).filter(|_| !lost(Lost::MentionScore)),
        mention.entity().map(str::to_owned).filter(|_| !lost(Lost::Entity) && !lost(Lost::EntityId)),
    )
}

/// Checks that all of `smaller` is in `larger`, as often, and `lost` more.
fn is_part<T: Ord + std::fmt::Debug>(
    mut smaller: Vec<T>,
    mut larger: Vec<T>,
    lost: usize,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(smaller.len() + lost, larger.len(), "{:?} of {:?}", smaller, larger);
    smaller.sort();
    larger.sort();
    let mut rest = larger.iter();
    for found in &smaller {
        prop_assert!(rest.any(|known| known == found), "{found:?} is none of {larger:?}");
    }
    Ok(())
}

/// Checks that a document was read back but for what the writer said that it lost.
fn same_but(losses: &Losses, before: &Document, after: &Document) -> Result<(), TestCaseError> {
    let lost = |lost| losses.count(lost) > 0;
    if !lost(Lost::Id) {
        prop_assert_eq!(after.id(), before.id());
    }
    if !lost(Lost::Source) {
        prop_assert_eq!(after.source(), before.source());
    }
    if lost(Lost::Text) {
        let visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(visible(after.text()), visible(before.text()));
    } else {
        prop_assert_eq!(after.text(), before.text());
    }
    let mentions = |document: &Document| -> Vec<Shown> {
        (0..document.mentions().len()).map(|number| shown(document, number, losses)).collect()
    };
    is_part(mentions(after), mentions(before), losses.count(Lost::Mention))?;
    let relations = |document: &Document| -> Vec<_> {
        let relation = |relation: &Relation| {
            let label = Some(relation.label().to_owned()).filter(|_| !lost(Lost::Name));
            let score = relation.score().map(f32::to_bits).filter(|_| !lost(Lost::RelationScore));
            let ends = [relation.pair().subject, relation.pair().object];
            let ends = (!lost(Lost::Endpoint)).then(|| ends.map(|mention| shown(document, mention, losses)));
            (label, score, ends)
        };
        document.relations().iter().map(relation).collect()
    };
    is_part(relations(after), relations(before), losses.count(Lost::Relation))?;
    if lost(Lost::EntityId) && !lost(Lost::Entity) && !lost(Lost::Mention) {
        let groups = |document: &Document| {
            let mut groups: std::collections::BTreeMap<_, Vec<Shown>> = Default::default();
            for (number, mention) in document.mentions().iter().enumerate() {
                groups
                    .entry(mention.entity().map(str::to_owned))
                    .or_default()
                    .push(shown(document, number, losses));
            }
            groups.values_mut().for_each(|group| group.sort());
            let mut groups: Vec<_> = groups.into_values().collect();
            groups.sort();
            groups
        };
        prop_assert_eq!(groups(after), groups(before));
    }
    Ok(())
}

/// Writes both documents in a layout, reads them again, and compares.
fn come_back(format: DocumentFormat, first: &Document, second: &Document) -> Result<(), TestCaseError> {
    let failed = |error: Error| TestCaseError::fail(format!("{format}: {error}"));
    let second = match second.id() == first.id() {
        true => {
            let other = Document::new("other", second.text(), second.mentions().to_vec()).unwrap();
            other.with_relations(second.relations().to_vec()).unwrap()
        }
        false => second.clone(),
    };
    let documents = [first.clone(), second];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut file = Vec::new();
    let mut writer = match format.is_folder() {
        true => DocumentWriter::create(&path, format).unwrap(),
        false => DocumentWriter::new(&mut file, "out", format).unwrap(),
    };
    let losses = match documents.iter().map(|document| writer.write(document)).collect::<Result<Vec<_>, _>>()
    {
        Ok(losses) => losses,
        // Marks of the encoding at a beginning, and texts without words.
        Err(Error::Unwritable(_)) => {
            let text = format.is_folder() || matches!(format, DocumentFormat::Lines | DocumentFormat::Conll);
            let odd = |d: &Document| d.text().starts_with('\u{feff}') || d.text().trim().is_empty();
            let word = |d: &Document| d.text().trim_start().starts_with('\u{feff}');
            prop_assert!(text && documents.iter().any(|d| odd(d) || word(d)), "{format}");
            return Ok(());
        }
        Err(error) => return Err(failed(error)),
    };
    writer.finish().unwrap();
    let mut reader = match format.is_folder() {
        true => DocumentReader::open(&path, &options(format)).unwrap(),
        false => DocumentReader::new(file.as_slice(), "out", &options(format)).unwrap(),
    };
    let again = reader.by_ref().collect::<Result<Vec<_>, _>>().map_err(failed)?;
    prop_assert!(reader.report().unread.is_empty(), "{format}: {}", reader.report());
    prop_assert_eq!(again.len(), 2);
    for (number, (before, losses)) in documents.iter().zip(&losses).enumerate() {
        let by_id = again.iter().find(|document| document.id() == before.id());
        let after = by_id.filter(|_| format.is_folder()).unwrap_or(&again[number]);
        let compared = same_but(losses, before, after);
        compared.map_err(|error| TestCaseError::fail(format!("{format}: {losses:?}: {error}")))?;
    }
    if format == DocumentFormat::Jsonl {
        prop_assert!(losses.iter().all(Losses::is_empty));
        prop_assert_eq!(&again[..], &documents[..]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn documents_come_back_from_files_but_for_what_is_said(first in document(), second in document()) {
        for format in DocumentFormat::ALL.into_iter().filter(|format| !format.is_folder()) {
            come_back(format, &first, &second)?;
        }
    }
}

proptest! {
    // Each folder is synced.
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn documents_come_back_from_folders_but_for_what_is_said(first in document(), second in document()) {
        come_back(DocumentFormat::Text, &first, &second)?;
        come_back(DocumentFormat::Brat, &first, &second)?;
    }
}

#[test]
fn a_faulty_document_costs_no_other() {
    let lenient = |format| DocumentReadOptions { format: Some(format), lenient: true };
    let klue: &[u8] =
        b"## a\tx\nx\tO\ny\tL-A\nz\tO\nz\tO\n\n## b\n\n## c\tx\nx\tO\n\xff\tO\ny\tO\n## d\tx\ny\tO\n";
    let conll: &[u8] = b"a\tO\n\xff\tO\nb\tO\n\na\nb\tO\n\nc\tL-X\nc\tO\n\nd\tO\n";
    for (format, file) in [(DocumentFormat::KlueNer, klue), (DocumentFormat::Conll, conll)] {
        let mut reader = DocumentReader::new(file, "demo", &lenient(format)).unwrap();
        let documents: Vec<Document> = reader.by_ref().map(Result::unwrap).collect();
        assert_eq!((documents.len(), reader.report().rejected.count), (1, 3), "{}", reader.report());
    }
}

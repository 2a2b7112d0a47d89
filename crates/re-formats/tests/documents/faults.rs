//! What is not right, and what is said of it.

use re_data::Document;
use re_formats::Error;
use re_formats::documents::{DocumentFormat, DocumentReadOptions, DocumentReader, DocumentWriter};
use rstest::rstest;

use crate::{JSONL, fault, options, read, written};

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
fn a_faulty_document_costs_no_other() {
    let lenient = |format| DocumentReadOptions { format: Some(format), lenient: true };
    let klue: &[u8] =
        b"## a\tx\nx\tO\ny\tL-A\nz\tO\nz\tO\n\n## b\n\n## c\tx\nx\tO\n\xff\tO\ny\tO\n## d\tx\ny\tO\n\ny\tO\ny\tO\n";
    let conll: &[u8] = b"a\tO\n\xff\tO\nb\tO\n\na\nb\tO\n\nc\tL-X\nc\tO\n\nd\tO\n";
    for (format, file, faults) in [(DocumentFormat::KlueNer, klue, 4), (DocumentFormat::Conll, conll, 3)] {
        let mut reader = DocumentReader::new(file, "demo", &lenient(format)).unwrap();
        let documents: Vec<Document> = reader.by_ref().map(Result::unwrap).collect();
        assert_eq!((documents.len(), reader.report().rejected.count), (1, faults), "{}", reader.report());
    }
}

//! Label sets from files.
// The lints' exemption for tests stops at helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use re_data::{Error, LabelSet};
use re_formats::read;
use rstest::rstest;

fn load(name: &str, content: &[u8]) -> re_data::Result<LabelSet> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    read::labels(path).map_err(|error| match error {
        re_formats::Error::Data(error) => error,
        other => panic!("{other}"),
    })
}

#[rstest]
#[case("l.json", b"{\"b\": 1, \"a\": 0}".as_slice())]
#[case("l.json", b"\xef\xbb\xbf{\"1\": \"b\", \"0\": \"a\"}")]
#[case("l.JSON", b"[\"a\", \"b\"]")]
#[case("l.txt", b"\xef\xbb\xbfa\r\nb")]
#[case("labels", b"a\nb\n")]
// {'a': 0, 'b': 1} in protocols 0 to 5, {0: 'a', 1: 'b'}, and one with long integers, as Python 3.11 writes them.
#[case("l.pkl", b"(dp0\nVa\np1\nI0\nsVb\np2\nI1\ns.")]
#[case("l.pkl", b"}q\x00(X\x01\x00\x00\x00aq\x01K\x00X\x01\x00\x00\x00bq\x02K\x01u.")]
#[case("l.pkl", b"\x80\x03}q\x00(X\x01\x00\x00\x00aq\x01K\x00X\x01\x00\x00\x00bq\x02K\x01u.")]
#[case(
    "l.pickle",
    b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94K\x00\x8c\x01b\x94K\x01u."
)]
#[case("l.pkl", b"\x80\x03}q\x00(K\x00X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bq\x02u.")]
#[case(
    "l.pkl",
    b"\x80\x04}r\x00\x00\x00\x00(\x8d\x01\x00\x00\x00\x00\x00\x00\x00a\x8a\x00\x8c\x01bJ\x01\x00\x00\x00u."
)]
#[case("l.pkl", b"\x80\x04}(\x8c\x01bq\x05M\x01\x00\x8c\x01a\x8a\x01\x00u.")]
#[case("l.pkl", b"(Va\np7\nL0L\nV\\u0062\nI1\nd.")]
fn every_notation_gives_the_same_set(#[case] name: &str, #[case] content: &[u8]) {
    assert_eq!(load(name, content).unwrap().names(), ["a", "b"]);
}

#[test]
fn recalled_items_and_wide_escapes() {
    // A value that is recalled from the memo in each of the three ways: {'a': 0, 'b': 1, ...} by parts.
    let pickle = b"}(VA\nI0\np1\nV\\U0001f600\nK\x01VC\nK\x02q\x02VD\nK\x03r\x03\x00\x00\x00ug1\n0.";
    let message = load("l.pkl", pickle).unwrap_err().to_string();
    assert!(message.contains("instruction 0x30"), "{message}");
    let pickle = b"}(I0\np1\nVA\nK\x01q\x02V\\U0001f600\nK\x02r\x09\x00\x00\x00VC\nu.";
    assert_eq!(load("l.pkl", pickle).unwrap().names(), ["A", "😀", "C"]);
    for recall in [&b"g1\n"[..], b"h\x01", b"j\x01\x00\x00\x00"] {
        let pickle = [b"}(VA\nI0\np1\nVB\n", recall, b"u."].concat();
        let message = load("l.pkl", &pickle).unwrap_err().to_string();
        assert!(message.contains("\"B\" has class id 0 where 1 is due"), "{message}");
    }
}

#[rstest]
#[case("l.pkl", b"".as_slice(), "found the end, expected the rest of an instruction before byte 0")]
#[case(
    "l.pkl",
    b"cos\nsystem\n(S'true'\ntR.",
    "refers to os.system, which is not supported and was not called"
)]
#[case("l.pkl", b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "instruction 0x93 at byte 14")]
#[case("l.pkl", b"\x80\x03]q\x00.", "holds a list, expected a dict")]
#[case("l.pkl", b"}}.", "found no label")]
#[case("l.pkl", b"}K\x00K\x01s.", "expected a name and a class id")]
#[case("l.pkl", b"}K\x00(s.", "found an empty stack")]
#[case("l.pkl", b"}(K\x00u.", "found a key without value")]
#[case("l.pkl", b"K\x00K\x01s.", "found an empty stack")]
#[case("l.pkl", b"K\x00u.", "found no mark")]
#[case("l.pkl", b"q\x00.", "found an empty stack")]
#[case("l.pkl", b"h\x00.", "found an empty memo")]
#[case("l.pkl", b"K\x00.", "holds an integer, expected a dict")]
#[case("l.pkl", b"Ix\n.", "expected an integer of at most 64 bits")]
#[case("l.pkl", b"V\\uZZZZ\n.", "found an invalid escape")]
#[case("l.pkl", b"X\xff\xff\xff\xffa", "found the end")]
#[case("l.pkl", b"\x8c\x01\xff.", "expected UTF-8")]
#[case("l.pkl", b"\x8a\x09123456789.", "found a longer integer")]
#[case(
    "l.json",
    b"{\"a\": 0, \"b\": 2}",
    "\"b\" has class id 2 where 1 is due (ids must be 0 to 1, each once)"
)]
#[case("l.json", b"{\"a\": 0, \"b\": 0}", "\"b\" has class id 0 where 1 is due")]
#[case("l.json", b"{\"a\": -1}", "\"a\" has class id -1 where 0 is due")]
#[case("l.json", b"{\"a\": 0.5}", "found \"a\": 0.5, expected a name and a class id")]
#[case("l.json", b"[\"a\", 1]", "found 1, expected a name")]
#[case("l.json", b"3", "expected an object of names and class ids or an array")]
#[case("l.json", b"{", "EOF while parsing")]
#[case("l.json", b"[]", "found no label")]
#[case("l.txt", b"a\n\nb\n", "class 1 has an empty name")]
#[case("l.txt", b"a\na\n", "\"a\" is the name of class 0 and of class 1")]
#[case("l.txt", b"\xff", "not UTF-8")]
fn malformed_files_are_refused(#[case] name: &str, #[case] content: &[u8], #[case] message: &str) {
    let error = load(name, content).unwrap_err();
    assert!(matches!(&error, Error::LabelSet { path: Some(path), .. } if path.ends_with(name)), "{error:?}");
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn hostile_pickles_cost_no_more_than_their_size() {
    assert!(
        load("l.pkl", &vec![b'('; (1 << 20) + 1])
            .unwrap_err()
            .to_string()
            .contains("more than 1048576 bytes")
    );
    assert!(load("l.pkl", &vec![b'('; 1 << 20]).unwrap_err().to_string().contains("found the end"));
    // Recalling a long text many times copies nothing.
    let mut pickle = b"}(V".to_vec();
    pickle.resize(500_000, b'x');
    pickle.extend(b"\nq\x00");
    pickle.extend(b"h\x00".repeat(200_000));
    assert!(load("l.pkl", &pickle).unwrap_err().to_string().contains("found the end"));
}

#[test]
fn absent_file() {
    let error = read::labels("/nonexistent.pkl").unwrap_err();
    assert!(matches!(error, re_formats::Error::Data(Error::Io { .. })), "{error}");
}

#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn the_labels_of_the_competition_in_shared_data() {
    let path = common::shared("p-stage2/label_type.pkl");
    let labels = read::labels(path).unwrap();
    assert_eq!(labels.len(), 42);
    assert_eq!(labels.no_relation(), Some(0));
    assert_eq!(labels.id("인물:배우자"), Some(1));
}

#[rstest]
#[case("l.json", "{\"a\": 0, \"b\": 1, \"a\": 2}", "the key \"a\" twice")]
#[case("l.json", "{\"0\": \"a\", \"0\": \"b\"}", "the key \"0\" twice")]
#[case("l.pkl", "(dVa\nI0\nsVa\nI1\ns.", "\"a\" is the name of class 0 and of class 1")]
#[case("l.pkl", "(dI0\nVa\nsI0\nVb\ns.", "\"b\" has class id 0 where 1 is due")]
#[case("l.txt", "a\nb\na \r\n", "\"a\" is the name of class 0 and of class 2")]
fn no_name_stands_twice(#[case] name: &str, #[case] content: &str, #[case] message: &str) {
    let found = load(name, content.as_bytes()).unwrap_err().to_string();
    assert!(found.contains(message), "{found}");
}

#[rstest]
#[case("l.json", "[\"a \", \"\u{feff}b\"]")]
#[case("l.json", "{\"0\": \"a\u{a0}\", \"1\": \"b\"}")]
#[case("l.txt", "a\r\r\n\u{200b}b \n")]
fn names_have_no_invisible_edges(#[case] name: &str, #[case] content: &str) {
    assert_eq!(load(name, content.as_bytes()).unwrap().names(), ["a", "b"]);
}

#[test]
fn a_fault_shows_the_beginning_of_a_long_name() {
    let long = "x".repeat(400_000);
    for (name, content) in [("l.txt", format!("{long}\n{long}\n")), ("l.json", format!("{{\"{long}\": 7}}"))]
    {
        let message = load(name, content.as_bytes()).unwrap_err().to_string();
        assert!(message.len() < 500, "{}", message.len());
    }
}

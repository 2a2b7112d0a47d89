//! Questions for relations: the shipped ones, files of one's own, and the rows that they become.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use re_data::{
    ByteSpan, EncodeOptions, Encoded, Entity, Error, ExampleEncoder, LabelSet, LostEntities, Markup,
    RelationExample, Tokenizer,
};
use re_formats::read::{self, ReadOptions};
use re_qa::Questions;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn embedded_labels() -> LabelSet {
    read::labels(fixture("embedded/labels.json")).unwrap()
}

fn entity(start: usize, end: usize) -> Entity {
    Entity::new(ByteSpan::new(start, end).unwrap())
}

fn example() -> RelationExample {
    RelationExample::new("1", "이순신은 조선에서 태어났다.", [entity(0, 9), entity(13, 19)]).unwrap()
}

#[test]
fn every_relation_has_a_question_of_its_own() {
    let labels = embedded_labels();
    let questions = Questions::korean().unwrap().for_labels(&labels).unwrap();
    assert_eq!(questions.labels().names(), &labels.names()[1..]);
    for (subject, particles) in
        [("이순신", ["은", "이", "을", "과", "이라"]), ("유리", ["는", "가", "를", "와", "라"])]
    {
        let end = subject.len();
        let text = format!("{subject} 조선");
        let example = RelationExample::new("1", text, [entity(0, end), entity(end + 1, end + 7)]).unwrap();
        let asked: BTreeSet<String> = questions
            .labels()
            .names()
            .iter()
            .map(|label| questions.question(label, &example).unwrap())
            .collect();
        assert_eq!(asked.len(), 41, "no two are the same");
        for question in &asked {
            let behind = question.strip_prefix(subject).unwrap();
            let fits = behind.starts_with('의') || behind.starts_with('에');
            assert!(fits || particles.iter().any(|particle| behind.starts_with(particle)), "{question}");
            assert!(question.ends_with("나요?") || question.ends_with("가요?"), "{question}");
            assert!(!question.contains(['{', '}']), "{question}");
            // What asks for a person never asks for the answer itself.
            assert!(!question.contains("조선"), "{question}");
        }
    }
    let ask = |label| questions.question(label, &example());
    assert_eq!(ask("인물:배우자").as_deref(), Some("이순신의 배우자는 누구인가요?"));
    assert_eq!(ask("인물:출생_국가").as_deref(), Some("이순신은 어느 나라에서 태어났나요?"));
    assert_eq!(ask("관계_없음"), None);
}

#[test]
#[ignore = "needs the research data (RE_SHARED, else ../shared)"]
fn the_competitions_labels_have_questions_in_shared_data() {
    let shared = std::env::var_os("RE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = shared.join("data/p-stage2/label_type.pkl");
    let labels = read::labels(path).unwrap();
    assert_eq!(Questions::korean().unwrap().for_labels(&labels).unwrap().labels().len(), 41);
}

#[test]
fn a_file_is_read_back_as_it_was_written() {
    let labels = embedded_labels();
    let questions = Questions::korean().unwrap().for_labels(&labels).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("questions.json");
    std::fs::write(&path, questions.to_json()).unwrap();
    let again = Questions::from_path(&path).unwrap();
    assert_eq!(again.labels(), questions.labels());
    for label in again.labels().names() {
        assert_eq!(again.question(label, &example()), questions.question(label, &example()));
    }
    let absent = Questions::from_path(folder.path().join("absent"));
    assert!(
        matches!(absent, Err(re_qa::Error::Train(re_train::Error::Data(Error::Io { .. })))),
        "{absent:?}"
    );
}

#[test]
fn every_fault_names_file_label_and_what_was_expected() {
    let cases = [
        (r#"["a"]"#, None, "a JSON object"),
        ("{", None, "a JSON object"),
        ("{}", None, "a JSON object"),
        (r#"{"": "{e1}?"}"#, None, "a JSON object"),
        (r#"{"a": "{e1}?", "b": 3}"#, Some("b"), "a question in quotes"),
        (r#"{"a": "{e1}?", "a": "{e1}!"}"#, None, "a JSON object"),
        (r#"{"a": "{e1}?", "b": "{e1}?"}"#, Some("b"), "keep the two apart"),
        (r#"{"a": "who?"}"#, Some("a"), "a place {e1}"),
        (r#"{"a": "{e1:에서/에서}"}"#, Some("a"), "{e1:은/는}"),
    ];
    for (text, at, wanted) in cases {
        let error = Questions::parse(text, "mine.json").unwrap_err();
        let message = error.to_string();
        match error {
            re_qa::Error::Questions { label, expected, .. } => {
                assert_eq!(label.as_deref(), at, "{text}");
                assert!(expected.contains(wanted), "{text}: {expected}");
            }
            other => panic!("{text}: {other}"),
        }
        assert!(message.starts_with("mine.json: "), "{message}");
    }
    let line = Questions::parse("{\n\"a\": \"{e1}?\"\n\"b\"", "mine.json").unwrap_err().to_string();
    assert!(line.contains("line 3"), "{line}");

    let questions = Questions::parse("\u{feff}{\"a\": \"{e1}?\", \"none\": \"{e1}!\"}", "mine.json").unwrap();
    let labels = LabelSet::new(["none", "a", "b"]).unwrap().with_no_relation(Some("none")).unwrap();
    let error = questions.for_labels(&labels).unwrap_err().to_string();
    assert_eq!(error, r#"mine.json: label "b": found no question, expected one for each relation"#);
    let alone = LabelSet::new(["none"]).unwrap().with_no_relation(Some("none")).unwrap();
    assert!(matches!(questions.for_labels(&alone), Err(re_qa::Error::Questions { label: None, .. })));
}

fn encoder(tokenizer: &str, options: EncodeOptions) -> ExampleEncoder {
    let questions = Questions::korean().unwrap().for_labels(&embedded_labels()).unwrap();
    let tokenizer = Tokenizer::from_folder(fixture(tokenizer)).unwrap();
    ExampleEncoder::new(tokenizer, Arc::new(questions) as Arc<dyn Markup>, options).unwrap()
}

fn text(encoder: &ExampleEncoder, ids: &[u32]) -> String {
    encoder.tokenizer().decode(ids, false).unwrap().replace(' ', "")
}

/// Checks the row of one question and returns it.
fn check(encoder: &ExampleEncoder, example: &RelationExample, label: &str) -> Encoded {
    let asked = example.clone().with_label(label);
    let row = encoder.encode(&asked).unwrap();
    assert!(row.len() <= encoder.options().max_length, "{label}");
    let sentence = row.sentence.unwrap();
    let answer = row.entities[1].unwrap();
    assert!(sentence.contains(&answer), "{label}");
    // A token may reach behind the entity, as where a particle belongs to it, but none is there for nothing.
    let surface = example.surface(1).replace(' ', "");
    let holds = |range: std::ops::Range<usize>| text(encoder, &row.ids[range]).contains(&surface);
    assert!(holds(answer.range()) && !holds(answer.start()..answer.end() - 1), "{label}");
    let question = encoder.markup().write(&asked, "").unwrap().first.unwrap();
    let before = text(encoder, &row.ids[..sentence.start()]);
    assert!(before.contains(&question.replace(' ', "")), "{label}: {before}");
    row
}

#[test]
fn rows_hold_the_question_and_the_answer() {
    let examples = read::examples(fixture("embedded/dev.tsv"), &ReadOptions::default()).unwrap().examples;
    let encoder = encoder("embedded/model", EncodeOptions::default());
    for (number, example) in examples.iter().take(82).enumerate() {
        let labels = embedded_labels();
        let label = labels.name(1 + number % 41).unwrap();
        let row = check(&encoder, example, label);
        let whole = text(&encoder, &row.ids[row.sentence.unwrap().range()]);
        assert_eq!(whole, example.text().replace(' ', ""));
    }
}

#[test]
fn truncation_keeps_the_answer_for_every_question() {
    let text = format!("이순신은 {}조선에서 태어났다.{}", "가온기술 ".repeat(50), " 대표".repeat(90));
    let start = text.find("조선").unwrap();
    let example = RelationExample::new("7", text.as_str(), [entity(0, 9), entity(start, start + 6)]).unwrap();
    let options = EncodeOptions { max_length: 64, ..EncodeOptions::default() };
    let encoder = encoder("embedded/model", options);
    for label in &embedded_labels().names()[1..] {
        assert_eq!(check(&encoder, &example, label).len(), 64);
    }
}

#[test]
fn an_answer_that_does_not_fit_is_an_error_or_counted() {
    let long = "가나다라".repeat(20);
    let text = format!("이순신은 {long} 태어났다.");
    let example = RelationExample::new("9", text, [entity(0, 9), entity(13, 13 + long.len())]).unwrap();
    let example = example.with_label("인물:별칭");
    let options = |lost_entities| EncodeOptions { max_length: 40, lost_entities, ..EncodeOptions::default() };
    let strict = encoder("embedded/model", options(LostEntities::Error)).encode(&example);
    assert!(matches!(strict, Err(Error::LostEntity { entity: 1, .. })), "{strict:?}");
    let (rows, report) =
        encoder("embedded/model", options(LostEntities::Count)).encode_batch(&[example]).unwrap();
    assert_eq!((rows[0].entities[1], report.lost[0].entity), (None, 1));
}

#[test]
fn only_a_label_with_a_question_can_be_asked_for() {
    let encoder = encoder("embedded/model", EncodeOptions::default());
    assert!(matches!(encoder.encode(&example()), Err(Error::MissingLabel { .. })));
    let unrelated = encoder.encode(&example().with_label("관계_없음"));
    assert!(matches!(unrelated, Err(Error::UnknownLabel { expected: 41, .. })), "{unrelated:?}");
}

//! Documents: `re convert`, `re stats` and `re evaluate`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::documents::*;
use common::*;
use serde_json::{Value, json};

/// Three documents, of which the first two have relations.
const DOCUMENTS: &str = r#"{"id":"a","text":"Marie loves Pierre, and Pierre met Anna.","mentions":[{"start":0,"end":5,"surface":"Marie","type":"PERSON"},{"start":12,"end":18,"surface":"Pierre","type":"PERSON"},{"start":35,"end":39,"surface":"Anna","type":"PERSON"}],"relations":[{"subject":0,"object":1,"label":"spouse"}]}
{"id":"b","text":"Otto works at the Sorbonne.","mentions":[{"start":0,"end":4,"surface":"Otto","type":"PERSON"},{"start":18,"end":26,"surface":"Sorbonne","type":"ORG"}],"relations":[{"subject":0,"object":1,"label":"employer"}]}
{"id":"c","text":"Nothing happened.","mentions":[],"relations":[]}
"#;

/// The same with mistakes: of "a" the relation is told from the other end, of "b" the object has another type.
fn predicted() -> String {
    DOCUMENTS
        .replace(r#""subject":0,"object":1,"label":"spouse""#, r#""subject":1,"object":0,"label":"spouse""#)
        .replace(r#""type":"ORG""#, r#""type":"PLACE""#)
}

#[test]
fn documents_go_through_every_layout_and_back() {
    let folder = Folder::new();
    let documents = folder.file("documents.jsonl", DOCUMENTS);
    for exact in ["jsonl", "spert", "label-studio", "doccano", "prodigy"] {
        let converted = output(&["convert", &documents, "--to", exact]);
        // The layout is told by the content alone.
        assert_eq!(
            lines(&with_input(&["convert", "-", "--to", "jsonl"], &converted)),
            lines(DOCUMENTS),
            "{exact}"
        );
    }
    for entities in ["scierc", "docred"] {
        let converted = output(&["convert", &documents, "--to", entities]);
        let back = lines(&with_input(&["convert", "-", "--to", "jsonl"], &converted));
        assert_eq!(back[0]["relations"], lines(DOCUMENTS)[0]["relations"], "{entities}");
    }
    let said = stderr(&["convert", &documents, "--to", "conll"]);
    assert!(said.contains("-: 3 documents; lost: ") && said.contains("2 relations in 2 documents"), "{said}");
    assert_eq!(stderr(&["convert", &documents, "--to", "jsonl"]), "");
    let brat = folder.path("brat");
    assert_eq!(output(&["convert", &documents, "--to", "brat", "--output", &brat]), "");
    assert!(folder.read("brat/a.ann").contains("spouse Arg1:T1 Arg2:T2"));
    assert_eq!(lines(&output(&["convert", &brat, "--to", "jsonl"])), lines(DOCUMENTS));
    let one = folder.path("brat/a.ann");
    assert_eq!(lines(&output(&["convert", &one, "--to", "jsonl"])), lines(DOCUMENTS)[..1]);
    let text = folder.path("texts");
    let said = stderr(&["convert", &documents, "--to", "text", "--output", &text]);
    assert!(said.contains("texts: 3 documents; lost: ") && said.contains("5 mentions"), "{said}");
    assert_eq!(folder.read("texts/c.txt"), "Nothing happened.");
    assert_eq!(lines(&output(&["convert", &text, "--to", "jsonl"])).len(), 3);
}

#[test]
fn a_folder_is_written_when_it_is_complete() {
    let folder = Folder::new();
    let documents = folder.file("documents.jsonl", DOCUMENTS);
    let there = ["convert", &documents, "--to", "brat", "--output", &folder.path("there")];
    output(&there);
    assert!(error(1, &there).contains("there"));
    let text = error(1, &["convert", &documents, "--to", "brat"]);
    assert!(text.contains("expected the name of a folder"), "{text}");
    let bad = folder.file("bad.jsonl", &format!("{DOCUMENTS}{{}}\n"));
    error(1, &["convert", &bad, "--to", "brat", "--output", &folder.path("new")]);
    assert_eq!(folder.names(), ["bad.jsonl", "documents.jsonl", "there"]);
    // Ctrl-C in the middle.
    let mut child =
        spawn(&["convert", "-", "--format", "spert", "--to", "brat", "--output", &folder.path("new")]);
    let _input = child.stdin.take();
    wait_for(|| folder.names().len() == 4);
    interrupt(&child);
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.starts_with("interrupted") && said.ends_with("new is not written\n"), "{said}");
    assert_eq!(folder.names(), ["bad.jsonl", "documents.jsonl", "there"]);
}

#[test]
fn rows_and_documents_are_not_mixed_up() {
    let folder = Folder::new();
    let documents = folder.file("documents.jsonl", DOCUMENTS);
    let dev = embedded("dev.tsv");
    let text = error(2, &["convert", &documents, "--to", "tsv"]);
    assert!(
        text.contains("documents.jsonl holds documents: jsonl (documents); tsv is no layout of documents"),
        "{text}"
    );
    let text = error(2, &["convert", &dev, "--to", "brat", "--output", &folder.path("brat")]);
    assert!(text.contains("dev.tsv holds rows: tsv (rows); brat is no layout of rows"), "{text}");
    let text = error(2, &["convert", &documents, "--to", "jsonl", "--entity-types", &dev]);
    assert!(text.contains("--entity-types is for rows"), "{text}");
    let text = error(2, &["stats", &documents, "--model", &embedded("model")]);
    assert!(text.contains("holds documents: --model and --svg are for rows"), "{text}");
    let text = error(2, &["evaluate", &documents, &documents, "--labels", &embedded("labels.json")]);
    assert!(text.contains("holds documents: --labels is for rows"), "{text}");
    let text = error(2, &["evaluate", &dev, &dev, "--characters"]);
    assert!(text.contains("holds rows: --characters is for documents"), "{text}");
    let text = error(2, &["evaluate", &dev, &documents]);
    assert!(text.contains("dev.tsv holds rows (tsv), expected documents"), "{text}");
    let text = error(2, &["stats", &folder.path(""), "--format", "tsv"]);
    assert!(text.contains("a folder, expected a file in the layout tsv"), "{text}");
    let text = error(1, &["stats", &folder.path("")]);
    assert!(text.contains("a folder without .txt files"), "{text}");
}

#[test]
fn a_malformed_document_is_named_or_left_out() {
    let folder = Folder::new();
    let outside = r#"{"id":"x","text":"Ann met Bob","mentions":[{"start":0,"end":3},{"start":8,"end":12}]}"#;
    let bad = folder.file("bad.jsonl", &format!("{DOCUMENTS}{outside}\n"));
    let out = folder.path("out.json");
    for command in [&["stats"][..], &["convert", "--to", "spert", "--output", &out]] {
        let text = error(1, &[command, &[&bad]].concat());
        assert!(text.contains("bad.jsonl:4: mention 1") && text.contains(": id x"), "{text}");
        assert!(text.contains("found ") && text.contains("expected "), "{text}");
        assert_eq!(folder.names(), ["bad.jsonl"]);
        let said = stderr(&[command, &[&bad, "--lenient"]].concat());
        assert!(
            command[0] == "stats" || said.contains("1 malformed documents left out, the first one"),
            "{said}"
        );
    }
    let only = folder.file("only.jsonl", &format!("{outside}\n"));
    let text = error(1, &["convert", &only, "--lenient", "--to", "spert"]);
    assert!(
        text.contains("only.jsonl:1: ") && text.contains("all 1 documents are malformed, and none is left"),
        "{text}"
    );
    let twice = folder.file("twice.jsonl", &format!("{DOCUMENTS}{DOCUMENTS}"));
    assert!(error(1, &["stats", &twice]).contains("expected an id of its own"));
}

#[test]
fn documents_are_described() {
    let folder = Folder::new();
    let documents = folder.file("documents.jsonl", DOCUMENTS);
    let text = output(&["stats", &documents]);
    for expected in [
        "documents.jsonl: jsonl, 3 documents, 5 mentions, 2 relations\n",
        "1 without mentions, 1 without relations\n",
        "5 mentions by type\n      4  80.0 %",
        "spouse  PERSON -> PERSON\n",
        "8 ordered pairs of mentions, 0 of them with several relations\n",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let found: Value = serde_json::from_str(&output(&["stats", &documents, "--json"])).unwrap();
    assert_eq!(
        (&found["documents"], &found["format"], &found["read"]["mentions"]),
        (&3.into(), &"jsonl".into(), &5.into())
    );
    let spert = output(&["convert", &documents, "--to", "spert"]);
    let mut piped = re(&["stats", "-", "--json"]);
    piped.write_stdin(spert);
    let piped: Value = serde_json::from_str(&output_of(piped)).unwrap();
    assert_eq!((&piped["format"], &piped["types"]), (&"spert".into(), &found["types"]));
}

#[test]
fn documents_are_scored() {
    let folder = Folder::new();
    let gold = folder.file("gold.jsonl", DOCUMENTS);
    let predicted = folder.file("predicted.jsonl", &predicted());
    let json = |arguments: &[&str]| -> Value {
        let all = [&["evaluate", &predicted, &gold, "--json"], arguments].concat();
        serde_json::from_str(&output(&all)).unwrap()
    };
    let found = json(&[]);
    let of = |found: &Value, kind: &str| {
        let agreement = &found[kind];
        ["gold", "predicted", "correct"].map(|count| agreement[count].as_u64().unwrap())
    };
    assert_eq!(of(&found, "mentions"), [5, 5, 4]);
    assert_eq!(of(&found, "mention_boundaries"), [5, 5, 5]);
    assert_eq!(of(&found, "relations"), [2, 2, 1]);
    assert_eq!(of(&found, "strict_relations"), [2, 2, 0]);
    assert_eq!(found["losses"], json!({"spouse": {"wrong_direction": 1}, "employer": {"wrong_type": 1}}));
    assert!(found.get("characters").is_none());
    let found = json(&["--symmetric", "spouse", "--characters"]);
    assert_eq!(of(&found, "strict_relations"), [2, 2, 1]);
    assert!(found["characters"]["macro_f1"].as_f64().unwrap() < 1.0, "{found}");
    let text = output(&["evaluate", &predicted, &gold, "--characters"]);
    for expected in [
        "3 documents; figures in percent\n",
        "    80.00   80.00   80.00       5          5        4  mentions, strict, micro\n",
        "   100.00  100.00  100.00       5          5        5  mentions, boundary, micro\n",
        "relations, strict, macro\n",
        "wrong direction",
        "characters: macro-F1 ",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // Of another layout, from a pipe.
    let spert = output(&["convert", &predicted, "--to", "spert"]);
    let text = with_input(&["evaluate", "-", &gold], &spert);
    assert!(text.contains("80.00   80.00   80.00"), "{text}");

    let few = folder
        .file("few.jsonl", &DOCUMENTS.lines().take(2).map(|line| format!("{line}\n")).collect::<String>());
    let text = error(1, &["evaluate", &few, &gold]);
    assert!(text.contains("1 missing (c)"), "{text}");
    assert!(output(&["evaluate", &few, &gold, "--subset"]).starts_with("2 documents"));
    let other = folder.file("other.jsonl", &DOCUMENTS.replace("Nothing", "Little"));
    let text = error(1, &["evaluate", &other, &gold]);
    assert!(text.contains("document c: text: found"), "{text}");
    let text = error(2, &["evaluate", &predicted, &gold, "--symmetric", "sibling"]);
    assert!(text.contains("no document has this relation, expected one of employer, spouse"), "{text}");
}

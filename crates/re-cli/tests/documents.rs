//! Documents: `re convert`, `re stats`, `re evaluate` and `re extract`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};

use common::*;
use re_model::{TokenClassifier, TokenClassifierOptions};
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

fn with_input(arguments: &[&str], input: &str) -> String {
    let mut command = re(arguments);
    command.write_stdin(input);
    output_of(command)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
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

/// Documents with `mentions` names each, in the language of the trained run.
fn korean(documents: usize, mentions: usize) -> String {
    let document = |number: usize| {
        let names: Vec<String> = (0..mentions).map(|name| format!("이름{name}")).collect();
        let mut at = 0;
        let spans = names.iter().map(|name| {
            let (start, end) = (at, at + name.chars().count());
            at = end + 1;
            json!({"start": start, "end": end, "type": "PER"})
        });
        let spans: Vec<Value> = spans.collect();
        json!({"id": number.to_string(), "text": names.join(" "), "mentions": spans}).to_string() + "\n"
    };
    (0..documents).map(document).collect()
}

/// The last line of standard error as JSON.
fn summary(stderr: &[u8]) -> Value {
    let text = String::from_utf8_lossy(stderr);
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn graphs_account_for_every_pair() {
    let folder = Folder::new();
    let run = trained().path("run");
    let documents = folder.file("documents.jsonl", &korean(5, 3));
    let (graphs, abstained) = (folder.path("graphs.jsonl"), folder.path("abstained.jsonl"));
    let extract =
        ["extract", &run, &documents, "--abstained", &abstained, "--output", &graphs, "--json", "--quiet"];
    let assert = re(&extract).assert().success();
    assert_eq!(assert.get_output().stdout, b"");
    let told = summary(&assert.get_output().stderr);
    let written = lines(&folder.read("graphs.jsonl"));
    let ids: Vec<&str> = written.iter().map(|document| document["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4"]);
    let relations: usize =
        written.iter().map(|document| document["relations"].as_array().unwrap().len()).sum();
    let without = lines(&folder.read("abstained.jsonl"));
    assert_eq!(relations + without.len(), 30);
    assert_eq!(
        (&told["documents"], &told["mentions"], &told["relations"]),
        (&5.into(), &15.into(), &relations.into())
    );
    assert_eq!((&told["pairs"]["possible"], &told["pairs"]["related"]), (&30.into(), &relations.into()));

    // No score is above 1, so that every relation is told or none.
    let none = ["extract", &run, &documents, "--threshold", "1", "--abstained", &abstained];
    let assert = re(&none).assert().success();
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(said.contains("5 documents, 15 mentions, 30 of 30 pairs judged, 0 relations\n"), "{said}");
    let without = lines(&folder.read("abstained.jsonl"));
    assert_eq!(without.len(), 30);
    for line in &without {
        assert!(["no_relation", "below_threshold"].contains(&line["reason"].as_str().unwrap()), "{line}");
        assert_eq!(line["subject"]["type"], "PER");
        assert!(line["relation"].is_string() && line["score"].is_number(), "{line}");
    }
    // Neighbours alone: 4 of 6 pairs.
    let assert = re(&["extract", &run, &documents, "--max-mentions", "1", "--json"]).assert().success();
    let pairs = &summary(&assert.get_output().stderr)["pairs"];
    assert_eq!((&pairs["outside_rule"], &pairs["possible"]), (&10.into(), &30.into()));
}

#[test]
fn graphs_are_written_for_other_programs_and_to_be_looked_at() {
    let folder = Folder::new();
    let run = trained().path("run");
    let documents = folder.file("documents.jsonl", &korean(2, 2));
    for (name, begins) in [
        ("graph.csv", "document,subject,"),
        ("graph.dot", "digraph"),
        ("graph.graphml", "<?xml"),
        ("graph.nt", "<"),
        ("graph.html", "<!DOCTYPE html>"),
    ] {
        output(&["extract", &run, &documents, "--quiet", "--output", &folder.path(name)]);
        let text = folder.read(name);
        assert!(text.starts_with(begins), "{name}: {text}");
        // A row of CSV is a relation, of which there may be none.
        assert!(
            name == "graph.csv" || text.contains("이름1") || text.contains("%EC%9D%B4"),
            "{name}: {text}"
        );
    }
    let page = output(&["extract", &run, &documents, "--quiet", "--format", "html"]);
    assert_eq!(page, folder.read("graph.html"));
    assert!(error(2, &["extract", &run, &documents, "--format", "xml"]).contains("graphml"));
}

#[test]
fn pairs_without_a_relation_say_where_relations_were_lost() {
    let folder = Folder::new();
    let run = trained().path("run");
    let documents = folder.file("documents.jsonl", &korean(3, 2));
    let (graphs, abstained) = (folder.path("graphs.jsonl"), folder.path("abstained.jsonl"));
    let to = ["--output", &graphs, "--abstained", &abstained];
    output(&[&["extract", &run, &documents, "--threshold", "1", "--quiet"][..], &to].concat());
    let relation = r#""relations":[{"subject":0,"object":1,"label":"x"}]"#;
    let gold = folder.file("gold.jsonl", &folder.read("graphs.jsonl").replace(r#""relations":[]"#, relation));
    let losses = |extra: &[&str]| -> Value {
        let found = output(&[&["evaluate", &graphs, &gold, "--json"], extra].concat());
        serde_json::from_str::<Value>(&found).unwrap()["losses"]["x"].clone()
    };
    assert_eq!(losses(&[]), json!({"unknown": 3}));
    let known = losses(&["--abstained", &abstained]);
    let counts = |kind: &str| known[kind].as_u64().unwrap_or_default();
    assert_eq!(counts("no_relation") + counts("wrong_label"), 3, "{known}");
    let other = folder.file(
        "other.jsonl",
        &folder.read("abstained.jsonl").replace("\"document\":\"2\"", "\"document\":\"9\""),
    );
    let text = error(1, &["evaluate", &graphs, &gold, "--abstained", &other]);
    assert!(
        text.contains("other.jsonl:") && text.contains("document: found 9, expected a predicted one"),
        "{text}"
    );
    let other =
        folder.file("other.jsonl", &folder.read("abstained.jsonl").replace("\"start\":0", "\"start\":1"));
    let text = error(1, &["evaluate", &graphs, &gold, "--abstained", &other]);
    assert!(text.contains("other.jsonl:1: document 0: subject: found mention 0 from 1 to 3"), "{text}");
}

#[test]
fn graphs_have_the_layout_that_is_asked_for() {
    let folder = Folder::new();
    let run = trained().path("run");
    let documents = korean(2, 2);
    let graphs = with_input(&["extract", &run, "-", "--quiet"], &documents);
    assert_eq!(lines(&graphs).len(), 2);
    let path = folder.file("documents.jsonl", &documents);
    for format in ["spert", "label-studio", "docred"] {
        let graphs = output(&["extract", &run, &path, "--format", format, "--quiet"]);
        let back = with_input(&["convert", "-", "--to", "jsonl"], &graphs);
        assert_eq!(lines(&back).len(), 2, "{format}");
    }
    let brat = folder.path("brat");
    output(&["extract", &run, &path, "--to", "brat", "--output", &brat, "--quiet"]);
    assert_eq!(lines(&output(&["convert", &brat, "--to", "jsonl"])).len(), 2);
    let relations: usize =
        lines(&graphs).iter().map(|graph| graph["relations"].as_array().unwrap().len()).sum();
    let table = output(&["extract", &run, &path, "--format", "csv", "--quiet"]);
    assert!(table.starts_with("document,subject,") && table.lines().count() == relations + 1, "{table}");
    assert!(output(&["extract", &run, &path, "--format", "dot", "--quiet"]).starts_with("digraph"));
    for name in ["graphs.graphml", "graphs.nt", "graphs.html"] {
        output(&["extract", &run, &path, "--output", &folder.path(name), "--quiet"]);
    }
    assert!(folder.read("graphs.graphml").contains("<graphml"));
    assert!(folder.read("graphs.html").starts_with("<!DOCTYPE html>"));
    let triples = ["extract", &run, &path, "--format", "ntriples", "--base", "no IRI"];
    assert!(error(1, &triples).contains("no IRI"));
    for wrong in [["--base", "http://a.example/"].as_slice(), &["--corpus"]] {
        let text = error(2, &[&["extract", &run, &path][..], wrong].concat());
        assert!(text.contains(" is for "), "{text}");
    }
    let text = error(2, &["extract", &run, &path, "--format", "conll"]);
    assert!(text.contains("possible values: jsonl, spert"), "{text}");
    // What is told is what is scored.
    let graphs = folder.file("graphs.jsonl", &graphs);
    let scored = output(&["evaluate", &graphs, &graphs]);
    assert!(scored.starts_with("2 documents"), "{scored}");
}

#[test]
fn settings_of_the_graph_lie_beside_the_model() {
    let folder = Folder::new();
    let copy = folder.path("run");
    let copied =
        std::process::Command::new("cp").args(["-r", &trained().path("run"), &copy]).status().unwrap();
    assert!(copied.success());
    let documents = folder.file("documents.jsonl", &korean(2, 2));
    folder.file("run/graph.json", r#"{"thresholds": {"pooled": {"value": 1.0}}}"#);
    let said = stderr(&["extract", &copy, &documents, "--verbose"]);
    assert!(said.contains("settings of the graph: ") && said.contains("run/graph.json"), "{said}");
    assert!(said.contains("4 of 4 pairs judged, 0 relations"), "{said}");
    let other = folder.file("other.json", r#"{"thresholds": {"pooled": {"value": "high"}}}"#);
    let text = error(1, &["extract", &copy, &documents, "--settings", &other]);
    assert!(text.contains("other.json: thresholds"), "{text}");
    let text = error(1, &["extract", &copy, &documents, "--symmetric", "nothing"]);
    assert!(text.contains("found the relation \"nothing\", expected one of"), "{text}");
    for wrong in [["--threshold", "2"], ["--threshold", "nan"], ["--max-mentions", "0"]] {
        error(2, &[&["extract", &copy, &documents][..], &wrong].concat());
    }
}

#[test]
fn a_document_that_fails_fails_alone() {
    let folder = Folder::new();
    let run = trained().path("run");
    let bad = r#"{"id":"x","text":"Ann","mentions":[{"start":0,"end":4}]}"#;
    let documents = folder.file(
        "documents.jsonl",
        &format!("{}{bad}\nno JSON\n{}", korean(1, 2), korean(2, 2).lines().nth(1).unwrap()),
    );
    let assert = re(&["extract", &run, &documents]).assert().success();
    let ended = assert.get_output();
    assert_eq!(lines(&String::from_utf8_lossy(&ended.stdout)).len(), 2);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        said.contains("document x: reading failed: ") && said.contains("documents.jsonl:2: mention 0"),
        "{said}"
    );
    assert!(said.contains("documents.jsonl:3") && said.contains("2 documents failed"), "{said}");
    let assert = re(&["extract", &run, &documents, "--json"]).assert().success();
    assert_eq!(summary(&assert.get_output().stderr)["failed"]["count"], 2);
    // None is left.
    let only = folder.file("only.jsonl", &format!("{bad}\n"));
    let out = folder.path("graphs.jsonl");
    let text = error(1, &["extract", &run, &only, "--output", &out]);
    assert!(text.contains("only.jsonl:1: mention 0") && text.contains("none is left"), "{text}");
    assert!(!folder.names().contains(&"graphs.jsonl".to_owned()));
    // What a layout cannot hold.
    let long = korean(2, 2).replace("\"id\":\"1\"", &format!("\"id\":\"{}\"", "x".repeat(300)));
    let long = folder.file("long.jsonl", &long);
    let said = stderr(&["extract", &run, &long, "--format", "brat", "--output", &folder.path("brat")]);
    assert!(said.contains("cannot be written as brat") && said.contains("1 documents failed"), "{said}");
    assert!(folder.path("brat").len() > 4 && folder.read("brat/0.txt").starts_with("이름0"));
}

#[test]
fn inputs_of_another_kind_are_told() {
    let folder = Folder::new();
    let run = trained().path("run");
    let text = error(2, &["extract", &run, &embedded("dev.tsv")]);
    assert!(text.contains("dev.tsv holds rows (tsv), expected documents"), "{text}");
    let documents = folder.file("documents.jsonl", &korean(1, 2));
    let text = error(2, &["extract", &documents, &folder.path("")]);
    assert!(text.contains("the model comes first"), "{text}");
    let text = error(2, &["extract", &run, &documents, "--output", &documents]);
    assert!(text.contains("the output is the input"), "{text}");
    let text = error(2, &["extract", "-", &documents]);
    assert!(text.contains("expected a folder, not standard input"), "{text}");
    let text = error(2, &["extract", &run, "-", &documents]);
    assert!(text.contains("the model is a folder, not standard input"), "{text}");
    let text = error(2, &["extract", &run, &documents, "--retag"]);
    assert!(text.contains("--retag needs a tagger"), "{text}");
    let text = error(1, &["extract", &run, &run, &documents]);
    assert!(text.contains("expected a model ForTokenClassification"), "{text}");
    let text = error(1, &["extract", &run, "/absent/x.jsonl"]);
    assert!(text.contains("/absent/x.jsonl: access failed: No such file"), "{text}");
    // Plain texts without a tagger have nothing to judge.
    let text = folder.file("plain.txt", "김철수는 서울에 산다.");
    let said = stderr(&["extract", &run, &text]);
    assert!(said.contains("1 documents have no mention, the first: plain"), "{said}");
    let mut piped = re(&["extract", &run, "-"]);
    piped.write_stdin("김철수는 서울에 산다.\n");
    let graph = lines(&output_of(piped));
    assert_eq!((&graph[0]["id"], &graph[0]["text"]), (&"-".into(), &"김철수는 서울에 산다.\n".into()));
}

#[test]
fn a_tagger_finds_mentions_where_there_are_none() {
    let folder = Folder::new();
    let tagger = folder.path("tagger");
    let options = TokenClassifierOptions { random_weights: true, ..TokenClassifierOptions::default() };
    TokenClassifier::new(embedded("model"), ["PER", "LOC"], options).unwrap().0.save(&tagger).unwrap();
    let run = trained().path("run");
    let text = "김철수는 서울에 산다.\n\n이영희는 부산에 산다.\n";
    let text = folder.file("lines.txt", text);
    let tagged = |arguments: &[&str]| {
        let assert = re(&[arguments, &["--json"]].concat()).assert().success();
        let ended = assert.get_output();
        (lines(&String::from_utf8_lossy(&ended.stdout)), summary(&ended.stderr))
    };
    let (graphs, told) = tagged(&["extract", &tagger, &run, &text, "--lines"]);
    assert_eq!((graphs.len(), &told["documents"], &told["tagged"]), (2, &2.into(), &2.into()));
    let mentions: usize = graphs.iter().map(|graph| graph["mentions"].as_array().unwrap().len()).sum();
    assert_eq!(told["mentions"], mentions);
    assert_eq!(tagged(&["extract", "--tagger", &tagger, &run, &text, "--from", "lines"]).0, graphs);
    // Mentions that are there stay.
    let documents = folder.file("documents.jsonl", &korean(2, 2));
    let (graphs, told) = tagged(&["extract", &tagger, &run, &documents]);
    assert_eq!((&told["tagged"], graphs[0]["mentions"].as_array().unwrap().len()), (&0.into(), 2));
    assert_eq!(tagged(&["extract", &tagger, &run, &documents, "--retag"]).1["tagged"], 2);
    let text = error(2, &["extract", "--tagger", &tagger, &tagger, &run, &documents]);
    assert!(text.contains("two taggers"), "{text}");
}

#[test]
fn a_closed_pipe_ends_an_extraction_and_fails_only_where_a_file_was_wanted() {
    let folder = Folder::new();
    let run = trained().path("run");
    let documents = folder.file("documents.jsonl", &korean(3000, 2));
    let head = |extra: &[&str]| {
        let arguments = ["extract", &run, &documents];
        let mut child = spawn(&[&arguments[..], extra].concat());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("{\"id\""), "{line}");
        let code = child.wait().unwrap().code();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (code, text)
    };
    assert_eq!(head(&[]), (Some(0), String::new()));
    let (code, text) = head(&["--abstained", &folder.path("abstained.jsonl")]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("abstained.jsonl is not written: standard output was closed before all documents"),
        "{text}"
    );
    assert_eq!(folder.names(), ["documents.jsonl"]);
}

#[test]
fn ctrl_c_leaves_no_unfinished_graph() {
    let folder = Folder::new();
    let run = trained().path("run");
    for format in ["jsonl", "brat"] {
        let out = folder.path("graphs");
        let mut child =
            spawn(&["extract", &run, "-", "--from", "jsonl", "--format", format, "--output", &out]);
        // Held, as the end of its input would complete the graphs.
        let mut input = child.stdin.take().unwrap();
        input.write_all(korean(1, 2).as_bytes()).unwrap();
        wait_for(|| folder.names().len() == 1);
        interrupt(&child);
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(130), "{said}");
        assert!(said.starts_with("interrupted") && said.ends_with("graphs is not written\n"), "{said}");
        assert_eq!(folder.names(), Vec::<String>::new());
    }
}

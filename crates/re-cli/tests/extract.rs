//! `re extract`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};

use common::documents::*;
use common::*;
use serde_json::{Value, json};

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
    // Of both directions of three pairs one is related; no score is enough.
    let evaluate = ["evaluate", &graphs, &gold, "--abstained", &abstained];
    let found: Value = serde_json::from_str(&output(&[&evaluate[..], &["--json"]].concat())).unwrap();
    let unrelated = &found["unrelated_pairs"];
    assert_eq!((&unrelated["unrelated"], &unrelated["related"]), (&3.into(), &0.into()));
    assert!(output(&evaluate).contains("\n0 of 3 unrelated pairs got a relation (0.00 %)\n"));
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
    let tagger = tagger(&folder);
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

#[test]
fn a_tagger_gives_entities_types() {
    let folder = Folder::new();
    let tagger = tagger(&folder);
    let rows: String = std::fs::read_to_string(embedded("train.tsv")).unwrap();
    let rows =
        folder.file("rows.tsv", &rows.lines().take(8).map(|row| format!("{row}\n")).collect::<String>());
    let types = folder.path("types.tsv");
    let assert = re(&["types", &tagger, &rows, "--output", &types]).assert().success();
    let told = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(told.contains("16 entities: "), "{told}");
    let written = std::fs::read_to_string(&types).unwrap();
    assert_eq!(written.lines().count(), 8);
    // An untrained tagger says anything, but nothing that it has no tag for.
    assert!(
        written.lines().all(|line| line.split('\t').skip(1).all(|kind| ["PER", "LOC", "O"].contains(&kind)))
    );
    // Other commands read the file, and say of no row that it is missing.
    let encoded = re(&["encode", &trained().path("run"), &rows, "--entity-types", &types]).assert().success();
    assert!(!String::from_utf8_lossy(&encoded.get_output().stderr).contains("rows without entity types"));
    let text = error(2, &["types", &tagger, &rows, "--output", &rows]);
    assert!(text.contains("the output is the input"), "{text}");
    let text = error(1, &["types", &embedded("model"), &rows]);
    assert!(text.contains("embedded/model"), "{text}");
    let bad = folder.file("bad.jsonl", "{\"id\": \"1\"}\n");
    assert!(error(1, &["types", &tagger, &bad]).contains("bad.jsonl:1"));
}

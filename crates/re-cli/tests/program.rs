//! What all commands have in common: help, exit codes, pipes, outputs.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin};

use common::*;

const COMMANDS: [&str; 14] = [
    "train",
    "resume",
    "predict",
    "extract",
    "sample",
    "evaluate",
    "vote",
    "advise",
    "encode",
    "stats",
    "convert",
    "report",
    "doctor",
    "completions",
];

#[test]
fn help_lists_the_commands_and_each_has_examples() {
    let help = output(&["--help"]);
    assert!(help.contains("Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted"), "{help}");
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
        let own = output(&[command, "--help"]);
        assert!(own.contains(&format!("Examples:\n  re {command}")), "{own}");
    }
    assert!(output(&["--version"]).starts_with("re "));
}

#[test]
fn wrong_usage_is_told_from_failure() {
    for arguments in [
        &[][..],
        &["tran"],
        &["predict", "model"],
        &["stats", "--color"],
        &["convert", "a.tsv", "--to", "xml"],
        &["extract", "model"],
        &["extract", "model", "a.jsonl", "--format", "text"],
        &["sample", "model", "a.jsonl"],
        &["sample", "model", "a.jsonl", "--count", "0"],
        &["sample", "model", "a.jsonl", "--count", "1", "--format", "text"],
        &["stats", "a.tsv", "--quiet", "--verbose"],
        &["stats", "a.tsv", "--threads", "0"],
        &["stats", "a.tsv", "--threads", "65535"],
        &["train", "a.toml", "--out", "-"],
        &["resume", "-"],
        &["predict", "-", "a.tsv"],
        &["encode", "-", "a.tsv"],
        &["report", "-"],
        &["report", "a", "--resamples", "0"],
        &["vote", "a.csv", "--train-prior", "a.tsv", "--target-prior", "uniform", "--tau=-1"],
        &["vote", "a.csv", "--tune", "likelihood", "--gold", "a.tsv", "--folds", "1"],
        &["train", "a.toml", "--set", "training.steps"],
        &["completions", "tcsh"],
    ] {
        let text = error(2, arguments);
        assert!(text.contains("try '--help'") || text.contains("Usage: re"), "{arguments:?}: {text}");
    }
}

#[test]
fn what_would_steer_a_terminal_is_not_written_to_it() {
    let folder = Folder::new();
    let shown = |text: &str| {
        assert!(text.contains("\\u{1b}[31m") && !text.contains('\u{1b}'), "{text}");
        assert!(text.len() < 4000, "{}", text.len());
    };
    // What is wrong with a file, with an argument, and with both as a finding.
    let long = format!("\u{1b}[31m{}\n", "x".repeat(3_000_000));
    let named = folder.file("red\u{1b}[31m.tsv", &long);
    shown(&error(1, &["stats", &named, "--format", "tsv"]));
    let mut wrong = re(&["tra\u{1b}[31min\u{7}"]);
    wrong.env("CLICOLOR_FORCE", "1");
    let text = error_of(2, wrong);
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text}");
    shown(&String::from_utf8_lossy(&re(&["doctor", &named]).assert().code(1).get_output().stdout));
    // Notes.
    let empty = folder.file("empty\u{1b}[31m.tsv", "");
    shown(&stderr(&["convert", &empty, "--to", "jsonl"]));
}

#[test]
fn names_of_files_steer_no_terminal_on_standard_output_either() {
    let folder = Folder::new();
    let named = folder.file("red\u{1b}[31m.tsv", &rows("dev.tsv", 3));
    let text = output(&["stats", &named]);
    assert!(text.contains("red\\u{1b}[31m.tsv: 3 rows") && !text.contains('\u{1b}'), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_standard_output_is_a_failure() {
    for command in ["stats", "convert --to jsonl"] {
        let script = format!("exec {} {command} {} >&-", env!("CARGO_BIN_EXE_re"), embedded("dev.tsv"));
        let ended = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{command}: {said}");
        assert!(said.starts_with("error: -: access failed"), "{said}");
    }
    // Where nothing is written to it, it may be closed.
    let folder = Folder::new();
    let script = format!(
        "exec {} stats {} --output {} >&-",
        env!("CARGO_BIN_EXE_re"),
        embedded("dev.tsv"),
        folder.path("out")
    );
    assert!(std::process::Command::new("sh").args(["-c", &script]).status().unwrap().success());
    assert!(folder.read("out").contains("dev.tsv: "));
}

#[test]
fn models_and_rows_in_each_others_place_are_told() {
    let (model, dev) = (embedded("model"), embedded("dev.tsv"));
    for command in ["predict", "encode", "extract"] {
        let text = error(2, &[command, &dev, &model]);
        assert!(text.contains("dev.tsv is a file and ") && text.contains("the model comes first"), "{text}");
    }
    let text = error(1, &["predict", &dev, &dev]);
    assert!(text.contains("dev.tsv: found no trained model, expected a run's folder"), "{text}");
}

#[test]
fn a_missing_file_is_named() {
    let dev = embedded("dev.tsv");
    for arguments in [
        &["train", "/absent/x"][..],
        &["resume", "/absent/x"],
        &["predict", "/absent/x", &dev],
        &["extract", "/absent/x", &dev],
        &["evaluate", "/absent/x", &dev],
        &["evaluate", &dev, "/absent/x"],
        &["vote", "/absent/x"],
        &["advise", "/absent/x", "--gold", &dev],
        &["encode", "/absent/x", &dev],
        &["stats", "/absent/x"],
        &["convert", "/absent/x", "--to", "jsonl"],
        &["report", "/absent/x", "--output", "-"],
    ] {
        let text = error(1, arguments);
        assert!(text.starts_with("error: /absent/x: "), "{arguments:?}: {text}");
        assert_eq!(text.matches("/absent/x").count(), 1, "{arguments:?}: {text}");
        assert!(!text.contains("entity not found"), "{arguments:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_named_and_nothing_is_left() {
    let dev = embedded("dev.tsv");
    let folder = Folder::new();
    let inside = folder.path("absent/out");
    for command in
        [&["stats", &dev][..], &["convert", &dev, "--to", "jsonl"], &["encode", &embedded("model"), &dev]]
    {
        let to = |path: &str| error(1, &[command, &["--output", path]].concat());
        assert!(to(&inside).contains(&format!("error: {inside}: access failed: No such file or directory")));
        assert!(to("/dev/full").contains("error: /dev/full: access failed: No space left on device"));
    }
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn an_output_does_not_replace_an_input() {
    let folder = Folder::new();
    let input = folder.file("in.tsv", &rows("dev.tsv", 3));
    for command in [
        &["stats", &input][..],
        &["convert", &input],
        &["encode", &embedded("model"), &input],
        &["predict", "run", &input],
        &["evaluate", "p.csv", &input],
        &["advise", "p.csv", "--gold", &input],
        &["vote", "p.csv", "--train-prior", &input, "--target-prior", "uniform"],
    ] {
        let text = error(2, &[command, &["--output", &input]].concat());
        assert!(text.contains("in.tsv: the output is the input"), "{text}");
    }
    assert_eq!((folder.read("in.tsv"), folder.names().len()), (rows("dev.tsv", 3), 1));
}

#[test]
fn a_failure_leaves_the_older_output() {
    let folder = Folder::new();
    let out = folder.file("out.jsonl", "older\n");
    let input = folder.file("in.tsv", &format!("{}1\ttoo\tfew\n", rows("dev.tsv", 3)));
    let text = error(1, &["convert", &input, "--output", &out]);
    assert!(text.contains(&format!("error: {input}:4: ")) && text.contains("expected 9"), "{text}");
    assert_eq!((folder.read("out.jsonl").as_str(), folder.names().len()), ("older\n", 2));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = spawn(&["convert", &embedded("train.tsv"), "--to", "jsonl"]);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"id\":\"embedded-1-"), "{line}");
    let (status, mut text) = (child.wait().unwrap(), String::new());
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((status.code(), text.as_str()), (Some(0), ""));
}

/// A conversion that has begun a file and waits for more input.
fn converting(signals: &str, folder: &Folder) -> (Child, ChildStdin) {
    let output = folder.path("out.jsonl");
    let mut child = spawn_by(signals, &["convert", "-", "--format", "tsv", "--output", &output]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(rows("dev.tsv", 3).as_bytes()).unwrap();
    wait_for(|| folder.names().len() == 1);
    (child, input)
}

#[test]
fn signals_leave_no_unfinished_file() {
    for (signal, code) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        let folder = Folder::new();
        let (mut child, _input) = converting("--default-signal=HUP", &folder);
        send(signal, &child);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(folder.names(), Vec::<String>::new());
    }
    // What `nohup` has started goes on.
    let folder = Folder::new();
    let (mut child, input) = converting("--ignore-signal=HUP", &folder);
    send("HUP", &child);
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(folder.names(), ["out.jsonl"]);
}

#[test]
fn colours_are_for_terminals() {
    let encode = |force: bool| {
        let mut command = re(&["encode", &embedded("model"), &embedded("dev.tsv"), "--limit", "1"]);
        if force {
            command.env("CLICOLOR_FORCE", "1");
        }
        output_of(command)
    };
    assert!(!encode(false).contains('\u{1b}'));
    assert!(encode(true).contains('\u{1b}'));
    let mut command = re(&["stats", "/absent"]);
    command.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1");
    assert!(error_of(1, command).starts_with("error: "));
}

#[test]
fn every_shell_completes_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = output(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} {command}");
        }
    }
}

#[test]
fn the_doctor_finds_libtorch_and_looks_at_what_is_named() {
    let folder = Folder::new();
    let text = output(&["doctor", &embedded("dev.tsv")]);
    assert!(text.contains("ok   libtorch       2.11.0"), "{text}");
    assert!(text.contains("dev.tsv: 300 rows") && text.ends_with("nothing to fix\n"), "{text}");

    // The embedded model has no weights, and a broken file is no file of rows.
    let broken = folder.file("broken.tsv", "1\t2\n");
    let mut command = re(&["doctor", &embedded("model"), &broken, "/absent", "--json"]);
    let found: serde_json::Value =
        serde_json::from_slice(&command.assert().code(1).get_output().stdout).unwrap();
    let bad: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["state"] == "bad")
        .map(|finding| finding["found"].as_str().unwrap())
        .collect();
    assert_eq!(bad.len(), 3, "{found}");
    assert!(bad[1].contains("broken.tsv:1: "), "{found}");
}

/// Stand-ins take the place of the driver and of the CUDA part, which notes each process that it is loaded in.
#[cfg(target_os = "linux")]
#[test]
fn the_cuda_part_is_loaded_once_and_only_where_a_device_may_be_used() {
    let folder = Folder::new();
    let loads = folder.path("loads");
    let note = r#"
#include <cstdio>
#include <cstdlib>
__attribute__((constructor)) static void note() {
    if (FILE *file = std::fopen(std::getenv("RE_TEST_LOADS"), "a")) { std::fputs("loaded\n", file); std::fclose(file); }
}
"#;
    for (name, source) in [("libcuda.so.1", ""), ("libtorch_cuda.so", note)] {
        folder.file("source.cpp", source);
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
        let made = std::process::Command::new(compiler)
            .args(["-shared", "-fPIC", "-o", &folder.path(name), &folder.path("source.cpp")])
            .status();
        assert!(made.unwrap().success(), "{name}");
    }
    let number = |arguments: &[&str]| {
        let _ = std::fs::remove_file(&loads);
        let mut command = re(arguments);
        command.env("LD_LIBRARY_PATH", folder.path("")).env("RE_TEST_LOADS", &loads);
        let _ = command.env_remove("OMP_WAIT_POLICY").assert();
        std::fs::read_to_string(&loads).unwrap_or_default().lines().count()
    };
    for none in
        [&["--version"][..], &["predict", "--help"], &["completions", "bash"], &["stats", "absent.tsv"]]
    {
        assert_eq!(number(none), 0, "{none:?}");
    }
    for once in [&["predict", "absent", "-"][..], &["doctor"]] {
        assert_eq!(number(once), 1, "{once:?}");
    }
}

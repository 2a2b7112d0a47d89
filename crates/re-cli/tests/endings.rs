//! Commands that end before their input does.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, ChildStdin};

use common::*;

/// The exit code of a process that ends by itself, and what it said.
fn ended(mut child: Child) -> (Option<i32>, String) {
    wait_for(|| child.try_wait().unwrap().is_some());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

/// A command that has got some rows and waits for more.
fn waiting(arguments: &[&str]) -> (Child, ChildStdin) {
    let mut child = spawn(arguments);
    let mut input = child.stdin.take().unwrap();
    input.write_all(rows("dev.tsv", 3).as_bytes()).unwrap();
    (child, input)
}

fn make_fifo(path: &str) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_reader_that_leaves_ends_what_waits_for_input() {
    let (run, model, folder) = (trained().path("run"), embedded("model"), Folder::new());
    for command in [
        &["predict", &run, "-", "--format", "tsv"][..],
        &["predict", &run, "-", "--format", "tsv", "--probs", "-", "--chunk", "1"],
        &["convert", "-", "--format", "tsv", "--to", "jsonl"],
        &["encode", &model, "-", "--format", "tsv"],
        &["stats", "-", "--format", "tsv"],
    ] {
        let (mut child, _input) = waiting(command);
        drop(child.stdout.take());
        assert_eq!(ended(child), (Some(0), String::new()), "{command:?}");
    }
    // Where a file was asked for, too, it is not there, which is a failure.
    let file = folder.path("p.csv");
    let (mut child, _input) =
        waiting(&["predict", &run, "-", "--format", "tsv", "--output", &file, "--probs", "-"]);
    drop(child.stdout.take());
    let (code, said) = ended(child);
    assert_eq!(code, Some(1));
    assert!(said.contains("p.csv is not written: standard output was closed before all"), "{said}");
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn pipes_with_names_are_watched_as_well() {
    let folder = Folder::new();
    let (input, output) = (folder.path("rows"), folder.path("converted"));
    make_fifo(&input);
    make_fifo(&output);
    // Opened for both, so that neither this nor reading waits for the other end.
    let mut writer = OpenOptions::new().read(true).write(true).open(&input).unwrap();
    writer.write_all(rows("dev.tsv", 3).as_bytes()).unwrap();
    let child = spawn(&["convert", &input, "--format", "tsv", "--to", "jsonl", "--output", &output]);
    drop(File::open(&output).unwrap());
    assert_eq!(ended(child), (Some(0), String::new()));
}

#[test]
fn an_output_that_fails_ends_a_prediction_that_waits_for_rows() {
    let run = trained().path("run");
    let arguments = ["predict", &run, "-", "--format", "tsv", "--chunk", "100", "--probs", "/dev/full"];
    let mut child = spawn(&arguments);
    let mut input = child.stdin.take().unwrap();
    // More than a buffer holds of probabilities.
    input.write_all(rows("train.tsv", 300).as_bytes()).unwrap();
    let (code, said) = ended(child);
    assert_eq!(code, Some(1));
    assert!(said.contains("/dev/full: access failed: No space left on device"), "{said}");
}

#[test]
fn an_interrupted_command_says_what_is_left() {
    let (run, folder) = (trained().path("run"), Folder::new());
    let (new, old) = (folder.path("new.csv"), folder.file("old.jsonl", "older\n"));
    let predict = ["predict", &run, "-", "--format", "tsv", "--chunk", "1", "--output", &new];
    let (child, _input) = waiting(&predict);
    // The unfinished file is there once the model is loaded.
    wait_for(|| folder.names().len() == 2);
    send("TERM", &child);
    let (code, said) = ended(child);
    assert_eq!(code, Some(143));
    assert!(said.starts_with("terminated") && said.ends_with("new.csv is not written\n"), "{said}");

    let (child, _input) = waiting(&["convert", "-", "--format", "tsv", "--output", &old]);
    wait_for(|| folder.names().len() == 2);
    interrupt(&child);
    let (code, said) = ended(child);
    assert_eq!(code, Some(130));
    assert!(said.starts_with("interrupted") && said.ends_with("old.jsonl is as it was\n"), "{said}");
    assert_eq!(
        (folder.names(), folder.read("old.jsonl")),
        (vec!["old.jsonl".to_owned()], "older\n".to_owned())
    );
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_command_says_that_its_output_is_not_complete() {
    let (mut child, _input) = waiting(&["convert", "-", "--format", "tsv", "--to", "jsonl"]);
    let _output = child.stdout.take();
    let status = format!("/proc/{}/status", child.id());
    let caught = || {
        let status = std::fs::read_to_string(&status).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    };
    // A hang-up has the number 1, for the lowest bit.
    wait_for(|| caught() & 1 == 1);
    send("HUP", &child);
    let (code, said) = ended(child);
    assert_eq!(code, Some(129));
    assert!(said.starts_with("hung up") && said.ends_with("standard output is not complete\n"), "{said}");
}

//! `re` while the system fails beneath it: kills, full disks and errors at chosen calls to the system, flipped bytes.
//!
//! What is not complete is not there, nothing is lost or left behind, and a run that goes on ends with the same bits.
//! `attacks/faults.c`, which `cc` builds, makes the calls fail.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use common::{Folder, config, root, rows};
use serde_json::Value;

/// Calls that change what lies on disk.
const CHANGES: &str = " create write fsync chmod rename mkdir unlink ";
/// Calls that look at it.
const LOOKS: &str = " stat list open read ";

/// The library that makes calls fail.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks/faults.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&library).arg(source);
        assert!(cc.arg("-ldl").status().unwrap().success());
        library
    })
}

/// The program, at whose call number `at` on files below `under` something happens.
struct Attack<'a> {
    under: &'a str,
    calls: &'a str,
    action: &'a str,
    at: usize,
}

impl Attack<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Numbers of the calls that there are to fail. Of several on one file in a row it is the first: a file is read and
    /// written in many parts.
    fn calls(&self, arguments: &[&str]) -> Vec<usize> {
        let log = tempfile::NamedTempFile::new().unwrap();
        let output = self.command(arguments).env("FAULT_LOG", log.path()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let log = std::fs::read_to_string(log.path()).unwrap();
        let (mut last, mut found) = ("", Vec::new());
        for (number, call) in log.lines().enumerate() {
            if call != last {
                found.push(number + 1);
            }
            last = call;
        }
        found
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = plain(arguments);
        command.env("LD_PRELOAD", library()).env("FAULT_UNDER", self.under).env("FAULT_CALLS", self.calls);
        command.env("FAULT_DO", self.action).env("FAULT_AT", self.at.to_string());
        command
    }
}

fn plain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_re"));
    command.args(arguments).current_dir(root());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// So many of the numbers, from the first to the last.
fn spread(numbers: &[usize], count: usize) -> impl Iterator<Item = usize> {
    assert!(numbers.len() > count, "{} calls", numbers.len());
    (0..count).map(move |at| numbers[at * (numbers.len() - 1) / (count - 1)])
}

/// All files below a folder with their content, without what depends on the time.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(
                files(&path).into_iter().map(|(inner, content)| (format!("{name}/{inner}"), content)),
            );
            found.insert(name + "/", Vec::new());
        } else {
            let content = std::fs::read(&path).unwrap();
            found.insert(name.clone(), if name == "metrics.jsonl" { timeless(&content) } else { content });
        }
    }
    found
}

fn timeless(log: &[u8]) -> Vec<u8> {
    let lines = std::str::from_utf8(log).unwrap().lines().map(|line| {
        // The last one may be torn where the process ended.
        let Ok(mut whole) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
        whole.as_object_mut().unwrap().remove("rows_per_second");
        whole.to_string() + "\n"
    });
    lines.collect::<String>().into_bytes()
}

fn assert_same(found: &Path, expected: &BTreeMap<String, Vec<u8>>, why: &str) {
    let found = files(found);
    assert!(found.keys().eq(expected.keys()), "{why}: {:?}, expected {:?}", found.keys(), expected.keys());
    let different: Vec<_> = expected.keys().filter(|name| found[*name] != expected[*name]).collect();
    assert!(different.is_empty(), "{why}: {different:?} differ");
}

/// A training of four steps that nothing disturbed.
struct Training {
    folder: Folder,
    config: String,
    undisturbed: BTreeMap<String, Vec<u8>>,
}

impl Training {
    fn new() -> Self {
        let folder = Folder::new();
        let config = config(&folder);
        let training = Self { folder, config, undisturbed: BTreeMap::new() };
        let run = training.folder.path("undisturbed");
        let output = plain(&training.train(&run)).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        Self { undisturbed: files(Path::new(&run)), ..training }
    }

    fn train<'a>(&'a self, run: &'a str) -> Vec<&'a str> {
        let settings = ["--set", "training.steps=4", "--set", "training.keep_last=2"];
        [&["train", &self.config, "--threads", "1", "--out", run][..], &settings].concat()
    }

    /// A run that was killed at step 3, before its checkpoint was complete.
    fn killed(&self) -> String {
        let run = self.folder.path("killed");
        let under = format!("{run}/checkpoint-000003");
        let attack = Attack { under: &under, calls: " rename ", action: "kill", at: 1 };
        let output = attack.run(&self.train(&run));
        assert_eq!(output.status.code(), None, "{}", said(&output));
        run
    }

    fn copy(&self, run: &str, name: &str) -> String {
        let copy = self.folder.path(&format!("run-{name}"));
        assert!(Command::new("cp").args(["-r", run, &copy]).status().unwrap().success());
        copy
    }

    /// Goes on after a disturbance, with a training that is resumed or begins, and makes sure that all is as without it.
    fn recover(&self, run: &str, why: &str) {
        let mut output = plain(&["resume", run, "--threads", "1"]).output().unwrap();
        if !Path::new(run).exists() || said(&output).contains("no checkpoint to resume from") {
            output = plain(&self.train(run)).output().unwrap();
        }
        assert!(output.status.success(), "{why}: {}", said(&output));
        assert_same(Path::new(run), &self.undisturbed, why);
    }
}

#[test]
fn a_training_that_is_killed_goes_on_with_the_same_bits() {
    let training = Training::new();
    let path = |at: usize| training.folder.path(&format!("run-{at}"));
    let under = training.folder.path("run-");
    let attack = |at| Attack { under: &under, calls: CHANGES, action: "kill", at };
    let calls = attack(0).calls(&training.train(&path(0)));
    for at in spread(&calls, 16) {
        let output = attack(at).run(&training.train(&path(at)));
        assert_eq!(output.status.code(), None, "call {at}: {}", said(&output));
        training.recover(&path(at), &format!("killed at call {at}"));
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_behind() {
    let training = Training::new();
    let under = training.folder.path("run-");
    let path = |at: usize| training.folder.path(&format!("run-{at}"));
    let full = |at| Attack { under: &under, calls: " create write mkdir ", action: "enospc", at };
    let calls = full(0).calls(&training.train(&path(0)));
    for at in spread(&calls, 10) {
        let output = full(at).run(&training.train(&path(at)));
        let why = format!("full at call {at}");
        assert_eq!(output.status.code(), Some(1), "{why}: {}", said(&output));
        assert!(said(&output).contains("No space left on device"), "{why}: {}", said(&output));
        if Path::new(&path(at)).exists() {
            let left = files(Path::new(&path(at))).into_keys().filter(|name| name.contains(".part"));
            assert_eq!(left.collect::<Vec<_>>(), Vec::<String>::new(), "{why}");
        }
        training.recover(&path(at), &why);
    }
}

#[test]
fn an_error_of_the_disk_is_told_and_nothing_is_taken_for_missing() {
    let training = Training::new();
    let killed = training.killed();
    let under = training.folder.path("run-");
    for (calls, cases) in [(LOOKS, 12), (CHANGES, 6)] {
        let attack = |at| Attack { under: &under, calls, action: "eio", at };
        let copy = |at: usize| training.copy(&killed, &format!("{}-{at}", calls.len()));
        let numbers = attack(0).calls(&["resume", &copy(0), "--threads", "1"]);
        for at in spread(&numbers, cases) {
            let (run, why) = (copy(at), format!("an error at call {at} of{calls}"));
            let output = attack(at).run(&["resume", &run, "--threads", "1"]);
            let text = said(&output);
            match output.status.code() {
                Some(0) => assert!(text.contains("resuming at step 2"), "{why}: {text}"),
                Some(1) => assert!(text.contains("Input/output error"), "{why}: {text}"),
                _ => panic!("{why}: {text}"),
            }
            let log = std::fs::read_to_string(format!("{run}/metrics.jsonl")).unwrap();
            assert!(log.contains("\"step\":2"), "{why}: {log}");
            assert!(!text.contains(".part"), "{why}: {text}");
            training.recover(&run, &why);
        }
    }
}

#[test]
fn an_output_is_the_old_one_or_the_new_one() {
    let folder = Folder::new();
    let input = folder.file("in.tsv", &rows("dev.tsv", 20));
    let out = folder.path("out.jsonl");
    let convert = ["convert", &input, "--output", &out];
    let attack = |calls, action, at| Attack { under: &out, calls, action, at };
    let calls = attack(CHANGES, "kill", 0).calls(&convert);
    let new = folder.read("out.jsonl");
    for action in ["kill", "enospc", "eio"] {
        for &at in &calls {
            folder.file("out.jsonl", "old\n");
            let output = attack(CHANGES, action, at).run(&convert);
            let now = folder.read("out.jsonl");
            assert!(now == "old\n" || now == new, "{action} at {at}: {now}");
            assert!(output.status.success() <= (now == new), "{action} at {at}: {}", said(&output));
            assert!(!said(&output).contains(".part"), "{action} at {at}: {}", said(&output));
            // The next one sweeps what a killed one left.
            assert!(plain(&convert).status().unwrap().success());
            assert_eq!(
                (folder.read("out.jsonl") == new, folder.names().len()),
                (true, 2),
                "{:?}",
                folder.names()
            );
        }
    }
}

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let training = Training::new();
    let killed = training.killed();
    let input = training.folder.file("in.tsv", &rows("dev.tsv", 4));
    let checkpoint = Path::new(&killed).join("checkpoint-000002");
    let predict = |model: &str| plain(&["predict", model, &input, "--probs", "-"]).output().unwrap();
    let right = predict(checkpoint.to_str().unwrap());
    assert!(right.status.success(), "{}", said(&right));
    for (name, content) in files(&checkpoint) {
        for at in [content.len() / 3, content.len() - 2] {
            let run = training.copy(&killed, &format!("{}-{at}", name.replace('/', "-")));
            let flipped = Path::new(&run).join("checkpoint-000002").join(&name);
            let mut bytes = content.clone();
            bytes[at] ^= 1;
            std::fs::write(&flipped, bytes).unwrap();
            let why = format!("a bit of byte {at} of {name}");
            let output = predict(flipped.parent().unwrap().to_str().unwrap());
            match output.status.code() {
                Some(0) => assert_eq!(output.stdout, right.stdout, "{why}"),
                Some(1) => assert!(said(&output).contains(&name), "{why}: {}", said(&output)),
                _ => panic!("{why}: {}", said(&output)),
            }
            let output = plain(&["resume", &run, "--threads", "1"]).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{why}: {}", said(&output));
            assert!(said(&output).contains(&name), "{why}: {}", said(&output));
        }
    }
}

//! Running the program, and files for it.
// Each test file uses its part of this one; the lints' exemption for tests stops at helper functions.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

pub mod documents;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use tempfile::TempDir;

/// Root of the repository: what paths in shipped settings begin at.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A file of the embedded default.
pub fn embedded(name: &str) -> String {
    root().join("fixtures/embedded").join(name).to_str().unwrap().to_owned()
}

/// The program, to be run at the root of the repository.
pub fn re(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_re"));
    command.args(arguments).current_dir(root());
    command
}

/// The program as a process that runs beside the test.
pub fn spawn(arguments: &[&str]) -> Child {
    // The tests may run under `nohup`.
    spawn_by("--default-signal=HUP", arguments)
}

/// The same, with an option of `env` that says what signals do.
pub fn spawn_by(signals: &str, arguments: &[&str]) -> Child {
    std::process::Command::new("env")
        .args([signals, env!("CARGO_BIN_EXE_re")])
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Standard output of a run that succeeds.
pub fn output(arguments: &[&str]) -> String {
    output_of(re(arguments))
}

pub fn output_of(mut command: Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

/// What a command that succeeds says beside its output.
pub fn stderr(arguments: &[&str]) -> String {
    String::from_utf8_lossy(&re(arguments).assert().success().get_output().stderr).into_owned()
}

/// Standard error of a run that ends with `code` and writes nothing to standard output.
pub fn error(code: i32, arguments: &[&str]) -> String {
    error_of(code, re(arguments))
}

pub fn error_of(code: i32, mut command: Command) -> String {
    let assert = command.assert().code(code);
    assert_eq!(String::from_utf8_lossy(&assert.get_output().stdout), "");
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

/// Waits until `what` is there, for at most a minute.
pub fn wait_for(mut what: impl FnMut() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends SIGINT, as Ctrl-C does.
pub fn interrupt(child: &Child) {
    send("INT", child);
}

pub fn send(signal: &str, child: &Child) {
    let sent = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// A folder of files that goes away with the test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Names of the files, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// The first rows of a file of the embedded default.
pub fn rows(name: &str, count: usize) -> String {
    let text = std::fs::read_to_string(embedded(name)).unwrap();
    text.split_inclusive('\n').take(count).collect()
}

/// Settings of a training of some steps on a few rows.
pub fn config(folder: &Folder) -> String {
    folder.file("train.tsv", &rows("train.tsv", 60));
    folder.file("dev.tsv", &rows("dev.tsv", 20));
    folder.file("test.tsv", &rows("test.tsv", 10));
    let text = format!(
        "head = \"entity_mean\"\n\
         model = {{ folder = {:?}, random_weights = true }}\n\
         training = {{ steps = 2, batch_size = 4, eval_steps = 2, save_steps = 1, precision = \"fp32\" }}\n\
         [data]\n\
         train = {:?}\nvalidation = {:?}\ntest = {:?}\nlabels = {:?}\n",
        embedded("model"),
        folder.path("train.tsv"),
        folder.path("dev.tsv"),
        folder.path("test.tsv"),
        embedded("labels.json")
    );
    folder.file("tiny.toml", &text)
}

/// A folder with a trained run called `run`, the same for all tests of a file.
pub fn trained() -> &'static Folder {
    static TRAINED: OnceLock<Folder> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = Folder::new();
        let config = config(&folder);
        output(&["train", &config, "--out", &folder.path("run"), "--quiet"]);
        folder
    })
}

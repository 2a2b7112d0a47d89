//! `re train` and `re resume`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::Read;

use common::*;
use serde_json::Value;

#[test]
fn a_run_says_what_came_out() {
    let folder = Folder::new();
    let (config, run) = (config(&folder), folder.path("run"));
    let assert = re(&["train", &config, "--out", &run, "--set", "training.seed=3"]).assert().success();
    let text = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(text.starts_with("validation ") && text.contains("\n  step "), "{text}");
    assert!(text.contains(&format!("\nrun: {run}\nmodel: {run}/checkpoint-")), "{text}");
    assert!(text.ends_with(&format!("submission: {run}/submission.csv\n")), "{text}");
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(said.contains("training on 60 rows, 2 steps"), "{said}");
    assert!(folder.read("run/config.toml").contains("seed = 3"));
    assert_eq!(folder.read("run/submission.csv").lines().count(), 11);

    // What is complete stays as it is, and another run does not overwrite it.
    let told = stderr(&["resume", &run]);
    assert!(told.contains(&format!("{run}: the run is complete; nothing is left to train")), "{told}");
    let summary: Value = serde_json::from_str(&output(&["resume", &run, "--json", "--quiet"])).unwrap();
    assert_eq!(
        (&summary["reason"], &summary["evaluation"]["metrics"]["rows"]),
        (&"completed".into(), &20.into())
    );
    let text = error(1, &["train", &config, "--out", &run, "--quiet"]);
    assert!(text.contains("holds a run already; resume it or choose another folder"), "{text}");
}

#[test]
fn runs_are_numbered_after_their_settings() {
    let folder = Folder::new();
    let config = config(&folder);
    let train = || {
        let mut command = re(&["train", &config, "--quiet", "--set", "training.steps=1"]);
        command.current_dir(folder.path(""));
        output_of(command)
    };
    assert!(train().contains("\nrun: runs/tiny-1\n"));
    assert!(train().contains("\nrun: runs/tiny-2\n"));
}

#[test]
fn settings_are_shown_whole() {
    let folder = Folder::new();
    let config = config(&folder);
    let text = output(&["train", &config, "--print-config", "--set", "training.learning_rate=0.125"]);
    assert!(text.contains("learning_rate = 0.125") && text.contains("max_grad_norm = 1.0"), "{text}");
    // What is shown can be trained on.
    let shown = folder.file("shown.toml", &text);
    assert_eq!(output(&["train", &shown, "--print-config"]), text);
    assert!(!folder.names().contains(&"runs".to_owned()));
}

#[test]
fn shipped_experiments_run_on_another_base() {
    let shown = |extra: &[&str]| {
        let configs = ["examples/configs/base/embedded_corpus.toml", "examples/configs/xlmr.toml"];
        output(&[&["train", configs[0], configs[1], "--print-config"][..], extra].concat())
    };
    let text = shown(&["--base", "examples/configs/base/embedded.toml", "--steps", "60"]);
    for line in
        ["folder = \"fixtures/embedded/model\"", "label_smoothing = 0.5", "steps = 60", "warmup_steps = 6"]
    {
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    }
    // The embedded encoder is narrow: the base for large ones gives way.
    let text = shown(&["--model", &embedded("model")]);
    assert!(text.contains("head_learning_rate = 0.001") && !text.contains("layers = 8"), "{text}");
    let text = error(1, &["train", "examples/configs/xlmr.toml", "--model", "/absent", "--print-config"]);
    assert!(text.contains("/absent: "), "{text}");
    let text =
        error(1, &["train", "examples/configs/xlmr.toml", "--model", &embedded("model"), "--member", "x"]);
    assert!(text.contains("--member = x, expected an experiment with members"), "{text}");
}

#[test]
fn unknown_and_wrong_settings_are_named() {
    let folder = Folder::new();
    let config = config(&folder);
    let set =
        |assignment: &str| error(1, &["train", &config, "--out", &folder.path("run"), "--set", assignment]);
    assert!(set("training.stepz=4").contains("--set: training.stepz is not valid: unknown field `stepz`"));
    assert!(set("training.steps=many").contains("training.steps"));
    for wrong in ["training.steps", "=1"] {
        let text = error(2, &["train", &config, "--set", wrong]);
        assert!(text.contains("expected KEY=VALUE"), "{text}");
    }
    assert!(set("training.batch_size=0").contains("batch_size = 0, expected from 1 to 1000000"));
    assert!(set("data.train=/absent.tsv").contains("/absent.tsv: access failed: No such file"));
    assert!(set("model.folder=/absent").contains("/absent"));
    assert!(set("training.device=gpu").contains("gpu"));
    let syntax = folder.file("syntax.toml", "head = \n");
    assert!(error(1, &["train", &syntax]).contains("syntax.toml: syntax is not valid: "));
    let unknown = folder.file("unknown.toml", "[training]\nlearnig_rate = 1\n");
    let text = error(1, &["train", &unknown]);
    assert!(text.contains("unknown.toml:2: training.learnig_rate is not valid: "), "{text}");
}

#[cfg(unix)]
#[test]
fn a_model_whose_name_is_no_text_is_refused_by_name() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let config = config(&folder);
    let mut command = re(&["train", &config, "--model"]);
    command.arg(std::ffi::OsStr::from_bytes(b"models/\xff"));
    let text = error_of(2, command);
    assert!(text.contains("--model") && text.contains("expected a name in UTF-8"), "{text}");
}

#[test]
fn epochs_that_steps_make_void_are_told_of() {
    let folder = Folder::new();
    let config = config(&folder);
    let print = ["train", &config, "--print-config", "--set"];
    let told = stderr(&[&print[..], &["training.epochs=3"]].concat());
    assert!(told.contains("--set: training.epochs has no effect, as training.steps = 2"), "{told}");
    assert_eq!(stderr(&[&print[..], &["training={ epochs = 3, steps = 0 }"]].concat()), "");
}

#[test]
fn faults_end_a_run_before_it_begins() {
    let folder = Folder::new();
    let config = config(&folder);
    let broken = folder.file("broken.tsv", &format!("{}x\ty\n", rows("train.tsv", 3)));
    let train = |setting: &str| {
        error(1, &["train", &config, "--quiet", "--out", &folder.path("run"), "--set", setting])
    };
    let text = train(&format!("data.train={broken}"));
    assert!(text.contains("broken.tsv:4: ") && text.contains("found 2 columns"), "{text}");
    let labels = folder.file("labels.txt", "관계_없음\n");
    let text = train(&format!("data.labels={labels}"));
    assert!(text.contains("train.tsv:1: ") && text.contains("expected one of the 1 labels"), "{text}");
    let empty = folder.file("empty.tsv", "");
    let text = train(&format!("data.train={empty}"));
    assert!(text.contains("empty.tsv, which leaves no row to train on, expected at least 1"), "{text}");
    // The setting is named, and no model that has nothing to do with it.
    let text = train("training.device=mps");
    assert!(text.starts_with("error: training.device: device mps is not available"), "{text}");
    let text = train("data={ fold = { number = 1, of = 0 }, validation = \"\" }");
    assert!(text.starts_with("error: data.fold.of = 0 for "), "{text}");
    let text = train("model.layers=99");
    assert!(text.starts_with("error: model.layers = 99, expected 1 to "), "{text}");
    let text = train("model.folder=absent-model");
    assert!(
        text.starts_with("error: model absent-model: ") && text.matches("absent-model").count() == 1,
        "{text}"
    );
    let bare = folder.file("bare.tsv", &rows("train.tsv", 5).replacen("관계_없음", "blind", 1));
    let text = train(&format!("data.train={bare}"));
    assert!(text.contains("bare.tsv, whose row ") && text.contains("has no label"), "{text}");
    for (setting, expected) in [
        ("training.learning_rate=-1", "learning_rate = -1, expected from 0 to 1"),
        ("data.val_size=1.5", "data.val_size = 1.5, expected from 0 up to"),
        ("data.train=", "data.train = \"\", expected a file of labelled rows"),
    ] {
        let arguments = ["train", &config, "--quiet", "--out", &folder.path("never"), "--set", setting];
        let text = error(1, &arguments);
        assert!(text.contains(expected), "{text}");
    }
    // Refused before anything was read, and after.
    train("encoding.max_length=5");
    for name in ["never", "run"] {
        assert!(!folder.names().contains(&name.to_owned()));
    }
    let other = folder.path("other");
    for output in ["/absent/result", &folder.path("")] {
        let text = error(1, &["train", &config, "--quiet", "--out", &other, "--output", output]);
        assert!(text.starts_with(&format!("error: {output}: ")), "{text}");
    }
    assert!(!folder.names().contains(&"other".to_owned()));
}

#[test]
fn ctrl_c_saves_a_checkpoint_and_resume_goes_on() {
    let folder = Folder::new();
    let (config, run) = (config(&folder), folder.path("run"));
    let long = [
        "--set",
        "training.steps=100000",
        "--set",
        "training.save_steps=0",
        "--set",
        "training.logging_steps=1",
    ];
    let mut child = spawn(&[&["train", &config, "--out", &run][..], &long].concat());
    let metrics = folder.path("run/metrics.jsonl");
    wait_for(|| std::fs::read_to_string(&metrics).is_ok_and(|text| text.lines().count() > 1));
    interrupt(&child);
    let code = child.wait().unwrap().code();
    let (mut said, mut results) = (String::new(), String::new());
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    child.stdout.take().unwrap().read_to_string(&mut results).unwrap();
    assert_eq!((code, results.as_str()), (Some(130), ""), "{said}");
    assert!(said.ends_with(&format!("resume with\n  re resume {run}\n")), "{said}");

    // The rest of so many steps would take too long: it is enough that it goes on, and can be interrupted again.
    let before = std::fs::read_to_string(&metrics).unwrap().lines().count();
    let child = spawn_by("--ignore-signal=HUP", &["resume", &run]);
    let lines = || std::fs::read_to_string(&metrics).unwrap().lines().count();
    wait_for(|| lines() > before);
    // What `nohup` has started goes on when the terminal is closed.
    send("HUP", &child);
    let before = lines();
    wait_for(|| lines() > before + 1);
    send("TERM", &child);
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(143), "{said}");
    assert!(said.contains("resuming at step "), "{said}");
}

#[test]
fn only_a_run_can_be_resumed() {
    let folder = Folder::new();
    let text = error(1, &["resume", &folder.path("")]);
    assert!(text.contains("no checkpoint to resume from"), "{text}");
    let absent = folder.path("absent");
    let text = error(1, &["resume", &absent]);
    assert_eq!(text, format!("error: {absent}: access failed: No such file or directory (os error 2)\n"));
}

#[test]
fn a_run_whose_rows_or_best_checkpoint_are_gone_does_not_go_on() {
    let folder = Folder::new();
    let (config, run) = (config(&folder), folder.path("run"));
    output(&["train", &config, "--out", &run, "--quiet"]);
    let state = "run/checkpoint-000002/trainer_state.json";
    let text = folder.read(state);
    // As if the first step had been the best one.
    let mut json: Value = serde_json::from_str(&text).unwrap();
    json["best"]["step"] = 1.into();
    folder.file(state, &json.to_string());
    std::fs::remove_file(folder.path("run/checkpoint-000002/manifest.json")).unwrap();
    std::fs::remove_dir_all(folder.path("run/checkpoint-000001")).unwrap();
    let text = error(1, &["resume", &run, "--quiet"]);
    let best = folder.path("run/checkpoint-000001");
    assert!(text.starts_with(&format!("error: {best}: the best checkpoint so far is missing")), "{text}");
    folder.file("train.tsv", &rows("train.tsv", 59));
    let text = error(1, &["resume", &run, "--quiet"]);
    assert!(text.contains(&folder.path("train.tsv")) && text.contains("with hash"), "{text}");
}

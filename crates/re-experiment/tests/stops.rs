//! Where and why ever a run stops, it goes on as if it had not: the same bits, evaluations and checkpoints.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{experiment, fresh, go, results};
use re_ensemble::{Gate, Vote};
use re_experiment::{Experiment, MemberConfig, Plan, RunFolder, Summary, VoteConfig};
use re_train::{Checkpoint, Event, Observer, Start, StopReason};
use serde_json::Value;

fn small(folder: &Path) -> Experiment {
    let mut experiment = experiment(folder, Plan::Single {});
    let training = &mut experiment.training;
    (training.steps, training.eval_steps, training.save_steps, training.keep_last) = (8, 4, 3, 2);
    experiment
}

/// What the log says, but for the speed.
fn log(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.iter_mut().for_each(|line| {
        line.as_object_mut().unwrap().remove("rows_per_second");
    });
    lines
}

/// A trainer's state or the hashes of a checkpoint, but for the setting that may change and what depends on it.
fn state(text: &[u8]) -> Value {
    let mut state: Value = serde_json::from_slice(text).unwrap();
    state["config"]["stop_at_step"] = Value::Null;
    state["files"]["trainer_state.json"] = Value::Null;
    state
}

fn check_same(whole: &Path, broken: &Path, what: &str) {
    let (whole_files, broken_files) = (results(whole), results(broken));
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&whole_files), names(&broken_files), "{what}");
    for ((path, whole), (_, broken)) in whole_files.iter().zip(&broken_files) {
        if path.ends_with("trainer_state.json") || path.ends_with("manifest.json") {
            assert_eq!(state(whole), state(broken), "{} after {what}", path.display());
        } else {
            assert!(whole == broken, "{} after {what}", path.display());
        }
    }
    assert_eq!(log(whole), log(broken), "{what}");
}

fn steps(run: &Path) -> Vec<u64> {
    Checkpoint::list(run).unwrap().iter().map(|checkpoint| checkpoint.step).collect()
}

/// Asks to stop when something certain has happened.
struct StopAt(fn(&Event<'_>, u64) -> bool, u64, Arc<AtomicBool>);

impl Observer for StopAt {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.0(event, self.1) {
            self.2.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Runs and stops at an event.
fn stopped(
    experiment: &Experiment,
    run: &Path,
    start: Start,
    at: u64,
    when: fn(&Event<'_>, u64) -> bool,
) -> Summary {
    let stop = Arc::new(AtomicBool::new(false));
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(StopAt(when, at, Arc::clone(&stop)))];
    RunFolder::new(run).run(experiment, start, observers, stop).unwrap()
}

fn is_step(event: &Event<'_>, at: u64) -> bool {
    matches!(event, Event::Step(report) if report.step == at)
}

fn has_finished(event: &Event<'_>, _: u64) -> bool {
    matches!(event, Event::Finished { .. })
}

#[test]
fn a_stop_leaves_no_trace_in_what_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| folder.path().join(name);
    let experiment = small(folder.path());
    go(&experiment, &run("whole"), Start::Fresh).unwrap();

    // The setting: at a step without evaluation or checkpoint, at one with a checkpoint, and with an evaluation.
    let mut start = Start::Fresh;
    for stop_at_step in [2, 3, 4, 5, 0] {
        let mut part = experiment.clone();
        part.training.stop_at_step = stop_at_step;
        go(&part, &run("setting"), start).unwrap();
        if stop_at_step == 5 {
            // What is found there is told, and chosen from, as it is the end as far as this session knows.
            assert_eq!(log(&run("setting")).last().unwrap()["counts"], false);
            assert_eq!(steps(&run("setting")).last(), Some(&5));
        }
        start = Start::Resume;
    }
    check_same(&run("whole"), &run("setting"), "stop_at_step");

    // The flag: before an evaluation, at a checkpoint, between, and before the last evaluation.
    start = Start::Fresh;
    for at in [2, 3, 4, 5, 8] {
        let summary = stopped(&experiment, &run("flag"), start, at, is_step);
        assert_eq!((summary.reason, summary.step), (StopReason::Interrupted, Some(at)));
        let state = Checkpoint::list(&run("flag")).unwrap().pop().unwrap().state().unwrap();
        assert_eq!(
            state.best.map(|best| best.step),
            (at > 4).then_some(4),
            "the evaluation has not been made"
        );
        start = Start::Resume;
    }
    // And in the predictions after the training.
    let summary = stopped(&experiment, &run("flag"), start, 0, has_finished);
    assert_eq!(summary.reason, StopReason::Interrupted);
    assert_eq!(Summary::read(&run("flag")).unwrap(), None);
    go(&experiment, &run("flag"), Start::Resume).unwrap();
    check_same(&run("whole"), &run("flag"), "interruptions");
}

#[test]
fn a_stop_uses_up_no_patience() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| folder.path().join(name);
    let mut experiment = small(folder.path());
    // Without learning the second evaluation is no better than the first, and ends the training.
    (experiment.training.steps, experiment.training.learning_rate) = (20, 0.0);
    experiment.training.early_stopping_patience = 1;
    let whole = go(&experiment, &run("whole"), Start::Fresh).unwrap();
    assert_eq!((whole.reason, steps(&run("whole"))), (StopReason::EarlyStopping, vec![4, 6, 8]));
    let mut part = experiment.clone();
    part.training.stop_at_step = 6;
    go(&part, &run("broken"), Start::Fresh).unwrap();
    part.training.stop_at_step = 7;
    let paused = go(&part, &run("broken"), Start::Resume).unwrap();
    assert_eq!(paused.reason, StopReason::Completed);
    // Resuming what stopped early changes nothing.
    for _ in 0..2 {
        let summary = go(&experiment, &run("broken"), Start::Resume).unwrap();
        assert_eq!(
            summary,
            Summary { model: summary.model.clone(), submission: summary.submission.clone(), ..whole.clone() }
        );
        check_same(&run("whole"), &run("broken"), "stop_at_step");
    }
}

#[test]
fn a_stop_ends_what_several_models_predict_together() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| folder.path().join(name);
    let base = |plan| {
        let mut base = experiment(folder.path(), plan);
        base.training.steps = 1;
        base
    };
    // Both stages answer when the last part is complete.
    let two_stage = base(Plan::TwoStage { gate: Gate::default() });
    fresh(&two_stage, &run("two_stage"));
    let before_both =
        |event: &Event<'_>, _| matches!(event, Event::Notice(text) if text.contains("relation: complete"));
    let summary = stopped(&two_stage, &run("two_stage"), Start::Resume, 0, before_both);
    assert_eq!(summary.reason, StopReason::Interrupted);

    // A run of several models in a vote.
    let folds = run("folds");
    fresh(&base(Plan::KFold { folds: 2 }), &folds);
    let member =
        MemberConfig { member: "a".to_owned(), run: Some(folds), full_data_of: None, experiment: None };
    let of = vec!["a".to_owned()];
    let votes = vec![VoteConfig { vote: "v".to_owned(), how: Vote::Mean, of, weights: None }];
    let vote = base(Plan::Vote { members: vec![member], votes });
    let in_vote =
        |event: &Event<'_>, _| matches!(event, Event::Notice(text) if text.contains("predicting with"));
    let summary = stopped(&vote, &run("vote"), Start::Fresh, 0, in_vote);
    assert_eq!(summary.reason, StopReason::Interrupted);
    assert_eq!(Summary::read(&run("vote")).unwrap(), None);
}

/// Counts checkpoints, and makes sure that the log comes first.
struct Order(PathBuf, Rc<Cell<usize>>);

impl Observer for Order {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match event {
            Event::Saving { step } => assert!(!Checkpoint::path(&self.0, *step).exists()),
            Event::Saved { path, .. } => {
                assert!(path.exists());
                self.1.set(self.1.get() + 1);
            }
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn observers_are_told_before_a_checkpoint_appears() {
    let folder = tempfile::tempdir().unwrap();
    let (run, count) = (folder.path().join("run"), Rc::new(Cell::new(0)));
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(Order(run.clone(), Rc::clone(&count)))];
    let experiment = small(folder.path());
    RunFolder::new(&run).run(&experiment, Start::Fresh, observers, Arc::default()).unwrap();
    assert_eq!(count.get(), 4, "steps 3, 4 (the first evaluation), 6 and 8");
}

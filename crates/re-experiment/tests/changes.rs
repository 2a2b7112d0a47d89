//! What would give other bits when a run goes on: it is refused, or told. Alone in its process, whose number of threads it
//! changes.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Watch, experiment, fresh, go, watched};
use re_experiment::{Error, Experiment, Plan, RunFolder};
use re_train::{Event, Observer, Start, StopReason};

/// A run that has ended after its first checkpoint.
fn begun(experiment: &Experiment, run: &Path) {
    // The third event is a checkpoint.
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(Watch::failing_at(3))];
    let ended = RunFolder::new(run).run(experiment, Start::Fresh, observers, Arc::default());
    assert!(matches!(ended, Err(Error::Train(re_train::Error::Observer(_)))), "{ended:?}");
}

/// When a run is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Step,
    Saved,
}

/// Kills a run when something happens for the n-th time.
struct Kill(Moment, usize);

impl Observer for Kill {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let happens = match self.0 {
            Moment::Step => matches!(event, Event::Step(_)),
            Moment::Saved => matches!(event, Event::Saved { .. }),
        };
        self.1 = self.1.saturating_sub(usize::from(happens));
        if self.1 == 0 { Err("the power went out".into()) } else { Ok(()) }
    }
}

fn killed(experiment: &Experiment, run: &Path, start: Start, moment: Moment, nth: usize) {
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(Kill(moment, nth))];
    let ended = RunFolder::new(run).run(experiment, start, observers, Arc::default());
    assert!(matches!(ended, Err(Error::Train(re_train::Error::Observer(_)))), "{ended:?}");
}

fn refused(experiment: &Experiment, run: &Path) -> String {
    match go(experiment, run, Start::Resume) {
        Err(error @ Error::Train(re_train::Error::Resume { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A folder that a pretrained model may lie in: what a run has trained, without the hashes that only such folders have.
fn pretrained(folder: &Path) -> PathBuf {
    let mut base = experiment(folder, Plan::Single {});
    base.training.steps = 1;
    let model = fresh(&base, &folder.join("base")).model.unwrap();
    let copy = folder.join("pretrained");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(model).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    std::fs::remove_file(copy.join("manifest.json")).unwrap();
    copy
}

#[test]
fn changes_that_give_other_bits_are_refused_or_told() {
    let folder = tempfile::tempdir().unwrap();
    let model = pretrained(folder.path());
    let mut experiment = experiment(folder.path(), Plan::Single {});
    experiment.model.folder.clone_from(&model);
    let run = |name: &str| folder.path().join(name);

    // Other weights under the same name, and another configuration.
    for (name, byte) in [("model.safetensors", None), ("config.json", Some(b' '))] {
        let (run, path) = (run(name), model.join(name));
        begun(&experiment, &run);
        let before = std::fs::read(&path).unwrap();
        let mut changed = before.clone();
        match byte {
            Some(byte) => changed.push(byte),
            None => *changed.last_mut().unwrap() ^= 1,
        }
        std::fs::write(&path, changed).unwrap();
        let text = refused(&experiment, &run);
        assert!(text.contains("pretrained model is") && text.contains(name), "{text}");
        let (_, watch) = watched(&experiment, &run, Start::ResumeChanged);
        assert!(watch.has("pretrained model is") && watch.has("the result will differ"), "{:?}", watch.told);
        // What it has gone on with is on record now; a file that nobody reads changes nothing.
        std::fs::write(model.join("merges.txt"), name).unwrap();
        go(&experiment, &run, Start::Resume).unwrap();
        std::fs::write(&path, before).unwrap();
    }

    // Another number of threads, of a training and of a plan of several.
    let threads = tch::get_num_threads();
    let two_folds = Experiment { plan: Plan::KFold { folds: 2 }, ..experiment.clone() };
    for (name, experiment) in [("threads", &experiment), ("folds", &two_folds)] {
        let run = run(name);
        begun(experiment, &run);
        tch::set_num_threads(threads + 1);
        let text = refused(experiment, &run);
        let expected = format!("number of threads is {}, expected {threads} as when", threads + 1);
        assert!(text.contains(&expected), "{text}");
        let (_, watch) = watched(experiment, &run, Start::ResumeChanged);
        let told = format!("was saved with {threads} threads, goes on with {}", threads + 1);
        assert!(watch.has(&told), "{:?}", watch.told);
        tch::set_num_threads(threads);
    }

    // A run of an earlier version has no record: it goes on, and that is told.
    let alone = run("alone");
    begun(&experiment, &alone);
    std::fs::remove_file(alone.join("origin.json")).unwrap();
    let checkpoint = re_train::Checkpoint::list(&alone).unwrap().pop().unwrap().path;
    std::fs::remove_file(checkpoint.join("manifest.json")).unwrap();
    let state = checkpoint.join("trainer_state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value.as_object_mut().unwrap().remove("threads").unwrap();
    std::fs::write(&state, value.to_string()).unwrap();
    let (_, watch) = watched(&experiment, &alone, Start::Resume);
    assert!(watch.has("no record of the pretrained model"), "{:?}", watch.told);
    assert!(watch.has("no record of the number of threads;"), "{:?}", watch.told);

    // What was allowed does not keep the run from going on plainly: nor does a part that is complete.
    for killed_at in [Moment::Step, Moment::Saved] {
        let run = run(&format!("{killed_at:?}"));
        // The second training has one checkpoint.
        killed(&two_folds, &run, Start::Fresh, Moment::Saved, common::STEPS as usize + 1);
        let before = std::fs::read(model.join("config.json")).unwrap();
        std::fs::write(model.join("config.json"), [&before[..], b" "].concat()).unwrap();
        tch::set_num_threads(threads + 1);
        killed(&two_folds, &run, Start::ResumeChanged, killed_at, 1);
        if killed_at == Moment::Step {
            // Its only checkpoint is still that of the first session.
            let text = refused(&two_folds, &run);
            assert!(text.contains("number of threads"), "{text}");
            tch::set_num_threads(threads);
        }
        let (summary, watch) = watched(&two_folds, &run, Start::Resume);
        assert_eq!(summary.reason, StopReason::Completed);
        assert!(watch.has("fold-1: complete already"), "{:?}", watch.told);
        tch::set_num_threads(threads);
        std::fs::write(model.join("config.json"), before).unwrap();
    }
}

//! A run that is killed again and again ends with the bits of one that never was.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rand::RngExt;
use re_data::random::stream;
use re_experiment::{Error, Experiment, RunFolder};
use re_train::{Checkpoint, Event, Observer, Start};

const FOLDER: &str = "RE_TEST_RUN_FOLDER";
const STEPS: u64 = 40;

fn experiment(steps: u64, learning_rate: f64) -> Experiment {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded");
    let mut experiment = Experiment::parse(
        &format!(
            "head = \"entity_mean\"\nmarkup = {{ name = \"entity_tokens\" }}\n\
             model = {{ folder = \"model\", random_weights = true, layers = 1 }}\n\
             data = {{ train = \"dev.tsv\", validation = \"dev.tsv\", labels = \"labels.json\" }}\n\
             [training]\nsteps = {steps}\nbatch_size = 4\ngradient_accumulation_steps = 2\n\
             learning_rate = {learning_rate:e}\neval_steps = 20\nsave_steps = 3\nlogging_steps = 1\nprecision = \"bf16\"\n"
        ),
        "test.toml",
    )
    .unwrap();
    for path in experiment.paths_mut() {
        *path = root.join(&path);
    }
    experiment
}

/// Makes a run last long enough to be killed in the middle.
struct Slow;

impl Observer for Slow {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if matches!(event, Event::Step(_)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

fn run(folder: &Path, start: Start, observers: Vec<Box<dyn Observer>>) {
    RunFolder::new(folder).run(&experiment(STEPS, 1e-3), start, observers, Default::default()).unwrap();
}

/// Not a test of its own: what the processes do that [`killed_runs_end_with_the_same_bits`] starts and kills.
#[test]
#[ignore = "is started by another test"]
fn child() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let start = match Checkpoint::list(&folder).unwrap().is_empty() {
        true => Start::Fresh,
        false => Start::Resume,
    };
    run(&folder, start, vec![Box::new(Slow)]);
}

fn start_child(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_runs_end_with_the_same_bits() {
    let whole = tempfile::tempdir().unwrap();
    assert!(start_child(whole.path()).wait().unwrap().success());

    let broken = tempfile::tempdir().unwrap();
    let mut random = stream(std::process::id().into(), "kill", 0);
    let mut kills = 0;
    loop {
        let mut child = start_child(broken.path());
        if kills == 6 {
            assert!(child.wait().unwrap().success());
            break;
        }
        // Wait for the next checkpoint to begin, then kill at any instant: while training, writing or renaming.
        let before = progress(broken.path());
        while progress(broken.path()) == before && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(random.random_range(0..60_000)));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 3, "the run ended after {kills} kills");
    for name in ["model.safetensors", "optimizer.safetensors"] {
        let bytes = |run: &Path| std::fs::read(Checkpoint::path(run, STEPS).join(name)).unwrap();
        assert!(bytes(whole.path()) == bytes(broken.path()), "{name} differs after {kills} kills");
    }
    for name in ["validation_probabilities.csv", "config.toml"] {
        let bytes = |run: &Path| std::fs::read(run.join(name)).unwrap();
        assert_eq!(bytes(whole.path()), bytes(broken.path()), "{name}");
    }
    let steps = |run: &Path| std::fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines().count();
    assert_eq!(steps(whole.path()), steps(broken.path()));
}

/// Names in the run folder: they change when a checkpoint begins or ends.
fn progress(run: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(run).unwrap().map(|e| e.unwrap().path()).collect();
    names.retain(|path| path.to_string_lossy().contains("checkpoint-"));
    names.sort();
    names
}

#[test]
fn a_checkpoint_goes_on_only_as_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path());
    let go = |experiment: &Experiment, start| run.run(experiment, start, Vec::new(), Default::default());
    assert!(matches!(
        go(&experiment(4, 1e-3), Start::Resume),
        Err(Error::Train(re_train::Error::NoCheckpoint { .. }))
    ));
    go(&experiment(4, 1e-3), Start::Fresh).unwrap();
    assert!(matches!(
        go(&experiment(4, 1e-3), Start::Fresh),
        Err(Error::Train(re_train::Error::RunExists { .. }))
    ));

    let other_rate = go(&experiment(4, 2e-3), Start::Resume).unwrap_err().to_string();
    assert!(other_rate.contains("learning_rate = 0.002, expected learning_rate = 0.001"), "{other_rate}");
    let other_steps = go(&experiment(5, 1e-3), Start::Resume).unwrap_err().to_string();
    assert!(other_steps.contains("number of steps is 5, expected 4"), "{other_steps}");
    let mut other_choice = experiment(4, 1e-3);
    other_choice.training.keep_best = false;
    let other_choice = go(&other_choice, Start::Resume).unwrap_err().to_string();
    assert!(other_choice.contains("keep_best = false, expected keep_best = true"), "{other_choice}");
    let mut other_data = experiment(4, 1e-3);
    other_data.data.train.set_file_name("train.tsv");
    let other_data = go(&other_data, Start::Resume).unwrap_err().to_string();
    assert!(other_data.contains(": data is rows with hash"), "{other_data}");
    assert!(other_data.contains("train.tsv, "), "{other_data}");

    let mut other_head = experiment(4, 1e-3);
    other_head.head = re_model::HeadConfig::EntityStart;
    let other_head = go(&other_head, Start::Resume).unwrap_err().to_string();
    assert!(other_head.contains("head = "), "{other_head}");

    // Resuming a finished run trains nothing and gives the same summary.
    let again = go(&experiment(4, 1e-3), Start::Resume).unwrap();
    assert_eq!(again.step, Some(4));
}

/// Does something to the disk when a step is done.
struct After<F>(u64, F);

impl<F: FnMut()> Observer for After<F> {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if matches!(event, Event::Step(report) if report.step == self.0) {
            (self.1)();
        }
        Ok(())
    }
}

#[test]
fn a_folder_that_was_moved_away_is_not_filled_again() {
    for replaced in [false, true] {
        let parent = tempfile::tempdir().unwrap();
        let (here, there) = (parent.path().join("here"), parent.path().join("there"));
        let (from, to) = (here.clone(), there.clone());
        let moved = After(4, move || {
            std::fs::rename(&from, &to).unwrap();
            if replaced {
                std::fs::create_dir(&from).unwrap();
            }
        });
        let run = RunFolder::new(&here);
        let error = run.run(&experiment(8, 1e-3), Start::Fresh, vec![Box::new(moved)], Default::default());
        assert!(matches!(error, Err(Error::Train(re_train::Error::RunGone { folder })) if folder == here));
        assert_eq!((here.exists(), here.join(".lock").exists()), (replaced, false));
        // What was saved before the move goes on where it is now.
        assert_eq!(Checkpoint::list(&there).unwrap().len(), 1);
        run_at(&there);
    }
}

fn run_at(folder: &Path) {
    RunFolder::new(folder).run(&experiment(8, 1e-3), Start::Resume, Vec::new(), Default::default()).unwrap();
}

#[test]
fn what_an_ended_process_left_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    // A disk that was full at the start left this, and no lock.
    std::fs::write(folder.path().join("config.toml.re-1-2.part"), "head").unwrap();
    let mut first = experiment(6, 1e-3);
    first.training.keep_last = 1;
    let go =
        |start| RunFolder::new(folder.path()).run(&first, start, Vec::new(), Default::default()).unwrap();
    go(Start::Fresh);
    let names = || progress(folder.path()).len() + std::fs::read_dir(folder.path()).unwrap().count();
    let before = names();
    // A kill came after the last checkpoint, before the one before it was removed.
    let old = Checkpoint::path(folder.path(), 2);
    std::fs::create_dir(&old).unwrap();
    for entry in std::fs::read_dir(Checkpoint::path(folder.path(), 6)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, old.join(path.file_name().unwrap())).unwrap();
    }
    std::fs::create_dir(folder.path().join("checkpoint-000003.re-1-2.part")).unwrap();
    std::fs::write(folder.path().join("submission.csv.re-1-2.part"), "").unwrap();
    go(Start::Resume);
    assert_eq!(names(), before);
}

#[test]
fn no_run_goes_on_from_a_checkpoint_that_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path());
    let go = |start| run.run(&experiment(6, 1e-3), start, Vec::new(), Default::default());
    go(Start::Fresh).unwrap();
    let latest = Checkpoint::path(folder.path(), 6);
    let flip = |bytes: &mut Vec<u8>| *bytes.iter_mut().nth_back(6).unwrap() ^= 0x10;
    let replace = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from), "{text}");
            *bytes = text.replace(from, to).into_bytes();
        }
    };
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let changes: [(&str, Change<'_>); 4] = [
        ("model.safetensors", &flip),
        ("optimizer.safetensors", &flip),
        ("trainer_state.json", &replace("\"step\": 6,\n  \"steps\"", "\"step\": 4,\n  \"steps\"")),
        ("config.json", &replace("\"num_attention_heads\": 4", "\"num_attention_heads\": 2")),
    ];
    for (name, change) in changes {
        let path = latest.join(name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        change(&mut bad);
        std::fs::write(&path, bad).unwrap();
        match go(Start::Resume).unwrap_err() {
            Error::Train(re_train::Error::Checkpoint { path: checkpoint, older: Some(3), source }) => {
                assert_eq!(checkpoint, latest);
                let text = source.to_string();
                assert!(text.contains(name) && text.contains("remove"), "{text}");
            }
            other => panic!("{other}"),
        }
        std::fs::write(&path, good).unwrap();
    }
    go(Start::Resume).unwrap();
    // A checkpoint of before there were manifests.
    std::fs::remove_file(latest.join("manifest.json")).unwrap();
    go(Start::Resume).unwrap();
    // One that was renamed.
    let renamed = Checkpoint::path(folder.path(), 7);
    std::fs::rename(&latest, &renamed).unwrap();
    match go(Start::Resume).unwrap_err() {
        Error::Train(re_train::Error::Checkpoint { source, .. }) => {
            let text = source.to_string();
            assert!(text.contains("trainer_state.json: step is 6, expected 7 as its folder says"), "{text}");
        }
        other => panic!("{other}"),
    }
    std::fs::rename(&renamed, &latest).unwrap();
    // One whose best checkpoint was removed.
    let path = latest.join("trainer_state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    state["best"]["step"] = 3.into();
    std::fs::write(&path, state.to_string()).unwrap();
    std::fs::remove_dir_all(Checkpoint::path(folder.path(), 3)).unwrap();
    match go(Start::Resume).unwrap_err() {
        Error::Train(re_train::Error::NoBest { path }) => {
            assert_eq!(path, Checkpoint::path(folder.path(), 3));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn divergence_stops_the_run_and_keeps_the_last_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    // Each step multiplies the weights by -999.
    let mut diverging = experiment(200, 1.0);
    diverging.training.adamw.weight_decay = 1000.0;
    diverging.training.max_grad_norm = 0.0;
    diverging.training.save_steps = 1;
    diverging.training.warmup_steps = 1;
    let run = RunFolder::new(folder.path());
    match run.run(&diverging, Start::Fresh, Vec::new(), Default::default()).unwrap_err() {
        Error::Train(re_train::Error::NotFinite { step, checkpoint: Some(path), .. }) => {
            assert!(step > 1);
            assert!(path.join("model.safetensors").is_file());
            assert!(format!("{}", path.display()).ends_with(&format!("{:06}", step - 1)));
        }
        other => panic!("{other}"),
    }
}

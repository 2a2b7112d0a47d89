//! Plans that are interrupted anywhere end as if they never were.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Watch, corpus, experiment, file, fresh, go, results, watched};
use re_ensemble::{Gate, Vote};
use re_experiment::{Error, Experiment, MemberConfig, Plan, RunFolder, Summary, VoteConfig};
use re_train::{Checkpoint, Event, Observer, Start, StopReason};

fn plans(folder: &Path) -> Vec<Plan> {
    let base = experiment(folder, Plan::Single {});
    let member = |name: &str, plan| {
        let experiment = Some(Box::new(Experiment { plan, ..base.clone() }));
        MemberConfig { member: name.to_owned(), run: None, full_data_of: None, experiment }
    };
    let full = MemberConfig {
        full_data_of: Some("a".to_owned()),
        experiment: None,
        ..member("full", Plan::default())
    };
    let of = ["a", "nested", "full"].map(str::to_owned).to_vec();
    vec![
        Plan::StepTransfer { split: None },
        Plan::KFold { folds: 2 },
        Plan::PseudoLabels {
            unlabelled: file(folder, "unlabelled.jsonl", &corpus()[200..240]),
            threshold: 0.0,
            rounds: 1,
        },
        Plan::TwoStage { gate: Gate::Decide { threshold: 0.5 } },
        Plan::Vote {
            members: vec![
                member("a", Plan::default()),
                member("nested", Plan::StepTransfer { split: None }),
                full,
            ],
            votes: vec![VoteConfig { vote: "v".to_owned(), how: Vote::Hard, of, weights: None }],
        },
    ]
}

/// Starts or goes on, and fails at an event; true where it came to its end.
fn session(experiment: &Experiment, run: &Path, start: Start, fail_at: usize) -> bool {
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(Watch::failing_at(fail_at))];
    match RunFolder::new(run).run(experiment, start, observers, Arc::default()) {
        Ok(summary) => summary.reason == StopReason::Completed,
        Err(Error::Train(re_train::Error::Observer(_))) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_plan_that_fails_again_and_again_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (number, plan) in plans(folder.path()).into_iter().enumerate() {
        let experiment = experiment(folder.path(), plan);
        // The same path at all times, since settings of trainings name files of the run.
        let run = folder.path().join(format!("run-{number}"));
        fresh(&experiment, &run);
        let whole = results(&run);
        assert!(whole.iter().any(|(path, _)| path == &PathBuf::from("submission.csv")));
        // Every third event is a checkpoint: with fewer a session would end where it began.
        {
            let fail_at = 3 + number % 3;
            std::fs::remove_dir_all(&run).unwrap();
            assert!(!session(&experiment, &run, Start::Fresh, 1), "ended before the first checkpoint");
            let sessions = (1..100).find(|_| session(&experiment, &run, Start::Resume, fail_at)).unwrap();
            assert!(sessions > 2, "{:?} was interrupted only {sessions} times", experiment.plan);
            let broken = results(&run);
            let paths = |results: &[(PathBuf, Vec<u8>)]| {
                results.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>()
            };
            assert_eq!(paths(&whole), paths(&broken), "{:?}, {fail_at}", experiment.plan);
            for ((path, whole), (_, broken)) in whole.iter().zip(&broken) {
                assert!(whole == broken, "{} of {:?}, {fail_at}", path.display(), experiment.plan);
            }
        }
        // A kill after the trainings, before all results were written.
        for name in ["summary.json", "submission.csv", "test_probabilities.csv"] {
            std::fs::remove_file(run.join(name)).unwrap();
        }
        let (_, watch) = watched(&experiment, &run, Start::Resume);
        assert_eq!(watch.rows(), [0usize; 0], "complete trainings are not repeated");
        assert!(results(&run) == whole);
    }
}

#[test]
fn a_training_that_ended_before_its_first_checkpoint_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = experiment(folder.path(), Plan::Single {});
    let [whole, broken] = ["whole", "broken"].map(|name| folder.path().join(name));
    fresh(&experiment, &whole);
    assert!(!session(&experiment, &broken, Start::Fresh, 1));
    assert_eq!(Checkpoint::list(&broken).unwrap(), []);
    go(&experiment, &broken, Start::Resume).unwrap();
    assert!(results(&whole) == results(&broken));
}

#[test]
fn rows_that_change_before_a_training_is_complete_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let unlabelled = file(folder.path(), "unlabelled.jsonl", &corpus()[200..240]);
    let plans = [Plan::Single {}, Plan::PseudoLabels { unlabelled, threshold: 0.0, rounds: 1 }];
    for (plan, changed) in plans.into_iter().zip(["test.jsonl", "unlabelled.jsonl"]) {
        let experiment = experiment(folder.path(), plan);
        let run = folder.path().join(format!("run-{changed}"));
        // The third event is a checkpoint.
        assert!(!session(&experiment, &run, Start::Fresh, 3));
        file(folder.path(), changed, &corpus()[240..260]);
        let error = go(&experiment, &run, Start::Resume).unwrap_err().to_string();
        assert!(error.contains("data is rows with hash"), "{changed}: {error}");
    }
}

/// Asks to stop after so many steps of all trainings together.
struct StopAfter(u64, Arc<AtomicBool>);

impl Observer for StopAfter {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if matches!(event, Event::Step(_)) {
            self.0 -= 1;
            self.1.store(self.0 == 0, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[test]
fn an_interrupted_plan_says_so_and_begins_no_further_training() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = experiment(folder.path(), Plan::KFold { folds: 3 });
    // In the middle of the second training, and at its last step, which leaves it complete.
    for (steps, begun) in [(5, 2), (6, 2)] {
        let run = folder.path().join(steps.to_string());
        let stop = Arc::new(AtomicBool::new(false));
        let observers: Vec<Box<dyn Observer>> = vec![Box::new(StopAfter(steps, Arc::clone(&stop)))];
        let summary = RunFolder::new(&run).run(&experiment, Start::Fresh, observers, stop).unwrap();
        assert_eq!(summary.reason, StopReason::Interrupted);
        let folds = (1..=3).filter(|number| run.join(format!("fold-{number}/config.toml")).exists()).count();
        assert_eq!(folds, begun);
        assert_eq!(Summary::read(&run).unwrap(), None);
        assert!(matches!(
            go(&experiment, &run, Start::Fresh),
            Err(Error::Train(re_train::Error::RunExists { .. }))
        ));
        let (summary, watch) = watched(&experiment, &run, Start::Resume);
        assert_eq!(summary.reason, StopReason::Completed);
        assert!(watch.has("fold-1: complete already"), "{:?}", watch.told);
    }
}

#[test]
fn a_plan_goes_on_only_as_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment(folder.path(), Plan::KFold { folds: 2 });
    let run = folder.path().join("run");
    fresh(&experiment, &run);
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let refused = |experiment: &Experiment| go(experiment, &run, Start::Resume).unwrap_err().to_string();
    let mut other = experiment.clone();
    other.plan = Plan::KFold { folds: 3 };
    assert!(
        refused(&other).contains("setting is plan.folds = 3, expected plan.folds = 2"),
        "{}",
        refused(&other)
    );
    other = experiment.clone();
    other.training.learning_rate = 2e-3;
    assert!(refused(&other).contains("training.learning_rate = 0.002"), "{}", refused(&other));
    other = experiment.clone();
    other.encoding.max_length = 99;
    assert!(refused(&other).contains("encoding.max_length = 99"), "{}", refused(&other));
    // What is kept and told may change.
    experiment.training.save_steps = 2;
    experiment.training.logging_steps = 3;
    go(&experiment, &run, Start::Resume).unwrap();

    // Rows that have changed under the same name are no longer what the complete trainings saw.
    file(folder.path(), "train.jsonl", &corpus()[..119]);
    assert!(refused(&experiment).contains("data is rows with hash"), "{}", refused(&experiment));
}

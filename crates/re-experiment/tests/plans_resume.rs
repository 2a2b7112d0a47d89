//! Plans that are interrupted anywhere end as if they never were.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Watch, corpus, experiment, file, fresh, go, results, watched};
use re_data::markup::{MarkedText, Markup, unmarked};
use re_data::{Probabilities, RelationExample};
use re_ensemble::{Gate, Vote};
use re_experiment::{
    Error, Experiment, MemberConfig, OwnHead, OwnParts, Plan, RunFolder, Summary, VoteConfig, load_predictor,
    load_predictor_with,
};
use re_model::ops::Linear;
use re_model::{Builder, EncoderConfig, Head, HeadInput, Mode, Weights};
use re_train::{Checkpoint, Event, Observer, OwnLoss, OwnMetric, Start, StopReason, TrainConfig};
use tch::{Kind, Tensor};

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

/// Makes sure that a run which fails at every `fail_at`-th event ends with the bytes of one that does not, and that
/// nothing of it is trained twice.
fn ends_the_same_when_it_fails(experiment: &Experiment, run: &Path, fail_at: usize) {
    fresh(experiment, run);
    let whole = results(run);
    assert!(whole.iter().any(|(path, _)| path == &PathBuf::from("submission.csv")));
    std::fs::remove_dir_all(run).unwrap();
    assert!(!session(experiment, run, Start::Fresh, 1), "ended before the first checkpoint");
    let sessions = (1..100).find(|_| session(experiment, run, Start::Resume, fail_at)).unwrap();
    assert!(sessions > 2, "{:?} was interrupted only {sessions} times", experiment.plan);
    let broken = results(run);
    let paths =
        |results: &[(PathBuf, Vec<u8>)]| results.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&whole), paths(&broken), "{:?}, {fail_at}", experiment.plan);
    for ((path, whole), (_, broken)) in whole.iter().zip(&broken) {
        assert!(whole == broken, "{} of {:?}, {fail_at}", path.display(), experiment.plan);
    }
    // A kill after the trainings, before all results were written.
    for name in ["summary.json", "submission.csv", "test_probabilities.csv"] {
        std::fs::remove_file(run.join(name)).unwrap();
    }
    let (_, watch) = watched(experiment, run, Start::Resume);
    assert_eq!(watch.rows(), [0usize; 0], "complete trainings are not repeated");
    assert!(results(run) == whole);
}

#[test]
fn a_plan_that_fails_again_and_again_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (number, plan) in plans(folder.path()).into_iter().enumerate() {
        let experiment = experiment(folder.path(), plan);
        // The same path at all times, since settings of trainings name files of the run. Every third event is a checkpoint:
        // with fewer a session would end where it began.
        let run = folder.path().join(format!("run-{number}"));
        ends_the_same_when_it_fails(&experiment, &run, 3 + number % 3);
    }
}

/// The difference of the entities' means, and nothing else.
#[derive(Debug)]
struct Difference(Linear);

impl Head for Difference {
    fn forward(&self, input: &HeadInput<'_>, _: Mode<'_>) -> re_model::Result<Tensor> {
        self.0.forward(&input.entity_mean(0)?.f_sub(&input.entity_mean(1)?)?)
    }
}

/// Writes the sentence behind the surface form of the object.
#[derive(Debug)]
struct ObjectFirst;

impl Markup for ObjectFirst {
    fn name(&self) -> &'static str {
        "object_first"
    }

    fn write(&self, example: &RelationExample, _: &str) -> re_data::Result<MarkedText> {
        Ok(unmarked(example, Some(example.surface(1).to_owned())))
    }

    fn writes_pair(&self) -> bool {
        true
    }
}

/// Squared distance of the probabilities from certainty.
#[derive(Debug)]
struct Brier;

impl OwnLoss for Brier {
    fn name(&self) -> &str {
        "brier"
    }

    fn of(&self, logits: &Tensor, classes: &Tensor) -> re_train::Result<Tensor> {
        let gold = classes.f_one_hot(logits.size()[1])?;
        let distance = logits.f_softmax(-1, Kind::Float)?.f_sub(&gold)?.f_square()?;
        Ok(distance.f_sum_dim_intlist(-1, false, Kind::Float)?.f_mean(Kind::Float)?)
    }
}

/// Share of the rows that get the most frequent answer.
#[derive(Debug)]
struct Monotony;

impl OwnMetric for Monotony {
    fn name(&self) -> &str {
        "monotony"
    }

    fn of(&self, gold: &[usize], probabilities: &Probabilities) -> f64 {
        let classes = probabilities.classes();
        let most = classes.iter().map(|class| classes.iter().filter(|other| *other == class).count()).max();
        most.unwrap_or(0) as f64 / gold.len() as f64
    }
}

fn own_parts() -> OwnParts {
    let head = |builder: &mut Builder<'_>, config: &EncoderConfig, classes| {
        let linear = builder.linear("head.difference", config.hidden_size, classes, 0.02)?;
        Ok(Box::new(Difference(linear)) as Box<dyn Head>)
    };
    OwnParts {
        head: Some(OwnHead::new("difference", head)),
        markup: Some(Arc::new(ObjectFirst)),
        loss: Some(Arc::new(Brier)),
        metric: Some(Arc::new(Monotony)),
    }
}

#[test]
fn parts_of_the_callers_own_get_plans_locks_and_resume() {
    let folder = tempfile::tempdir().unwrap();
    let plain = experiment(folder.path(), Plan::StepTransfer { split: None });
    let experiment = plain.clone().with_parts(own_parts());
    let run = folder.path().join("run");
    ends_the_same_when_it_fails(&experiment, &run, 4);

    // Head and markup are those of the model, the metric has chosen the step, and the loss has trained.
    let weights = Weights::open(&Summary::read(&run).unwrap().unwrap().model.unwrap()).unwrap();
    assert!(weights.names().any(|name| name == "head.difference.weight"));
    let log = std::fs::read_to_string(run.join("split/metrics.jsonl")).unwrap();
    let evaluations: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["event"] == "evaluation")
        .collect();
    let mut best = (0.0, 0);
    for evaluation in &evaluations {
        let (value, step) =
            (evaluation["own_metric"].as_f64().unwrap(), evaluation["step"].as_u64().unwrap());
        if value > best.0 {
            best = (value, step);
        }
    }
    assert_eq!(Summary::read(&run.join("split")).unwrap().unwrap().step, Some(best.1));
    let other = OwnParts { loss: None, ..own_parts() };
    let without = folder.path().join("without");
    fresh(&plain.clone().with_parts(other), &without);
    assert!(results(&run) != results(&without));

    // The record names the parts, and nothing goes on or is loaded without them.
    let recorded = RunFolder::new(&run).experiment().unwrap();
    assert_eq!(recorded.own.head.as_deref(), Some("difference"));
    let refused = |error: Error, key: &str| match error {
        Error::Train(re_train::Error::Config { key: found, expected, .. }) => {
            assert_eq!(found, key);
            assert!(expected.contains("OwnParts"), "{expected}");
        }
        other => panic!("{other}"),
    };
    refused(go(&recorded, &run, Start::Resume).unwrap_err(), "own.head");
    let config = TrainConfig::default();
    refused(load_predictor(&run, &config).map(drop).unwrap_err(), "own.head");
    let rows = &corpus()[..8];
    let predictor = load_predictor_with(&run, &config, &own_parts()).unwrap();
    assert_eq!(predictor.predict(rows).unwrap().len(), 8);
    let changed = go(&plain, &run, Start::Resume).unwrap_err().to_string();
    assert!(changed.contains("own = null"), "{changed}");
}

#[test]
fn a_loss_of_the_callers_own_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut smoothed = experiment(folder.path(), Plan::Single {}).with_parts(own_parts());
    smoothed.training.label_smoothing = 0.1;
    let error = go(&smoothed, &folder.path().join("run"), Start::Fresh).unwrap_err();
    assert!(matches!(error, Error::Train(re_train::Error::Config { key: "label_smoothing", .. })), "{error}");
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

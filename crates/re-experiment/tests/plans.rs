//! Plans of several trainings: what each of them promises.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::Path;

use approx::assert_abs_diff_eq;
use common::{STEPS, corpus, experiment, file, fresh, go, probabilities, watched};
use re_data::{ByteSpan, Entity, Predictor, Probabilities, RelationExample};
use re_ensemble::Gate;
use re_experiment::{Error, Experiment, ExperimentData, Plan, Rows, RunFolder, Target, load_predictor};
use re_formats::read::{self, ReadOptions};
use re_train::{Checkpoint, Start};

fn single(run: &Path) -> Experiment {
    RunFolder::new(run).experiment().unwrap()
}

fn data(experiment: &Experiment) -> ExperimentData {
    ExperimentData::read(&experiment.data, experiment.training.seed).unwrap()
}

fn assert_close(a: &Probabilities, b: &Probabilities) {
    assert_eq!((a.ids(), a.labels().names()), (b.ids(), b.labels().names()));
    a.values().iter().zip(b.values()).for_each(|(a, b)| assert_abs_diff_eq!(a, b, epsilon = 1e-5));
}

#[test]
fn everything_is_trained_on_up_to_the_step_that_was_best_on_the_split() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment(folder.path(), Plan::StepTransfer { split: None });
    // Without learning no evaluation is better than the first: step 1 is the best of 3.
    experiment.training.learning_rate = 0.0;
    let run = folder.path().join("run");
    let (summary, watch) = watched(&experiment, &run, Start::Fresh);
    assert_eq!(summary.step, Some(1));
    assert_eq!(watch.rows(), [90, 120]);
    assert!(watch.has("part split 1 Some(2)") && watch.has("part full 2 Some(2)"), "{:?}", watch.told);
    assert!(
        summary.notes.contains(&"best step on the split: 1; training on all rows stops there".to_owned())
    );
    let kept = Checkpoint::list(&run.join("full")).unwrap();
    assert_eq!(kept.iter().map(|checkpoint| checkpoint.step).collect::<Vec<_>>(), [1]);
    assert_eq!(kept[0].state().unwrap().steps, STEPS, "the learning rate falls as it did on the split");
    assert_eq!(summary.model.as_deref(), Some(kept[0].path.as_path()));
    let names: Vec<_> = summary.parts.iter().map(|part| (part.name.as_str(), part.rows)).collect();
    let (split, full) = ("split, step 1", "full, step 1");
    assert_eq!(names, [(split, Rows::Validation), (split, Rows::Test), (full, Rows::Test)]);
    let bytes = |path: &Path| std::fs::read(path.join("submission.csv")).unwrap();
    assert_eq!(bytes(&run), bytes(&run.join("full")));
    assert_eq!(summary.submission, Some(run.join("submission.csv")));
}

#[test]
fn a_run_on_the_split_lends_its_best_step() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let base = experiment(folder.path(), Plan::Single {});
    let step = fresh(&base, &at("split")).step;
    for checkpoint in Checkpoint::list(&at("split")).unwrap() {
        std::fs::remove_dir_all(checkpoint.path).unwrap();
    }
    type Change<'a> = &'a dyn Fn(&mut Experiment);
    let transfer = |change: Change<'_>| {
        let plan = Plan::StepTransfer { split: Some(at("split")) };
        let mut experiment = Experiment { plan, ..base.clone() };
        change(&mut experiment);
        experiment
    };
    let (summary, watch) = watched(&transfer(&|e| e.training.keep_last = 1), &at("run"), Start::Fresh);
    assert_eq!((summary.step, watch.rows()), (step, vec![120]));
    fresh(&transfer(&|e| e.plan = Plan::StepTransfer { split: None }), &at("whole"));
    for name in ["submission.csv", "full/test_probabilities.csv"] {
        let bytes = |run: &str| std::fs::read(at(run).join(name)).unwrap();
        assert_eq!(bytes("run"), bytes("whole"), "{name}");
    }
    let mut without_best = base.clone();
    without_best.training.keep_best = false;
    fresh(&without_best, &at("without_best"));
    let changes: [(Change<'_>, &str); 6] = [
        (&|e| e.training.learning_rate = 1e-4, "with another training"),
        (&|e| e.markup = re_data::MarkupConfig::Pair {}, "with another markup"),
        (&|e| e.data.split_seed = Some(8), "on other rows"),
        (&|e| e.plan = Plan::StepTransfer { split: Some(at("absent")) }, "absent without a result"),
        (&|e| e.plan = Plan::StepTransfer { split: Some(at("run")) }, "run with another plan"),
        (&|e| e.plan = Plan::StepTransfer { split: Some(at("without_best")) }, "not its best one"),
    ];
    for (number, (change, expected)) in changes.into_iter().enumerate() {
        let run = at(&number.to_string());
        let error = go(&transfer(change), &run, Start::Fresh).unwrap_err().to_string();
        assert!(error.starts_with("plan.split = ") && error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn the_rows_of_a_validation_file_are_part_of_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment(folder.path(), Plan::StepTransfer { split: None });
    experiment.data.val_size = 0.0;
    experiment.data.validation = Some(file(folder.path(), "validation.jsonl", &corpus()[200..250]));
    let (summary, watch) = watched(&experiment, &folder.path().join("run"), Start::Fresh);
    assert_eq!(watch.rows(), [120, 170]);
    assert_eq!(summary.evaluation, None);
}

#[test]
fn each_row_is_answered_by_the_fold_that_has_not_seen_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment(folder.path(), Plan::KFold { folds: 3 });
    experiment.data.additional = vec![file(folder.path(), "more.jsonl", &corpus()[100..140])];
    let run = folder.path().join("run");
    let (summary, watch) = watched(&experiment, &run, Start::Fresh);
    assert!(watch.has("part fold-3 3 Some(3)"), "{:?}", watch.told);

    let unseen = probabilities(&run, "out_of_fold_probabilities.csv");
    let mut gold = experiment.clone();
    gold.data.additional.clear();
    let gold = data(&gold);
    let ids: Vec<&str> = gold.train.iter().map(RelationExample::id).collect();
    assert_eq!(unseen.ids(), ids, "all training rows, in their order");
    let mut answered = 0;
    for fold in ["fold-1", "fold-2", "fold-3"] {
        let fold = run.join(fold);
        let rows = data(&single(&fold));
        let sentences = |examples: &[RelationExample]| -> std::collections::HashSet<String> {
            examples.iter().map(|example| example.text().to_owned()).collect()
        };
        let trained = sentences(&rows.train);
        for unseen in [&rows.validation, &rows.holdout] {
            assert!(trained.is_disjoint(&sentences(unseen)));
        }
        // The additional rows hold 20 that are training rows here, so that some of them are left out.
        assert!(rows.notes.iter().any(|note| note.contains("more.jsonl") && note.contains("left out")));
        let model = load_predictor(&fold, &experiment.training).unwrap();
        let again = model.predict(&rows.validation).unwrap();
        for (row, values) in again.ids().iter().zip(again.rows()) {
            let at = unseen.ids().iter().position(|id| id == row).unwrap();
            let saved = unseen.rows().nth(at).unwrap();
            values.iter().zip(saved).for_each(|(a, b)| assert_abs_diff_eq!(a, b, epsilon = 1e-5));
            answered += 1;
        }
    }
    assert_eq!(answered, ids.len());
    let parts: Vec<_> = summary.parts.iter().map(|part| (part.name.as_str(), part.rows)).collect();
    assert_eq!(parts[3], ("all folds", Rows::OutOfFold));
    assert_eq!(parts[7], ("vote", Rows::Validation));
    assert_eq!(summary.evaluation.unwrap().metrics.rows, gold.validation.len());

    // The vote is the mean of the models', and the whole run is a predictor.
    let vote = load_predictor(&run, &experiment.training).unwrap();
    assert_close(
        &vote.predict(&gold.validation).unwrap(),
        &probabilities(&run, "validation_probabilities.csv"),
    );
    let one = probabilities(&run.join("fold-2"), "holdout_probabilities.csv");
    assert_eq!(one.ids(), probabilities(&run, "validation_probabilities.csv").ids());
}

#[test]
fn rows_set_aside_before_the_folds_choose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment(folder.path(), Plan::KFold { folds: 2 });
    // Without learning the first evaluation is the best and the second one stops early, if anything looks at them.
    experiment.training.learning_rate = 0.0;
    experiment.training.early_stopping_patience = 1;
    experiment.data.val_size = 0.0;
    let aside = &corpus()[200..230];
    let run = |name: &str, rows: &[RelationExample]| {
        let mut experiment = experiment.clone();
        experiment.data.validation = Some(file(folder.path(), "aside.jsonl", rows));
        let run = folder.path().join(name);
        fresh(&experiment, &run);
        run
    };
    let honest = run("honest", aside);
    let relabelled: Vec<RelationExample> =
        aside.iter().map(|example| example.clone().with_label("인물:배우자")).collect();
    let lying = run("lying", &relabelled);
    for fold in ["fold-1", "fold-2"] {
        let steps = |run: &Path| re_experiment::Summary::read(&run.join(fold)).unwrap().unwrap().step;
        assert_eq!((steps(&honest), steps(&lying)), (Some(STEPS), Some(STEPS)));
    }
    for name in ["out_of_fold_probabilities.csv", "test_probabilities.csv", "validation_probabilities.csv"] {
        let bytes = |run: &Path| std::fs::read(run.join(name)).unwrap();
        assert!(bytes(&honest) == bytes(&lying), "{name}");
    }
}

#[test]
fn confident_rows_join_and_gold_rows_keep_their_labels() {
    let folder = tempfile::tempdir().unwrap();
    let rows = corpus();
    let mut experiment = experiment(folder.path(), Plan::Single {});
    let split = data(&experiment);
    // New rows, gold rows under other ids and labels, and sentences that are evaluated on, both with other spaces.
    let renamed = |example: &RelationExample, number: usize| {
        let entities = example.entities().each_ref().map(|entity| Entity::new(entity.span().shifted(1)));
        RelationExample::new(format!("u-{number}"), format!(" {}", example.text()), entities).unwrap()
    };
    let mut unlabelled: Vec<RelationExample> = rows[200..230].to_vec();
    unlabelled.extend(
        split.train[..10].iter().enumerate().map(|(at, row)| renamed(row, at).with_label("인물:배우자")),
    );
    unlabelled.extend(split.validation[..5].iter().chain(&split.test[..3]).enumerate().map(|(at, row)| {
        let text = format!("{} ", row.text());
        RelationExample::new(format!("v-{at}"), text, row.entities().clone()).unwrap()
    }));
    let unlabelled = file(folder.path(), "unlabelled.jsonl", &unlabelled);
    let plan = |threshold, rounds| Plan::PseudoLabels { unlabelled: unlabelled.clone(), threshold, rounds };

    experiment.plan = plan(0.0, 2);
    let run = folder.path().join("run");
    let (summary, watch) = watched(&experiment, &run, Start::Fresh);
    let gold = split.train.len();
    assert_eq!(watch.rows(), [gold, gold + 30, gold + 30]);
    let said = "unlabelled rows left out: 8 whose sentences are evaluated on, 10 that have gold labels";
    assert!(summary.notes.iter().any(|note| note.contains(said)), "{:?}", summary.notes);
    assert!(summary.notes.iter().any(|note| note.starts_with("round 2: 30 of 30")), "{:?}", summary.notes);
    let compared = |note: &String| note.starts_with("round-2 against round-0: ");
    assert!(summary.notes.iter().any(compared), "{:?}", summary.notes);
    let joined = read::examples(run.join("pseudo_labels-1.jsonl"), &ReadOptions::default()).unwrap().examples;
    let new: Vec<&str> = rows[200..230].iter().map(RelationExample::id).collect();
    assert_eq!(joined.iter().map(RelationExample::id).collect::<Vec<_>>(), new);
    let last = data(&single(&run.join("round-2")));
    for row in &split.train {
        let same = last
            .train
            .iter()
            .filter(|other| (other.text(), other.entities()) == (row.text(), row.entities()));
        assert!(same.clone().count() >= 1 && same.clone().all(|other| other.label() == row.label()));
    }
    let model = load_predictor(run.join("round-0"), &experiment.training).unwrap();
    let labels: Vec<_> = joined.iter().map(|row| row.label().unwrap().to_owned()).collect();
    let predicted = model.predict(&joined).unwrap();
    assert_eq!(labels, predicted.predictions().map(|p| p.label.to_owned()).collect::<Vec<_>>());

    // Where no row is sure enough, nothing is trained twice.
    experiment.plan = plan(1.0, 2);
    let (summary, watch) = watched(&experiment, &folder.path().join("unsure"), Start::Fresh);
    assert_eq!(watch.rows(), [gold]);
    assert!(!summary.notes.iter().any(|note| note.contains(" against ")), "{:?}", summary.notes);
    assert!(summary.notes.iter().any(|note| note.contains("would repeat")), "{:?}", summary.notes);

    for (threshold, rounds, key) in [(1.5, 1, "threshold"), (f32::NAN, 1, "threshold"), (0.5, 0, "rounds")] {
        experiment.plan = plan(threshold, rounds);
        let error = go(&experiment, &folder.path().join("wrong"), Start::Fresh).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn an_unlabelled_row_that_does_not_fit_is_found_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let long = "가나다라".repeat(60);
    let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
    let row = RelationExample::new("x", format!("이순신은 {long}"), [entity(0, 9), entity(13, long.len())]);
    let unlabelled = file(folder.path(), "unlabelled.jsonl", &[row.unwrap()]);
    let plan = Plan::PseudoLabels { unlabelled, threshold: 0.5, rounds: 1 };
    let run = folder.path().join("run");
    let error = go(&experiment(folder.path(), plan), &run, Start::Fresh).unwrap_err();
    assert!(
        matches!(error, Error::Train(re_train::Error::Data(re_data::Error::LostEntity { .. }))),
        "{error}"
    );
    assert!(!run.join("round-0").exists());
}

#[test]
fn two_stages_are_compared_with_one_on_the_same_split() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = experiment(folder.path(), Plan::TwoStage { gate: Gate::Product });
    let run = folder.path().join("run");
    let (summary, watch) = watched(&experiment, &run, Start::Fresh);
    let rows = data(&experiment);
    let of_related =
        |rows: &[RelationExample]| rows.iter().filter(|row| row.label() != Some("관계_없음")).count();
    assert_eq!(watch.rows(), [rows.train.len(), rows.train.len(), of_related(&rows.train)]);
    let parts: Vec<_> = summary
        .parts
        .iter()
        .map(|part| (part.name.as_str(), part.rows, part.evaluation.metrics.rows))
        .collect();
    let (all, related, test) = (rows.validation.len(), of_related(&rows.validation), rows.test.len());
    assert_eq!(
        parts,
        [
            ("one_stage", Rows::Validation, all),
            ("one_stage", Rows::Test, test),
            ("related", Rows::Validation, all),
            ("related", Rows::Test, test),
            ("relation", Rows::Validation, related),
            ("two_stage", Rows::Validation, all),
            ("two_stage", Rows::Test, test),
        ]
    );
    assert!(summary.notes.iter().any(|note| note.starts_with("two_stage against one_stage: ")));
    let saved = probabilities(&run, "validation_probabilities.csv");
    assert_eq!(saved.labels().names(), rows.labels.names());
    let whole = load_predictor(&run, &experiment.training).unwrap();
    assert_close(&whole.predict(&rows.validation).unwrap(), &saved);
    let binary = probabilities(&run.join("related"), "validation_probabilities.csv");
    let (none, row) = (binary.rows().next().unwrap()[0], saved.rows().next().unwrap());
    assert_abs_diff_eq!(row[0], none, epsilon = 1e-5);
    assert_abs_diff_eq!(row[1..].iter().sum::<f32>(), 1.0 - none, epsilon = 1e-5);
}

#[test]
fn what_a_plan_needs_is_known_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("labels.txt");
    let mut names: Vec<String> = corpus().iter().filter_map(|row| row.label().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    let with = |plan, change: fn(&mut Experiment)| {
        let mut experiment = experiment(folder.path(), plan);
        change(&mut experiment);
        experiment
    };
    let none = |_: &mut Experiment| {};
    let doubled = {
        let rows = corpus();
        let mut experiment = with(Plan::KFold { folds: 2 }, none);
        experiment.data.train = file(folder.path(), "doubled.jsonl", rows[..20].iter().chain(&rows[..1]));
        experiment
    };
    let doubled_validation = {
        let rows = corpus();
        let unlabelled = file(folder.path(), "unlabelled.jsonl", &rows[200..210]);
        let mut experiment = with(Plan::PseudoLabels { unlabelled, threshold: 0.5, rounds: 1 }, none);
        let twice = rows[160..165].iter().chain(&rows[160..161]);
        experiment.data.validation = Some(file(folder.path(), "doubled_validation.jsonl", twice));
        experiment.data.val_size = 0.0;
        experiment
    };
    let renamed = {
        let rename = |name: &str| if name == "관계_없음" { "무관".to_owned() } else { name.to_owned() };
        std::fs::write(&labels, names.iter().map(|name| rename(name) + "\n").collect::<String>()).unwrap();
        let rows: Vec<RelationExample> =
            corpus().iter().map(|row| row.clone().with_label(rename(row.label().unwrap()))).collect();
        let mut experiment = with(Plan::TwoStage { gate: Gate::Product }, none);
        experiment.data.train = file(folder.path(), "renamed.jsonl", &rows[..60]);
        (experiment.data.labels, experiment.data.test) = (Some(labels.clone()), None);
        experiment
    };
    let cases = [
        (
            with(Plan::StepTransfer { split: None }, |e| e.data.val_size = 0.0),
            "data.val_size = 0, expected more than 0",
        ),
        (with(Plan::KFold { folds: 1 }, none), "plan.folds = 1"),
        (with(Plan::KFold { folds: 2 }, |e| e.data.target = Target::Related), "data.target = Related"),
        (with(Plan::TwoStage { gate: Gate::Decide { threshold: 2.0 } }, none), "threshold = 2"),
        (renamed, "a no-relation class, which data.no_relation names"),
        (doubled, "duplicate id"),
        (doubled_validation, "validation rows: duplicate id "),
        (
            with(Plan::StepTransfer { split: None }, |e| {
                e.data.fold = Some(re_experiment::Fold { number: 1, of: 2 });
            }),
            "data.fold",
        ),
    ];
    for (number, (experiment, expected)) in cases.iter().enumerate() {
        let run = folder.path().join(number.to_string());
        let error = go(experiment, &run, Start::Fresh).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        // Nothing was begun, so that the mended experiment may start here.
        assert!(matches!(
            go(experiment, &run, Start::Resume),
            Err(Error::Train(re_train::Error::NoCheckpoint { .. }))
        ));
    }
    let mut mended = experiment(folder.path(), Plan::StepTransfer { split: None });
    mended.training.steps = 1;
    fresh(&mended, &folder.path().join("0"));
}

#[test]
fn additional_rows_whose_sentences_are_evaluated_on_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment(folder.path(), Plan::Single {});
    let before = data(&experiment);
    let spaced = |row: &RelationExample| {
        let text = format!("{}  ", row.text());
        RelationExample::new(row.id(), text, row.entities().clone()).unwrap().with_label("인물:배우자")
    };
    let leaking: Vec<RelationExample> = before.validation[..4]
        .iter()
        .chain(&before.test[..3])
        .map(spaced)
        .chain(corpus()[250..260].to_vec())
        .collect();
    experiment.data.additional = vec![file(folder.path(), "additional.jsonl", &leaking)];
    let after = data(&experiment);
    assert_eq!(after.train.len(), before.train.len() + 10);
    let note = "additional.jsonl: 7 rows left out, their sentences are evaluated on";
    assert!(after.notes.iter().any(|said| said.ends_with(note)), "{:?}", after.notes);
    // Nothing here is evaluated on blind rows.
    let blind: Vec<RelationExample> = before.test.iter().map(|row| row.clone().without_label()).collect();
    experiment.data.test = Some(file(folder.path(), "blind.jsonl", &blind));
    assert_eq!(data(&experiment).train.len(), before.train.len() + 13);
}

#[test]
fn training_rows_whose_sentences_are_evaluated_on_stay_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment(folder.path(), Plan::Single {});
    experiment.data.val_size = 0.0;
    experiment.data.validation = Some(file(folder.path(), "validation.jsonl", &corpus()[110..125]));
    experiment.data.test = Some(file(folder.path(), "test.jsonl", &corpus()[100..105]));
    let data = data(&experiment);
    assert_eq!(data.train.len(), 120);
    let note = "train.jsonl: 15 training rows have sentences that are evaluated on";
    assert!(data.notes.iter().any(|said| said.ends_with(note)), "{:?}", data.notes);
}

#[test]
fn labelled_test_rows_are_evaluated_on_and_decide_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment(folder.path(), Plan::Single {});
    let run = |name: &str, experiment: &Experiment| fresh(experiment, &folder.path().join(name));
    let labelled = run("labelled", &experiment);
    assert_eq!(labelled.test_evaluation.as_ref().unwrap().metrics.rows, 40);
    let blind: Vec<RelationExample> =
        corpus()[120..160].iter().map(|row| row.clone().without_label()).collect();
    experiment.data.test = Some(file(folder.path(), "blind.jsonl", &blind));
    let blind = run("blind", &experiment);
    assert_eq!((blind.test_evaluation, blind.step), (None, labelled.step));
    assert_eq!(blind.evaluation, labelled.evaluation);
    let submission = |name: &str| std::fs::read(folder.path().join(name).join("submission.csv")).unwrap();
    assert_eq!(submission("labelled"), submission("blind"));
}

#[test]
fn trainings_of_other_seeds_share_a_split() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment(folder.path(), Plan::Single {});
    let ids = |experiment: &Experiment| {
        data(experiment).validation.iter().map(|row| row.id().to_owned()).collect::<Vec<_>>()
    };
    let first = ids(&experiment);
    experiment.training.seed += 1;
    assert_eq!(ids(&experiment), first);
    experiment.data.split_seed = None;
    assert_ne!(ids(&experiment), first);
}

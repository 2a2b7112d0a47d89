//! Votes of trained and of given models.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::{Path, PathBuf};

use common::{STEPS, corpus, experiment, file, fresh, go, probabilities, watched};
use re_data::{Predictor, RelationExample};
use re_ensemble::{Member, Members, Vote};
use re_experiment::{
    Error, Experiment, ExperimentData, MemberConfig, Plan, Rows, Target, VoteConfig, load_predictor,
};
use re_train::{Checkpoint, Start};

fn member(name: &str, experiment: &Experiment, seed: u64) -> MemberConfig {
    let mut own = Experiment { plan: Plan::default(), ..experiment.clone() };
    own.training.seed = seed;
    MemberConfig { member: name.to_owned(), run: None, full_data_of: None, experiment: Some(Box::new(own)) }
}

fn given(name: &str, run: impl Into<PathBuf>) -> MemberConfig {
    MemberConfig { member: name.to_owned(), run: Some(run.into()), full_data_of: None, experiment: None }
}

fn full(name: &str, of: &str) -> MemberConfig {
    MemberConfig { member: name.to_owned(), run: None, full_data_of: Some(of.to_owned()), experiment: None }
}

fn vote(name: &str, how: Vote, of: &[&str], weights: Option<Vec<f64>>) -> VoteConfig {
    VoteConfig { vote: name.to_owned(), how, of: of.iter().map(|&name| name.to_owned()).collect(), weights }
}

fn with(experiment: &Experiment, members: Vec<MemberConfig>, votes: Vec<VoteConfig>) -> Experiment {
    Experiment { plan: Plan::Vote { members, votes }, ..experiment.clone() }
}

#[test]
fn votes_are_those_of_the_members_files() {
    let folder = tempfile::tempdir().unwrap();
    let base = experiment(folder.path(), Plan::Single {});
    let mut other = member("b", &base, 2);
    // A split of its own would make its figures incomparable.
    other.experiment.as_mut().unwrap().data.val_size = 0.5;
    let experiment = with(
        &base,
        vec![member("a", &base, 1), other, full("a_full", "a")],
        vec![
            vote("weighted", Vote::Mean, &["a", "b"], Some(vec![3.0, 1.0])),
            vote("with_full", Vote::LogMean, &["a_full", "b"], None),
            vote("hard", Vote::Hard, &["a", "b", "weighted"], None),
        ],
    );
    let run = folder.path().join("run");
    let (summary, watch) = watched(&experiment, &run, Start::Fresh);
    assert_eq!(watch.rows(), [90, 90, 120]);
    assert!(watch.has("b: rows are divided as in the vote"), "{:?}", watch.told);
    let parts: Vec<_> = summary.parts.iter().map(|part| (part.name.as_str(), part.rows)).collect();
    let (validation, test) = (Rows::Validation, Rows::Test);
    assert_eq!(
        parts,
        [
            ("a", validation),
            ("a", test),
            ("b", validation),
            ("b", test),
            ("a_full", test),
            ("weighted", validation),
            ("weighted", test),
            ("with_full", test),
            ("hard", validation),
            ("hard", test),
        ]
    );
    assert!(summary.notes.iter().any(|note| note.starts_with("hard against ")), "{:?}", summary.notes);
    let flattered = |note: &String| note.starts_with("a, b: steps may have been chosen by validation rows");
    assert!(summary.notes.iter().any(flattered), "{:?}", summary.notes);

    for name in ["validation_probabilities.csv", "test_probabilities.csv"] {
        let saved = |member: &str| probabilities(&run.join(member), name);
        let members =
            [("a", 3.0), ("b", 1.0)].map(|(m, weight)| Member::new(m, saved(m)).with_weight(weight));
        let weighted = Members::align(members).unwrap().vote(Vote::Mean).unwrap();
        assert_eq!(weighted, saved("weighted"));
        let hard = ["a", "b", "weighted"].map(|m| Member::new(m, saved(m)));
        assert_eq!(Members::align(hard).unwrap().vote(Vote::Hard).unwrap(), saved("hard"));
        assert_eq!(saved("hard"), probabilities(&run, name), "the last vote speaks for the run");
    }
    assert!(!run.join("with_full/validation_probabilities.csv").exists());
    assert!(run.join("with_full/submission.csv").exists());

    // The member on everything stops where the other one was best.
    let best = re_experiment::Summary::read(&run.join("a")).unwrap().unwrap().step.unwrap();
    let full = Checkpoint::list(&run.join("a_full")).unwrap().pop().unwrap();
    assert_eq!((full.step, full.state().unwrap().steps), (best, STEPS));

    let whole = load_predictor(&run, &base.training).unwrap();
    let rows = ExperimentData::read(&base.data, 0).unwrap().test;
    let again = whole.predict(&rows).unwrap();
    assert_eq!(again.classes(), probabilities(&run, "test_probabilities.csv").classes());
}

#[test]
fn trained_runs_vote_on_rows_that_they_have_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    let base = experiment(folder.path(), Plan::Single {});
    let at = |name: &str| folder.path().join(name);
    let split = fresh(&base, &at("split"));
    let mut everything = base.clone();
    everything.data.val_size = 0.0;
    fresh(&everything, &at("everything"));
    let folds = Experiment { plan: Plan::KFold { folds: 2 }, ..base.clone() };
    fresh(&folds, &at("folds"));
    // A model's folder without its run.
    let alone = at("elsewhere/model");
    std::fs::create_dir_all(&alone).unwrap();
    for entry in std::fs::read_dir(split.model.unwrap()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, alone.join(path.file_name().unwrap())).unwrap();
    }
    let members = vec![
        given("step", format!("{}@2", at("split").display())),
        given("everything", at("everything")),
        given("folds", at("folds")),
        given("alone", alone),
    ];
    let votes = vec![
        vote("fair", Vote::Mean, &["step", "folds", "alone"], None),
        vote("all", Vote::Mean, &["step", "everything"], None),
    ];
    let run = at("run");
    let experiment = with(&base, members, votes);
    let (summary, watch) = watched(&experiment, &run, Start::Fresh);
    assert_eq!(watch.rows(), [0usize; 0], "nothing was trained");
    assert!(
        watch.has("everything was trained on 30 of the 30 validation rows' sentences"),
        "{:?}",
        watch.told
    );
    assert!(watch.has("alone: no record of what it was trained on"), "{:?}", watch.told);
    let validated: Vec<_> =
        summary.parts.iter().filter(|p| p.rows == Rows::Validation).map(|p| p.name.as_str()).collect();
    assert_eq!(validated, ["step", "folds", "alone", "fair"]);
    // The models of folds are the last ones, whatever the validation rows say.
    let flattered = |note: &String| note.starts_with("step, alone: steps may have been chosen");
    assert!(summary.notes.iter().any(flattered), "{:?}", summary.notes);
    assert_eq!(summary.evaluation, None, "the last vote has a member that may not be asked");
    let folds = |name: &str| probabilities(&at("folds"), name).classes();
    assert_eq!(
        probabilities(&run.join("folds"), "test_probabilities.csv").classes(),
        folds("test_probabilities.csv")
    );
    let two = load_predictor(Checkpoint::path(&at("split"), 2), &base.training).unwrap();
    let rows = ExperimentData::read(&base.data, 0).unwrap().validation;
    let said = probabilities(&run.join("step"), "validation_probabilities.csv");
    assert_eq!(two.predict(&rows).unwrap().classes(), said.classes());

    // A complete run without trainings is one, too.
    assert!(matches!(
        go(&experiment, &run, Start::Fresh),
        Err(Error::Train(re_train::Error::RunExists { .. }))
    ));
    assert_eq!(go(&experiment, &run, Start::Resume).unwrap(), summary);
}

#[test]
fn what_a_run_was_trained_on_is_known_by_its_letters_and_while_its_rows_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let base = experiment(folder.path(), Plan::Single {});
    let spaced = |row: &RelationExample| {
        let text = format!("{}  ", row.text());
        let spaced = RelationExample::new(row.id(), text, row.entities().clone()).unwrap();
        spaced.with_label(row.label().unwrap())
    };
    // The last ten are test rows, and one shares its sentence with another test row.
    let rows: Vec<RelationExample> = corpus()[..130].iter().map(spaced).collect();
    let mut everything = base.clone();
    (everything.data.val_size, everything.data.test) = (0.0, None);
    for name in ["spaced", "changed"] {
        everything.data.train = file(folder.path(), &format!("{name}.jsonl"), &rows);
        fresh(&everything, &folder.path().join(name));
    }
    file(folder.path(), "changed.jsonl", &rows[..60]);
    let members = ["spaced", "changed"].map(|name| given(name, folder.path().join(name))).to_vec();
    let experiment = with(&base, members, vec![vote("v", Vote::Mean, &["changed"], None)]);
    let (_, watch) = watched(&experiment, &folder.path().join("run"), Start::Fresh);
    for said in [
        "spaced was trained on 30 of the 30 validation rows' sentences",
        "spaced was trained on 11 of the 40 labelled test rows' sentences",
        "changed: no record of what it was trained on",
    ] {
        assert!(watch.has(said), "{said}: {:?}", watch.told);
    }
}

#[test]
fn a_given_member_lends_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let base = experiment(folder.path(), Plan::Single {});
    fresh(&base, &folder.path().join("split"));
    let mut experiment = with(
        &base,
        vec![member("a", &base, 42), full("a_full", "a")],
        vec![vote("v", Vote::Mean, &["a", "a_full"], None)],
    );
    experiment.use_run(&format!("{}@2", folder.path().join("split").display())).unwrap();
    let (_, watch) = watched(&experiment, &folder.path().join("run"), Start::Fresh);
    assert_eq!(watch.rows(), [120]);
    let steps = Checkpoint::list(&folder.path().join("run/a_full")).unwrap();
    assert_eq!(steps.iter().map(|checkpoint| checkpoint.step).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_run_whose_models_are_gone_votes_by_what_it_saved() {
    let folder = tempfile::tempdir().unwrap();
    let base = experiment(folder.path(), Plan::Single {});
    let at = |name: &str| folder.path().join(name);
    let best = fresh(&base, &at("split")).step.unwrap();
    fresh(&Experiment { plan: Plan::KFold { folds: 2 }, ..base.clone() }, &at("folds"));
    let of = |experiment: &Experiment| {
        let members = vec![given("split", at("split")), given("folds", at("folds"))];
        with(experiment, members, vec![vote("v", Vote::Mean, &["split", "folds"], None)])
    };
    let before = fresh(&of(&base), &at("before"));
    for run in ["split", "folds/fold-1", "folds/fold-2"] {
        for checkpoint in Checkpoint::list(&at(run)).unwrap() {
            std::fs::remove_dir_all(checkpoint.path).unwrap();
        }
    }
    let (summary, watch) = watched(&of(&base), &at("after"), Start::Fresh);
    for name in ["split", "folds"] {
        assert!(
            watch.has(&format!("{name}: the models of {} were removed", at(name).display())),
            "{:?}",
            watch.told
        );
    }
    let accuracy = |summary: &re_experiment::Summary| {
        summary.parts.iter().map(|part| part.evaluation.metrics.accuracy).collect::<Vec<_>>()
    };
    assert_eq!((summary.parts.len(), accuracy(&summary)), (before.parts.len(), accuracy(&before)));
    for file in ["validation_probabilities.csv", "test_probabilities.csv"] {
        let said = |run: &str| probabilities(&at(run), file).values().to_vec();
        let (before, after) = (said("before"), said("after"));
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-6), "{file}");
    }

    // It still knows its best step.
    let mut lending = with(
        &base,
        vec![member("a", &base, 42), full("a_full", "a")],
        vec![vote("v", Vote::Mean, &["a", "a_full"], None)],
    );
    lending.use_run(&at("split").display().to_string()).unwrap();
    fresh(&lending, &at("lending"));
    let steps = Checkpoint::list(&at("lending/a_full")).unwrap();
    assert_eq!(steps.last().map(|checkpoint| checkpoint.step), Some(best));

    // Another split has other validation rows, and another file other rows with the same ids.
    let mut elsewhere = base.clone();
    elsewhere.data.split_seed = Some(8);
    let (summary, watch) = watched(&of(&elsewhere), &at("other split"), Start::Fresh);
    assert!(watch.has("folds: its validation rows are not those of this vote"), "{:?}", watch.told);
    assert!(summary.parts.iter().all(|part| part.rows == Rows::Test), "{:?}", summary.parts.len());
    let rows = corpus();
    let moved: Vec<_> = rows[40..80]
        .iter()
        .zip(&rows[120..160])
        .map(|(row, like)| RelationExample::new(like.id(), row.text(), row.entities().clone()).unwrap())
        .collect();
    elsewhere.data.test = Some(file(folder.path(), "moved.jsonl", &moved));
    let error = go(&of(&elsewhere), &at("elsewhere"), Start::Fresh).unwrap_err();
    assert!(matches!(error, Error::NoModel { .. }), "{error}");

    // Rows that have changed since.
    file(folder.path(), "test.jsonl", &rows[121..161]);
    let error = go(&of(&base), &at("changed"), Start::Fresh).unwrap_err().to_string();
    assert!(
        error.contains("for split, whose models were removed") && error.contains("have changed"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_voted_on_is_known_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let base = experiment(folder.path(), Plan::Single {});
    let a = || member("a", &base, 1);
    let v = || vec![vote("v", Vote::Mean, &["a"], None)];
    let mut elsewhere = member("b", &base, 1);
    elsewhere.experiment.as_mut().unwrap().data.train = file(folder.path(), "other.jsonl", &corpus()[..30]);
    let changed = |change: fn(&mut Experiment)| {
        let mut member = member("b", &base, 1);
        change(member.experiment.as_mut().unwrap());
        member
    };
    let lent = MemberConfig { run: Some("/nowhere".into()), ..changed(|own| own.training.batch_size = 0) };
    let empty = MemberConfig { experiment: None, ..a() };
    let run_of = |name: &str, change: fn(&mut Experiment)| {
        let mut experiment = base.clone();
        change(&mut experiment);
        let run = folder.path().join(name);
        fresh(&experiment, &run);
        MemberConfig { run: Some(run), ..member("b", &base, 1) }
    };
    let without_best = run_of("without_best", |own| own.training.keep_best = false);
    let on_all = run_of("on_all", |own| own.data.val_size = 0.0);
    let longer = run_of("longer", |own| own.training.steps += 1);
    let step = format!("{}@{}", folder.path().join("longer").display(), STEPS + 1);
    let beyond = MemberConfig { run: Some(step.into()), ..longer };
    let weights = |weights: &[f64]| vec![vote("v", Vote::Mean, &["a"], Some(weights.to_vec()))];
    let cases = [
        (vec![a()], vec![], "no vote"),
        (vec![a(), a()], v(), "a twice"),
        (vec![member("a/b", &base, 1)], v(), "a folder's name"),
        (vec![member("submission.csv", &base, 1)], v(), "a folder's name"),
        (vec![a()], vec![vote("v", Vote::Mean, &["b"], None)], "\"b\" in v"),
        (vec![a()], vec![vote("v", Vote::Mean, &["v"], None)], "\"v\" in v"),
        (vec![a()], vec![vote("v", Vote::Mean, &[], None)], "no voter in v"),
        (vec![a()], vec![vote("v", Vote::Mean, &["a", "a"], None)], "a twice in v"),
        (vec![a()], vec![vote("a", Vote::Mean, &["a"], None)], "a twice"),
        (vec![a()], weights(&[1.0, 1.0]), "plan.votes.weights"),
        (vec![a()], weights(&[-1.0]), "plan.votes.weights"),
        (vec![a()], weights(&[f64::NAN]), "plan.votes.weights"),
        (vec![a()], weights(&[0.0]), "plan.votes.weights"),
        (vec![empty], v(), "nothing but the name of a"),
        (vec![full("a", "b"), member("b", &base, 1)], v(), "a member before it"),
        (
            vec![a(), MemberConfig { full_data_of: Some("a".to_owned()), ..member("b", &base, 1) }],
            v(),
            "beside settings",
        ),
        (vec![a(), elsewhere], v(), "data.train = "),
        (vec![a(), given("b", "/nowhere@3")], v(), "/nowhere@3: found no trained model"),
        (vec![a(), changed(|own| own.training.batch_size = 0)], v(), "batch_size = 0 in b"),
        (vec![a(), changed(|own| own.training.warmup_steps = 9)], v(), "warmup_steps = 9 in b"),
        (vec![a(), changed(|own| own.data.additional = vec!["/absent.tsv".into()])], v(), "/absent.tsv: "),
        (vec![a(), changed(|own| own.data.target = Target::Related)], v(), "data.target = Related in b"),
        (vec![lent, full("full", "b")], v(), "batch_size = 0 in b"),
        (vec![without_best, full("full", "b")], v(), "without_best without a step that was best"),
        (vec![on_all, full("full", "b")], v(), "on_all without a step that was best"),
        (vec![beyond, full("full", "b")], v(), "expected one within the"),
    ];
    for (number, (members, votes, expected)) in cases.into_iter().enumerate() {
        let run = folder.path().join(number.to_string());
        let error = go(&with(&base, members, votes), &run, Start::Fresh).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!run.join("a/config.toml").exists(), "{expected}: training began");
    }
}

#[test]
fn what_a_model_began_with_has_seen_counts_as_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let base = experiment(folder.path(), Plan::Single {});
    let all =
        Experiment { data: re_experiment::DataConfig { val_size: 0.0, ..base.data.clone() }, ..base.clone() };
    let begun = fresh(&all, &folder.path().join("all")).model.unwrap();
    let mut tuned = base.clone();
    (tuned.model.folder, tuned.model.random_weights) = (begun, false);
    let (_, watch) = watched(&tuned, &folder.path().join("tuned"), Start::Fresh);
    assert!(watch.has("was trained on 30 of the 30 validation rows' sentences before"), "{:?}", watch.told);

    let members = vec![given("tuned", folder.path().join("tuned"))];
    let vote = with(&base, members, vec![vote("v", Vote::Mean, &["tuned"], None)]);
    let (summary, watch) = watched(&vote, &folder.path().join("vote"), Start::Fresh);
    assert!(watch.has("tuned was trained on 30 of the 30 validation rows"), "{:?}", watch.told);
    assert!(summary.parts.iter().all(|part| part.rows == Rows::Test), "{:?}", summary.parts);
}

#[test]
fn a_member_of_other_classes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let base = experiment(folder.path(), Plan::Single {});
    let mut binary = base.clone();
    binary.data.target = Target::Related;
    fresh(&binary, &folder.path().join("binary"));
    let members = vec![member("a", &base, 1), given("b", folder.path().join("binary"))];
    let experiment = with(&base, members, vec![vote("v", Vote::Mean, &["a", "b"], None)]);
    let run: &Path = &folder.path().join("run");
    let error = go(&experiment, run, Start::Fresh).unwrap_err();
    assert!(
        matches!(error, Error::Train(re_train::Error::Ensemble(_))) && error.to_string().contains('b'),
        "{error}"
    );
    assert!(!run.join("a").exists());
}

#[test]
fn a_given_member_sees_the_entity_types_that_it_was_trained_with() {
    let folder = tempfile::tempdir().unwrap();
    let base = experiment(folder.path(), Plan::Single {});
    let mut typed = base.clone();
    typed.markup = re_data::MarkupConfig::TypedPunct {};
    let error = go(&typed, &folder.path().join("untyped"), Start::Fresh).unwrap_err().to_string();
    assert!(error.starts_with("data.entity_types = no entity with a type"), "{error}");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded");
    typed.data.entity_types = Some(fixtures.join("entity_types.tsv"));
    fresh(&typed, &folder.path().join("typed"));
    let votes = vec![vote("v", Vote::Mean, &["typed"], None)];
    let experiment = with(&base, vec![given("typed", folder.path().join("typed"))], votes);
    fresh(&experiment, &folder.path().join("run"));
    for name in ["validation_probabilities.csv", "test_probabilities.csv"] {
        let of = |run: &str| probabilities(&folder.path().join(run), name);
        assert_eq!(of("run/typed"), of("typed"), "{name}");
    }

    // Those of the settings in whose place it stands do not matter.
    let mut settings = typed;
    settings.data.entity_types = Some("/absent/entity_types.tsv".into());
    let member = MemberConfig { run: Some(folder.path().join("typed")), ..member("typed", &settings, 1) };
    let experiment = with(&base, vec![member], vec![vote("v", Vote::Mean, &["typed"], None)]);
    fresh(&experiment, &folder.path().join("settled"));
}

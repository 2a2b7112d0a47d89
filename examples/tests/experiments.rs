//! Every example has its settings, and they say the same on every base.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Parser;
use re_examples::Flags;
use re_experiment::{Encoders, Experiment, Layers, Plan};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs")
}

fn stems(folder: &Path, extension: &str) -> BTreeSet<String> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// A file on the report's base, on that of a narrow encoder, and on the embedded default.
fn on_each_base(name: &str) -> [Experiment; 3] {
    let (path, base) = (configs().join(format!("{name}.toml")), configs().join("base"));
    let narrow = Encoders::new(configs().join("../../fixtures/embedded/model"), false).unwrap();
    let layers = [
        Layers::default(),
        Layers::for_encoders(narrow),
        Layers::on(base.join("embedded.toml")).file(base.join("embedded_corpus.toml")).unwrap(),
    ];
    layers.map(|layers| {
        layers.file(&path).and_then(|layers| layers.experiment()).unwrap_or_else(|e| panic!("{e}"))
    })
}

#[test]
fn every_example_has_settings_of_its_name() {
    let examples = stems(Path::new(env!("CARGO_MANIFEST_DIR")), "rs");
    let settings = stems(&configs(), "toml");
    assert!(examples.is_subset(&settings), "{:?}", examples.difference(&settings));
    for example in &examples {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{example}.rs"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(&format!("re_examples::run(\"{example}\")")), "{example}");
        // An error that `main` returned would be shown with the functions that it came through.
        assert!(text.contains("fn main() -> std::process::ExitCode {"), "{example}");
    }
}

#[test]
fn what_an_experiment_is_about_is_the_same_on_every_base() {
    for name in stems(&configs(), "toml") {
        let [report, narrow, embedded] = on_each_base(&name);
        let names = |experiment: &Experiment| {
            let members = experiment.plan.members().iter();
            members.map(|member| member.member.clone()).collect::<Vec<_>>()
        };
        for other in [&narrow, &embedded] {
            assert_eq!(std::mem::discriminant(&report.plan), std::mem::discriminant(&other.plan), "{name}");
            assert_eq!(names(&report), names(other), "{name}");
            assert_eq!(report.data.additional.is_empty(), other.data.additional.is_empty(), "{name}");
        }
        assert_eq!(narrow.model.layers, Some(8), "{name}");
        assert!(embedded.model.random_weights && !report.model.random_weights, "{name}");
        // The rows of the embedded corpus are for the embedded corpus.
        let mut paths = [report, narrow]
            .map(|mut experiment| experiment.paths_mut().map(|p| p.clone()).collect::<Vec<_>>());
        paths[1].retain(|path| !path.ends_with("model"));
        assert!(paths.iter().flatten().all(|path| !path.starts_with("fixtures")), "{name}: {paths:?}");
    }
}

#[test]
fn the_settings_are_those_of_the_report() {
    let of = |name: &str| on_each_base(name)[0].clone();
    let baseline = of("mbert_baseline");
    let t = &baseline.training;
    assert_eq!((t.learning_rate, t.batch_size, t.warmup_steps, t.label_smoothing), (5e-5, 16, 500, 0.0));
    assert_eq!((t.seed, t.adamw.weight_decay, baseline.encoding.max_length), (7, 0.01, 100));
    assert_eq!(baseline.data.val_size, 0.3);
    let additional = of("mbert_additional_data");
    assert_eq!(
        (additional.training.steps, additional.training.batch_size, additional.data.val_size),
        (9000, 64, 0.2)
    );
    let starter = of("starter_baseline");
    assert_eq!((starter.training.steps, starter.training.epochs, starter.data.val_size), (0, 4.0, 0.0));
    let xlmr = of("xlmr");
    let t = &xlmr.training;
    assert_eq!((t.learning_rate, t.batch_size, t.warmup_steps, t.label_smoothing), (1e-5, 32, 300, 0.5));
    for (split, full) in [
        ("mbert_baseline", "mbert_full_data"),
        ("entity_tokens", "entity_tokens_full_data"),
        ("xlmr", "xlmr_full_data"),
    ] {
        assert_eq!(of(full).plan, Plan::StepTransfer { split: None });
        assert_eq!(of(full).training, of(split).training);
        assert_eq!(of(full).markup, of(split).markup);
    }
    let votes = of("ensembles");
    let member = |at: usize| votes.plan.members()[at].experiment.as_deref().unwrap();
    assert_eq!((member(0), member(1), member(2)), (&baseline, &additional, &xlmr));
    assert_eq!(votes.plan.members()[3].full_data_of.as_deref(), Some("xlmr"));
}

#[test]
fn flags_reach_all_trainings_of_an_experiment() {
    let apply = |name: &str, flags: &[&str]| {
        let flags = Flags::try_parse_from(["example"].iter().chain(flags)).unwrap();
        let mut experiment = on_each_base(name)[0].clone();
        flags.apply(&mut experiment).map(|()| experiment)
    };
    let flags = ["--train", "t.tsv", "--additional", "a.tsv", "--seed", "3", "--val-size", "0.1"];
    let vote = apply("soft_vote", &flags).unwrap();
    let own = |at: usize| vote.plan.members()[at].experiment.as_deref().unwrap();
    for experiment in [&vote, own(0), own(1)] {
        assert_eq!(experiment.data.train, PathBuf::from("t.tsv"));
        assert_eq!(
            (experiment.training.seed, experiment.data.split_seed, experiment.data.val_size),
            (3, Some(7), 0.1)
        );
    }
    assert!(own(0).data.additional.is_empty());
    assert_eq!(own(1).data.additional, [PathBuf::from("a.tsv")]);
    // Where no training is about them, they are for the one that there is.
    assert_eq!(apply("xlmr", &flags).unwrap().data.additional, [PathBuf::from("a.tsv")]);

    // Members that differ in their seeds still do.
    let mut vote = vote;
    vote.plan.members_mut()[1].experiment.as_mut().unwrap().training.seed = 2;
    Flags::try_parse_from(["example", "--seed", "0"]).unwrap().apply(&mut vote).unwrap();
    let mut seeds = Vec::new();
    vote.for_each(&mut |experiment| seeds.push(experiment.training.seed));
    assert_eq!(seeds, [0, 0, i64::MAX.cast_unsigned()]);

    let vote = apply("soft_vote", &["--member", "mbert_additional_data=x@9", "--member", "y"]).unwrap();
    let runs: Vec<_> = vote.plan.members().iter().map(|member| member.run.clone().unwrap()).collect();
    assert_eq!(runs, [PathBuf::from("y"), PathBuf::from("x@9")]);
    assert!(apply("xlmr", &["--member", "y"]).unwrap_err().to_string().contains("with members"));
    assert!(Flags::try_parse_from(["example", "--resume", "--out", "x", "--seed", "3"]).is_err());
    assert!(Flags::try_parse_from(["example", "--resume", "--out", "x", "--save-steps", "3"]).is_ok());
}

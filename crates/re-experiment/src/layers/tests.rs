use super::*;

/// Files of a folder of its own.
fn files(files: &[(&str, &str)]) -> (tempfile::TempDir, impl Fn(&str) -> PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().to_owned();
    (folder, move |name: &str| path.join(name))
}

#[test]
fn a_file_changes_the_one_it_extends() {
    let (_folder, at) = files(&[
        ("a.toml", "markup = { name = \"pair\" }\ntraining = { steps = 5, seed = 3 }\n"),
        ("b.toml", "extends = \"a.toml\"\nmarkup = { name = \"plain\" }\ntraining.steps = 6\n"),
        ("c.toml", "extends = \"c.toml\"\n"),
    ]);
    let layers = Layers::default().file(at("b.toml")).unwrap();
    assert_eq!(layers.names(), ["a", "b"]);
    let experiment = layers.experiment().unwrap();
    assert_eq!((experiment.training.steps, experiment.training.seed), (6, 3));
    assert_eq!(experiment.markup, re_data::MarkupConfig::Plain {});
    let error = Experiment::from_file(at("c.toml")).unwrap_err();
    assert!(error.to_string().contains("does not extend itself"), "{error}");
}

/// Reading either would never end.
#[cfg(unix)]
#[test]
fn devices_and_pipes_are_no_settings() {
    let (folder, at) = files(&[
        ("device.toml", "extends = \"/dev/zero\"\n"),
        ("pipe.toml", "extends = \"pipe\"\n"),
        ("member.toml", "[plan]\nname = \"vote\"\nmembers = [{ member = \"a\", config = \"/dev/zero\" }]\n"),
    ]);
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
    assert!(made.success());
    for name in ["device.toml", "pipe.toml", "member.toml"] {
        let error = Experiment::from_file(at(name)).unwrap_err().to_string();
        assert!(error.contains("found a pipe or a device"), "{name}: {error}");
    }
    assert!(Experiment::from_file("/dev/zero").is_err());
}

#[test]
fn an_experiment_lies_on_another_base() {
    let (_folder, at) = files(&[
        ("report.toml", "training = { steps = 3000, batch_size = 16 }\ndata.val_size = 0.3\n"),
        ("small.toml", "extends = \"smaller.toml\"\ntraining.learning_rate = 1e-3\n"),
        ("smaller.toml", "training.steps = 100\n"),
        (
            "own.toml",
            "extends = \"report.toml\"\nmarkup.name = \"query\"\n[for.report.training]\nsteps = 9000\n\
             [for.smaller.training]\nsteps = 300\n",
        ),
        ("variant.toml", "extends = \"own.toml\"\ntraining.seed = 3\n"),
    ]);
    let report = Layers::default().file(at("variant.toml")).unwrap().experiment().unwrap();
    assert_eq!((report.training.steps, report.data.val_size, report.training.seed), (9000, 0.3, 3));
    let layers = Layers::on(at("small.toml")).file(at("variant.toml")).unwrap();
    assert_eq!(layers.names(), ["smaller", "small", "own", "variant"]);
    let small = layers.experiment().unwrap();
    assert_eq!((small.training.steps, small.data.val_size, small.training.seed), (300, 0.0, 3));
    assert_eq!((small.markup, small.training.learning_rate), (re_data::MarkupConfig::Query {}, 1e-3));
    // A file that extends none names no base to be replaced.
    let alone = Layers::on(at("small.toml")).file(at("report.toml")).unwrap().set("training.seed=3").unwrap();
    let error = alone.experiment().unwrap_err().to_string();
    assert!(error.starts_with("--base = ") && error.contains("one extends another"), "{error}");
}

#[test]
fn a_base_gives_way_for_narrow_encoders() {
    let (_folder, at) = files(&[
        (
            "base.toml",
            "instead = { hidden_size_below = 512, extends = \"narrow.toml\" }\ntraining.steps = 3\n",
        ),
        ("narrow.toml", "training.steps = 5\n"),
        ("own.toml", "extends = \"base.toml\"\n"),
        ("wrong.toml", "instead = { below = 512, extends = \"narrow.toml\" }\n"),
        ("wide.json", "{}"),
    ]);
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/model");
    let narrow = Layers::for_encoders(Encoders::new(&embedded, false).unwrap()).file(at("own.toml")).unwrap();
    let experiment = narrow.experiment().unwrap();
    assert_eq!((experiment.training.steps, experiment.model.folder), (5, embedded));
    assert_eq!(Experiment::from_file(at("own.toml")).unwrap().training.steps, 3);
    let error = Experiment::from_file(at("wrong.toml")).unwrap_err().to_string();
    assert!(error.contains("hidden_size_below = NUMBER"), "{error}");
}

#[test]
fn members_get_their_settings_from_files_tables_and_keys() {
    let (_folder, at) = files(&[
        ("base.toml", "training = { steps = 3000, head_learning_rate = 1e-3 }\n"),
        ("other_base.toml", "training = { steps = 1800, learning_rate = 1e-5 }\n"),
        ("one.toml", "extends = \"base.toml\"\nmarkup.name = \"pair\"\n"),
        ("two.toml", "extends = \"other_base.toml\"\n[for.base.training]\nsteps = 1\n"),
        (
            "vote.toml",
            "extends = \"base.toml\"\n[plan]\nname = \"vote\"\nmembers = [{ member = \"a\", config = \"one.toml\" },\n\
             { member = \"b\", config = \"two.toml\", settings.data.additional = [\"x.tsv\"] },\n\
             { member = \"c\", settings.training.seed = 8 }, { member = \"d\", full_data_of = \"a\" }]\n\
             votes = [{ vote = \"v\", how = \"mean\", of = [\"a\", \"b\"] }]\n",
        ),
        (
            "circle.toml",
            "[plan]\nname = \"vote\"\nmembers = [{ member = \"a\", config = \"circle.toml\" }]\nvotes = []\n",
        ),
    ]);
    let layers = Layers::default().file(at("vote.toml")).unwrap().set("training.batch_size=3").unwrap();
    let experiment = layers.experiment().unwrap();
    let own = |at: usize| experiment.plan.members()[at].experiment.as_deref();
    let [a, b, c] = [0, 1, 2].map(|at| own(at).unwrap());
    assert_eq!(a.markup, re_data::MarkupConfig::Pair {});
    assert_eq!((a.training.steps, a.training.head_learning_rate), (3000, Some(1e-3)));
    // What only the vote's own base sets is not handed on.
    assert_eq!((b.training.steps, b.training.head_learning_rate), (1800, None));
    assert_eq!(b.data.additional, [PathBuf::from("x.tsv")]);
    assert_eq!((c.training.seed, c.training.steps), (8, 3000));
    assert_eq!(own(3), None);
    assert!(
        [a, b, c]
            .iter()
            .all(|own| own.training.batch_size == 3 && own.plan == crate::experiment::Plan::Single {})
    );

    // What is written is what was read.
    let text = experiment.to_toml().unwrap();
    assert_eq!(Experiment::parse(&text, "again.toml").unwrap(), experiment);
    let error = Experiment::from_file(at("circle.toml")).unwrap_err().to_string();
    assert!(error.contains("itself as a member"), "{error}");
    let error =
        Layers::default().file(at("vote.toml")).unwrap().set("training.seed=x").unwrap_err().to_string();
    assert!(
        error.starts_with("member a: training.seed") || error.starts_with("--set: training.seed"),
        "{error}"
    );
}

#[test]
fn errors_name_file_line_and_key() {
    let cases = [
        ("head = \"cls\"\n\n[training]\nlearnig_rate = 1.0\n", "x.toml:4: training.learnig_rate"),
        ("extends = \"base.toml\"\ntraining.steps = \"many\"\n", "x.toml:2: training.steps"),
        ("[for.base.training]\nsteps = \"many\"\n", "x.toml:2: training.steps"),
        ("[for]\nbase = 3\n", "for = 3"),
        ("extends = 3\n", "extends = 3"),
        ("instead = 3\n", "instead = 3"),
        ("extends = \"absent.toml\"\n", "absent.toml: "),
        (
            "[plan]\nname = \"vote\"\nvotes = []\nmembers = [{ member = \"a\", settings.training.stepz = 1 }]\n",
            "member a: training.stepz",
        ),
        (
            "[plan]\nname = \"vote\"\nvotes = []\nmembers = [{ member = \"a\", config = 1 }]\n",
            "plan.members.config = 1",
        ),
    ];
    let (_folder, at) = files(&[("base.toml", "")]);
    for (text, expected) in cases {
        std::fs::write(at("x.toml"), text).unwrap();
        let error = Experiment::from_file(at("x.toml")).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn single_keys_are_toml_or_words() {
    let set = |assignment: &str| Layers::default().set(assignment).and_then(|layers| layers.experiment());
    assert_eq!(set("training.batch_size = 4").unwrap().training.batch_size, 4);
    assert_eq!(set("training.device=cuda:0").unwrap().training.device, "cuda:0");
    assert_eq!(set("data.train=a b.tsv").unwrap().data.train, PathBuf::from("a b.tsv"));
    let error = set("training.stepz=4").unwrap_err().to_string();
    assert!(error.starts_with("--set: training"), "{error}");
    assert!(set("training.steps").unwrap_err().to_string().contains("KEY=VALUE"));
}

#[test]
fn encoders_are_for_members_that_there_are() {
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/model");
    let (_folder, at) = files(&[
        ("one.toml", ""),
        (
            "vote.toml",
            "[plan]\nname = \"vote\"\nvotes = []\nmembers = [{ member = \"a\", config = \"one.toml\" }]\n",
        ),
    ]);
    let encoders = |member: &str| Encoders::default().with_member(member, &embedded, false).unwrap();
    let experiment = Layers::for_encoders(encoders("a")).file(at("vote.toml")).unwrap().experiment().unwrap();
    assert_eq!(experiment.plan.members()[0].experiment.as_ref().unwrap().model.folder, embedded);
    let error = Layers::for_encoders(encoders("b")).file(at("vote.toml")).unwrap().experiment().unwrap_err();
    assert!(error.to_string().contains("one of the members a"), "{error}");
}

#[test]
fn encoders_have_names_on_a_command_line() {
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/model");
    let (model, member) = (embedded.display().to_string(), format!("a={}", embedded.display()));
    let named = |models: &[&str], otherwise| Encoders::named(models, otherwise, false);
    assert!(named(&[], None).unwrap().is_none());
    assert!(named(&[], Some(embedded.as_path())).unwrap().is_some());
    assert!(named(&[&model, &member], None).unwrap().is_some());
    // A folder whose name has such a sign is a model.
    let folder = tempfile::tempdir().unwrap();
    let rate = folder.path().join("lr=1");
    std::fs::create_dir(&rate).unwrap();
    std::fs::copy(embedded.join("config.json"), rate.join("config.json")).unwrap();
    assert!(named(&[rate.to_str().unwrap()], None).unwrap().is_some());
    let twice = named(&[&model, &model], None).unwrap_err().to_string();
    assert!(twice.contains("one model, and others as MEMBER=MODEL"), "{twice}");
    let alone = named(&[&member], None).unwrap_err().to_string();
    assert!(alone.starts_with("--model = a=") && alone.contains("for the other members"), "{alone}");
}

#[test]
fn what_is_set_does_not_scale_with_the_steps() {
    let (_folder, at) = files(&[
        ("a.toml", "training = { steps = 50, eval_steps = 10, save_steps = 20, warmup_steps = 5 }\n"),
        (
            "vote.toml",
            "extends = \"a.toml\"\ntraining.steps = 100\n\
             plan = { name = \"vote\", votes = [], members = [{ member = \"a\", config = \"a.toml\" }] }\n",
        ),
    ]);
    let layers = Layers::default().file(at("vote.toml")).unwrap().set("training.eval_steps=7").unwrap();
    let experiment = layers.scaled(200).unwrap();
    let member = experiment.plan.members()[0].experiment.as_ref().unwrap();
    for (training, steps) in [(&experiment.training, 200), (&member.training, 100)] {
        let found = (training.steps, training.eval_steps, training.save_steps, training.warmup_steps);
        assert_eq!(found, (steps, 7, 40, 10));
    }
}

#[test]
fn circles_are_found_whatever_leads_round() {
    let circles: [&[(&str, &str)]; 2] = [
        &[("a.toml", "extends = \"sub/../b.toml\""), ("b.toml", "extends = \"sub/../a.toml\"")],
        &[(
            "a.toml",
            "plan = { name = \"vote\", members = [{ member = \"m\", config = \"sub/../a.toml\" }], votes = [] }",
        )],
    ];
    for circle in circles {
        let (folder, at) = files(circle);
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let error = Layers::default().file(at("a.toml")).unwrap_err().to_string();
        assert!(error.starts_with("extends = ") && error.contains("does not extend itself"), "{error}");
    }
    #[cfg(unix)]
    {
        let (folder, at) = files(&[("a.toml", "extends = \"link/a.toml\"")]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
        let error = Layers::default().file(at("a.toml")).unwrap_err().to_string();
        assert!(error.contains("does not extend itself"), "{error}");
    }
}

#[test]
fn a_key_of_many_parts_is_refused() {
    let error = Layers::default().set(&format!("a{}=1", ".a".repeat(30_000))).unwrap_err().to_string();
    assert_eq!(error, "--set = a key of 30001 parts, expected a key of at most 64 parts");
}

#[test]
fn epochs_over_steps_are_told_of() {
    let (_folder, at) = files(&[
        ("a.toml", "training = { steps = 5 }\n"),
        ("b.toml", "extends = \"a.toml\"\ntraining.epochs = 3\n"),
    ]);
    let told = |file: &str, set: &[&str]| {
        let layers = Layers::default().file(at(file)).unwrap();
        set.iter().fold(layers, |layers, set| layers.set(set).unwrap()).unused_epochs()
    };
    let text = told("a.toml", &["training.epochs=3"]).unwrap();
    assert!(text.starts_with("--set: training.epochs has no effect, as training.steps = 5"), "{text}");
    assert!(told("b.toml", &[]).unwrap().contains("b.toml: training.epochs has no effect"));
    for set in
        [&[][..], &["training.steps=0", "training.epochs=3"], &["training.epochs=3", "training.steps=0"]]
    {
        assert_eq!(told("a.toml", set), None);
    }
}

//! The plan of a classifier and questions: its folders, its figures, interruption, what it refuses.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use re_data::{Predictor, Probabilities, RelationExample};
use re_experiment::{Error, Experiment, ExperimentData, Rows, RunFolder, Summary, load_predictor};
use re_formats::read;
use re_train::{Event, Observer, Start, StopReason};

/// A classifier that has learnt nothing and lets every row pass, and an answerer of a few steps.
const SETTINGS: &str = r#"
model = { folder = "model", random_weights = true, layers = 1 }
data = { train = "dev.tsv", val_size = 0.2, test = "test.tsv", labels = "labels.json" }
questions = { validation_rows = 10 }

[plan]
name = "question_answering"
members = [{ member = "classifier", settings = { training = { steps = 1, learning_rate = 0.0 } } }]

[training]
steps = 6
batch_size = 8
learning_rate = 1e-3
precision = "fp32"
eval_steps = 3
save_steps = 2
"#;

fn experiment(change: impl Fn(&str) -> String) -> Experiment {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded");
    let mut experiment = Experiment::parse(&change(SETTINGS), "test.toml").unwrap();
    for path in experiment.paths_mut() {
        *path = root.join(&path);
    }
    experiment
}

fn run(folder: &Path, experiment: &Experiment) -> re_experiment::Result<Summary> {
    RunFolder::new(folder).run(experiment, Start::Fresh, Vec::new(), Arc::default())
}

fn part<'a>(summary: &'a Summary, name: &str) -> &'a re_experiment::Part {
    summary.parts.iter().find(|part| part.name == name).unwrap()
}

#[test]
fn a_classifier_and_questions_become_one_prediction() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, settings) = (folder.path().join("whole"), experiment(str::to_owned));
    let summary = run(&whole, &settings).unwrap();
    let names: Vec<&str> = summary.parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["classifier", "answerer (related rows alone)", "distance", "span_log_probability"]);
    assert!(summary.parts.iter().all(|part| part.rows == Rows::Validation), "the test rows have no labels");
    assert_eq!(part(&summary, names[1]).evaluation.metrics.rows, 10);
    let data = ExperimentData::read(&settings.data, settings.training.seed).unwrap();
    let chosen = &part(&summary, "span_log_probability").evaluation;
    assert_eq!(summary.evaluation.as_ref(), Some(chosen));
    assert_eq!(chosen.metrics.rows, data.validation.len());
    let text = summary.to_string();
    assert!(text.contains("span_log_probability against classifier"), "{text}");
    assert!(text.contains("distinct answers to 41 questions"), "{text}");
    assert_eq!(std::fs::read_to_string(summary.submission.unwrap()).unwrap().lines().count(), 201);

    // The run as a whole is a predictor, and says what it has written.
    let predictor = load_predictor(&whole, &settings.training).unwrap();
    let written = read::probabilities(whole.join("validation_probabilities.csv")).unwrap();
    assert_eq!(predictor.labels().names(), data.labels.names());
    close(&predictor.predict(&data.validation).unwrap(), &written);
    let other = read::probabilities(whole.join("distance/validation_probabilities.csv")).unwrap();
    assert_ne!(other.values(), written.values());
    let answerer = load_predictor(whole.join("answerer"), &settings.training).unwrap();
    assert_eq!(answerer.labels().len(), 41);

    // A trained run takes the classifier's place, also one that knows two classes alone.
    let mut binary = settings.clone();
    binary.use_run(whole.join("classifier").to_str().unwrap()).unwrap();
    let again = run(&folder.path().join("given"), &binary).unwrap();
    assert_eq!(again.evaluation, summary.evaluation);
    let related = experiment(|text| {
        let text = text.replace("labels.json\" }", "labels.json\", target = \"related\" }");
        text.replace("name = \"question_answering\"", "name = \"single\"")
            .replace("questions = { validation_rows = 10 }", "")
            .lines()
            .filter(|line| !line.starts_with("members"))
            .collect::<Vec<_>>()
            .join("\n")
    });
    run(&folder.path().join("related"), &related).unwrap();
    let mut binary = settings.clone();
    binary.use_run(folder.path().join("related").to_str().unwrap()).unwrap();
    let two = run(&folder.path().join("binary"), &binary).unwrap();
    assert!(two.parts.iter().all(|part| part.name != "classifier"), "its two classes are not comparable");
    let predictor = load_predictor(folder.path().join("binary"), &settings.training).unwrap();
    assert_eq!(predictor.labels().names(), data.labels.names());
}

fn close(found: &Probabilities, expected: &Probabilities) {
    assert_eq!(found.ids(), expected.ids());
    for (a, b) in found.values().iter().zip(expected.values()) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
}

/// Raises a flag after a step of the answerer.
struct StopIn(PathBuf, u64, Arc<AtomicBool>);

impl Observer for StopIn {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if matches!(event, Event::Step(report) if report.step == self.1 && self.0.exists()) {
            self.2.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[test]
fn an_interrupted_plan_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let settings = experiment(|text| text.replace("test = \"test.tsv\", ", ""));
    run(&whole, &settings).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let observer = StopIn(broken.join("answerer"), 3, Arc::clone(&stop));
    let summary =
        RunFolder::new(&broken).run(&settings, Start::Fresh, vec![Box::new(observer)], stop).unwrap();
    assert_eq!(summary.reason, StopReason::Interrupted);
    assert!(!broken.join("summary.json").exists());
    RunFolder::new(&broken).run(&settings, Start::Resume, Vec::new(), Arc::default()).unwrap();
    for name in
        ["answerer/checkpoint-000006/model.safetensors", "validation_probabilities.csv", "summary.json"]
    {
        let bytes = |run: &Path| std::fs::read(run.join(name)).unwrap();
        assert!(bytes(&whole) == bytes(&broken), "{name} differs");
    }
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let few = folder.path().join("few.json");
    std::fs::write(&few, r#"{"인물:배우자": "{e1}의 배우자는 누구인가요?"}"#).unwrap();
    let questions = format!("questions = {{ file = \"{}\" }}", few.display());
    type Change<'a> = Box<dyn Fn(&str) -> String + 'a>;
    let put = |text: &'static str, other: String| -> Change<'_> {
        Box::new(move |settings: &str| {
            assert!(settings.contains(text), "{text}");
            settings.replace(text, &other)
        })
    };
    let longer = "learning_rate = 0.0, warmup_steps = 0 } } }]\n\n[training]\nsteps = 6\nwarmup_steps = 9";
    let cases: [(Change<'_>, &str); 11] = [
        (put("questions = { validation_rows = 10 }", questions), "found no question"),
        (put("validation_rows = 10", "negatives = -1".to_owned()), "questions.negatives = -1"),
        (put("steps = 6", "steps = 6\nlabel_smoothing = 0.1".to_owned()), "training.label_smoothing = 0.1"),
        (put("batch_size = 8", "batch_size = 0".to_owned()), "batch_size = 0"),
        (put("learning_rate = 0.0 } } }]\n\n[training]\nsteps = 6", longer.to_owned()), "warmup_steps = 9"),
        (put("member = \"classifier\"", "member = \"answerer\"".to_owned()), "no other folder"),
        (put("member = \"classifier\"", "member = \"distance\"".to_owned()), "no other folder"),
        (put("}]", "{}]".replace("{}", "}, { member = \"b\", settings = { head = \"cls\" } }")), "2 members"),
        (
            put(
                "labels.json\"",
                "labels.json\", augmentation = [{ name = \"punctuation\", probability = 0.5 }]".to_owned(),
            ),
            "data.augmentation",
        ),
        (put("name = \"question_answering\"", "name = \"step_transfer\"".to_owned()), "questions"),
        (put("name = \"question_answering\"", "name = \"single\"".to_owned()), "data.target"),
    ];
    for (number, (change, expected)) in cases.iter().enumerate() {
        let settings = experiment(|text| {
            let text = change(text);
            let plan = ["step_transfer", "single"].iter().any(|name| text.contains(name));
            text.lines().filter(|line| !(plan && line.starts_with("members"))).collect::<Vec<_>>().join("\n")
        });
        let run_folder = folder.path().join(number.to_string());
        let error = run(&run_folder, &settings).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(!run_folder.join("classifier").exists(), "{expected}");
    }
}

#[test]
fn a_row_that_cannot_be_asked_about_is_found_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let long = "가나다라".repeat(60);
    let entity = |start, len| re_data::Entity::new(re_data::ByteSpan::with_len(start, len));
    let row = RelationExample::new("x", format!("이순신은 {long}"), [entity(0, 9), entity(13, long.len())]);
    let test = folder.path().join("test.jsonl");
    re_formats::write::examples(&test, re_formats::read::Format::Jsonl, &[row.unwrap()]).unwrap();
    let mut settings = experiment(str::to_owned);
    settings.data.test = Some(test);
    let error = run(&folder.path().join("run"), &settings).unwrap_err();
    assert!(
        matches!(error, Error::Train(re_train::Error::Data(re_data::Error::LostEntity { entity: 1, .. }))),
        "{error}"
    );
    assert!(!folder.path().join("run/classifier").exists());
}

//! Asking questions: logits, loss and gradients as in `transformers`, answers, folders, and a classifier in front.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../re-model/tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::{Expected, batch, check_gradients, golden, relative_to_scale};
use re_data::{
    EncodeOptions, LabelSet, LostEntities, Outcomes, PredictError, Predictor, Probabilities, RelationExample,
    RowError, TokenSpan,
};
use re_formats::read::{self, ReadOptions};
use re_model::{Builder, EncoderConfig, Error, Head, Mode, RelationModel, TokenBatch, Weights};
use re_qa::span::{Span, span_loss};
use re_qa::{AnswererOptions, GatedAnswerer, GatedAnswers, QuestionAnswerer, Questions, Rule};
use tch::{Device, Tensor};

#[test]
fn logits_loss_and_gradients() {
    for case in ["bert_span", "xlmr_span", "electra_span", "mpnet_span", "deberta_span"] {
        let folder = golden(case);
        let (config, weights) =
            (EncoderConfig::from_folder(&folder).unwrap(), Weights::open(&folder).unwrap());
        let head = |builder: &mut Builder<'_>, config: &EncoderConfig, _| {
            Ok(Box::new(Span::new(builder, config)?) as Box<dyn Head>)
        };
        let (model, report) = RelationModel::new(config, Some(&weights), 2, head, Device::Cpu, 1).unwrap();
        assert!(report.missing.is_empty() && report.unused.is_empty(), "{case}: {report:?}");

        let expected = Expected::read(&folder.join("expected.safetensors"));
        let [ids, types, mask] =
            ["input_ids", "token_type_ids", "attention_mask"].map(|n| expected.integers(n));
        let rows = TokenBatch::new(&batch(&ids, &types, &mask, &[]), &model.encoder().batch_spec()).unwrap();
        model.parameters().set_trainable(true);
        let logits = model.forward(&rows, Mode::Eval).unwrap();
        let columns = [0, 1].map(|at| rows.pad(&logits.select(1, at), f64::NEG_INFINITY).unwrap());
        for (found, name) in columns.iter().zip(["start_logits", "end_logits"]) {
            let real = expected.get("attention_mask").eq(1);
            assert_eq!(found.isfinite(), real, "{case}: what is no token has no logit");
            let error =
                relative_to_scale(&found.masked_select(&real), &expected.get(name).masked_select(&real));
            assert!(error <= 2e-5, "{case}: {name} differ by {error:e}");
        }
        let positions = ["start_positions", "end_positions"].map(|name| expected.get(name));
        let answer = |row: i64| {
            let [start, end] = positions.map(|at| at.int64_value(&[row]) as usize);
            TokenSpan::new(start, end + 1).unwrap()
        };
        let answers: Vec<TokenSpan> = (0..ids.len() as i64).map(answer).collect();
        let loss = span_loss(&columns, &answers).unwrap();
        let (found, wanted) = (loss.double_value(&[]), expected.number("loss"));
        assert!((found - wanted).abs() <= 1e-5 * wanted, "{case}: loss is {found}, expected {wanted}");
        loss.backward();
        check_gradients(&model, &expected, case, 1e-4);
    }
}

fn embedded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded").join(name)
}

fn labels() -> LabelSet {
    read::labels(embedded("labels.json")).unwrap()
}

fn examples(count: usize) -> Vec<RelationExample> {
    let mut all = read::examples(embedded("dev.tsv"), &ReadOptions::default()).unwrap().examples;
    all.truncate(count);
    all
}

fn answerer(encoding: EncodeOptions) -> QuestionAnswerer {
    let questions = Questions::korean().unwrap().for_labels(&labels()).unwrap();
    let options = AnswererOptions { encoding, random_weights: true, ..AnswererOptions::default() };
    QuestionAnswerer::new(embedded("model"), questions, options).unwrap().0
}

/// Weights of a spread at which answers differ between questions.
fn lively(answerer: QuestionAnswerer) -> QuestionAnswerer {
    let _guard = tch::no_grad_guard();
    for parameter in answerer.model().parameters().iter().filter(|p| p.decays()) {
        let mut tensor = parameter.tensor.shallow_clone();
        let _ = tensor.g_mul_scalar_(6.0);
    }
    answerer
}

#[test]
fn every_question_is_asked_and_a_row_does_not_depend_on_its_company() {
    let answerer = lively(answerer(EncodeOptions::default()));
    let examples = examples(70);
    let together = answerer.answer(&examples).unwrap();
    assert_eq!(together.len(), 70);
    assert!(together.iter().all(|row| row.all().len() == 41));
    assert!(together.iter().any(|row| row.distinct() > 1));
    for (at, example) in examples.iter().enumerate().step_by(23) {
        let alone = answerer.answer(std::slice::from_ref(example)).unwrap();
        for (a, b) in alone[0].all().iter().zip(together[at].all()) {
            let allowed = 1e-3 * (1.0 + b.span_log_probability.abs());
            assert!((a.span_log_probability - b.span_log_probability).abs() < allowed, "{a:?} and {b:?}");
        }
    }
    // The score is that of the object: log-softmax over the row's tokens, from the model's own logits.
    let label = answerer.questions().labels().name(7).unwrap();
    let row = answerer.encoder().encode(&examples[3].clone().with_label(label)).unwrap();
    let rows =
        TokenBatch::new(&re_data::Batch::new([&row], &[]).unwrap(), &answerer.model().encoder().batch_spec())
            .unwrap();
    let logits = answerer.forward(&rows, Mode::Eval).unwrap();
    let log = logits.map(|logits| logits.log_softmax(1, None::<tch::Kind>));
    let object = row.entities[1].unwrap();
    let of = |span: TokenSpan| {
        let [start, end] = [span.start(), span.end() - 1].map(|at| at as i64);
        log[0].double_value(&[0, start]) + log[1].double_value(&[0, end])
    };
    let wanted = of(object) - of(TokenSpan::with_len(0, 1));
    let found = together[3].all()[7].span_log_probability;
    assert!((found - wanted).abs() < 1e-3 * (1.0 + wanted.abs()), "{found}, expected {wanted}");
}

#[test]
fn a_saved_answerer_comes_back_with_the_same_bits() {
    let before = lively(answerer(EncodeOptions::default()));
    let folder = tempfile::tempdir().unwrap();
    before.save(folder.path()).unwrap();
    let after = QuestionAnswerer::from_pretrained(folder.path()).unwrap();
    let examples = examples(20);
    assert_eq!(before.answer(&examples).unwrap(), after.answer(&examples).unwrap());
    assert_eq!(Predictor::labels(&after).names(), &labels().names()[1..]);
    let predictions = after.predict(&examples).unwrap();
    assert!(predictions.rows().all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-4));

    std::fs::remove_file(folder.path().join("questions.json")).unwrap();
    let error = QuestionAnswerer::from_pretrained(folder.path()).unwrap_err();
    assert!(error.to_string().contains("questions.json"), "{error}");
    // A trained classifier is no answerer.
    let error = QuestionAnswerer::from_pretrained(embedded("model")).unwrap_err().to_string();
    assert!(error.contains("question_answering.json"), "{error}");
}

/// What a table says of the embedded rows, in their order, and of all others as of the first.
#[derive(Debug)]
struct Table(Arc<LabelSet>, Vec<f32>);

impl Predictor for Table {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.0
    }

    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
        let none = self.0.no_relation().unwrap();
        let row = |&unrelated: &f32| {
            let rest = (1.0 - unrelated) / (self.0.len() - 1) as f32;
            (0..self.0.len()).map(|class| if class == none { unrelated } else { rest }).collect::<Vec<_>>()
        };
        let known = self::examples(self.1.len());
        let place = |e: &RelationExample| known.iter().position(|other| other.id() == e.id()).unwrap_or(0);
        let values = examples.iter().flat_map(|e| row(&self.1[place(e)])).collect();
        let ids = examples.iter().map(|e| e.id().to_owned()).collect();
        Ok(Probabilities::new(ids, Arc::clone(&self.0), values)?.into())
    }
}

#[test]
fn only_rows_that_pass_the_classifier_are_asked_about() {
    let unrelated = vec![0.9, 0.01, 0.49, 0.5];
    let binary = LabelSet::new(["related", "관계_없음"]).unwrap();
    let all = Arc::new(labels());
    let gated = GatedAnswerer::new(
        Table(Arc::new(binary), unrelated.clone()),
        lively(answerer(EncodeOptions::default())),
        Arc::clone(&all),
    )
    .unwrap();
    let examples = examples(4);
    let found = gated.answer(&examples).unwrap();
    // At equal probabilities the first class wins, which is here "related".
    let asked: Vec<bool> = found.answers().iter().map(Option::is_some).collect();
    assert_eq!(asked, [false, true, true, true]);
    assert_eq!(found.distinct().count(), 3);
    let alone = gated.answerer().answer(&examples).unwrap();
    for rule in [Rule::Distance, Rule::SpanLogProbability] {
        let probabilities = found.probabilities(rule).unwrap();
        assert_eq!(probabilities.labels(), &all);
        for (row, values) in probabilities.rows().enumerate() {
            assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let class = probabilities.classes()[row];
            assert_eq!(class == 0, !asked[row], "{rule:?}: the classifier decides who is unrelated");
            if asked[row] {
                assert_eq!(class, 1 + re_data::predict::argmax(&alone[row].probabilities(rule)), "{rule:?}");
            }
            assert!(values[0] <= unrelated[row]);
        }
        assert_eq!(probabilities.rows().next().unwrap()[0], 0.9);
    }
    let (first, rest) = examples.split_at(1);
    let parts = [first, rest].map(|rows| gated.answer(rows).unwrap());
    let parts = GatedAnswers::concat(parts).unwrap().unwrap();
    assert_eq!(parts.classifier().ids(), found.classifier().ids());
    assert_eq!(parts.distinct().count(), 3);
    let predictor: &dyn Predictor = &gated;
    assert_eq!(predictor.predict(&examples).unwrap(), found.probabilities(Rule::SpanLogProbability).unwrap());
}

#[test]
fn label_sets_that_do_not_fit_are_refused() {
    let try_with = |classifier: LabelSet, all: LabelSet| {
        let table = Table(Arc::new(classifier), Vec::new());
        GatedAnswerer::new(table, answerer(EncodeOptions::default()), Arc::new(all)).unwrap_err().to_string()
    };
    let none_less = labels().with_no_relation(None).unwrap();
    assert!(try_with(none_less.clone(), labels()).contains("expected one in both"));
    assert!(try_with(labels(), none_less).contains("expected one in both"));
    let other = LabelSet::new(["no_relation", "related"]).unwrap();
    assert!(try_with(other, labels()).contains("no-relation class is Some(\"no_relation\")"));
    let fewer = LabelSet::new(labels().names()[..41].to_vec()).unwrap();
    assert!(try_with(labels(), fewer).contains("a question asks for \"인물:나이\""));
    let more = LabelSet::new(labels().names().iter().cloned().chain(["새".to_owned()])).unwrap();
    assert!(try_with(labels(), more).contains("no question asks for \"새\""));
}

#[test]
fn an_object_that_truncation_removes_is_refused_or_leaves_all_relations_alike() {
    let long = "가나다라".repeat(20);
    let entity = |start, len| re_data::Entity::new(re_data::ByteSpan::with_len(start, len));
    let example =
        RelationExample::new("9", format!("이순신은 {long}"), [entity(0, 9), entity(13, long.len())])
            .unwrap();
    let encoding =
        |lost_entities| EncodeOptions { max_length: 40, lost_entities, ..EncodeOptions::default() };
    let strict = answerer(encoding(LostEntities::Error)).answer(std::slice::from_ref(&example));
    assert!(matches!(strict, Err(Error::Data(re_data::Error::LostEntity { entity: 1, .. }))), "{strict:?}");
    // The other rows are answered, also behind a classifier.
    let short = |id| RelationExample::new(id, "하늘은 바다와 산다.", [entity(0, 6), entity(10, 6)]).unwrap();
    let others = ["7", "8"].map(short);
    let rows = [others[0].clone(), example.clone(), others[1].clone()];
    let strict = answerer(encoding(LostEntities::Error));
    let outcomes = strict.outcomes(&rows).unwrap();
    assert_eq!(outcomes.failed().map(RowError::id).collect::<Vec<_>>(), ["9"]);
    assert_eq!(outcomes.answered(), &strict.predict(&others).unwrap());
    let related = Table(Arc::new(labels()), vec![0.0]);
    let gated = GatedAnswerer::new(related, strict, Arc::new(labels())).unwrap();
    let outcomes = gated.outcomes(&rows).unwrap();
    let text = re_data::error::with_causes(outcomes.failed().next().unwrap());
    assert!(text.starts_with("answerer: prediction failed: example 9: entity 2 does not fit"), "{text}");
    assert_eq!(outcomes.ids().collect::<Vec<_>>(), ["7", "9", "8"]);
    assert_eq!(outcomes.answered(), &gated.predict(&others).unwrap());
    let counting = answerer(encoding(LostEntities::Count));
    let probabilities = counting.predict(std::slice::from_ref(&example)).unwrap();
    assert!(probabilities.values().iter().all(|p| (p - 1.0 / 41.0).abs() < 1e-6));
}

#[test]
fn a_length_that_the_encoder_does_not_take_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    answerer(EncodeOptions::default()).save(folder.path()).unwrap();
    std::fs::remove_file(folder.path().join(re_data::manifest::FILE)).unwrap();
    let path = folder.path().join("question_answering.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut settings: serde_json::Value = serde_json::from_str(&text).unwrap();
    settings["encoding"]["max_length"] = 100_000.into();
    std::fs::write(&path, settings.to_string()).unwrap();
    let error = QuestionAnswerer::from_pretrained(folder.path()).unwrap_err().to_string();
    assert!(error.contains("question_answering.json") && error.contains("max_length = 100000"), "{error}");
}

#[test]
fn a_folder_whose_questions_have_changed_answers_nothing() {
    let folder = tempfile::tempdir().unwrap();
    answerer(EncodeOptions::default()).save(folder.path()).unwrap();
    QuestionAnswerer::from_pretrained(folder.path()).unwrap().answer(&examples(2)).unwrap();
    let path = folder.path().join("questions.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut questions: serde_json::Value = serde_json::from_str(&text).unwrap();
    questions["인물:배우자"] = "{e1}의 누구인가요?".into();
    std::fs::write(&path, questions.to_string()).unwrap();
    let changed = |error: Error| match error {
        Error::Data(re_data::Error::Changed(mismatch)) => assert_eq!(mismatch.file, path),
        other => panic!("{other}"),
    };
    changed(QuestionAnswerer::from_pretrained(folder.path()).unwrap().answer(&examples(2)).unwrap_err());
    match QuestionAnswerer::trained_encoder(folder.path()).unwrap_err() {
        re_qa::Error::Train(re_train::Error::Model(error)) => changed(error),
        other => panic!("{other}"),
    }
}

#[test]
#[ignore = "needs a Python interpreter with transformers (RE_PYTHON)"]
fn saved_folders_load_with_the_same_logits_with_transformers() {
    let python = std::env::var_os("RE_PYTHON").unwrap();
    let answerer = lively(answerer(EncodeOptions::default()));
    let folder = tempfile::tempdir().unwrap();
    answerer.save(folder.path()).unwrap();
    let asked: Vec<RelationExample> =
        examples(5).into_iter().map(|example| example.with_label("인물:소속단체")).collect();
    let (rows, _) = answerer.encoder().encode_batch(&asked).unwrap();
    let ids: Vec<Vec<u32>> = rows.iter().map(|row| row.ids.clone()).collect();
    let script = "import json, sys, torch\n\
        from transformers import AutoModelForQuestionAnswering, AutoTokenizer\n\
        folder, rows = sys.argv[1], json.loads(sys.argv[2])\n\
        AutoTokenizer.from_pretrained(folder)\n\
        model, report = AutoModelForQuestionAnswering.from_pretrained(folder, output_loading_info=True)\n\
        assert not report['missing_keys'] and not report['unexpected_keys'], report\n\
        with torch.no_grad():\n    rows = [model.eval()(torch.tensor([r])) for r in rows]\n\
        print(json.dumps([[o.start_logits[0].tolist(), o.end_logits[0].tolist()] for o in rows]))\n";
    let output = Command::new(python)
        .args(["-c", script])
        .arg(folder.path())
        .arg(serde_json::to_string(&ids).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<[Vec<f32>; 2]> = serde_json::from_slice(&output.stdout).unwrap();
    let flat = re_data::Batch::new(&rows, &[]).unwrap();
    let flat = TokenBatch::new(&flat, &answerer.model().encoder().batch_spec()).unwrap();
    let ours = answerer.forward(&flat, Mode::Eval).unwrap();
    for (row, theirs) in theirs.iter().enumerate() {
        for (ours, theirs) in ours.iter().zip(theirs) {
            let ours = ours.get(row as i64).narrow(0, 0, theirs.len() as i64);
            let error = relative_to_scale(&ours, &Tensor::from_slice(theirs));
            assert!(error <= 2e-5, "row {row} differs by {error:e}");
        }
    }
}

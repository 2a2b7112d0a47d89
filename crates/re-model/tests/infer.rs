//! `re-infer` opens what is saved here, and answers alike: all markups and heads, taggers, long texts.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use ndarray::Array2;
use re_data::tags::{TagScheme, TagUnit};
use re_data::{
    CharSpan, Document, Encoded, LabelSet, MarkupConfig, Mention, PairRule, Predictor, RelationExample,
    Tagger, WindowOptions,
};
use re_infer::{InferenceParts, Kernel, LayerProduct, NumberFormat, QuantizeOptions, QuantizeRows, quantize};
use re_model::head::{MentionPairConfig, PairFeature};
use re_model::{
    ClassifierOptions, HeadChoice, HeadConfig, JointModel, MarkupChoice, RelationClassifier, TokenClassifier,
    TokenClassifierOptions,
};

/// Largest error of a logit, as a share of the largest logit.
const TOLERANCE: f32 = 2e-5;

fn embedded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/model")
}

fn heads() -> [HeadConfig; 6] {
    let pair = |features| HeadConfig::MentionPair(MentionPairConfig::new(features));
    let (all, few) = (pair(&PairFeature::ALL), pair(&[PairFeature::Between, PairFeature::Start]));
    [HeadConfig::Cls, HeadConfig::EntityStart, HeadConfig::EntityMean, HeadConfig::RBert, all, few]
}

fn markups() -> [MarkupConfig; 4] {
    let types = vec!["PER".to_owned(), "ORG".to_owned()];
    [
        MarkupConfig::Plain {},
        MarkupConfig::PlainTyped { types: types.clone() },
        MarkupConfig::EntityTokens { entity_embedding: true, pair: true },
        MarkupConfig::TypedTokens { types },
    ]
}

/// A classifier whose logits differ between rows, saved.
fn saved(markup: MarkupConfig, head: HeadConfig) -> (RelationClassifier, tempfile::TempDir) {
    let options = ClassifierOptions {
        markup: MarkupChoice::Known(markup),
        head: HeadChoice::Known(head),
        random_weights: true,
        ..ClassifierOptions::default()
    };
    let labels = LabelSet::new(["관계_없음", "배우자", "형제"]).unwrap();
    let (mut classifier, _) = RelationClassifier::new(embedded(), labels, options).unwrap();
    enliven(classifier.model());
    classifier.set_no_relation(Some("관계_없음")).unwrap();
    classifier.set_logit_adjustment(Some(vec![0.5, -0.25, 0.0])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    classifier.save(folder.path()).unwrap();
    (classifier, folder)
}

/// Gives the weights a spread as of trained ones.
fn enliven(model: &re_model::RelationModel) {
    let _guard = tch::no_grad_guard();
    for parameter in model.parameters().iter().filter(|parameter| parameter.decays()) {
        let mut tensor = parameter.tensor.shallow_clone();
        let _ = tensor.g_mul_scalar_(4.0);
    }
}

/// Pairs of mentions that stand apart, touch, nest and repeat.
fn examples(id: &str, tail: &str) -> Vec<RelationExample> {
    let mention = |start, end, kind| Mention::new(CharSpan::new(start, end).unwrap()).with_kind(kind);
    let mentions = vec![
        mention(0, 2, "PER"),
        mention(4, 6, "PER"),
        mention(4, 8, "ORG"),
        mention(8, 13, "PER"),
        mention(0, 2, "ORG"),
    ];
    let document = Document::new(id, format!("하늘은 바다와 결혼했다.{tail}"), mentions).unwrap();
    document.pairs(&PairRule::default()).map(|pair| document.example(pair).unwrap()).collect()
}

fn opened(folder: &Path, kernel: Kernel) -> re_infer::RelationClassifier {
    opened_in(folder, kernel, NumberFormat::Fp32)
}

fn opened_in(folder: &Path, kernel: Kernel, format: NumberFormat) -> re_infer::RelationClassifier {
    let parts = InferenceParts { kernel: Some(kernel), format: Some(format), markup: None };
    re_infer::RelationClassifier::from_pretrained_with(folder, parts).unwrap()
}

fn assert_close(found: &Array2<f32>, expected: &Array2<f32>, what: &str) {
    let scale = expected.iter().fold(0.0f32, |scale, value| scale.max(value.abs()));
    let error = (found - expected).iter().fold(0.0f32, |error, value| error.max(value.abs()));
    assert!(error <= TOLERANCE * scale, "{what}: an error of {error:e} in logits up to {scale}");
}

#[test]
fn classifiers_of_all_markups_and_heads_answer_alike() {
    let examples = [examples("a", ""), examples("b", &" 정말 그랬다.".repeat(9))].concat();
    for markup in markups() {
        for head in heads() {
            let (mut expected, folder) = saved(markup.clone(), head);
            expected.model_mut().set_precision(re_model::Precision::Fp32);
            let (rows, _) = expected.encoder().encode_batch(&examples).unwrap();
            let logits = expected.logits(&rows).unwrap();
            for kernel in Kernel::available() {
                let what = format!("{markup:?} {head:?} {kernel:?}");
                let found = opened(folder.path(), kernel);
                assert_eq!(found.encoder().encode_batch(&examples).unwrap().0, rows, "{what}");
                assert_close(&found.logits(&rows).unwrap(), &logits, &what);
                let [found, expected] = [
                    Predictor::predict(&found, &examples).unwrap(),
                    Predictor::predict(&expected, &examples).unwrap(),
                ];
                assert_eq!(found.labels(), expected.labels());
                assert_eq!(found.labels().no_relation(), Some(0));
                assert_eq!(found.classes(), expected.classes(), "{what}");
                for (found, expected) in found.values().iter().zip(expected.values()) {
                    assert!((found - expected).abs() <= 1e-4, "{what}");
                }
            }
        }
    }
}

#[test]
fn batches_of_33_rows_of_all_lengths_answer_alike() {
    let (mut expected, folder) = saved(MarkupConfig::Plain {}, HeadConfig::EntityMean);
    expected.model_mut().set_precision(re_model::Precision::Fp32);
    let row = |number: usize| {
        let length = (1 + 8 * number).min(256);
        let span = re_data::TokenSpan::with_len(number % length, 1);
        Encoded {
            ids: (0..length).map(|i| (10 + (number * 97 + i * 13) % 3900) as u32).collect(),
            type_ids: vec![0; length],
            entities: [Some(span), (!number.is_multiple_of(5)).then_some(span)],
            marked: [Some(span), None],
            ..Encoded::default()
        }
    };
    let rows: Vec<Encoded> = (0..33).map(row).collect();
    assert_eq!(rows.iter().map(Encoded::len).max(), Some(expected.model().config().max_length()));
    let logits = expected.logits(&rows).unwrap();
    for kernel in Kernel::available() {
        assert_close(&opened(folder.path(), kernel).logits(&rows).unwrap(), &logits, &format!("{kernel:?}"));
    }
}

#[test]
fn rows_that_do_not_fit_fail_alone_and_alike() {
    let (expected, folder) = saved(MarkupConfig::Plain {}, HeadConfig::Cls);
    let found = re_infer::RelationClassifier::from_pretrained(folder.path()).unwrap();
    let mut examples = examples("a", "");
    // A mention that no row has room for.
    let far = Mention::new(CharSpan::new(100, 4002).unwrap());
    let near = Mention::new(CharSpan::new(0, 2).unwrap());
    let long = Document::new("far", "하늘은 바다와 ".repeat(600), vec![near, far]).unwrap();
    examples.insert(1, long.example(long.pairs(&PairRule::default()).next().unwrap()).unwrap());
    let faults = |outcomes: re_data::Outcomes| -> Vec<Option<String>> {
        outcomes.rows().map(|row| row.err().map(|error| error.to_string())).collect()
    };
    let found = faults(Predictor::outcomes(&found, &examples).unwrap());
    assert_eq!(found, faults(Predictor::outcomes(&expected, &examples).unwrap()));
    assert_eq!(found.iter().filter(|fault| fault.is_some()).count(), 1);
}

#[test]
fn taggers_find_the_same_mentions_in_texts_of_any_length() {
    let texts = [
        "하늘은 바다와 결혼했다.".to_owned(),
        String::new(),
        " \u{3000}\n".to_owned(),
        "권정선과 윤경형 가운데 새로 온 권정선은 보담천방송 소속이다. 알려진 대로 그레타 슈타델은 호가 춘호이다.".repeat(8),
        "𝄞 Marie Curie (née Skłodowska), Warszawa".to_owned(),
    ];
    let document =
        |(id, text): (usize, &String)| Document::new(id.to_string(), text.as_str(), Vec::new()).unwrap();
    let documents: Vec<Document> = texts.iter().enumerate().map(document).collect();
    for unit in [TagUnit::Token, TagUnit::Word, TagUnit::Character] {
        let options = TokenClassifierOptions {
            scheme: TagScheme::Bilou,
            unit,
            windows: Some(WindowOptions { max_length: 40, stride: 9 }),
            random_weights: true,
            ..TokenClassifierOptions::default()
        };
        let (mut expected, _) = TokenClassifier::new(embedded(), ["PER", "LOC"], options).unwrap();
        enliven(expected.model());
        expected.model_mut().set_precision(re_model::Precision::Fp32);
        let folder = tempfile::tempdir().unwrap();
        expected.save(folder.path()).unwrap();
        for kernel in Kernel::available() {
            let options = re_infer::TaggingOptions {
                kernel: Some(kernel),
                format: Some(NumberFormat::Fp32),
                ..Default::default()
            };
            let found = re_infer::TokenClassifier::from_pretrained_with(folder.path(), options).unwrap();
            assert_eq!((found.tags(), found.unit()), (expected.tags(), unit));
            let tag = |tagger: &dyn Tagger| -> Vec<Vec<Mention>> {
                tagger.tag(&documents).unwrap().into_iter().map(Result::unwrap).collect()
            };
            let (found, expected) = (tag(&found), tag(&expected));
            assert!(expected.iter().any(|mentions| mentions.len() > 1), "{unit:?}");
            let kinds = |all: &[Vec<Mention>]| -> Vec<Vec<_>> {
                let kind = |mention: &Mention| (mention.span(), mention.kind().map(str::to_owned));
                all.iter().map(|mentions| mentions.iter().map(kind).collect()).collect()
            };
            assert_eq!(kinds(&found), kinds(&expected), "{unit:?} {kernel:?}");
            for (found, expected) in found.concat().iter().zip(expected.concat()) {
                let (found, expected) = (found.score().unwrap(), expected.score().unwrap());
                assert!((found - expected).abs() <= 1e-4, "{unit:?} {kernel:?}");
            }
        }
    }
}

#[test]
fn a_folder_of_one_encoder_and_two_heads_gives_either() {
    let (relations, _) = saved(MarkupConfig::Plain {}, HeadConfig::MentionPair(MentionPairConfig::default()));
    let scheme = TagScheme::Io;
    let mut joint = JointModel::new(relations, ["PER", "LOC"], scheme, TagUnit::Character, None).unwrap();
    joint.set_precision(re_model::Precision::Fp32);
    // The encoder is lively already.
    for parameter in joint.tagger().model().parameters().iter().filter(|one| one.name.contains("classifier"))
    {
        let _guard = tch::no_grad_guard();
        let _ = parameter.tensor.shallow_clone().g_mul_scalar_(40.0);
    }
    let folder = tempfile::tempdir().unwrap();
    joint.save(folder.path()).unwrap();

    let tagger = re_infer::TokenClassifier::from_pretrained(folder.path()).unwrap();
    assert_eq!((tagger.tags(), tagger.unit()), (joint.tagger().tags(), TagUnit::Character));
    let document =
        Document::new("1", "권정선과 윤경형 가운데 새로 온 권정선은 보담천방송 소속이다.", Vec::new());
    let document = document.unwrap();
    let tag = |tagger: &dyn Tagger| -> Vec<(CharSpan, Option<String>)> {
        let mentions = tagger.tag(std::slice::from_ref(&document)).unwrap().remove(0).unwrap();
        mentions.iter().map(|mention| (mention.span(), mention.kind().map(str::to_owned))).collect()
    };
    let expected = tag(joint.tagger());
    assert!(!expected.is_empty());
    assert_eq!(tag(&tagger), expected);

    let examples = examples("a", "");
    let found = re_infer::RelationClassifier::from_pretrained(folder.path()).unwrap();
    let (found, expected) =
        (found.predict(&examples).unwrap(), joint.relations().predict(&examples).unwrap());
    let apart = found.values().iter().zip(expected.values()).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f32::max) < 1e-4);
}

#[test]
fn folders_that_cannot_be_opened_say_why() {
    let own = HeadChoice::Own(Box::new(|builder, config, classes| {
        re_model::head::EntityMean::new(builder, config, classes)
            .map(|head| Box::new(head) as Box<dyn re_model::Head>)
    }));
    let options = ClassifierOptions { head: own, random_weights: true, ..ClassifierOptions::default() };
    let labels = LabelSet::new(["a", "b"]).unwrap();
    let (classifier, _) = RelationClassifier::new(embedded(), labels, options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    classifier.save(folder.path()).unwrap();
    let error = re_infer::RelationClassifier::from_pretrained(folder.path()).unwrap_err();
    assert!(matches!(error, re_infer::Error::OwnHead { .. }), "{error}");

    let error = re_infer::RelationClassifier::from_pretrained(embedded()).unwrap_err().to_string();
    assert!(error.contains("relation_classifier.json is missing"), "{error}");

    let (_, folder) = saved(MarkupConfig::Plain {}, HeadConfig::Cls);
    let path = folder.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let classifier = re_infer::RelationClassifier::from_pretrained(folder.path()).unwrap();
    let error = classifier.predict(&examples("a", "")).unwrap_err();
    assert!(re_data::error::with_causes(&error).contains("has changed"), "{error}");
}

/// The largest error of a logit, as a share of the largest logit.
fn error(found: &Array2<f32>, expected: &Array2<f32>) -> f32 {
    let scale = expected.iter().fold(0.0f32, |scale, value| scale.max(value.abs()));
    (found - expected).iter().fold(0.0f32, |error, value| error.max(value.abs())) / scale
}

#[test]
fn shorter_numbers_answer_nearly_alike() {
    let (classifier, folder) = saved(MarkupConfig::Plain {}, HeadConfig::EntityMean);
    let (rows, _) = classifier.encoder().encode_batch(&examples("a", "")).unwrap();
    let expected = opened(folder.path(), Kernel::best()).logits(&rows).unwrap();
    for kernel in Kernel::available() {
        for (format, most) in [(NumberFormat::Bf16, 0.03), (NumberFormat::Int8, 0.06)] {
            let found = opened_in(folder.path(), kernel, format).logits(&rows).unwrap();
            let error = error(&found, &expected);
            assert!(error > 0.0 && error < most, "{format:?} with {kernel:?}: {error}");
        }
    }
}

#[test]
fn quantized_folders_are_small_and_answer_nearly_alike() {
    let (classifier, folder) = saved(MarkupConfig::Plain {}, HeadConfig::RBert);
    let examples = [examples("a", ""), examples("b", &" 정말 그랬다.".repeat(9))].concat();
    let (rows, _) = classifier.encoder().encode_batch(&examples).unwrap();
    let expected = opened(folder.path(), Kernel::best()).logits(&rows).unwrap();
    let place = tempfile::tempdir().unwrap();
    let quantized = |name: &str, agreement: f64| {
        let path = place.path().join(name);
        let rows = QuantizeRows::Examples(&examples);
        let report = quantize(folder.path(), &path, rows, &QuantizeOptions { agreement }).unwrap();
        let found = re_infer::RelationClassifier::from_pretrained(&path).unwrap();
        (report, found.logits(&rows_of(&found, &examples)).unwrap(), path)
    };
    let (report, found, path) = quantized("any", 0.0);
    assert_eq!((report.rows, report.kept.len(), report.accuracy), (examples.len(), 0, None));
    let [before, after] = report.bytes;
    assert!((after as f64) < 0.4 * before as f64, "{after} of {before}");
    let of_any = error(&found, &expected);
    assert!(of_any > 0.0 && of_any < 0.08, "{of_any}");
    // More than all of them cannot stay as they are.
    let (report, found, _) = quantized("exact", 1.5);
    assert_eq!(report.kept.len(), LayerProduct::ALL.len());
    assert_eq!(report.alone.len(), LayerProduct::ALL.len());
    assert!(error(&found, &expected) < of_any);

    let refused = RelationClassifier::from_pretrained(&path).unwrap_err().to_string();
    assert!(refused.contains("I8"), "{refused}");
    let documents = [Document::new("1", "하늘은", Vec::new()).unwrap()];
    let rows = QuantizeRows::Documents(&documents);
    let refused = quantize(folder.path(), place.path().join("x"), rows, &QuantizeOptions::default());
    assert!(refused.unwrap_err().to_string().contains("found documents"));
    assert!(
        quantize(folder.path(), &path, QuantizeRows::Examples(&examples), &QuantizeOptions::default())
            .is_err()
    );
}

fn rows_of(classifier: &re_infer::RelationClassifier, examples: &[RelationExample]) -> Vec<Encoded> {
    classifier.encoder().encode_batch(examples).unwrap().0
}

//! Token classifiers: logits, loss and gradients as in `transformers`, folders, long texts.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Expected, batch, check_gradients, golden, relative_to_scale};
use re_data::tags::{TagScheme, TagUnit};
use re_data::{Document, Mention, Tagger, WindowOptions};
use re_model::head::Tokens;
use re_model::{
    Builder, EncoderConfig, Error, Head, HeadConfig, Mode, RelationModel, TaggingOptions, TokenBatch,
    TokenClassifier, TokenClassifierOptions, Weights,
};
use tch::{Device, Kind, Reduction, Tensor};

#[test]
fn logits_loss_and_gradients() {
    for (case, tags) in [("bert_tokens", 7), ("xlmr_tokens", 5), ("electra_tokens", 3), ("deberta_tokens", 3)]
    {
        let folder = golden(case);
        let (config, weights) =
            (EncoderConfig::from_folder(&folder).unwrap(), Weights::open(&folder).unwrap());
        let head = |builder: &mut Builder<'_>, config: &EncoderConfig, classes| {
            Ok(Box::new(Tokens::new(builder, config, classes, 1)?) as Box<dyn Head>)
        };
        let (model, report) = RelationModel::new(config, Some(&weights), tags, head, Device::Cpu, 1).unwrap();
        assert!(report.missing.is_empty() && report.unused.is_empty(), "{case}: {report:?}");

        let expected = Expected::read(&folder.join("expected.safetensors"));
        let [ids, types, mask] =
            ["input_ids", "token_type_ids", "attention_mask"].map(|n| expected.integers(n));
        let rows = TokenBatch::new(&batch(&ids, &types, &mask, &[]), &model.encoder().batch_spec()).unwrap();
        model.parameters().set_trainable(true);
        let logits = model.forward(&rows, Mode::Eval).unwrap();
        let real = expected.get("attention_mask").reshape([-1]).eq(1).nonzero().squeeze_dim(1);
        let flat = |name: &str| expected.get(name).reshape([-1, tags as i64]).index_select(0, &real);
        let error = relative_to_scale(&logits, &flat("logits"));
        assert!(error <= 2e-5, "{case}: logits differ by {error:e}");

        let labels = expected.get("labels").reshape([-1]).index_select(0, &real);
        let loss = logits.cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Mean, -100, 0.0);
        let (found, wanted) = (loss.double_value(&[]), expected.number("loss"));
        assert!((found - wanted).abs() <= 1e-5 * wanted, "{case}: loss is {found}, expected {wanted}");
        loss.backward();
        check_gradients(&model, &expected, case, 1e-4);
    }
}

fn embedded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/model")
}

fn options(unit: TagUnit, windows: WindowOptions) -> TokenClassifierOptions {
    TokenClassifierOptions {
        unit,
        windows: Some(windows),
        random_weights: true,
        ..TokenClassifierOptions::default()
    }
}

fn classifier(options: TokenClassifierOptions) -> TokenClassifier {
    TokenClassifier::new(embedded(), ["PER", "LOC"], options).unwrap().0
}

/// Weights of a spread at which tags differ between tokens.
fn lively(classifier: TokenClassifier) -> TokenClassifier {
    let _guard = tch::no_grad_guard();
    for parameter in classifier.model().parameters().iter().filter(|p| p.decays()) {
        let mut tensor = parameter.tensor.shallow_clone();
        let _ = tensor.g_mul_scalar_(6.0);
    }
    classifier
}

fn documents() -> Vec<Document> {
    let texts = [
        "하늘은 바다와 결혼했다.",
        "",
        " \u{3000}\n",
        "권정선과 윤경형 가운데 새로 온 권정선은 보담천방송 소속이다. 알려진 대로 그레타 슈타델은 호가 춘호이다.",
        "𝄞 Marie Curie (née Skłodowska), Warszawa",
    ];
    let document = |(id, text): (usize, &&str)| Document::new(id.to_string(), *text, Vec::new()).unwrap();
    texts.iter().enumerate().map(document).collect()
}

fn tag(classifier: &TokenClassifier, documents: &[Document]) -> Vec<Vec<Mention>> {
    classifier.tag(documents).unwrap().into_iter().map(Result::unwrap).collect()
}

#[test]
fn a_saved_classifier_comes_back_with_the_same_bits() {
    for unit in [TagUnit::Token, TagUnit::Word, TagUnit::Whitespace, TagUnit::Character] {
        let windows = WindowOptions { max_length: 12, stride: 5 };
        let before =
            lively(classifier(TokenClassifierOptions { scheme: TagScheme::Bilou, ..options(unit, windows) }));
        let folder = tempfile::tempdir().unwrap();
        before.save(folder.path()).unwrap();
        let after = TokenClassifier::from_pretrained(folder.path()).unwrap();
        assert_eq!((after.unit(), after.encoder().options()), (unit, windows));
        assert_eq!(after.tags(), before.tags());
        let found = tag(&before, &documents());
        assert_eq!(tag(&after, &documents()), found);
        assert!(found.iter().any(|mentions| !mentions.is_empty()));
        for (document, mentions) in documents().iter().zip(found) {
            // Spans are stretches of the text without white space at their ends, and do not overlap.
            let with = Document::new("1", document.text(), mentions).unwrap();
            for number in 0..with.mentions().len() {
                assert_eq!(with.surface(number).trim(), with.surface(number));
            }
            assert!(with.mentions().windows(2).all(|pair| pair[0].span().end() <= pair[1].span().start()));
        }
    }
}

#[test]
fn a_folder_of_others_is_read_as_its_names_say() {
    let before = lively(classifier(options(TagUnit::Token, WindowOptions { max_length: 200, stride: 50 })));
    let folder = tempfile::tempdir().unwrap();
    before.save(folder.path()).unwrap();
    for name in ["token_classifier.json", "manifest.json"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert!(!TokenClassifier::is_in(folder.path()).unwrap());
    let after = TokenClassifier::from_pretrained(folder.path()).unwrap();
    // Whether `I` begins mentions, names do not say: as `transformers`, we let it.
    assert_eq!((after.unit(), after.tags().scheme()), (TagUnit::Token, TagScheme::Iob1));
    // As many tokens as the encoder has positions.
    assert_eq!(after.encoder().options(), WindowOptions { max_length: 256, stride: 64 });
    let values = |classifier: &TokenClassifier| {
        let text = classifier.prepare("하늘은 바다와 결혼했다.").unwrap();
        classifier.logits(&text.encoded.rows).unwrap()
    };
    let close = |a: &f32, b: &f32| (a - b).abs() <= 1e-4 * (1.0 + b.abs());
    // A folder of others says no number format, so that the processor would decide.
    let fp32 = TaggingOptions { precision: Some(re_model::Precision::Fp32), ..TaggingOptions::default() };
    let after = TokenClassifier::from_pretrained_with(folder.path(), fp32).unwrap();
    let (before, after) = (values(&before), values(&after));
    assert!(before[0].iter().zip(&after[0]).all(|(a, b)| close(a, b)), "{before:?} {after:?}");

    let chosen = TaggingOptions {
        scheme: Some(TagScheme::Bio),
        unit: Some(TagUnit::Word),
        windows: Some(WindowOptions { max_length: 30, stride: 0 }),
        ..TaggingOptions::default()
    };
    let chosen = TokenClassifier::from_pretrained_with(folder.path(), chosen).unwrap();
    assert_eq!((chosen.unit(), chosen.tags().scheme()), (TagUnit::Word, TagScheme::Bio));
}

#[test]
fn an_encoder_without_token_types_has_a_tagger() {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(embedded()).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let config = fs::read_to_string(golden("mpnet").join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    (config["vocab_size"], config["pad_token_id"]) = (4000.into(), 1.into());
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let options = options(TagUnit::Token, WindowOptions::of_length(24));
    let before = lively(TokenClassifier::new(folder.path(), ["PER"], options).unwrap().0);
    let saved = tempfile::tempdir().unwrap();
    before.save(saved.path()).unwrap();
    let after = TokenClassifier::from_pretrained(saved.path()).unwrap();
    assert_eq!(tag(&after, &documents()), tag(&before, &documents()));
}

#[test]
fn folders_that_hold_no_token_classifier_are_refused() {
    let error = TokenClassifier::from_pretrained(embedded()).unwrap_err().to_string();
    assert!(error.contains("a XLMRobertaModel") && error.contains("ForTokenClassification"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    classifier(options(TagUnit::Token, WindowOptions::of_length(64))).save(folder).unwrap();
    fs::remove_file(folder.join("manifest.json")).unwrap();
    let config = fs::read_to_string(folder.join("config.json")).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(config.contains(from), "{config}");
        fs::write(folder.join("config.json"), config.replace(from, to)).unwrap();
        TokenClassifier::from_pretrained(folder).unwrap_err()
    };
    let field = |error: Error| match error {
        Error::Config { field, found, .. } => (field, found),
        other => panic!("{other:?}"),
    };
    let (name, found) = field(changed("\"B-PER\"", "\"LABEL_1\""));
    assert!(name == "id2label" && found.contains("LABEL_1"), "{found}");
    assert_eq!(field(changed("\"vocab_size\": 4000", "\"vocab_size\": 3999")).0, "vocab_size");
    assert!(matches!(changed("ForTokenClassification", "ForSequenceClassification"), Error::NoModel { .. }));
    assert!(matches!(changed("\"4\": \"I-LOC\"", "\"5\": \"I-LOC\""), Error::Config { .. }));
    fs::write(folder.join("config.json"), &config).unwrap();
    let settings = folder.join("token_classifier.json");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("\"max_length\": 64", "\"max_length\": 640")).unwrap();
    assert_eq!(field(TokenClassifier::from_pretrained(folder).unwrap_err()).0, "windows.max_length");
    fs::write(&settings, text.replace("\"bio\"", "\"bilou\"")).unwrap();
    assert_eq!(field(TokenClassifier::from_pretrained(folder).unwrap_err()).0, "id2label");
    fs::write(&settings, text.replace("\"bio\"", "\"bie\"")).unwrap();
    assert!(matches!(TokenClassifier::from_pretrained(folder), Err(Error::Json { .. })));
    // A head that was never trained.
    fs::write(&settings, &text).unwrap();
    let tensors = Tensor::read_safetensors(folder.join("model.safetensors")).unwrap();
    let bare: Vec<_> = tensors.into_iter().filter(|(name, _)| !name.starts_with("classifier")).collect();
    Tensor::write_safetensors(&bare, folder.join("model.safetensors")).unwrap();
    assert!(matches!(TokenClassifier::from_pretrained(folder), Err(Error::MissingTensors { .. })));
}

/// A classifier that finds one word, whatever stands around it: its layers add nothing to the embeddings, which alone
/// decide.
fn finder(word: &str, windows: WindowOptions) -> TokenClassifier {
    let classifier = TokenClassifierOptions { layers: Some(1), ..options(TagUnit::Token, windows) };
    let classifier = self::classifier(classifier);
    let _guard = tch::no_grad_guard();
    for parameter in classifier.model().parameters().iter() {
        let mut tensor = parameter.tensor.shallow_clone();
        let silent = ["position", "token_type", "output.dense", "classifier"];
        if silent.iter().any(|part| parameter.name.contains(part)) {
            let _ = tensor.zero_();
        }
    }
    let text = classifier.prepare(word).unwrap();
    assert_eq!(text.encoded.pieces.len(), 1, "{word} is one token");
    let batch = re_data::Batch::new(&text.encoded.rows, &[]).unwrap();
    let batch = TokenBatch::new(&batch, &classifier.model().encoder().batch_spec()).unwrap();
    let states = classifier.model().encoder().hidden_states(&batch, Mode::Eval).unwrap();
    let state = states.last().unwrap().get(text.encoded.windows[0].offset as i64).to_kind(Kind::Float);
    let parameter = |name| classifier.model().parameters().get(name).unwrap().tensor.shallow_clone();
    // B-PER where the state is that one, whose product with itself is far above all others, else O.
    parameter("classifier.weight").get(1).copy_(&state);
    let product = (&state * &state).sum(Kind::Float).double_value(&[]);
    let _ = parameter("classifier.bias").get(1).fill_(-0.6 * product);
    let _ = parameter("classifier.bias").get(0).fill_(10.0);
    classifier
}

#[test]
fn a_word_is_found_wherever_it_stands_in_a_long_text() {
    let words = ["하늘", "결혼했다.", "정말", "그런", "Ann"];
    let finder = finder("바다", WindowOptions { max_length: 64, stride: 16 });
    let word = |number: usize| words[number * 7 % 5];
    // At both ends, and at every position of a window.
    let planted: Vec<usize> = (0..200).map(|number| number * 67).chain([99_999]).collect();
    let mut text = String::new();
    let mut starts = Vec::new();
    let mut chars = 0;
    for number in 0..100_000 {
        let word = if planted.contains(&number) { "바다" } else { word(number) };
        if word == "바다" {
            starts.push(chars);
        }
        text.push_str(word);
        text.push(' ');
        chars += word.chars().count() + 1;
    }
    let document = Document::new("long", text, Vec::new()).unwrap();
    let found = tag(&finder, &[document]).remove(0);
    let spans: Vec<_> = found.iter().map(|mention| mention.span().range()).collect();
    assert_eq!(spans, starts.iter().map(|start| *start..start + 2).collect::<Vec<_>>());
    assert!(found.iter().all(|mention| mention.kind() == Some("PER") && mention.score().unwrap() > 0.99));
}

#[test]
fn each_token_is_judged_in_the_window_that_says_so() {
    let windows = WindowOptions { max_length: 16, stride: 6 };
    for unit in [TagUnit::Word, TagUnit::Character] {
        check_judged(&lively(classifier(options(unit, windows))));
    }
}

fn check_judged(classifier: &TokenClassifier) {
    let text = classifier.prepare(documents()[3].text()).unwrap();
    assert!(text.encoded.windows.len() > 2);
    let (classes, logits) = (classifier.tags().len(), classifier.logits(&text.encoded.rows).unwrap());
    let values = classifier.log_probabilities(&[&text]).unwrap().remove(0);
    let mut judged = 0;
    for (window, row) in text.encoded.windows.iter().zip(&logits) {
        for (unit, token) in text.units.tokens.iter().enumerate().filter(|(_, t)| window.judged.contains(t)) {
            let at = classifier.slot(token - window.tokens.start + window.offset, text.units.places[unit]);
            let row = Tensor::from_slice(&row[at * classes..(at + 1) * classes]).log_softmax(0, None::<Kind>);
            let expected = Vec::<f32>::try_from(row).unwrap();
            let found = &values[unit * classes..(unit + 1) * classes];
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?} {expected:?}");
            judged += 1;
        }
    }
    assert_eq!(judged, text.units.len());
}

#[test]
fn a_text_that_cannot_be_read_fails_alone() {
    let classifier = lively(classifier(options(TagUnit::Token, WindowOptions::of_length(64))));
    // Combining marks without an end, which the tokenizer would have to read as one.
    let endless = Document::new("endless", "\u{301}".repeat((1 << 20) + 1), Vec::new()).unwrap();
    let [first, .., last] = &documents()[..] else { panic!("some documents") };
    let outcomes = classifier.tag(&[first.clone(), endless, last.clone()]).unwrap();
    let expected = tag(&classifier, &[first.clone(), last.clone()]);
    assert_eq!(outcomes[0].as_ref().unwrap(), &expected[0]);
    assert_eq!(outcomes[1].as_ref().unwrap_err().id(), "endless");
    assert_eq!(outcomes[2].as_ref().unwrap(), &expected[1]);
}

#[test]
fn a_flag_that_is_raised_ends_the_tagging() {
    let mut classifier = classifier(options(TagUnit::Token, WindowOptions::of_length(64)));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    classifier.model_mut().stop_when(stop);
    assert!(matches!(classifier.tag(&documents()), Err(re_data::PredictError::Interrupted)));
}

#[test]
fn a_sequence_classifier_of_the_same_names_is_none() {
    // `classifier.weight` of BERT judges whole rows.
    let folder = golden("bert");
    assert!(matches!(TokenClassifier::from_pretrained(&folder), Err(Error::NoModel { .. })));
    let labels = re_data::LabelSet::new(["a", "b"]).unwrap();
    let options = re_model::ClassifierOptions {
        head: re_model::HeadChoice::Known(HeadConfig::EntityMean),
        random_weights: true,
        ..re_model::ClassifierOptions::default()
    };
    let (classifier, _) = re_model::RelationClassifier::new(embedded(), labels, options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    classifier.save(folder.path()).unwrap();
    assert!(matches!(TokenClassifier::from_pretrained(folder.path()), Err(Error::NoModel { .. })));
    // Its encoder and its tokenizer serve for a new one.
    TokenClassifier::new(folder.path(), ["PER"], TokenClassifierOptions::default()).unwrap();
}

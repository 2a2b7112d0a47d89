//! Saving, loading, extending and trimming.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Expected, golden, model};
use re_data::{EncodeOptions, LabelSet, MarkupConfig, Predictor, RelationExample, Tokenizer};
use re_formats::read::{self, ReadOptions};
use re_model::head::BuildHead as _;
use re_model::head::{MentionPairConfig, PairFeature};
use re_model::save::save_tensors;
use re_model::{
    ClassifierOptions, EncoderConfig, Error, HeadChoice, HeadConfig, MarkupChoice, Mode, Precision,
    RelationClassifier, RelationModel, TokenBatch, TrainedParts, Weights,
};
use tch::Device;

fn embedded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded").join(name)
}

fn examples(count: usize) -> Vec<RelationExample> {
    let mut all = read::examples(embedded("dev.tsv"), &ReadOptions::default()).unwrap().examples;
    all.truncate(count);
    all
}

fn classifier(markup: MarkupConfig, head: HeadConfig) -> RelationClassifier {
    classifier_on(&embedded("model"), markup, head).unwrap()
}

fn classifier_on(
    encoder: &Path,
    markup: MarkupConfig,
    head: HeadConfig,
) -> re_model::Result<RelationClassifier> {
    let options = ClassifierOptions {
        markup: MarkupChoice::Known(markup),
        head: HeadChoice::Known(head),
        random_weights: true,
        ..ClassifierOptions::default()
    };
    let labels = read::labels(embedded("labels.json")).unwrap();
    Ok(RelationClassifier::new(encoder, labels, options)?.0)
}

/// Encoders without token types, the second one without embeddings of positions.
const MPNET: &str = r#"{"model_type": "mpnet", "vocab_size": 4000, "hidden_size": 24, "num_attention_heads": 3,
    "num_hidden_layers": 2, "intermediate_size": 32}"#;
const DEBERTA: &str = r#"{"model_type": "deberta-v2", "vocab_size": 4000, "hidden_size": 24, "num_attention_heads": 3,
    "num_hidden_layers": 2, "intermediate_size": 32, "relative_attention": true, "position_buckets": 16,
    "pos_att_type": "p2c|c2p", "norm_rel_ebd": "layer_norm", "position_biased_input": false, "embedding_size": 20,
    "conv_kernel_size": 3, "pooler_dropout": 0.1}"#;

/// An encoder of that configuration with the embedded default's tokenizer.
fn encoder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        fs::copy(embedded("model").join(file), folder.path().join(file)).unwrap();
    }
    fs::write(folder.path().join("config.json"), config).unwrap();
    folder
}

#[test]
fn a_training_on_a_trained_folder_takes_the_tokenizer_that_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    classifier(MarkupConfig::Pair {}, HeadConfig::Cls).save(folder.path()).unwrap();
    // As from a version that knew nothing of classes.
    fs::write(folder.path().join("tokenizer_config.json"), r#"{"tokenizer_class": "KoBertTokenizer"}"#)
        .unwrap();
    fs::remove_file(folder.path().join("manifest.json")).unwrap();
    let new = || {
        RelationClassifier::new(
            folder.path(),
            LabelSet::new(["a", "b"]).unwrap(),
            ClassifierOptions::default(),
        )
    };
    let saved = Tokenizer::from_saved(folder.path()).unwrap();
    assert_eq!(new().unwrap().0.encoder().tokenizer().vocab_size(), saved.vocab_size());
    fs::remove_file(folder.path().join("relation_classifier.json")).unwrap();
    let error = new().err().unwrap().to_string();
    assert!(error.contains("tokenizer_class = \"KoBertTokenizer\""), "{error}");
}

#[test]
fn a_saved_classifier_comes_back_with_the_same_bits() {
    let tokens = MarkupConfig::EntityTokens { entity_embedding: true, pair: true };
    for (markup, head) in [
        (tokens, HeadConfig::Cls),
        (MarkupConfig::Pair {}, HeadConfig::RBert),
        (MarkupConfig::Query {}, HeadConfig::EntityStart),
        (MarkupConfig::Plain {}, HeadConfig::EntityMean),
        (
            MarkupConfig::PlainTyped { types: vec!["PER".into(), "ORG".into()] },
            HeadConfig::MentionPair(MentionPairConfig::new(&PairFeature::ALL)),
        ),
    ] {
        let before = classifier(markup, head);
        let folder = tempfile::tempdir().unwrap();
        before.save(folder.path()).unwrap();
        let after = RelationClassifier::from_pretrained(folder.path()).unwrap();
        let examples = examples(40);
        assert_eq!(before.predict(&examples).unwrap(), after.predict(&examples).unwrap(), "{head:?}");
        assert_eq!(after.labels().no_relation(), Some(0));
        assert_eq!(after.model().config(), EncoderConfig::from_folder(folder.path()).as_ref().unwrap());
    }
}

#[test]
fn saving_never_mixes_two_models_and_hides_none_of_its_files() {
    let classifier = classifier(MarkupConfig::Plain {}, HeadConfig::EntityMean);
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("models/one");
    classifier.save(&folder).unwrap();
    let read = || fs::read(folder.join("config.json")).unwrap();
    let before = read();
    let error = classifier.save(&folder).unwrap_err();
    assert!(
        matches!(&error, Error::Data(re_data::Error::NotEmpty { folder: found }) if *found == folder),
        "{error}"
    );
    assert!(matches!(classifier.encoder().tokenizer().save(&folder), Err(re_data::Error::NotEmpty { .. })));
    assert_eq!((before, fs::read_dir(folder.parent().unwrap()).unwrap().count()), (read(), 1));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let plain = parent.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), mode(&plain), "{}", path.display());
        }
    }
}

#[test]
fn the_number_format_of_training_is_recorded() {
    let mut classifier = classifier(MarkupConfig::Plain {}, HeadConfig::EntityMean);
    let native = re_model::ops::precision_of(Device::Cpu);
    let loaded = |folder: &Path, precision| {
        let parts = TrainedParts { precision, ..TrainedParts::default() };
        RelationClassifier::from_pretrained_with(folder, parts).unwrap().model().encoder().precision()
    };
    // bf16 only where the processor multiplies it: elsewhere it would be slow.
    for (trained, expected) in [(Precision::Fp32, Precision::Fp32), (Precision::Bf16, native)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("trained");
        classifier.model_mut().set_precision(trained);
        classifier.save(&folder).unwrap();
        assert_eq!(loaded(&folder, None), expected);
        for asked in [Precision::Fp32, Precision::Bf16] {
            assert_eq!(loaded(&folder, Some(asked)), asked);
        }
        // A folder of an earlier version.
        let path = folder.join("relation_classifier.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut settings: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(settings.as_object_mut().unwrap().remove("precision").is_some());
        std::fs::write(&path, settings.to_string()).unwrap();
        assert_eq!(loaded(&folder, None), native);
    }
}

#[test]
fn a_logit_adjustment_is_saved_and_moves_probabilities_alone() {
    let mut classifier = classifier(MarkupConfig::Plain {}, HeadConfig::EntityMean);
    let (examples, folder) = (examples(20), tempfile::tempdir().unwrap());
    let rows = classifier.encoder().encode_batch(&examples).unwrap().0;
    let (logits, plain) = (classifier.logits(&rows).unwrap(), classifier.predict(&examples).unwrap());
    let adjustment: Vec<f32> = (0..42).map(|class| class as f32 * 0.1).collect();
    classifier.set_logit_adjustment(Some(adjustment.clone())).unwrap();
    assert_eq!(classifier.logits(&rows).unwrap(), logits);
    let adjusted = classifier.predict(&examples).unwrap();
    for (before, after) in plain.rows().zip(adjusted.rows()) {
        for (class, offset) in adjustment.iter().enumerate() {
            let moved = (after[class] / after[0]).ln() - (before[class] / before[0]).ln();
            assert!((moved - offset).abs() < 1e-4, "class {class}: {moved}");
        }
    }
    classifier.save(folder.path()).unwrap();
    let after = RelationClassifier::from_pretrained(folder.path()).unwrap();
    assert_eq!(after.logit_adjustment(), Some(adjustment.as_slice()));
    assert_eq!(after.predict(&examples).unwrap(), adjusted);
    for bad in [vec![0.0; 41], vec![f32::NAN; 42]] {
        let error = classifier.set_logit_adjustment(Some(bad)).unwrap_err().to_string();
        assert!(error.contains("expected one finite number for each class"), "{error}");
    }
}

#[test]
fn entity_embedding_widens_tokens_and_token_types_together() {
    let plain = classifier(MarkupConfig::Plain {}, HeadConfig::EntityMean);
    let marked = MarkupConfig::EntityTokens { entity_embedding: true, pair: true };
    let marked = classifier(marked, HeadConfig::EntityMean);
    let sizes = |c: &RelationClassifier| (c.model().config().vocab_size, c.model().config().type_vocab_size);
    let (vocab_size, types) = sizes(&plain);
    assert_eq!(types, 1);
    assert_eq!(sizes(&marked), (vocab_size + 2, 2));
    // Old rows stay what they were.
    let table = |c: &RelationClassifier, name: &str| {
        c.model()
            .parameters()
            .get(&format!("roberta.embeddings.{name}.weight"))
            .unwrap()
            .tensor
            .shallow_clone()
    };
    let (old, new) = (table(&plain, "word_embeddings"), table(&marked, "word_embeddings"));
    assert_eq!(new.narrow(0, 0, vocab_size), old);
    let (first, second) = (new.get(vocab_size), new.get(vocab_size + 1));
    assert!(first.norm().double_value(&[]) > 0.0 && first != second);
}

/// In `transformers` no table of theirs could say which words are the entities.
#[test]
fn an_architecture_without_token_types_refuses_markups_that_need_them() {
    for (config, name) in [(MPNET, "MPNetModel"), (DEBERTA, "DebertaV2Model")] {
        let folder = encoder(config);
        let new = |entity_embedding| {
            let markup = MarkupConfig::EntityTokens { entity_embedding, pair: true };
            classifier_on(folder.path(), markup, HeadConfig::Cls)
        };
        let error = new(true).unwrap_err();
        assert!(matches!(error, Error::NoTokenTypes { needed: 2, .. }), "{error}");
        let expected = format!("{name} has no token types, and 2 are needed");
        assert!(error.to_string().starts_with(&expected), "{error}");

        let classifier = new(false).unwrap();
        let rows = classifier.encoder().encode_batch(&examples(5)).unwrap().0;
        assert!(rows.iter().all(|row| row.type_ids.iter().all(|&id| id == 0)));
        let saved = tempfile::tempdir().unwrap();
        classifier.save(saved.path()).unwrap();
        let again = RelationClassifier::from_pretrained(saved.path()).unwrap();
        assert_eq!(again.model().config().type_vocab_size, 0);
        assert_eq!(again.logits(&rows).unwrap(), classifier.logits(&rows).unwrap());
    }
}

/// As `transformers` names what a checkpoint of a masked language model has beside the encoder.
#[test]
fn what_a_language_model_has_beside_the_encoder_is_unused() {
    let folder = golden("deberta");
    let copy = tempfile::tempdir().unwrap();
    fs::copy(folder.join("config.json"), copy.path().join("config.json")).unwrap();
    let weights = Weights::open(&folder).unwrap();
    let encoder = weights.names().filter(|name| name.starts_with("deberta."));
    let mut tensors: Vec<_> =
        encoder.map(|name| (name.to_owned(), weights.tensor(name).unwrap().unwrap())).collect();
    let others = ["lm_predictions.lm_head.bias", "mask_predictions.dense.weight", "cls.predictions.bias"];
    tensors.extend(others.map(|name| (name.to_owned(), tensors[0].1.copy())));
    save_tensors(&copy.path().join("model.safetensors"), tensors).unwrap();
    let (config, weights) =
        (EncoderConfig::from_folder(copy.path()).unwrap(), Weights::open(copy.path()).unwrap());
    let head = |b: &mut re_model::Builder<'_>, c: &EncoderConfig, n| HeadConfig::Cls.build(b, c, n);
    let (_, report) = RelationModel::new(config, Some(&weights), 5, head, Device::Cpu, 1).unwrap();
    assert_eq!(
        report.missing,
        ["pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"]
    );
    let mut unused = report.unused;
    unused.sort();
    assert_eq!(
        unused,
        ["cls.predictions.bias", "lm_predictions.lm_head.bias", "mask_predictions.dense.weight"]
    );
}

#[test]
fn extending_twice_changes_nothing_and_reports_what_it_did() {
    let mut classifier = classifier(MarkupConfig::Plain {}, HeadConfig::Cls);
    let mut tokenizer = classifier.encoder().tokenizer().clone();
    let known = tokenizer.token(10).unwrap();
    let tokens = ["[A]".to_owned(), known, "[B]".to_owned()];
    let model = classifier.model_mut();
    let before = model.config().vocab_size;
    let report = model.extend_vocabulary(&mut tokenizer, &tokens, 3).unwrap();
    let names: Vec<&str> = report.added.iter().map(|(token, _)| token.as_str()).collect();
    assert_eq!(names, ["[A]", "[B]"]);
    assert_eq!((report.vocab_size, report.type_vocab_size), ((before, before + 2), (1, 3)));
    let table = model.encoder().config().vocab_size;
    let again = model.extend_vocabulary(&mut tokenizer, &tokens, 2).unwrap();
    assert_eq!((again.added.len(), again.vocab_size, again.type_vocab_size), (0, (table, table), (3, 3)));
}

#[test]
fn checkpoints_of_bare_encoders_and_of_torch_save_load() {
    let folder = golden("bert");
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("config.json"), copy.path().join("config.json")).unwrap();
    let weights = Weights::open(&folder).unwrap();
    let bare = weights.names().filter_map(|name| {
        let name = name.strip_prefix("bert.")?;
        let old =
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        Some((old, weights.tensor(&format!("bert.{name}")).unwrap().unwrap()))
    });
    save_tensors(&copy.path().join("model.safetensors"), bare.collect::<Vec<_>>()).unwrap();
    let load = |folder: &Path, head: HeadConfig| {
        let config = EncoderConfig::from_folder(folder).unwrap();
        let weights = Weights::open(folder).unwrap();
        RelationModel::new(config, Some(&weights), 5, |b, c, n| head.build(b, c, n), Device::Cpu, 1).unwrap()
    };
    let expected = Expected::read(&folder.join("expected.safetensors"));
    let states = |model: &RelationModel| {
        let batch = TokenBatch::new(&expected.batch(), &model.encoder().batch_spec()).unwrap();
        model.encoder().forward(&batch, Mode::Eval).unwrap()
    };
    let whole = states(&model(&folder));
    let (bare, report) = load(copy.path(), HeadConfig::Cls);
    assert_eq!(states(&bare), whole);
    assert_eq!(report.missing, ["classifier.weight", "classifier.bias"]);

    std::fs::remove_file(copy.path().join("model.safetensors")).unwrap();
    let bin = golden("torch_save").join("pytorch_model.bin");
    std::fs::copy(bin, copy.path().join("pytorch_model.bin")).unwrap();
    let (from_torch, report) = load(copy.path(), HeadConfig::EntityMean);
    assert_eq!(states(&from_torch), whole);
    assert!(report.unused.contains(&"classifier.weight".to_owned()), "{report:?}");
    assert!(report.missing.iter().all(|name| name.starts_with("head.")), "{report:?}");
}

#[test]
fn folders_that_do_not_fit_are_refused() {
    let folder = golden("bert");
    let copy = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let load = |config: &str| {
        std::fs::write(copy.path().join("config.json"), config).unwrap();
        let config = EncoderConfig::from_folder(copy.path())?;
        let weights = Weights::open(copy.path())?;
        RelationModel::new(
            config,
            Some(&weights),
            5,
            |b, c, n| HeadConfig::Cls.build(b, c, n),
            Device::Cpu,
            1,
        )
    };
    assert!(matches!(load(&config), Err(Error::NoWeights { .. })));
    std::fs::copy(folder.join("model.safetensors"), copy.path().join("model.safetensors")).unwrap();
    load(&config).unwrap();

    let vocab = with_number(&config, "type_vocab_size", "7");
    match load(&vocab).unwrap_err() {
        Error::Shapes { mismatches, .. } => {
            assert!(mismatches[0].to_string().contains("token_type_embeddings"))
        }
        other => panic!("{other}"),
    }
    let deeper = with_number(&config, "num_hidden_layers", "9");
    match load(&deeper).unwrap_err() {
        Error::Config { field, found, .. } => assert_eq!((field, found.as_str()), ("num_hidden_layers", "9")),
        other => panic!("{other}"),
    }
    std::fs::write(copy.path().join("model.safetensors"), b"no tensors").unwrap();
    assert!(matches!(load(&config), Err(Error::Safetensors { .. })));
}

#[test]
fn a_trained_model_that_says_it_has_fewer_layers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    classifier(MarkupConfig::Plain {}, HeadConfig::EntityMean).save(folder.path()).unwrap();
    let path = folder.path().join("config.json");
    let text = with_number(&std::fs::read_to_string(&path).unwrap(), "num_hidden_layers", "2");
    std::fs::write(&path, text).unwrap();
    // With it, the change itself is the error.
    std::fs::remove_file(folder.path().join("manifest.json")).unwrap();
    let error = RelationClassifier::from_pretrained(folder.path()).unwrap_err().to_string();
    assert!(error.contains("num_hidden_layers") && error.contains("encoder.layer.2."), "{error}");
}

#[test]
fn what_is_wrong_with_a_trained_folder_is_named_with_file_and_key() {
    let folder = tempfile::tempdir().unwrap();
    classifier(MarkupConfig::Plain {}, HeadConfig::EntityMean).save(folder.path()).unwrap();
    std::fs::remove_file(folder.path().join("manifest.json")).unwrap();
    let faults: [(&str, &str, serde_json::Value); 7] = [
        ("config.json", "id2label", serde_json::json!({})),
        ("config.json", "id2label", serde_json::json!({"0": "a", "1": "a"})),
        ("config.json", "vocab_size", 5.into()),
        ("relation_classifier.json", "no_relation", "nobody".into()),
        ("relation_classifier.json", "logit_adjustment", serde_json::json!([0.5])),
        ("relation_classifier.json", "encoding.max_length", 0.into()),
        ("relation_classifier.json", "encoding.max_length", 100_000.into()),
    ];
    for (file, key, value) in faults {
        let path = folder.path().join(file);
        let good = std::fs::read_to_string(&path).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&good).unwrap();
        match key.split_once('.') {
            Some((outer, inner)) => json[outer][inner] = value,
            None => json[key] = value,
        }
        std::fs::write(&path, json.to_string()).unwrap();
        let error = RelationClassifier::from_pretrained(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: {key} = ", path.display())), "{error}");
        std::fs::write(&path, good).unwrap();
    }
    RelationClassifier::from_pretrained(folder.path()).unwrap();
}

/// Replaces the number behind a key of a JSON text.
fn with_number(text: &str, key: &str, value: &str) -> String {
    let mut json: serde_json::Value = serde_json::from_str(text).unwrap();
    json[key] = value.parse::<i64>().unwrap().into();
    json.to_string()
}

#[test]
fn rows_longer_than_the_position_table_are_refused_at_once() {
    let options = ClassifierOptions {
        encoding: EncodeOptions { max_length: 300, ..EncodeOptions::default() },
        random_weights: true,
        ..ClassifierOptions::default()
    };
    let labels = LabelSet::new(["a"]).unwrap();
    match RelationClassifier::new(embedded("model"), labels, options).unwrap_err() {
        Error::MaxLength { max_length: 300, max } => assert!(max < 300),
        other => panic!("{other}"),
    }
}

#[test]
fn a_trimmed_vocabulary_answers_the_same_and_refuses_what_it_does_not_hold() {
    let mut classifier = classifier(MarkupConfig::Plain {}, HeadConfig::EntityMean);
    let examples = examples(60);
    let (rows, _) = classifier.encoder().encode_batch(&examples).unwrap();
    let (held, rest) = rows.split_at(20);
    let before = classifier.logits(held).unwrap();
    let table = classifier.model().parameters().get("roberta.embeddings.word_embeddings.weight").unwrap();
    let whole = table.tensor.copy();
    let count =
        classifier.model_mut().trim_vocabulary(held.iter().flat_map(|row| row.ids.iter().copied())).unwrap();
    assert!((count as i64) < classifier.model().config().vocab_size);
    assert_eq!(classifier.logits(held).unwrap(), before);
    assert!(matches!(classifier.logits(rest), Err(Error::TrimmedToken { .. })));

    let table = classifier.model().parameters().get("roberta.embeddings.word_embeddings.weight").unwrap();
    assert_eq!(table.stored().unwrap(), whole);
    table.decay_rest(0.5);
    let decayed = table.stored().unwrap();
    let changed = decayed.ne_tensor(&whole).any_dim(1, false).sum(tch::Kind::Int64).int64_value(&[]);
    assert_eq!(changed, classifier.model().config().vocab_size - count as i64);
    classifier.model_mut().restore_vocabulary().unwrap();
    classifier.logits(rest).unwrap();
}

#[test]
#[ignore = "needs a Python interpreter with transformers (RE_PYTHON)"]
fn saved_folders_load_with_the_same_logits_with_transformers() {
    let (mpnet, deberta) = (encoder(MPNET), encoder(DEBERTA));
    for encoder in [embedded("model"), mpnet.path().to_owned(), deberta.path().to_owned()] {
        let classifier = classifier_on(&encoder, MarkupConfig::Pair {}, HeadConfig::Cls).unwrap();
        check_with_transformers(&classifier);
    }
}

fn check_with_transformers(classifier: &RelationClassifier) {
    let python = std::env::var_os("RE_PYTHON").unwrap();
    let folder = tempfile::tempdir().unwrap();
    classifier.save(folder.path()).unwrap();
    let (rows, _) = classifier.encoder().encode_batch(&examples(5)).unwrap();
    let ids: Vec<Vec<u32>> = rows.iter().map(|row| row.ids.clone()).collect();
    let script = "import json, sys, torch\n\
        from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\
        folder, rows = sys.argv[1], json.loads(sys.argv[2])\n\
        AutoTokenizer.from_pretrained(folder)\n\
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()\n\
        with torch.no_grad():\n    print(json.dumps([model(torch.tensor([r])).logits[0].tolist() for r in rows]))\n";
    let output = Command::new(python)
        .args(["-c", script])
        .arg(folder.path())
        .arg(serde_json::to_string(&ids).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<Vec<f32>> = serde_json::from_slice(&output.stdout).unwrap();
    let ours = classifier.logits(&rows).unwrap();
    let theirs: Vec<f32> = theirs.concat();
    let scale = theirs.iter().fold(0f32, |a, b| a.max(b.abs()));
    for (a, b) in ours.iter().zip(&theirs) {
        assert!((a - b).abs() <= 2e-5 * scale, "{a} and {b}");
    }
}

//! Folders that something has happened to: what is not what was saved is an error that names the file.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use re_data::{LabelSet, MarkupConfig, PredictError, Predictor, RelationExample, manifest};
use re_formats::read::{self, ReadOptions};
use re_model::head::BuildHead as _;
use re_model::save::save_tensors;
use re_model::{ClassifierOptions, Error, HeadChoice, HeadConfig, MarkupChoice, RelationClassifier, Weights};
use serde_json::{Value, json};
use tch::Tensor;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn examples(count: usize) -> Vec<RelationExample> {
    let mut all = read::examples(fixture("embedded/dev.tsv"), &ReadOptions::default()).unwrap().examples;
    all.truncate(count);
    all
}

/// A trained folder.
fn saved() -> tempfile::TempDir {
    let options = ClassifierOptions {
        markup: MarkupChoice::Known(MarkupConfig::Plain {}),
        head: HeadChoice::Known(HeadConfig::EntityMean),
        layers: Some(1),
        random_weights: true,
        ..ClassifierOptions::default()
    };
    let labels = LabelSet::new(["no_relation", "spouse"]).unwrap();
    let (classifier, _) = RelationClassifier::new(fixture("embedded/model"), labels, options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    classifier.save(folder.path()).unwrap();
    folder
}

/// Loads and predicts.
fn predict(folder: &Path) -> Result<Vec<f32>, PredictError> {
    Ok(RelationClassifier::from_pretrained(folder)?.predict(&examples(3))?.values().to_vec())
}

fn changed(result: Result<impl Sized, impl Into<PredictError>>) -> PathBuf {
    let error = result.map(drop).map_err(Into::into).unwrap_err();
    match of_model(&error) {
        Error::Data(re_data::Error::Changed(mismatch)) => mismatch.file.clone(),
        other => panic!("{other}"),
    }
}

/// Why a model gave no answer.
fn of_model(error: &PredictError) -> &Error {
    match error {
        PredictError::Model(source) => source.downcast_ref().unwrap(),
        other => panic!("{other}"),
    }
}

/// Changes a JSON file.
fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn flip(path: &Path, at: impl FnOnce(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

type Damage = fn(&Path);

#[test]
fn no_probability_comes_from_a_folder_that_was_changed() {
    let damages: [(&str, Damage); 4] = [
        // In the upper bits of a number: it is finite before and after, and the change is not lost in rounding.
        ("model.safetensors", |path| flip(path, |length| length - 6)),
        ("config.json", |path| edit(path, |config| config["num_attention_heads"] = json!(1))),
        ("tokenizer.json", |path| {
            edit(path, |file| {
                file["model"]["vocab"].as_array_mut().unwrap().truncate(100);
            });
        }),
        ("relation_classifier.json", |path| edit(path, |file| file["encoding"]["max_length"] = json!(20))),
    ];
    for (name, damage) in damages {
        let folder = saved();
        let before = predict(folder.path()).unwrap();
        damage(&folder.path().join(name));
        assert_eq!(changed(predict(folder.path())), folder.path().join(name));
        if name != "model.safetensors" {
            let encoder = RelationClassifier::trained_encoder(folder.path(), None);
            assert_eq!(changed(encoder), folder.path().join(name));
        }
        // Who has meant it removes the manifest.
        fs::remove_file(folder.path().join(manifest::FILE)).unwrap();
        if let Ok(after) = predict(folder.path()) {
            assert_ne!(before, after, "{name}: the change was one that shows");
        }
    }
}

#[test]
fn nothing_is_saved_from_a_folder_that_was_changed() {
    let folder = saved();
    flip(&folder.path().join("model.safetensors"), |length| length - 7);
    let classifier = RelationClassifier::from_pretrained(folder.path()).unwrap();
    let other = tempfile::tempdir().unwrap();
    changed(classifier.save(other.path()));
    let start = ClassifierOptions { layers: Some(1), ..ClassifierOptions::default() };
    let labels = || LabelSet::new(["a", "b"]).unwrap();
    let (new, _) = RelationClassifier::new(folder.path(), labels(), start).unwrap();
    changed(new.predict(&examples(1)));
    changed(new.save(other.path()));
}

#[test]
fn weights_that_are_cut_short_or_written_over_are_an_error() {
    let changes: [Damage; 2] = [
        |path| File::options().write(true).open(path).unwrap().set_len(4096).unwrap(),
        |path| flip(path, |length| length - 7),
    ];
    for change in changes {
        let folder = saved();
        let path = folder.path().join("model.safetensors");
        // The check of the folder would find it, too.
        fs::remove_file(folder.path().join(manifest::FILE)).unwrap();
        // Times of changes are as fine as the clock of the kernel's timer.
        std::thread::sleep(Duration::from_millis(20));
        let classifier = RelationClassifier::from_pretrained(folder.path()).unwrap();
        classifier.predict(&examples(3)).unwrap();
        change(&path);
        match of_model(&classifier.predict(&examples(3)).unwrap_err()) {
            Error::FileChanged { path: found } => assert_eq!(found, &path),
            other => panic!("{other}"),
        }
        assert!(matches!(classifier.save(folder.path().join("new")), Err(Error::FileChanged { .. })));
    }
}

#[test]
fn a_model_that_replaces_another_one_leaves_it_what_it_was() {
    let (folder, other) = (saved(), saved());
    let classifier = RelationClassifier::from_pretrained(folder.path()).unwrap();
    let before = classifier.predict(&examples(3)).unwrap();
    flip(&other.path().join("model.safetensors"), |length| length - 7);
    for name in ["model.safetensors", "config.json"] {
        fs::rename(other.path().join(name), folder.path().join(name)).unwrap();
    }
    assert_eq!(classifier.predict(&examples(3)).unwrap(), before);
}

/// Copies the golden BERT with its tensors under other names.
fn renamed(name: impl Fn(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture("golden/bert/config.json"), folder.path().join("config.json")).unwrap();
    let weights = Weights::open(&fixture("golden/bert")).unwrap();
    let tensors: Vec<(String, Tensor)> =
        weights.names().map(|old| (name(old), weights.tensor(old).unwrap().unwrap())).collect();
    save_tensors(&folder.path().join("model.safetensors"), tensors).unwrap();
    folder
}

fn load(folder: &Path) -> Result<(), Error> {
    let config = re_model::EncoderConfig::from_folder(folder)?;
    let weights = Weights::open(folder)?;
    let head = |builder: &mut re_model::Builder<'_>, config: &_, classes| {
        HeadConfig::Cls.build(builder, config, classes)
    };
    re_model::RelationModel::new(config, Some(&weights), 5, head, tch::Device::Cpu, 1).map(drop)
}

#[test]
fn names_that_a_wrapper_has_made_longer_are_told() {
    for (prefix, cause) in
        [("module.", "DataParallel"), ("_orig_mod.", "torch.compile"), ("model.", "\"model.\"")]
    {
        let whole = load(renamed(|name| format!("{prefix}{name}")).path()).unwrap_err().to_string();
        let bare = renamed(|name| format!("{prefix}{}", name.strip_prefix("bert.").unwrap_or(name)));
        let bare = load(bare.path()).unwrap_err().to_string();
        for text in [whole, bare] {
            assert!(
                text.contains(&format!("the file has {prefix:?} before")) && text.contains(cause),
                "{text}"
            );
        }
    }
    // Where nothing but a tensor is missing, nothing else is said.
    let lacking = renamed(|name| name.replace("layer.1.output.dense.bias", "layer.1.output.dense.x"));
    let text = load(lacking.path()).unwrap_err().to_string();
    assert!(
        text.ends_with("1 encoder tensors are missing: bert.encoder.layer.1.output.dense.bias"),
        "{text}"
    );
}

/// Memory for what the configuration asks for is not there; it is compared with the file first.
#[test]
fn sizes_that_the_weights_contradict_ask_for_no_memory() {
    for (field, size, expected) in [
        ("num_hidden_layers", 4096, "num_hidden_layers = 4096, expected at most the"),
        ("vocab_size", 1 << 24, "word_embeddings.weight (found"),
        ("max_position_embeddings", 1 << 24, "position_embeddings.weight (found"),
        ("type_vocab_size", 1 << 24, "token_type_embeddings.weight (found"),
        ("intermediate_size", 1 << 20, "intermediate.dense.weight (found"),
        ("hidden_size", 1 << 20, "word_embeddings.weight (found"),
    ] {
        let folder = renamed(str::to_owned);
        edit(&folder.path().join("config.json"), |config| config[field] = json!(size));
        let text = load(folder.path()).unwrap_err().to_string();
        assert!(text.contains(expected) && text.len() < 1000, "{text}");
    }
    let folder = renamed(|name| name.replace("encoder.layer", "blocks"));
    edit(&folder.path().join("config.json"), |config| config["num_hidden_layers"] = json!(4096));
    assert!(matches!(load(folder.path()), Err(Error::MissingTensors { .. })));
}

#[test]
fn what_stands_in_place_of_weights_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abab\nsize 438007537\n";
    for name in ["model.safetensors", "pytorch_model.bin", "model.safetensors.index.json"] {
        for (content, expected) in [
            (pointer, "a Git LFS pointer"),
            ("<!doctype html><title>Sign in</title>", "a web page"),
            ("", "an empty file"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), content).unwrap();
            let text = Weights::open(folder.path()).unwrap_err().to_string();
            assert!(text.contains(expected) && text.contains(name), "{text}");
        }
    }
}

#[test]
fn an_index_leads_to_files_beside_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside.safetensors");
    fs::copy(fixture("golden/bert/model.safetensors"), &outside).unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    fs::copy(&outside, model.join("inside.safetensors")).unwrap();
    let open = |shard: &str| {
        let index = json!({"weight_map": {"bert.pooler.dense.bias": shard}}).to_string();
        fs::write(model.join("model.safetensors.index.json"), index).unwrap();
        Weights::open(&model)
    };
    open("inside.safetensors").unwrap();
    for shard in
        ["../outside.safetensors", outside.to_str().unwrap(), "", ".", "..", "./inside.safetensors", "a/b"]
    {
        assert!(matches!(open(shard), Err(Error::ShardIndex { .. })), "{shard}");
    }
    fs::write(model.join("model.safetensors.index.json"), r#"{"weight_map": {}}"#).unwrap();
    assert!(matches!(Weights::open(&model), Err(Error::ShardIndex { .. })));
}

/// Opening a pipe would wait for ever.
#[cfg(unix)]
#[test]
fn pipes_in_a_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = |name: &str| {
        let status = std::process::Command::new("mkfifo").arg(folder.path().join(name)).status().unwrap();
        assert!(status.success());
    };
    fifo("shard.safetensors");
    let index = json!({"weight_map": {"a": "shard.safetensors"}}).to_string();
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    let refused = || Weights::open(folder.path()).unwrap_err().to_string();
    assert!(refused().contains("shard.safetensors: found a pipe or a device"), "{}", refused());
    for name in ["pytorch_model.bin", "model.safetensors", "config.json", "relation_classifier.json"] {
        fifo(name);
    }
    assert!(refused().contains("model.safetensors: found a pipe"), "{}", refused());
    let bin = folder.path().join("pytorch_model.bin");
    assert!(re_model::weights::torch_file::TorchFile::open(&bin).is_err());
    let config = re_model::EncoderConfig::from_folder(folder.path()).unwrap_err().to_string();
    assert!(config.contains("config.json: found a pipe"), "{config}");
    let trained = RelationClassifier::from_pretrained(folder.path()).unwrap_err().to_string();
    assert!(trained.contains("relation_classifier.json: found a pipe"), "{trained}");
}

/// Opens damaged weights and reads whatever they still describe.
fn survive(bytes: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let Ok(weights) = Weights::from_safetensors(file.path()) else { return };
    for name in weights.names() {
        if let Ok(Some(tensor)) = weights.tensor(name) {
            let _ = tensor.sum(tch::Kind::Float).double_value(&[]);
        }
    }
}

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn headers_that_contradict_their_data_are_refused() {
    for (header, data) in [
        (r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}"#, 4),
        (r#"{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}"#, 8),
        (r#"{"a": {"dtype": "BF16", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}}"#, 0),
        (r#"{"a": {"dtype": "F32", "shape": [18446744073709551615], "data_offsets": [0, 8]}}"#, 8),
        (r#"{"a": {"dtype": "F16", "shape": [2], "data_offsets": [8, 4]}}"#, 8),
        (r#"{"a": {"dtype": "F99", "shape": [2], "data_offsets": [0, 4]}}"#, 4),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), safetensors(header, data)).unwrap();
        assert!(matches!(Weights::from_safetensors(file.path()), Err(Error::Safetensors { .. })), "{header}");
    }
    for length in [0, 1, 1 << 40, u64::MAX] {
        survive(&[&length.to_le_bytes()[..], b"{}"].concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_damage_to_a_header_panics(
        changes in prop::collection::vec((0..400usize, prop::sample::select(b"0123456789[]{},:\"AaBF\x00\xff".to_vec())), 1..4)
    ) {
        let header = r#"{"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]}, "c": {"dtype": "F64", "shape": [1], "data_offsets": [32, 40]}}"#;
        let mut bytes = safetensors(header, 40);
        let length = bytes.len();
        for (place, byte) in changes {
            bytes[place % length] = byte;
        }
        survive(&bytes);
    }
}

//! Files as PyTorch writes them (fixtures/golden/torch_save), read without Python.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use re_model::weights::torch_file::{TorchFile, TorchFileError, Unsupported};
use safetensors::SafeTensors;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(path)
}

fn torch_file(name: &str) -> Result<TorchFile, TorchFileError> {
    TorchFile::open(&golden("torch_save").join(name))
}

fn unsupported(name: &str) -> (Unsupported, String) {
    let error = torch_file(name).unwrap_err();
    let message = error.to_string();
    match error {
        TorchFileError::Unsupported { found, .. } => (found, message),
        other => panic!("{name}: {other:?}"),
    }
}

fn assert_equal(file: &TorchFile, safetensors: &str) {
    let bytes = std::fs::read(golden(safetensors)).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensors().len(), expected.len());
    for tensor in file.tensors() {
        let view = expected.tensor(tensor.name).unwrap();
        assert_eq!(tensor.dtype, view.dtype(), "{}", tensor.name);
        assert_eq!(tensor.shape, view.shape(), "{}", tensor.name);
        assert_eq!(tensor.bytes, view.data(), "{}", tensor.name);
    }
}

#[test]
fn a_state_dict_equals_its_safetensors() {
    let file = torch_file("pytorch_model.bin").unwrap();
    assert_equal(&file, "bert/model.safetensors");
    assert!(file.ignored().is_empty());
    assert_eq!(file.names().next(), Some("bert.embeddings.word_embeddings.weight"));
    assert_eq!(file.tensor("classifier.bias").unwrap().shape, [5]);
    assert!(file.tensor("classifier").is_none());
}

#[test]
fn views_shared_storages_and_all_types_are_read() {
    assert_equal(&torch_file("views.bin").unwrap(), "torch_save/views.safetensors");
}

#[test]
fn entries_that_are_no_tensors_are_listed() {
    let file = torch_file("extras.bin").unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["weight"]);
    assert_eq!(file.ignored(), ["epoch", "note", "_extra_state", "range"]);
}

#[test]
fn what_is_no_plain_state_dict_is_refused_with_the_way_to_convert_it() {
    let path = golden("torch_save/legacy.bin");
    let (found, message) = unsupported("legacy.bin");
    assert_eq!(found, Unsupported::Legacy);
    assert!(message.contains(&format!("torch.load({:?}", path.display().to_string())), "{message}");
    assert!(message.contains("weights_only=True") && message.contains("save_file("), "{message}");

    let (found, message) = unsupported("torchscript.bin");
    assert_eq!(found, Unsupported::TorchScript);
    assert!(message.contains("torch.jit.load("), "{message}");

    let (found, message) = unsupported("checkpoint.bin");
    assert!(matches!(found, Unsupported::NotAStateDict { inner: Some(entry), .. } if entry == "state_dict"));
    assert!(message.contains(r#"weights_only=True)["state_dict"]"#), "{message}");

    assert!(matches!(unsupported("expanded.bin").0, Unsupported::Expanded { name, .. } if name == "weight"));
    assert!(matches!(unsupported("compressed.bin").0, Unsupported::Compressed { .. }));
    assert_eq!(unsupported("big_endian.bin").0, Unsupported::BigEndian);
    assert_eq!(unsupported("negated.bin").0, Unsupported::LazyView);
    assert_eq!(unsupported("protocol4.bin").0, Unsupported::Instruction { code: 0x80, offset: 0 });
}

#[test]
fn functions_and_classes_are_named_and_not_called() {
    for (file, global) in [
        ("malicious.bin", "posix.system"),
        ("module.bin", "torch.nn.modules.linear.Linear"),
        ("complex.bin", "torch.ComplexFloatStorage"),
    ] {
        let (found, message) = unsupported(file);
        assert_eq!(found, Unsupported::Global { name: global.to_string() }, "{file}");
        assert!(message.contains("not called") && message.contains("model.state_dict()"), "{message}");
        assert!(!message.contains("torch.load"), "{message}");
    }
}

#[test]
fn damaged_and_foreign_files_are_refused() {
    let error = torch_file("short_storage.bin").unwrap_err();
    assert!(matches!(&error, TorchFileError::Malformed { place, .. } if place == "weight"), "{error}");
    assert!(matches!(torch_file("absent.bin"), Err(TorchFileError::Io(_))));

    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("empty", "".as_bytes()), ("text", b"no archive"), ("pickle", b"\x80\x02}.")] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        assert!(matches!(TorchFile::open(&path), Err(TorchFileError::Archive { .. })), "{name}");
    }
}

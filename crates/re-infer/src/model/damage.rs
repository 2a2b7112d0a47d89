//! Damaged files of weights are errors, or models of other numbers; nothing ends the process.

use std::fs;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::tests::golden;
use super::*;
use crate::computing::NumberFormat;
use re_checkpoint::HeadConfig;

const CASES: [&str; 4] = ["bert_odd", "electra", "mpnet", "deberta_odd"];

/// Opens the model of a golden folder with these weights in place of its own, and asks it where it opens.
fn open_with(case: &str, weights: &[u8]) -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden(case).join("config.json"), folder.path().join("config.json")).unwrap();
    fs::write(folder.path().join("model.safetensors"), weights).unwrap();
    let config = EncoderConfig::from_folder(folder.path()).unwrap();
    let model = Model::open(
        folder.path(),
        config,
        &Computing::new(None, Some(NumberFormat::Fp32), None),
        |config, weights| Head::new(HeadConfig::Cls, config, 7, weights),
    )?;
    let row = Encoded { ids: vec![5, 6, 7], type_ids: vec![0; 3], ..Encoded::default() };
    model.logits(&[row], |_| {})
}

fn weights(case: &str) -> Vec<u8> {
    fs::read(golden(case).join("model.safetensors")).unwrap()
}

/// The header of a file, and what lies behind it.
fn split(file: &[u8]) -> (Value, Vec<u8>) {
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    (serde_json::from_slice(&file[8..8 + length]).unwrap(), file[8 + length..].to_vec())
}

fn join(header: &Value, values: &[u8]) -> Vec<u8> {
    let header = header.to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, values].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn of_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(open_with("bert", &bytes).is_err());
    }

    #[test]
    fn with_changed_bytes(case in 0..CASES.len(), changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..4)) {
        let mut file = weights(CASES[case]);
        let (header, _) = file.split_at_mut(4096);
        for (place, byte) in changes {
            header[place.index(header.len())] = byte;
        }
        let _ = open_with(CASES[case], &file);
    }

    #[test]
    fn cut_short(case in 0..CASES.len(), place in any::<Index>()) {
        let mut file = weights(CASES[case]);
        file.truncate(place.index(file.len()));
        prop_assert!(open_with(CASES[case], &file).is_err());
    }

    #[test]
    fn whose_sizes_lie(
        case in 0..CASES.len(),
        tensor in any::<Index>(),
        field in 0..5usize,
        number in prop_oneof![0..200u64, any::<u64>()],
        dtype in prop::sample::select(vec!["F64", "F16", "BF16", "I64", "U8", "F8_E4M3", "X"]),
    ) {
        let (mut header, values) = split(&weights(CASES[case]));
        let names: Vec<String> = header.as_object().unwrap().keys().filter(|name| *name != "__metadata__").cloned().collect();
        let entry = &mut header[tensor.get(&names)];
        match field {
            0 => entry["shape"][0] = number.into(),
            1 => entry["shape"].as_array_mut().unwrap().push(number.into()),
            2 => entry["data_offsets"][0] = number.into(),
            3 => entry["data_offsets"][1] = number.into(),
            _ => entry["dtype"] = dtype.into(),
        }
        let same = join(&header, &values) == join(&split(&weights(CASES[case])).0, &values);
        prop_assert!(same || open_with(CASES[case], &join(&header, &values)).is_err());
    }
}

#[test]
fn errors_name_the_file_and_the_tensor() {
    let name = "bert.encoder.layer.1.output.dense.bias";
    let changed = |change: fn(&mut Value, &str)| {
        let (mut header, values) = split(&weights("bert_odd"));
        change(&mut header, name);
        open_with("bert_odd", &join(&header, &values)).unwrap_err()
    };
    // Another shape of as many values.
    let error = changed(|header, name| {
        let size = header[name]["shape"][0].clone();
        header[name]["shape"] = vec![1.into(), size].into();
    });
    let text = error.to_string();
    assert!(matches!(error, Error::Shape { .. }), "{text}");
    assert!(text.contains("model.safetensors") && text.contains(name) && text.contains("[1, 36]"), "{text}");
    let error = changed(|header, name| {
        header[name]["dtype"] = "I32".into();
    });
    assert!(matches!(&error, Error::TensorType { found, .. } if found == "I32"), "{error}");
    let error = changed(|header, name| {
        let entry = header[name].clone();
        header.as_object_mut().unwrap().remove(name);
        header["other"] = entry;
    });
    assert!(matches!(&error, Error::MissingTensors { names, .. } if names == &[name]), "{error}");
    let error = changed(|header, name| {
        let entry = header[name].clone();
        header.as_object_mut().unwrap().remove(name);
        header["bert.encoder.layer.9.output.dense.bias"] = entry;
    });
    assert!(matches!(&error, Error::MissingTensors { .. }), "{error}");
}

#[test]
fn weights_of_half_the_bytes_are_read() {
    let (header, values) = split(&weights("bert"));
    let mut expected = Vec::new();
    let ask = |folder: &Path| {
        let config = EncoderConfig::from_folder(folder).unwrap();
        let classes = 5;
        let model = Model::open(
            folder,
            config,
            &Computing::new(None, Some(NumberFormat::Fp32), None),
            |config, weights| Head::new(HeadConfig::Cls, config, classes, weights),
        );
        let row = Encoded { ids: vec![5, 6, 7], type_ids: vec![0; 3], ..Encoded::default() };
        let mut found = Vec::new();
        model.unwrap().logits(&[row], |row| found = row.logits.to_vec()).unwrap();
        found
    };
    for dtype in ["F32", "BF16", "F16", "F64"] {
        // Values that all types hold exactly.
        let coarse: Vec<f32> = values
            .as_chunks()
            .0
            .iter()
            .map(|bytes| (f32::from_le_bytes(*bytes) * 64.0).round() / 64.0)
            .collect();
        let stored: Vec<u8> = match dtype {
            "F32" => coarse.iter().flat_map(|value| value.to_le_bytes()).collect(),
            "F64" => coarse.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect(),
            "BF16" => {
                coarse.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes()).collect()
            }
            _ => coarse.iter().flat_map(|value| to_half(*value).to_le_bytes()).collect(),
        };
        let size = stored.len() / coarse.len();
        let mut header = header.clone();
        for (_, entry) in
            header.as_object_mut().unwrap().iter_mut().filter(|(name, _)| *name != "__metadata__")
        {
            entry["dtype"] = dtype.into();
            for end in 0..2 {
                let offset = entry["data_offsets"][end].as_u64().unwrap() / 4 * size as u64;
                entry["data_offsets"][end] = offset.into();
            }
        }
        let folder = tempfile::tempdir().unwrap();
        fs::copy(golden("bert").join("config.json"), folder.path().join("config.json")).unwrap();
        fs::write(folder.path().join("model.safetensors"), join(&header, &stored)).unwrap();
        let found = ask(folder.path());
        if expected.is_empty() {
            expected.clone_from(&found);
        }
        assert_eq!(found, expected, "{dtype}");
    }
}

/// A number that half precision holds exactly, in its normal range or 0.
fn to_half(value: f32) -> u16 {
    if value == 0.0 {
        return 0;
    }
    let bits = value.to_bits();
    ((bits >> 16) & 0x8000) as u16
        | ((((bits >> 23) & 255) - 112) << 10) as u16
        | ((bits >> 13) & 1023) as u16
}

//! Against what `transformers` computed on the models of `fixtures/golden`, with each kernel.

use std::path::PathBuf;

use re_checkpoint::{HeadConfig, TensorFile};

use super::*;
use crate::computing::NumberFormat;

/// Models with a classification head.
const CLASSIFIERS: [&str; 18] = [
    "bert",
    "bert_no_segments",
    "bert_odd",
    "bert_foreign_pad",
    "xlmr",
    "xlmr_spelled_padding",
    "xlmr_saturated",
    "roberta",
    "electra",
    "electra_unprojected",
    "mpnet",
    "mpnet_odd",
    "deberta",
    "deberta_odd",
    "deberta_c2p",
    "deberta_p2c",
    "deberta_no_terms",
    "deberta_absolute",
];

/// Largest error of a logit, as a share of the largest logit.
const TOLERANCE: f32 = 2e-5;

pub(super) fn golden(name: &str) -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(name)
}

fn model(folder: &std::path::Path, kernel: Kernel) -> (Model, usize) {
    model_in(folder, Computing::new(Some(kernel), Some(NumberFormat::Fp32), None))
}

fn model_in(folder: &std::path::Path, computing: Computing) -> (Model, usize) {
    let file = TensorFile::open(folder.join("model.safetensors")).unwrap();
    let output =
        ["classifier.weight", "classifier.out_proj.weight"].iter().find_map(|name| file.tensor(name));
    let classes = output.unwrap().shape[0];
    let config = EncoderConfig::from_folder(folder).unwrap();
    let tokens = config.raw["architectures"].to_string().contains("ForTokenClassification");
    let model = Model::open(folder, config, &computing, |config, weights| match tokens {
        true => Head::tokens(config, classes, 1, "", weights),
        false => Head::new(HeadConfig::Cls, config, classes, weights),
    });
    (model.unwrap(), classes)
}

fn floats(file: &TensorFile, name: &str) -> Vec<f32> {
    file.tensor(name).unwrap().bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn rows(file: &TensorFile) -> Vec<Encoded> {
    let integers = |name: &str| -> Vec<i64> {
        file.tensor(name)
            .unwrap()
            .bytes
            .as_chunks()
            .0
            .iter()
            .map(|bytes| i64::from_le_bytes(*bytes))
            .collect()
    };
    let length = file.tensor("input_ids").unwrap().shape[1];
    let (ids, types, mask) = (integers("input_ids"), integers("token_type_ids"), integers("attention_mask"));
    let real = |row: usize, values: &[i64]| -> Vec<u32> {
        let places = row * length..(row + 1) * length;
        places.filter(|&place| mask[place] == 1).map(|place| values[place] as u32).collect()
    };
    let row = |row| Encoded { ids: real(row, &ids), type_ids: real(row, &types), ..Encoded::default() };
    (0..ids.len() / length).map(row).collect()
}

/// The logits of each row, or of its tokens.
fn logits(model: &Model, rows: &[Encoded], width: usize, of_tokens: bool) -> Vec<Vec<f32>> {
    let mut all = vec![Vec::new(); rows.len()];
    let mut each = |found: RowLogits<'_>| {
        let range = if of_tokens { found.tokens } else { found.place..found.place + 1 };
        all[found.row] = found.logits[range.start * width..range.end * width].to_vec();
    };
    model.logits(rows, &mut each).unwrap();
    all
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0f32, |scale, value| scale.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= TOLERANCE * scale, "{what}: {found}, expected {expected}");
    }
}

#[test]
fn logits_are_those_of_transformers() {
    for kernel in Kernel::available() {
        for case in CLASSIFIERS {
            let (model, classes) = model(&golden(case), kernel);
            let file = TensorFile::open(golden(case).join("expected.safetensors")).unwrap();
            let found = logits(&model, &rows(&file), classes, false);
            assert_close(&found.concat(), &floats(&file, "logits"), &format!("{case} with {kernel:?}"));
        }
    }
}

#[test]
fn logits_of_tokens_are_those_of_transformers() {
    for kernel in Kernel::available() {
        for case in ["bert_tokens", "xlmr_tokens", "electra_tokens", "deberta_tokens"] {
            let (model, classes) = model(&golden(case), kernel);
            let file = TensorFile::open(golden(case).join("expected.safetensors")).unwrap();
            let rows = rows(&file);
            let expected = floats(&file, "logits");
            let length = file.tensor("input_ids").unwrap().shape[1];
            for (number, found) in logits(&model, &rows, classes, true).iter().enumerate() {
                let expected = &expected[number * length * classes..][..rows[number].len() * classes];
                assert_close(found, expected, &format!("{case} with {kernel:?}, row {number}"));
            }
        }
    }
}

/// Rows of all lengths, 33 of them, in which some are equal.
fn rows_of_all_lengths(model: &Model) -> Vec<Encoded> {
    let longest = model.config().max_length();
    let row = |number: usize| {
        let length = 1 + number % 31 * (longest - 1) / 30;
        let ids = (0..length).map(|i| 5 + ((number % 31 * 7 + i * 3) % 20) as u32).collect();
        Encoded { ids, type_ids: vec![0; length], ..Encoded::default() }
    };
    (0..33).map(row).collect()
}

#[test]
fn a_row_has_the_same_bits_in_any_company_and_with_any_number_of_threads() {
    let formats = [NumberFormat::Fp32, NumberFormat::Bf16, NumberFormat::Int8];
    let all = Kernel::available().into_iter().flat_map(|kernel| formats.map(|format| (kernel, format)));
    for (kernel, format) in all {
        for case in CLASSIFIERS {
            let computing = Computing::new(Some(kernel), Some(format), None);
            let (model, classes) = model_in(&golden(case), computing);
            let rows = rows_of_all_lengths(&model);
            let together = logits(&model, &rows, classes, false);
            assert_eq!(together[0], together[31], "{case}: equal rows");
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let alone =
                    |row: &Encoded| logits(&model, std::slice::from_ref(row), classes, false).concat();
                let alone: Vec<Vec<f32>> = pool.install(|| rows.iter().map(alone).collect());
                assert_eq!(alone, together, "{case} with {kernel:?} and {threads} threads");
                assert_eq!(pool.install(|| logits(&model, &rows, classes, false)), together, "{case}");
            }
        }
    }
}

#[test]
fn kernels_agree() {
    for case in CLASSIFIERS {
        let of = |kernel| {
            let (model, classes) = model(&golden(case), kernel);
            logits(&model, &rows_of_all_lengths(&model), classes, false).concat()
        };
        let expected = of(Kernel::best());
        // Scores of hundreds show the rounding of their terms.
        if case == "xlmr_saturated" {
            continue;
        }
        for kernel in Kernel::available() {
            assert_close(&of(kernel), &expected, &format!("{case} with {kernel:?}"));
        }
    }
}

#[test]
fn what_does_not_fit_the_tables_is_an_error() {
    let (model, _) = model(&golden("bert"), Kernel::best());
    let row = |ids: Vec<u32>, kind| Encoded { type_ids: vec![kind; ids.len()], ids, ..Encoded::default() };
    let error = |row: Encoded| model.logits(&[row], |_| {}).unwrap_err();
    assert!(matches!(error(row(vec![5, 9999], 0)), Error::TokenId { id: 9999, .. }));
    assert!(matches!(error(row(vec![5], 7)), Error::TokenType { id: 7, .. }));
    assert!(matches!(error(row(vec![5; 5000], 0)), Error::TooLong { tokens: 5000, .. }));
    assert!(matches!(error(Encoded::default()), Error::Data(_)));
    let span = re_data::TokenSpan::with_len(1, 4);
    let outside = Encoded { entities: [Some(span), None], ..row(vec![5, 6], 0) };
    assert!(error(outside).to_string().contains("expected tokens of the row"));
    assert!(model.logits(&[], |_| {}).is_ok());
}

#[test]
fn a_raised_flag_interrupts() {
    let (mut model, _) = model(&golden("bert"), Kernel::best());
    model.stop_when(Arc::new(AtomicBool::new(true)));
    let row = Encoded { ids: vec![5], type_ids: vec![0], ..Encoded::default() };
    assert!(matches!(model.logits(&[row], |_| {}), Err(Error::Interrupted)));
}

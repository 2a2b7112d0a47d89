//! Folders of tokenizers: every setting that changes ids is followed as `transformers` does, or refused
//! (fixtures/tokenization/make_folders.py wrote the ids).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use re_data::error::with_causes;
use re_data::{EncodeOptions, Error, ExampleEncoder, MarkupConfig, Tokenizer, Truncation};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    folders: Vec<Folder>,
}

#[derive(Deserialize)]
struct Folder {
    name: String,
    files: BTreeMap<String, Value>,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Rows { size: usize, ids: Vec<Vec<u32>>, pair: Vec<u32>, pair_type_ids: Vec<u32> },
    Error {},
}

/// Folders that are refused here, and a part of the reason. What `transformers` gives for them follows one of two files that
/// contradict each other, or is no reading of the folder at all.
const REFUSED: [(&str, &str); 29] = [
    (
        "vocab, capitals, nothing said",
        "tokenizer_config.json: do_lower_case is not given (expected false, as ",
    ),
    ("vocab, class of roberta", "tokenizer.json is missing"),
    ("vocab, generic class", "tokenizer.json is missing"),
    (
        "added_tokens.json, a gap",
        "added_tokens.json: <e1> = 47 (expected the id 44 that the vocabulary gives this token)",
    ),
    ("the settings split special tokens", "tokenizer_config.json: split_special_tokens = true"),
    (
        "bert, case against the class",
        "tokenizer_config.json: do_lower_case is not given (expected false, as ",
    ),
    ("bert, another normalizer", "tokenizer.json: normalizer = \"Lowercase\""),
    ("bert, another pre-tokenizer", "tokenizer.json: pre_tokenizer = \"WhitespaceSplit\""),
    ("bert, an unknown class", "tokenizer_config.json: tokenizer_class = \"KoBertTokenizer\""),
    (
        "roberta, a prefix in the file",
        "tokenizer_config.json: add_prefix_space is not given (expected true, as ",
    ),
    ("roberta, a normalizer", "tokenizer.json: normalizer = \"NFC\""),
    ("roberta, the pieces of bert", "tokenizer.json: model = \"WordPiece\""),
    ("xlm-r, another unknown token", "tokenizer.json: model.unk_id = \"0\""),
    ("xlm-r, bytes in the file", "tokenizer.json: model = \"BPE\""),
    ("no model of ours", "config.json: model_type = \"deberta\""),
    ("mpnet, vocab without unknown", "the vocabulary lacks the unk_token \"[UNK]\""),
    (
        "mpnet, case against the class",
        "tokenizer_config.json: do_lower_case is not given (expected false, as ",
    ),
    (
        "mpnet, the pieces of roberta",
        "tokenizer.json: model = \"BPE\" (expected WordPiece, as MPNetTokenizer has it",
    ),
    ("mpnet, the class of bert", "the vocabulary lacks the sep_token \"[SEP]\""),
    (
        "deberta, lower-cased by the file",
        "tokenizer_config.json: do_lower_case is not given (expected true, as tokenizer.json is made, or false",
    ),
    (
        "deberta, punctuation by the file",
        "tokenizer_config.json: split_by_punct is not given (expected true, as tokenizer.json is made, or false",
    ),
    (
        "deberta, another unknown token",
        "tokenizer.json: model.unk_id = \"0\" (expected 3, as DebertaV2Tokenizer has it",
    ),
    (
        "deberta, an unknown token with a score",
        "tokenizer.json: model.unk_id = \"3\" (expected 1, as DebertaV2Tokenizer has it",
    ),
    ("deberta, bytes", "tokenizer.json: model.byte_fallback = \"true\""),
    (
        "deberta, the pieces of bert",
        "tokenizer.json: model = \"WordPiece\" (expected Unigram, as DebertaV2Tokenizer has it",
    ),
    ("deberta, vocab", "tokenizer.json is missing"),
    // transformers fails, too.
    ("null, do_lower_case", "tokenizer_config.json: do_lower_case = null (expected true or false)"),
    ("null, tokenize_chinese_chars", "tokenize_chinese_chars = null (expected true or false)"),
    ("null, prefix of roberta", "add_prefix_space = null (expected true or false)"),
];

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tokenization/folders.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn write(folder: &Path, files: &BTreeMap<String, Value>) {
    for (name, content) in files {
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        fs::write(folder.join(name), text).unwrap();
    }
}

/// The files of one of the golden folders.
fn folder_named(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &golden().folders.into_iter().find(|folder| folder.name == name).unwrap().files);
    folder
}

#[test]
fn every_folder_gives_the_ids_of_transformers_or_is_refused() {
    let Golden { texts, folders } = golden();
    let mut faults = Vec::new();
    let (mut equal, mut refused) = (0, 0);
    for Folder { name, files, expected } in folders {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files);
        let loaded = Tokenizer::from_folder(folder.path());
        if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            match loaded {
                Err(error) if error.to_string().contains(reason) => refused += 1,
                Err(error) => faults.push(format!("{name}: {error}")),
                Ok(_) => faults.push(format!("{name}: is not refused")),
            }
            continue;
        }
        let tokenizer = match loaded {
            Ok(tokenizer) => tokenizer,
            Err(error) => {
                faults.push(format!("{name}: {}", with_causes(&error)));
                continue;
            }
        };
        let Expected::Rows { size, ids, pair, pair_type_ids } = expected else { continue };
        equal += 1;
        let saved = tempfile::tempdir().unwrap();
        if let Some(model) = files.get("config.json") {
            fs::write(saved.path().join("config.json"), model.to_string()).unwrap();
        }
        tokenizer.save_into(saved.path()).unwrap();
        let again = Tokenizer::from_folder(saved.path());
        let again = again.unwrap_or_else(|error| panic!("{name}, saved: {}", with_causes(&error)));
        let trained = Tokenizer::from_saved(saved.path()).unwrap();
        for (state, tokenizer) in [("read", &tokenizer), ("saved", &again), ("trained", &trained)] {
            if tokenizer.vocab_size() != size {
                faults.push(format!("{name}, {state}: {} tokens, not {size}", tokenizer.vocab_size()));
            }
            for (text, ids) in texts.iter().zip(&ids) {
                let found = tokenizer.encode(text, None).unwrap().ids;
                if found != *ids {
                    faults.push(format!("{name}, {state}: {text:?}: {found:?}, not {ids:?}"));
                }
            }
            let found = tokenizer.encode(&texts[0], Some(&texts[2])).unwrap();
            if (&found.ids, &found.type_ids) != (&pair, &pair_type_ids) {
                faults.push(format!("{name}, {state}: pair {found:?}, not {pair:?} {pair_type_ids:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(equal >= 99 && refused == 29, "{equal} equal, {refused} refused");
}

#[test]
fn a_vocabulary_of_sentence_piece_alone_is_refused_by_name() {
    for name in ["spm.model", "sentencepiece.bpe.model"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), "").unwrap();
        fs::write(folder.path().join("config.json"), r#"{"model_type": "deberta-v2"}"#).unwrap();
        let error = Tokenizer::from_folder(folder.path()).unwrap_err().to_string();
        let expected = format!("but {name}, which is not read: AutoTokenizer");
        assert!(error.contains(&expected), "{error}");
    }
}

/// No id shows it: its words are split at white space anyway.
#[test]
fn the_mask_of_mpnet_takes_the_space_before_it() {
    for (name, expected) in [
        ("mpnet, vocab, type alone", true),
        ("mpnet, vocab, class", true),
        ("mpnet, vocab without mask", true),
        ("mpnet, a mask that takes no spaces", false),
        ("vocab, cased", false),
    ] {
        let saved = tempfile::tempdir().unwrap();
        Tokenizer::from_folder(folder_named(name).path()).unwrap().save_into(saved.path()).unwrap();
        let file = fs::read_to_string(saved.path().join("tokenizer.json")).unwrap();
        let file: Value = serde_json::from_str(&file).unwrap();
        let takes = |token: &Value| token["lstrip"] == true;
        let added = file["added_tokens"].as_array().unwrap();
        let taking: Vec<&Value> = added.iter().filter(|token| takes(token)).collect();
        assert_eq!(!taking.is_empty(), expected, "{name}");
        assert!(taking.iter().all(|token| token["content"] == "<mask>"), "{name}: {taking:?}");
    }
}

#[test]
fn a_folder_that_leaves_its_case_open_is_told_both_choices() {
    let folder = folder_named("vocab, capitals, nothing said");
    let error = Tokenizer::from_folder(folder.path()).unwrap_err().to_string();
    let choices = "do_lower_case is not given (expected false, as vocab.txt is made, or true, which transformers takes \
                   where nothing is said";
    let missing = "; the file is missing, {\"do_lower_case\": false} alone will do)";
    assert!(error.contains(choices) && error.ends_with(missing), "{error}");
    let path = folder.path().join("tokenizer_config.json");
    fs::write(&path, "{\"model_max_length\": 512}").unwrap();
    let error = Tokenizer::from_folder(folder.path()).unwrap_err().to_string();
    assert!(error.contains(choices) && !error.contains("missing"), "{error}");
    for (lowercase, word) in [(false, "Tower"), (true, "tower")] {
        fs::write(&path, json!({"do_lower_case": lowercase}).to_string()).unwrap();
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        assert_eq!(tokenizer.token(tokenizer.pieces("Tower").unwrap().ids[0]).unwrap(), word);
    }
}

#[test]
fn what_files_hold_is_shown_in_short() {
    let folder = folder_named("vocab, cased");
    let (name, long) = ("added_tokens.json", "x".repeat(3_000_000));
    fs::write(folder.path().join(name), json!({(format!("\u{202e}{long}")): long}).to_string()).unwrap();
    let error = Tokenizer::from_folder(folder.path()).unwrap_err().to_string();
    assert!(error.len() < 1000 && error.contains("added_tokens.json: \\u{202e}xxx"), "{error}");
}

#[test]
fn ids_stay_apart_where_a_vocabulary_holds_a_line_twice() {
    let folder = tempfile::tempdir().unwrap();
    // Both lines of white space are read as the same token.
    let vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n \n\u{3000}\na\nb\n";
    fs::write(folder.path().join("vocab.txt"), vocabulary).unwrap();
    let mut tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    assert_eq!(tokenizer.vocab_size(), 9);
    assert_eq!(tokenizer.add_tokens(&["[ENT]", "[/ENT]"]).unwrap(), 2);
    assert_eq!((tokenizer.id("[ENT]"), tokenizer.id("[/ENT]")), (Some(9), Some(10)));
    let saved = tempfile::tempdir().unwrap();
    tokenizer.save_into(saved.path()).unwrap();
    let again = Tokenizer::from_folder(saved.path()).unwrap();
    assert_eq!(again.pieces("a[ENT]b no token has the id 5").unwrap().ids, [7, 9, 8, 1, 1, 1, 1, 1, 1]);
    // The same gap in tokenizer.json, as a writer leaves it that knows nothing of the line.
    let path = saved.path().join("tokenizer.json");
    let mut file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    file["model"]["vocab"].as_object_mut().unwrap().retain(|token, _| !token.contains("no token"));
    file["added_tokens"].as_array_mut().unwrap().retain(|token| token["id"].as_u64() < Some(9));
    fs::write(&path, file.to_string()).unwrap();
    let mut again = Tokenizer::from_folder(saved.path()).unwrap();
    assert_eq!(again.add_tokens(&["[ENT]"]).unwrap(), 1);
    assert_eq!(again.id("[ENT]"), Some(9));
}

#[test]
fn gaps_in_other_vocabularies_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let model = json!({"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0, "b": 5}});
    let file = json!({"version": "1.0", "added_tokens": [], "model": model});
    fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
    let error =
        Tokenizer::from_folder(folder.path()).unwrap().add_tokens(&["[ENT]"]).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("the ids below 6 have gaps"), "{error}");
}

/// A folder of XLM-R whose normalizer has this table.
fn with_table(table: &Value) -> TempDir {
    let folder = folder_named("xlm-r, generic");
    let path = folder.path().join("tokenizer.json");
    let mut file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    file["normalizer"] = json!({"type": "Sequence", "normalizers": [
        {"type": "NFC"}, {"type": "Precompiled", "precompiled_charsmap": table},
    ]});
    fs::write(path, file.to_string()).unwrap();
    folder
}

#[test]
fn tables_of_sentence_piece_are_checked_before_they_are_read() {
    for table in [
        json!(""),
        json!("AAAA"),
        json!("////////////////"),
        json!("BAAAAAA"),
        json!("AAAAAAAAAAAA"),
        json!("%%%%%%%%"),
        json!(7),
    ] {
        let folder = with_table(&table);
        let error = Tokenizer::from_folder(folder.path()).unwrap_err();
        let Error::Tokenizer { path: Some(path), reason, .. } = &error else { panic!("{error:?}") };
        assert!(path.ends_with("tokenizer.json"), "{}", path.display());
        assert!(reason.starts_with("precompiled_charsmap is no table of SentencePiece"), "{table}: {reason}");
    }
    // Four bytes of units that lead behind their end: the crate panics, but on a text.
    let folder = with_table(&json!("BAAAAAD///8AAAAA"));
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    let error = tokenizer.pieces("tower").unwrap_err();
    let Error::Tokenizer { path: Some(path), .. } = &error else { panic!("{error:?}") };
    assert!(path.ends_with("tokenizer.json"), "{}", path.display());
}

#[test]
fn panics_of_the_tokenizers_crate_are_errors_that_name_the_file() {
    let bpe = |prefix: &str| json!({"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]], "continuing_subword_prefix": prefix});
    let template = json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {}});
    for (key, value) in [("model", bpe("###")), ("post_processor", template)] {
        let folder = tempfile::tempdir().unwrap();
        let mut file = json!({"version": "1.0", "added_tokens": [], "model": bpe("")});
        file[key] = value;
        fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
        let error = Tokenizer::from_folder(folder.path()).unwrap_err();
        let Error::Tokenizer { path: Some(path), reason, .. } = &error else { panic!("{error:?}") };
        assert!(path.ends_with("tokenizer.json"), "{}", path.display());
        assert!(reason.contains("cannot work with this file"), "{key}: {}", with_causes(&error));
    }
}

#[test]
fn a_panic_of_the_tokenizers_crate_is_silent_and_others_are_not() {
    // The test runs once more as a process of its own, whose standard error is looked at.
    if std::env::var_os("RE_PANICS").is_some() {
        let folder = tempfile::tempdir().unwrap();
        let model = json!({"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]], "continuing_subword_prefix": "###"});
        let file = json!({"version": "1.0", "added_tokens": [], "model": model});
        fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
        Tokenizer::from_folder(folder.path()).unwrap_err();
        panic!("of the caller");
    }
    let ended = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_panic_of_the_tokenizers_crate_is_silent_and_others_are_not", "--nocapture"])
        .env("RE_PANICS", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("of the caller") && said.matches("panicked at").count() == 1, "{said}");
}

#[test]
fn padding_of_any_length_takes_no_memory() {
    let folder = folder_named("bert, no post-processor, generic");
    let path = folder.path().join("tokenizer.json");
    let mut file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    file["padding"] = json!({"strategy": {"Fixed": 1_000_000_000_000u64}, "direction": "Right", "pad_to_multiple_of": 0, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"});
    fs::write(path, file.to_string()).unwrap();
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    assert_eq!(tokenizer.special().pad.as_ref().unwrap().id, 0);
    assert_eq!(tokenizer.encode("the", None).unwrap().ids, [5]);
}

#[test]
fn what_stands_in_place_of_a_file_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 466081\n";
    for (content, found) in
        [(pointer, "a Git LFS pointer"), ("<!DOCTYPE html>\n<html>", "a web page"), ("", "an empty file")]
    {
        for name in [
            "tokenizer.json",
            "vocab.txt",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "config.json",
        ] {
            let folder = folder_named("vocab, cased");
            fs::write(folder.path().join(name), content).unwrap();
            match Tokenizer::from_folder(folder.path()).unwrap_err() {
                Error::ModelFile { path, found: told, .. } => {
                    assert_eq!((path, told), (folder.path().join(name), found));
                }
                other => panic!("{name}: {other}"),
            }
        }
    }
}

#[test]
fn a_folder_without_a_tokenizer_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let told = |folder: PathBuf| Tokenizer::from_folder(folder).unwrap_err().to_string();
    let error = told(folder.path().to_owned());
    assert!(error.ends_with("found neither tokenizer.json nor vocab.txt, and no config.json: this is not the folder of a model"), "{error}");
    fs::write(folder.path().join("config.json"), "{}").unwrap();
    let error = told(folder.path().to_owned());
    assert!(error.ends_with("found neither tokenizer.json nor vocab.txt"), "{error}");
    fs::write(folder.path().join("merges.txt"), "").unwrap();
    let error = told(folder.path().to_owned());
    assert!(error.contains("but merges.txt, which is not read: AutoTokenizer"), "{error}");
    assert!(matches!(Tokenizer::from_folder(folder.path().join("absent")), Err(Error::Io { .. })));
}

#[test]
fn settings_that_cannot_be_followed_are_refused() {
    let with = |name: &str, file: &str, change: &dyn Fn(&mut Value)| {
        let folder = folder_named(name);
        let path = folder.path().join(file);
        let mut content: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        change(&mut content);
        fs::write(path, content.to_string()).unwrap();
        Tokenizer::from_folder(folder.path())
    };
    let settings = |key: &str, value: Value| {
        let change = |content: &mut Value| content[key] = value.clone();
        match with("vocab, cased", "tokenizer_config.json", &change) {
            Err(Error::TokenizerSetting { path, field, .. }) => {
                assert!(path.ends_with("tokenizer_config.json") && &*field == key, "{field}");
            }
            other => panic!("{key}: {other:?}"),
        }
    };
    settings("do_lower_case", json!("false"));
    settings("strip_accents", json!(1));
    settings("init_inputs", json!(["x"]));
    settings("fast_tokenizer_files", json!(["tokenizer.4.0.0.json", "tokenizer.json"]));
    settings("extra_special_tokens", json!("<e1>"));
    settings("added_tokens_decoder", json!({"x": "<e1>"}));
    settings("sep_token", json!(7));
    settings("tokenizer_class", json!("BertweetTokenizer"));
    let dropout = |file: &mut Value| file["model"]["dropout"] = json!(0.1);
    let error = with("roberta, a prefix in the file, generic", "tokenizer.json", &dropout).unwrap_err();
    assert!(
        matches!(&error, Error::TokenizerSetting { field, .. } if &**field == "model.dropout"),
        "{error}"
    );

    let left = |content: &mut Value| content["truncation_side"] = json!("left");
    let tokenizer = with("vocab, cased", "tokenizer_config.json", &left).unwrap();
    let encoder = |truncation| {
        let options = EncodeOptions { truncation, ..EncodeOptions::default() };
        ExampleEncoder::new(tokenizer.clone(), MarkupConfig::Plain {}.build().unwrap(), options)
    };
    assert!(encoder(Truncation::Window).is_ok());
    let error = encoder(Truncation::Tail).unwrap_err();
    assert!(
        matches!(&error, Error::TokenizerSetting { field, .. } if &**field == "truncation_side"),
        "{error}"
    );
}

/// What was written before classes were followed, and a model trained with it, goes on.
#[test]
fn a_trained_folder_is_read_as_it_was_saved() {
    let folder = folder_named("roberta, a prefix by setting");
    let saved = Tokenizer::from_saved(folder.path()).unwrap();
    // The file has no prefix, and nothing is made of the setting.
    assert_eq!(saved.token(saved.pieces("tower").unwrap().ids[0]).unwrap(), "tower");
    let read = Tokenizer::from_folder(folder.path()).unwrap();
    assert_eq!(read.token(read.pieces("tower").unwrap().ids[0]).unwrap(), "Ġtower");
    let contradicting = folder_named("bert, case against the class");
    assert_eq!(Tokenizer::from_saved(contradicting.path()).unwrap().pieces("Old").unwrap().ids, [1]);
    // A folder that was put together by hand.
    let by_hand = folder_named("vocab, cased");
    let read = |tokenizer: Result<Tokenizer, Error>| tokenizer.unwrap().pieces("Old tower").unwrap();
    assert_eq!(read(Tokenizer::from_saved(by_hand.path())), read(Tokenizer::from_folder(by_hand.path())));
}

//! Token classifiers beside those of `transformers`: folders of either are read by the other.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use re_data::WindowOptions;
use re_data::tags::TagScheme;
use re_model::{Precision, TaggingOptions, TokenClassifier, TokenClassifierOptions};
use serde::de::DeserializeOwned;

const TEXTS: [&str; 5] = [
    "하늘은 바다와 결혼했다.",
    "",
    " \u{3000}\n",
    "권정선과 윤경형 가운데 새로 온 권정선은 보담천방송 소속이다. 알려진 대로 그레타 슈타델은 호가 춘호이다.",
    "𝄞 Marie Curie (née Skłodowska), Warszawa",
];

fn embedded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/model")
}

/// What a script prints as JSON in its last line.
fn python<T: DeserializeOwned>(script: &str, folders: &[&Path]) -> T {
    let output = Command::new(std::env::var_os("RE_PYTHON").unwrap())
        .args(["-c", script])
        .args(folders)
        .arg(serde_json::to_string(&TEXTS).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn fp32(folder: &Path) -> re_model::Result<TokenClassifier> {
    let options = TaggingOptions { precision: Some(Precision::Fp32), ..TaggingOptions::default() };
    TokenClassifier::from_pretrained_with(folder, options)
}

/// Compares logits of each text's tokens.
fn check_logits(classifier: &TokenClassifier, logits: &[Vec<Vec<f32>>], what: &str) {
    for (text, expected) in TEXTS.iter().zip(logits) {
        let rows = classifier.prepare(text).unwrap().encoded.rows;
        let found = classifier.logits(&rows).unwrap().concat();
        // Texts without a token have no row.
        let expected = if rows.is_empty() { Vec::new() } else { expected.concat() };
        assert_eq!(found.len(), expected.len(), "{what}: {text}");
        let scale = expected.iter().fold(0f32, |scale, value| scale.max(value.abs()));
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() <= 2e-5 * scale, "{what}: {a} and {b}");
        }
    }
}

#[test]
#[ignore = "needs a Python interpreter with transformers (RE_PYTHON)"]
fn folders_go_back_and_forth_with_transformers() {
    let windows = Some(WindowOptions { max_length: 256, stride: 64 });
    let options =
        TokenClassifierOptions { windows, random_weights: true, ..TokenClassifierOptions::default() };
    let before = TokenClassifier::new(embedded(), ["PER", "LOC"], options).unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    before.save(&ours).unwrap();
    let script = "import json, sys, torch\n\
        from transformers import AutoModelForTokenClassification, AutoTokenizer\n\
        ours, theirs, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])\n\
        tokenizer = AutoTokenizer.from_pretrained(ours)\n\
        model = AutoModelForTokenClassification.from_pretrained(ours).eval()\n\
        model.save_pretrained(theirs)\n\
        tokenizer.save_pretrained(theirs)\n\
        with torch.no_grad():\n    \
        rows = [model(**tokenizer(text, return_tensors='pt')).logits[0].tolist() for text in texts]\n\
        print(json.dumps([model.config.id2label, rows]))\n";
    let (names, logits): (BTreeMap<usize, String>, Vec<Vec<Vec<f32>>>) = python(script, &[&ours, &theirs]);
    assert_eq!(names.into_values().collect::<Vec<_>>(), before.tags().names());
    check_logits(&fp32(&theirs).unwrap(), &logits, "theirs");
}

/// Makes a random model of each architecture with a label set of its own, as safetensors or as a pickle.
const FOLDERS: &str = r#"
import json, os, sys, torch
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer
source, out, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
tokenizer = AutoTokenizer.from_pretrained(source)
cases = {
    "bert": ["O", "B-PER", "I-PER", "B-geo-loc", "I-geo-loc"],
    "roberta": ["I-LOC", "O", "B-PER", "B-LOC", "I-PER"],
    "xlm-roberta": ["O", "PER_B", "PER_I", "PER_E", "PER_S"],
    "electra": ["o", "b-per", "i-per"],
    "mpnet": ["O", "I-인물", "I-장소"],
    "distilbert": ["O", "B-PER", "I-PER"],
}
found = {}
for number, (kind, names) in enumerate(cases.items()):
    torch.manual_seed(number)
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=300, embedding_size=24, dim=32, n_layers=2, n_heads=4, hidden_dim=64,
        pad_token_id=tokenizer.pad_token_id, initializer_range=0.3, id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)})
    model = AutoModelForTokenClassification.from_config(config).eval()
    folder = os.path.join(out, kind)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    if number % 2:
        os.remove(os.path.join(folder, "model.safetensors"))
        torch.save(model.state_dict(), os.path.join(folder, "pytorch_model.bin"))
    with torch.no_grad():
        rows = []
        for text in texts:
            ids = tokenizer(text, return_tensors="pt")["input_ids"]
            rows.append(model(input_ids=ids).logits[0].tolist())
    found[kind] = rows
print(json.dumps(found))
"#;

#[test]
#[ignore = "needs a Python interpreter with transformers (RE_PYTHON)"]
fn folders_of_each_architecture_are_read_as_by_their_library_with_transformers() {
    let folder = tempfile::tempdir().unwrap();
    let logits: BTreeMap<String, Vec<Vec<Vec<f32>>>> = python(FOLDERS, &[&embedded(), folder.path()]);
    let read = |kind: &str| fp32(&folder.path().join(kind));
    for (kind, scheme, types) in [
        ("bert", TagScheme::Iob1, &["PER", "geo-loc"][..]),
        ("roberta", TagScheme::Iob1, &["LOC", "PER"]),
        ("xlm-roberta", TagScheme::Bilou, &["PER"]),
        ("electra", TagScheme::Iob1, &["per"]),
        ("mpnet", TagScheme::Io, &["인물", "장소"]),
    ] {
        let classifier = read(kind).unwrap();
        let found: Vec<&str> = classifier.tags().kinds().iter().map(|kind| &**kind).collect();
        assert_eq!((classifier.tags().scheme(), found.as_slice()), (scheme, types), "{kind}");
        check_logits(&classifier, &logits[kind], kind);
    }
    let error = read("distilbert").unwrap_err().to_string();
    assert!(error.contains("distilbert"), "{error}");
}

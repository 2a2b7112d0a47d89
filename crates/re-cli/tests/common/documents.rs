//! Documents and taggers for the commands that read them.

use re_model::{TokenClassifier, TokenClassifierOptions};
use serde_json::{Value, json};

use super::*;

pub fn with_input(arguments: &[&str], input: &str) -> String {
    let mut command = re(arguments);
    command.write_stdin(input);
    output_of(command)
}

pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Documents with `mentions` names each, in the language of the trained run.
pub fn korean(documents: usize, mentions: usize) -> String {
    let document = |number: usize| {
        let names: Vec<String> = (0..mentions).map(|name| format!("이름{name}")).collect();
        let mut at = 0;
        let spans = names.iter().map(|name| {
            let (start, end) = (at, at + name.chars().count());
            at = end + 1;
            json!({"start": start, "end": end, "type": "PER"})
        });
        let spans: Vec<Value> = spans.collect();
        json!({"id": number.to_string(), "text": names.join(" "), "mentions": spans}).to_string() + "\n"
    };
    (0..documents).map(document).collect()
}

/// The last line of standard error as JSON.
pub fn summary(stderr: &[u8]) -> Value {
    let text = String::from_utf8_lossy(stderr);
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// A folder of a tagger without training.
pub fn tagger(folder: &Folder) -> String {
    let path = folder.path("tagger");
    let options = TokenClassifierOptions { random_weights: true, ..TokenClassifierOptions::default() };
    TokenClassifier::new(embedded("model"), ["PER", "LOC"], options).unwrap().0.save(&path).unwrap();
    path
}

//! The report's question answering: a classifier says what is unrelated, then one Korean question for each relation is asked.
//!
//! Without flags it trains both models on the embedded default; `--member RUN@STEP` takes a trained classifier.

fn main() -> std::process::ExitCode {
    re_examples::run("question_answering")
}

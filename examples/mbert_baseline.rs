//! The report's config01, its own baseline: mBERT reads both entities, then the sentence; 30 % of the rows validate.

fn main() -> std::process::ExitCode {
    re_examples::run("mbert_baseline")
}

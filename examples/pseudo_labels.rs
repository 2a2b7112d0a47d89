//! An idea of the report: predictions on unlabelled rows that the model is sure of join training (`--unlabelled FILE`).
//!
//! Threshold and rounds: `--set plan.threshold=0.95 --set plan.rounds=2`. Rows with gold labels keep them.

fn main() -> std::process::ExitCode {
    re_examples::run("pseudo_labels")
}

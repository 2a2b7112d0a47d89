//! Stratified folds grouped by sentence: out-of-fold probabilities of all training rows, and a vote of the folds' models.

fn main() -> std::process::ExitCode {
    re_examples::run("k_fold")
}

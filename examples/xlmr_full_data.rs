//! The report's config08, its best single model: config07 on all rows, stopped at the step that was best on the split.
//!
//! Without flags it trains on the embedded default; `--help` says how to pass real data and a checkpoint.

fn main() -> std::process::ExitCode {
    re_examples::run("xlmr_full_data")
}

//! The report's config07: XLM-R large, low learning rate, label smoothing 0.5.

fn main() -> std::process::ExitCode {
    re_examples::run("xlmr")
}

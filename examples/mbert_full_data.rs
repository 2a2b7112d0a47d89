//! The report's config02: config01 on all rows, stopped at the step that was best on the 70 % split.

fn main() -> std::process::ExitCode {
    re_examples::run("mbert_full_data")
}

//! The report's config06: config05 on all rows, stopped at the step that was best on the 70 % split.

fn main() -> std::process::ExitCode {
    re_examples::run("entity_tokens_full_data")
}

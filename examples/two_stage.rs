//! An idea of the report: a binary "related or not" model, then one of 41 relations; compared with a single model on the
//! same split.

fn main() -> std::process::ExitCode {
    re_examples::run("two_stage")
}

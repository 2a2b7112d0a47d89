//! The report's config03: config01 with further rows, most of them of rare relations (`--additional FILE`).
//!
//! Additional rows whose sentences are evaluated on are left out and counted.

fn main() -> std::process::ExitCode {
    re_examples::run("mbert_additional_data")
}

//! An idea of the report: training rows that vary in each epoch (`--entity-types FILE`).

fn main() -> std::process::ExitCode {
    re_examples::run("augmentation")
}

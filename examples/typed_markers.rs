//! An idea of the report: the entities' types in the markup (`--entity-types FILE`).

fn main() -> std::process::ExitCode {
    re_examples::run("typed_markers")
}

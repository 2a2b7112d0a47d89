//! An idea of the report: the entities' types in the markup (`--entity-types FILE`).

fn main() -> anyhow::Result<()> {
    re_examples::run("typed_markers")
}

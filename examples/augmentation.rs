//! An idea of the report: training rows that vary in each epoch (`--entity-types FILE`).

fn main() -> anyhow::Result<()> {
    re_examples::run("augmentation")
}

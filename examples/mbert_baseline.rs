//! The report's config01, its own baseline: mBERT reads both entities, then the sentence; 30 % of the rows validate.

fn main() -> anyhow::Result<()> {
    re_examples::run("mbert_baseline")
}

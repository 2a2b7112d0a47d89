//! The report's config04: a soft vote of config01 and config03.
//!
//! Both are trained, or taken from runs: `--member runs/mbert_baseline-1 --member runs/mbert_additional_data-1@9000`.

fn main() -> anyhow::Result<()> {
    re_examples::run("soft_vote")
}

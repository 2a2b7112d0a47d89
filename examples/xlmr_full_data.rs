//! The report's config08: one encoder, fine-tuned on all training rows.
//!
//! Without flags it trains on the embedded default; `--help` says how to pass real data and a checkpoint, and
//! `--val-size 0.3` gives config07.

fn main() -> anyhow::Result<()> {
    re_examples::run("xlmr_full_data", include_str!("configs/xlmr_full_data.toml"))
}

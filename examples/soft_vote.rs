//! The report's config04: a soft vote of config01 and config03.
//!
//! Both are trained, or taken from runs: `--member runs/mbert_baseline-1 --member runs/mbert_additional_data-1@9000`. That of
//! config03 is to be made with `--val-size 0.3`: its own 0.2 train on rows that the vote is validated on.

fn main() -> std::process::ExitCode {
    re_examples::run("soft_vote")
}

//! The report's config09: the soft vote of XLM-R and config03, and the hard vote of both and the config04 ensemble; with the
//! XLM-R model of config07 and with that of config08.
//!
//! Two encoders are given as `--model MBERT_DIR --model xlmr=XLMR_DIR`, trained runs as `--member xlmr=RUN@1800`.

fn main() -> std::process::ExitCode {
    re_examples::run("ensembles")
}

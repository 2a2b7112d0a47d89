//! Texts to graphs: a tagger, a classifier of pairs, and a page with what both find in texts.

fn main() -> std::process::ExitCode {
    re_examples::run("extract")
}

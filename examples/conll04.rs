//! Entities and relations of English news: `--train conll04_train.json --validation conll04_dev.json`.

fn main() -> std::process::ExitCode {
    re_examples::run("conll04")
}

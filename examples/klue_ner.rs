//! A tagger of Korean names, by characters: `--train klue-ner-part_train.tsv --validation klue-ner-part_dev.tsv`.

fn main() -> std::process::ExitCode {
    re_examples::run("klue_ner")
}

//! The report's config05: config01 with `[ENT]` and `[/ENT]`, two new tokens, around both entities.
//!
//! With `--config examples/configs/entity_embedding.toml` 1 is added to the token type ids of the entities, too.

fn main() -> std::process::ExitCode {
    re_examples::run("entity_tokens")
}

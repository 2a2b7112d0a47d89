//! What `cargo xtask results` runs: renews the tables of `docs/RESULTS.md` from the runs below `results/`, or, with
//! `--check`, fails where they are not up to date.

use std::path::Path;

use anyhow::{Result, bail};
use re_report::results;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (document, folder) = (root.join("docs/RESULTS.md"), root.join("results"));
    match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => {
            let changed = results::update(&document, &folder)?;
            println!("docs/RESULTS.md: {}", if changed { "renewed" } else { "up to date" });
            Ok(())
        }
        [only] if only == "--check" => match results::renewed(&document, &folder)? {
            None => Ok(()),
            Some(_) => bail!("docs/RESULTS.md is not up to date with results/; run `cargo xtask results`"),
        },
        other => bail!("found {other:?}, expected nothing or --check"),
    }
}

//! What `cargo xtask results` runs: renews `docs/RESULTS.md` from the runs below `results/`, or, with `--check`, fails
//! where it is not up to date. The findings need the labels of the competition's rows, in `../shared` or where
//! `RE_SHARED` points; without them they stay as they are.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use re_report::results;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (document, folder) = (root.join("docs/RESULTS.md"), root.join("results"));
    let shared = std::env::var_os("RE_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let gold = [shared.join("data/p-stage2/train.tsv")];
    if !re_data::files::is_file(&gold[0])? {
        eprintln!("{} is not there: the findings stay as they are", gold[0].display());
    }
    match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => {
            let changed = results::update(&document, &folder, &gold)?;
            println!("docs/RESULTS.md: {}", if changed { "renewed" } else { "up to date" });
            Ok(())
        }
        [only] if only == "--check" => match results::renewed(&document, &folder, &gold)? {
            None => Ok(()),
            Some(_) => bail!("docs/RESULTS.md is not up to date with results/; run `cargo xtask results`"),
        },
        other => bail!("found {other:?}, expected nothing or --check"),
    }
}

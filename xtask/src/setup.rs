//! `cargo xtask setup`: a libtorch for the build.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::choice::{self, Candidate, Candidates, Choice};
use crate::layout::Layout;
use crate::{cargo, libtorch, link, machine, python, wheels};

/// Finds or downloads libtorch and points the workspace's link to it; the install's folder.
///
/// # Errors
/// Nothing usable is there and it cannot be downloaded, or the link cannot be made.
pub fn run(layout: &Layout, download_only: bool) -> Result<PathBuf> {
    machine::require_compiler()?;
    let decision = match choice::decide(candidates(layout, download_only), download_only) {
        Ok(decision) => decision,
        Err((path, defect)) => bail!(
            "LIBTORCH names {}, which cannot be used: {defect}. Correct LIBTORCH, or unset it to let this \
             command find or download one",
            path.display()
        ),
    };
    for note in &decision.notes {
        eprintln!("{note}");
    }
    let install = match decision.choice {
        Choice::Use(path) => path,
        Choice::Download => wheels::install(layout)?,
    };
    point(layout, &install)?;
    Ok(install)
}

/// Looks for installs, the costly places only when the cheap ones have nothing.
fn candidates(layout: &Layout, download_only: bool) -> Candidates {
    let examine = |path: PathBuf| -> Candidate {
        let checked = libtorch::check(&path);
        (path, checked)
    };
    let sound = |candidate: &Option<Candidate>| matches!(candidate, Some((_, Ok(()))));
    let named = layout.named.clone().map(examine);
    let linked = link::target(&layout.link()).map(examine);
    let python = if named.is_some() || sound(&linked) || download_only {
        None
    } else {
        python::torch_folder().map(examine)
    };
    let cached = Some(layout.unpacked()).filter(|path| path.exists()).map(examine);
    Candidates { named, linked, python, cached }
}

fn point(layout: &Layout, install: &Path) -> Result<()> {
    let link = layout.link();
    let before = link::point(&link, install).with_context(|| {
        format!("cannot link {} to {}; remove what is in its place", link.display(), install.display())
    })?;
    println!("libtorch: {} -> {}", link.display(), install.display());
    // What torch-sys links depends on the libraries that it saw; cargo does not look behind the link.
    if before.is_some_and(|before| libtorch::has_cuda(&before) != libtorch::has_cuda(install)) {
        cargo::forget(layout, "torch-sys")?;
    }
    Ok(())
}

//! Helpers that the integration tests of this crate share.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

/// A file of the research data that is kept beside the checkout (`$RE_SHARED`, else `../shared/data`), or `None`, said
/// aloud, where it is absent: a test that needs it then returns.
pub fn shared(file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("RE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = root.join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is absent (set RE_SHARED to the folder of the research data)", path.display());
    None
}

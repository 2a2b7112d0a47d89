//! Where things are: the workspace, its link and the per-user cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The version of libtorch that tch 0.24 binds.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// Folders that the commands work with.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Root of the workspace.
    pub root: PathBuf,
    /// Per-user cache of downloads.
    pub cache: PathBuf,
    /// What `LIBTORCH` names, when the user set it.
    pub named: Option<PathBuf>,
}

impl Layout {
    /// Reads the environment.
    ///
    /// # Errors
    /// No cache folder can be named, or the workspace's root is not where it was built.
    pub fn of_this_machine() -> Result<Self> {
        // At run time where cargo says so: a checkout may have moved since it was built.
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package.parent().context("the xtask package has no parent folder")?.to_owned();
        let cache = cache_folder(|name| std::env::var_os(name))
            .context("no place for downloads: set HOME, XDG_CACHE_HOME or RE_CACHE")?;
        let named = named_install(&root, std::env::var_os("LIBTORCH"));
        Ok(Self { root, cache: std::path::absolute(cache)?, named })
    }

    /// The ignored link that the build reads.
    pub fn link(&self) -> PathBuf {
        self.root.join(".libtorch")
    }

    /// The folder of real data, beside the checkout unless `RE_SHARED` names another one.
    pub fn shared(&self) -> PathBuf {
        self.root.join(std::env::var_os("RE_SHARED").unwrap_or_else(|| "../shared".into()))
    }

    /// Where the downloaded libtorch is unpacked.
    pub fn unpacked(&self) -> PathBuf {
        self.cache.join(format!("libtorch-{LIBTORCH_VERSION}-cpu"))
    }
}

/// `RE_CACHE`, else `re` in the user's cache folder. An empty variable counts as unset.
fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("RE_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("re")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/re")))
}

/// What the user's own `LIBTORCH` names. Cargo sets the variable to our link for the programs that it
/// runs (`.cargo/config.toml`), which names no install.
fn named_install(root: &Path, value: Option<OsString>) -> Option<PathBuf> {
    let path = PathBuf::from(value.filter(|value| !value.is_empty())?);
    let relative_to_root = root.join(&path);
    (relative_to_root != root.join(".libtorch")).then_some(relative_to_root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache_with(set: &[(&str, &str)]) -> Option<PathBuf> {
        cache_folder(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_cache_follows_the_most_specific_variable() {
        let all = [("RE_CACHE", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")];
        assert_eq!(cache_with(&all), Some("/a".into()));
        assert_eq!(cache_with(&all[1..]), Some("/b/re".into()));
        assert_eq!(cache_with(&all[2..]), Some("/c/.cache/re".into()));
        assert_eq!(cache_with(&[("RE_CACHE", ""), ("HOME", "/c")]), Some("/c/.cache/re".into()));
        assert_eq!(cache_with(&[]), None);
    }

    #[test]
    fn the_link_that_cargo_names_is_no_install_of_the_user() {
        let root = Path::new("/work");
        assert_eq!(named_install(root, Some("/work/.libtorch".into())), None);
        assert_eq!(named_install(root, Some(".libtorch".into())), None);
        assert_eq!(named_install(root, Some("".into())), None);
        assert_eq!(named_install(root, Some("/opt/libtorch".into())), Some("/opt/libtorch".into()));
    }
}

//! Whether a folder holds a usable libtorch.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::layout::LIBTORCH_VERSION;
use crate::manifest;

/// Why a folder cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Defect {
    /// A file or folder of every install is absent.
    Missing(PathBuf),
    /// Another version, or none that could be read.
    Version(Option<String>),
    /// A file differs from the manifest.
    Damaged(String),
    /// Libraries that this one needs are not on the machine.
    Unresolved(String, Vec<String>),
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{} is missing", path.display()),
            Self::Version(Some(found)) => write!(f, "it is version {found}, expected {LIBTORCH_VERSION}"),
            Self::Version(None) => write!(f, "its version cannot be read, expected {LIBTORCH_VERSION}"),
            Self::Damaged(difference) => write!(f, "it is damaged: {difference}"),
            Self::Unresolved(library, needed) => {
                write!(f, "{library} needs {}, not found", needed.join(", "))
            }
        }
    }
}

/// Name of a shared library on this platform.
fn library(name: &str) -> String {
    format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

/// Whether the folder's libraries include the CUDA part.
pub fn has_cuda(folder: &Path) -> bool {
    folder.join("lib").join(library("torch_cuda")).exists()
}

/// Checks a folder: files, version, manifest (where there is one) and what its libraries need.
///
/// # Errors
/// What is wrong with it.
pub fn check(folder: &Path) -> Result<(), Defect> {
    let libraries = ["torch_cpu", "torch", "c10"].map(|name| Path::new("lib").join(library(name)));
    let headers = ["include/torch/csrc/api/include/torch", "include/ATen"].map(PathBuf::from);
    for path in libraries.into_iter().chain(headers) {
        if !folder.join(&path).exists() {
            return Err(Defect::Missing(folder.join(path)));
        }
    }
    match version(folder) {
        Some(found) if found == LIBTORCH_VERSION => {}
        found => return Err(Defect::Version(found)),
    }
    if manifest::exists(folder) {
        let difference = manifest::first_difference(folder).unwrap_or_else(|error| Some(error.to_string()));
        if let Some(difference) = difference {
            return Err(Defect::Damaged(difference));
        }
    }
    let linked = if has_cuda(folder) { "torch_cuda" } else { "torch_cpu" };
    let needed = unresolved(&folder.join("lib").join(library(linked)));
    if needed.is_empty() { Ok(()) } else { Err(Defect::Unresolved(library(linked), needed)) }
}

/// The version without its `+cu130`-like suffix, from the first file that tells it.
pub fn version(folder: &Path) -> Option<String> {
    let read = |path: &str| fs::read_to_string(folder.join(path)).ok();
    let full = read("build-version")
        .map(|text| text.trim().to_owned())
        .or_else(|| python_version(&read("version.py")?))
        .or_else(|| header_version(&read("include/torch/headeronly/version.h")?))
        .or_else(|| header_version(&read("include/torch/csrc/api/include/torch/version.h")?))?;
    full.split('+').next().map(str::to_owned)
}

/// From a line like `__version__ = '2.11.0+cu130'`.
fn python_version(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}

/// From the three `#define TORCH_VERSION_...` lines.
fn header_version(text: &str) -> Option<String> {
    let part = |name: &str| {
        text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("#define") && words.next() == Some(name)).then(|| words.next())?
        })
    };
    let [major, minor, patch] =
        ["TORCH_VERSION_MAJOR", "TORCH_VERSION_MINOR", "TORCH_VERSION_PATCH"].map(part);
    Some(format!("{}.{}.{}", major?, minor?, patch?))
}

/// What the dynamic loader would not find for a library; nothing where `ldd` does not exist.
fn unresolved(library: &Path) -> Vec<String> {
    match Command::new("ldd").arg(library).output() {
        Ok(output) => missing_libraries(&String::from_utf8_lossy(&output.stdout)),
        Err(_) => Vec::new(),
    }
}

fn missing_libraries(listed: &str) -> Vec<String> {
    let names = listed.lines().filter(|line| line.trim_end().ends_with("=> not found"));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// A folder with the files that an install must have, for tests.
#[cfg(test)]
pub fn imitate(folder: &Path, version: &str) {
    for name in ["lib", "include/torch/csrc/api/include/torch", "include/ATen"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    for name in ["torch_cpu", "torch", "c10"] {
        fs::write(folder.join("lib").join(library(name)), "").unwrap();
    }
    fs::write(folder.join("build-version"), version).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_install_of_the_right_version_passes() {
        let folder = tempfile::tempdir().unwrap();
        imitate(folder.path(), "2.11.0+cpu\n");
        assert_eq!(check(folder.path()), Ok(()));
    }

    #[test]
    fn another_version_is_named() {
        let folder = tempfile::tempdir().unwrap();
        imitate(folder.path(), "2.4.1");
        assert_eq!(check(folder.path()), Err(Defect::Version(Some("2.4.1".into()))));
        fs::remove_file(folder.path().join("build-version")).unwrap();
        assert_eq!(check(folder.path()), Err(Defect::Version(None)));
    }

    #[test]
    fn a_missing_library_is_named() {
        let folder = tempfile::tempdir().unwrap();
        imitate(folder.path(), "2.11.0");
        let gone = folder.path().join("lib").join(library("c10"));
        fs::remove_file(&gone).unwrap();
        assert_eq!(check(folder.path()), Err(Defect::Missing(gone)));
    }

    #[test]
    fn a_file_cut_after_unpacking_is_named() {
        let folder = tempfile::tempdir().unwrap();
        imitate(folder.path(), "2.11.0");
        fs::write(folder.path().join("include/ATen/ATen.h"), "0123456789").unwrap();
        manifest::write(folder.path()).unwrap();
        fs::write(folder.path().join("include/ATen/ATen.h"), "0").unwrap();
        assert!(matches!(check(folder.path()), Err(Defect::Damaged(_))));
    }

    #[test]
    fn versions_are_read_from_each_kind_of_file() {
        assert_eq!(python_version("a = 1\n__version__ = '2.11.0+cu130'\n"), Some("2.11.0+cu130".into()));
        assert_eq!(python_version("nothing"), None);
        let header =
            "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 11\n#define TORCH_VERSION_PATCH 0\n";
        assert_eq!(header_version(header), Some("2.11.0".into()));
        assert_eq!(header_version("#define TORCH_VERSION_MAJOR 2"), None);
    }

    #[test]
    fn the_loader_s_list_is_read() {
        let listed =
            "\tlibc10.so => /x/libc10.so (0x1)\n\tlibcudart.so.13 => not found\n\tlinux-vdso.so.1 (0x2)\n";
        assert_eq!(missing_libraries(listed), ["libcudart.so.13"]);
    }
}

//! Looking at files, and writing them so that they are complete or not there.
//!
//! [`exists`], [`is_file`] and [`is_dir`] tell "nothing lies there" from "one cannot look". [`NewFile`] and [`NewFolder`]
//! are written beside their place and moved there when they are complete and on disk. A process that is killed leaves
//! them under names that end in `.part`; the next one that writes the same file or folder removes them.

mod new_file;
mod new_folder;
pub(crate) mod partial;
mod system;

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use new_file::NewFile;
pub use new_folder::{NewFolder, remove_folder};
pub use partial::{sweep, when_complete};
pub use system::{is_absent, is_damage};

use self::system::{list, look, same};
use crate::error::{Error, Result};

/// Whether something lies at `path`; a link counts as what it leads to.
///
/// # Errors
/// [`Error::Io`] where one cannot look, as in a folder of another user.
pub fn exists(path: impl AsRef<Path>) -> Result<bool> {
    found(path.as_ref(), |_| true)
}

/// Whether a file lies at `path`, or a link to one.
///
/// # Errors
/// [`Error::Io`] where one cannot look.
pub fn is_file(path: impl AsRef<Path>) -> Result<bool> {
    found(path.as_ref(), Metadata::is_file)
}

/// Whether a folder lies at `path`, or a link to one.
///
/// # Errors
/// [`Error::Io`] where one cannot look.
pub fn is_dir(path: impl AsRef<Path>) -> Result<bool> {
    found(path.as_ref(), Metadata::is_dir)
}

/// What lies in a folder, sorted; nothing where there is no folder.
///
/// # Errors
/// [`Error::Io`] where one cannot look.
pub fn entries(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let folder = folder.as_ref();
    list(folder).map_err(|source| Error::io(folder, source))
}

/// Writes a whole file, which appears when it is complete, in place of an older one.
///
/// # Errors
/// [`Error::Io`] where that fails; an older file is then still there.
pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(content.as_ref()).map_err(|source| Error::io(file.path(), source))?;
    file.commit()
}

/// A file's one absolute name, without links; `None` where nothing lies there.
///
/// # Errors
/// [`Error::Io`] where one cannot look.
pub fn canonical(path: impl AsRef<Path>) -> Result<Option<PathBuf>> {
    let path = path.as_ref();
    match fs::canonicalize(path) {
        Err(error) if is_absent(&error) => Ok(None),
        found => found.map(Some).map_err(|source| Error::io(path, source)),
    }
}

/// Copies the content of a file to another one, which appears when it is complete, in place of an older one.
///
/// # Errors
/// [`Error::Io`] where that fails; an older file is then still there.
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    let from = from.as_ref();
    let mut file = NewFile::create(to)?;
    let copied = File::open(from).and_then(|mut from| io::copy(&mut from, &mut file));
    copied.map_err(|source| Error::io(from, source))?;
    file.commit()
}

/// Whether `path` still leads to the open file or folder `open`; always so where the system does not say.
///
/// # Errors
/// [`Error::Io`] where one cannot look.
pub fn is_same(open: &File, path: impl AsRef<Path>) -> Result<bool> {
    let path = path.as_ref();
    same(open, path).map_err(|source| Error::io(path, source))
}

fn found(path: &Path, what: impl Fn(&Metadata) -> bool) -> Result<bool> {
    let found = look(path).map_err(|source| Error::io(path, source))?;
    Ok(found.is_some_and(|found| what(&found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_from_what_cannot_be_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(at("file"), "x").unwrap();
        assert!(is_file(at("file")).unwrap() && !is_dir(at("file")).unwrap());
        assert!(is_dir(folder.path()).unwrap() && !is_file(folder.path()).unwrap());
        let long = "n".repeat(400);
        for absent in ["other", "file/below", "no/such/folder", &long] {
            assert!(!exists(at(absent)).unwrap(), "{absent}");
        }
        assert_eq!(canonical(at("other")).unwrap(), None);
        copy(at("file"), at("copy")).unwrap();
        assert_eq!(fs::read_to_string(at("copy")).unwrap(), "x");
        assert_eq!(entries(at("other")).unwrap(), Vec::<PathBuf>::new());
        #[cfg(unix)]
        {
            // A loop of links is an error whoever looks; permissions do not bind every user.
            std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
            assert!([exists(at("loop")), is_file(at("loop")), is_dir(at("loop"))].iter().all(Result::is_err));
            assert!(entries(at("loop")).is_err() && canonical(at("loop")).is_err());
        }
    }

    #[test]
    fn a_file_is_told_from_another_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (folder.path().join("here"), folder.path().join("there"));
        fs::create_dir(&here).unwrap();
        let open = File::open(&here).unwrap();
        assert!(is_same(&open, &here).unwrap());
        fs::rename(&here, &there).unwrap();
        assert!(!is_same(&open, &here).unwrap() && is_same(&open, &there).unwrap());
        fs::create_dir(&here).unwrap();
        assert!(!is_same(&open, &here).unwrap());
    }
}

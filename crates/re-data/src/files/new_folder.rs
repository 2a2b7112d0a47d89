//! Folders that appear under their name only when they are complete.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::partial::{Partial, sweep_for};
use super::system::{end_of_links, folder_of, list, look, sync_folder};
use crate::error::{Error, Result};

/// A folder that is written beside its place and moved there by [`NewFolder::commit`]; without that it vanishes.
///
/// ```
/// use re_data::files::NewFolder;
/// # let parent = tempfile::tempdir()?;
/// # let place = parent.path().join("model");
/// let folder = NewFolder::create(&place)?;
/// std::fs::write(folder.path().join("config.json"), "{}")?;
/// assert!(!place.exists());
/// folder.commit()?;
/// assert!(place.join("config.json").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NewFolder {
    partial: Partial,
    target: PathBuf,
    /// As it was given.
    path: PathBuf,
}

impl NewFolder {
    /// Begins a folder in a folder that exists. An empty folder of its name is replaced.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be created, [`Error::NotEmpty`] where a folder with content lies there.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let io = |source| Error::io(path, source);
        let target = end_of_links(path).map_err(io)?;
        match look(&target).map_err(io)? {
            Some(there) if !there.is_dir() => return Err(io(io::ErrorKind::NotADirectory.into())),
            Some(_) if !list(&target).map_err(io)?.is_empty() => {
                return Err(Error::NotEmpty { folder: path.to_owned() });
            }
            _ => {}
        }
        sweep_for(&target);
        let partial = Partial::folder(&target).map_err(io)?;
        Ok(Self { partial, target, path: path.to_owned() })
    }

    /// The same, in a folder that is created where needed.
    ///
    /// # Errors
    /// As [`NewFolder::create`].
    pub fn create_with_parents(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let parent = folder_of(path);
        fs::create_dir_all(parent).map_err(|source| Error::io(parent, source))?;
        Self::create(path)
    }

    /// The unfinished folder, to write into.
    pub fn path(&self) -> &Path {
        self.partial.path()
    }

    /// Waits until all that lies in it is on disk and gives it its name.
    ///
    /// # Errors
    /// [`Error::Io`] where that fails.
    pub fn commit(self) -> Result<()> {
        let Self { partial, target, path } = self;
        let done = sync(partial.path()).and_then(|()| {
            // Others may do there what they might before.
            if let Some(old) = look(&target)?
                && fs::metadata(partial.path())?.permissions() != old.permissions()
            {
                fs::set_permissions(partial.path(), old.permissions())?;
            }
            partial.move_to(&target)
        });
        done.map_err(|source| Error::io(path, source))
    }
}

/// Removes a folder and what lies in it. It leaves its place at once, so that a kill leaves no half of it there.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_folder(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let io = |source| Error::io(path, source);
    let mut doomed = Partial::folder(path).map_err(io)?;
    doomed.take(path).map_err(io)?;
    fs::remove_dir_all(doomed.path()).map_err(io)
}

/// Waits until a folder and all in it is on disk.
fn sync(folder: &Path) -> io::Result<()> {
    for entry in list(folder)? {
        if look(&entry)?.is_some_and(|entry| entry.is_dir()) {
            sync(&entry)?;
        } else {
            File::open(&entry)?.sync_all()?;
        }
    }
    sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::super::entries;
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        entries(folder).unwrap().into_iter().map(name).collect()
    }

    #[test]
    fn a_folder_is_complete_or_not_there() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("model");
        let folder = NewFolder::create(&place).unwrap();
        fs::write(folder.path().join("a"), "x").unwrap();
        assert!(!place.exists());
        drop(folder);
        assert_eq!(names(parent.path()), Vec::<String>::new());

        fs::create_dir(&place).unwrap();
        let folder = NewFolder::create(&place).unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/a"), "x").unwrap();
        folder.commit().unwrap();
        assert_eq!(
            (names(parent.path()), names(&place)),
            (vec!["model".to_owned()], vec!["inner".to_owned()])
        );

        assert!(matches!(NewFolder::create(&place), Err(Error::NotEmpty { folder }) if folder == place));
        assert!(NewFolder::create(place.join("inner/a")).is_err());
        remove_folder(&place).unwrap();
        assert_eq!(names(parent.path()), Vec::<String>::new());
        let deep = parent.path().join("no/folder");
        assert!(NewFolder::create(&deep).is_err());
        NewFolder::create_with_parents(&deep).unwrap().commit().unwrap();
        assert!(deep.is_dir());
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_a_live_one_writes_stays() {
        let parent = tempfile::tempdir().unwrap();
        let [place, other] = ["model", "other"].map(|name| parent.path().join(name));
        let live = NewFolder::create(&place).unwrap();
        for left in ["model.re-1-2.part", "other.re-1-2.part"] {
            fs::create_dir(parent.path().join(left)).unwrap();
            fs::write(parent.path().join(left).join("weights"), "x").unwrap();
        }
        NewFolder::create(&place).unwrap().commit().unwrap();
        let left = names(parent.path());
        assert_eq!((left.len(), left.contains(&"other.re-1-2.part".to_owned())), (3, true), "{left:?}");
        NewFolder::create(&other).unwrap().commit().unwrap();
        assert!(live.path().exists() && names(parent.path()).len() == 3);
    }
}

//! The `.libtorch` link.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the link points, whether or not something is there. A real folder in the link's place points
/// to itself.
pub fn target(link: &Path) -> Option<PathBuf> {
    match fs::read_link(link) {
        Ok(target) => Some(link.parent().map_or_else(|| target.clone(), |folder| folder.join(&target))),
        Err(_) => link.is_dir().then(|| link.to_owned()),
    }
}

/// Points the link to `wanted`, in one step; returns where it pointed before when that was elsewhere.
///
/// # Errors
/// The link cannot be made, or a real folder is in its place.
pub fn point(link: &Path, wanted: &Path) -> io::Result<Option<PathBuf>> {
    let before = target(link);
    if before.as_deref() == Some(wanted) {
        return Ok(None);
    }
    let mut fresh = link.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    // Left behind by a process of the same number that was killed right here.
    let _ = fs::remove_file(&fresh);
    symlink(wanted, &fresh)?;
    fs::rename(&fresh, link).inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })?;
    Ok(before)
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_made_kept_and_moved() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join(".libtorch");
        assert_eq!(target(&link), None);
        assert_eq!(point(&link, Path::new("/a")).unwrap(), None);
        assert_eq!(target(&link), Some("/a".into()), "a dangling link still says where it points");
        assert_eq!(point(&link, Path::new("/a")).unwrap(), None);
        assert_eq!(point(&link, Path::new("/b")).unwrap(), Some("/a".into()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_real_folder_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join(".libtorch");
        fs::create_dir(&link).unwrap();
        assert_eq!(target(&link), Some(link.clone()));
        assert!(point(&link, Path::new("/a")).is_err());
        assert!(link.is_dir());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

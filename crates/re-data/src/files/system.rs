//! What the system says of files, before anybody puts a name to its errors.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// Whether an error says that nothing lies at the path it is about, nor can.
pub fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}

/// Whether an error is about what a file holds, or that it is gone: it is the same whenever one looks again.
pub fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    is_absent(error) || matches!(error.kind(), InvalidData | UnexpectedEof)
}

/// Whether `path` leads to the open file or folder `open`; always so where the system does not say.
pub(super) fn same(open: &File, path: &Path) -> io::Result<bool> {
    let Some(there) = look(path)? else { return Ok(false) };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let open = open.metadata()?;
        Ok((open.dev(), open.ino()) == (there.dev(), there.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = (open, there);
        Ok(true)
    }
}

/// What lies at `path`, or where a link there leads.
pub(super) fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Err(error) if is_absent(&error) => Ok(None),
        found => found.map(Some),
    }
}

/// What lies in a folder, sorted; nothing where there is none.
pub(super) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let list = match fs::read_dir(folder) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        list => list?,
    };
    let mut paths = list.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The folder that `path` lies in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where a chain of links ends, whether or not something lies there.
pub(super) fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => path = folder_of(&path).join(fs::read_link(&path)?),
            Err(error) if !is_absent(&error) => return Err(error),
            _ => return Ok(path),
        }
    }
    Err(io::Error::other("too many links"))
}

/// Waits until the names in a folder are on disk.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // One may write into some folders that one may not read, and some file systems sync only files.
        Err(error) if matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported) => Ok(()),
        synced => synced,
    }
}

//! Files that appear under their name only when they are complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file that is written beside its place and moved there by [`NewFile::commit`], in place of an older one; without
/// that it vanishes. Standard output (`-`) and devices are written to directly.
pub struct NewFile {
    out: Option<Out>,
    path: PathBuf,
}

enum Out {
    Stream(Box<dyn Write + Send>),
    File { out: BufWriter<NamedTempFile>, target: PathBuf },
}

impl NewFile {
    /// Begins a file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let io = |source| Error::io(path, source);
        let out = if path == Path::new("-") {
            Out::Stream(Box::new(BufWriter::new(io::stdout())))
        } else if fs::metadata(path).is_ok_and(|target| !target.is_file()) {
            Out::Stream(Box::new(BufWriter::new(File::create(path).map_err(io)?)))
        } else {
            // The file that a link leads to is replaced, not the link.
            let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            Out::File { out: BufWriter::new(beside(&target).map_err(io)?), target }
        };
        Ok(Self { out: Some(out), path: path.to_owned() })
    }

    /// The name it was given; `-` for standard output.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The unfinished file, which a process that a signal ends leaves behind; `None` for what is written directly.
    pub fn partial(&self) -> Option<&Path> {
        match &self.out {
            Some(Out::File { out, .. }) => Some(out.get_ref().path()),
            _ => None,
        }
    }

    /// Writes out what is buffered and makes the file visible.
    ///
    /// # Errors
    /// [`Error::Io`] where that fails; an older file is then still there.
    pub fn commit(mut self) -> Result<()> {
        self.flush().map_err(|source| Error::io(&self.path, source))?;
        let Some(Out::File { out, target }) = self.out.take() else { return Ok(()) };
        let done = out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| {
            file.as_file().sync_all()?;
            file.persist(&target).map_err(|fault| fault.error)
        });
        done.map(drop).map_err(|source| Error::io(&self.path, source))
    }
}

/// An unfinished file in the folder of `target`, under a name that no file has.
fn beside(target: &Path) -> io::Result<NamedTempFile> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut prefix = target.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What the user's mask leaves of them, as for any new file.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.out {
            Some(Out::Stream(out)) => out.write(bytes),
            Some(Out::File { out, .. }) => out.write(bytes),
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Some(Out::Stream(out)) => out.flush(),
            Some(Out::File { out, .. }) => out.flush(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_complete_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert!(!path.exists() && file.partial().unwrap().exists());
        drop(file);
        assert_eq!(names(), 0);
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names()), ("new", 1));
    }

    #[test]
    fn a_file_that_is_only_named_like_an_unfinished_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["a.txt", "a.txt.part"].map(|name| folder.path().join(name));
        fs::write(&other, "other").unwrap();
        drop(NewFile::create(&path).unwrap());
        NewFile::create(&path).unwrap().commit().unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "other");
        // Two that are written at the same time do not meet; the last one stays.
        let [mut first, mut second] = [(); 2].map(|()| NewFile::create(&path).unwrap());
        first.write_all(b"first").unwrap();
        second.write_all(b"second").unwrap();
        second.commit().unwrap();
        first.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut file = NewFile::create(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        NewFile::create("/dev/null").unwrap().commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(NewFile::create(folder.path().join("no/such/folder")).is_err());
    }
}

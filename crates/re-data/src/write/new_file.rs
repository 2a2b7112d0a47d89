//! Files that appear under their name only when they are complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file that is written beside its place and moved there by [`NewFile::commit`], in place of an older one; without
/// that it vanishes. Standard output (`-`) and devices are written to directly.
pub struct NewFile {
    out: Option<Out>,
    path: PathBuf,
}

enum Out {
    Stream(Box<dyn Write + Send>),
    File { out: BufWriter<File>, partial: PathBuf, target: PathBuf },
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
            let mut partial = target.clone().into_os_string();
            // Named after the process and never overwritten: NAME.part may be somebody's own file.
            partial.push(format!(".{}.part", std::process::id()));
            let partial = PathBuf::from(partial);
            Out::File { out: BufWriter::new(File::create_new(&partial).map_err(io)?), partial, target }
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
            Some(Out::File { partial, .. }) => Some(partial),
            _ => None,
        }
    }

    /// Writes out what is buffered and makes the file visible.
    ///
    /// # Errors
    /// [`Error::Io`] where that fails; an older file is then still there.
    pub fn commit(mut self) -> Result<()> {
        self.flush().map_err(|source| Error::io(&self.path, source))?;
        let Some(Out::File { out, partial, target }) = self.out.take() else { return Ok(()) };
        let moved = out.get_ref().sync_all().and_then(|()| fs::rename(&partial, &target));
        moved.map_err(|source| {
            // The first fault is the one to tell.
            let _ = fs::remove_file(&partial);
            Error::io(&self.path, source)
        })
    }
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

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(Out::File { partial, .. }) = &self.out {
            // Nothing is lost but disk space where this fails.
            let _ = fs::remove_file(partial);
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
        // One that is being written is not begun a second time.
        let file = NewFile::create(&path).unwrap();
        assert!(NewFile::create(&path).is_err() && file.partial().unwrap().exists());
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

//! Files that appear under their name only when they are complete.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::partial::{Partial, sweep_for, when_complete};
use super::system::{end_of_links, look};
use crate::error::{Error, Result};

/// A file that is written beside its place and moved there by [`NewFile::commit`], in place of an older one, whose
/// permissions it takes; without that it vanishes. Standard output (`-`) and devices are written to directly.
pub struct NewFile {
    out: Option<Out>,
    path: PathBuf,
}

enum Out {
    Stream(Box<dyn Write + Send>),
    File { out: BufWriter<File>, partial: Partial, target: PathBuf, permissions: Option<Permissions> },
}

impl NewFile {
    /// Begins a file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let out = if path == Path::new("-") {
            Ok(Out::Stream(Box::new(BufWriter::new(io::stdout()))))
        } else {
            Out::create(path)
        };
        let path = when_complete(path);
        match out {
            Ok(out) => Ok(Self { out: Some(out), path }),
            Err(source) => Err(Error::io(path, source)),
        }
    }

    /// Where it is when it and the folder around it are complete, for errors; `-` for standard output.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The unfinished file, which a process that a signal ends leaves behind; `None` for what is written directly.
    pub fn partial(&self) -> Option<&Path> {
        match &self.out {
            Some(Out::File { partial, .. }) => Some(partial.path()),
            _ => None,
        }
    }

    /// Writes out what is buffered, makes the file visible and waits until it is on disk.
    ///
    /// # Errors
    /// [`Error::Io`] where that fails; an older file is then still there, unless only its folder could not be synced.
    pub fn commit(mut self) -> Result<()> {
        let done = match self.out.take() {
            Some(out) => out.commit(),
            None => Ok(()),
        };
        done.map_err(|source| Error::io(&self.path, source))
    }
}

impl Out {
    fn create(path: &Path) -> io::Result<Self> {
        let there = look(path)?;
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            return Ok(Self::Stream(Box::new(BufWriter::new(File::create(path)?))));
        }
        // What a link leads to is replaced or made, not the link.
        let target = end_of_links(path)?;
        sweep_for(&target);
        let (partial, file) = Partial::file(&target, there.is_some())?;
        let permissions = there.map(|there| there.permissions());
        Ok(Self::File { out: BufWriter::new(file), partial, target, permissions })
    }

    fn commit(self) -> io::Result<()> {
        match self {
            Self::Stream(mut out) => out.flush(),
            Self::File { out, partial, target, permissions } => {
                let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
                // Not where they are the same: some file systems have one mode for all files.
                if let Some(permissions) = permissions
                    && file.metadata()?.permissions() != permissions
                {
                    file.set_permissions(permissions)?;
                }
                file.sync_all()?;
                partial.move_to(&target)
            }
        }
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

#[cfg(test)]
mod tests {
    use std::fs;

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
        // A link to a file that is not there yet stays, too.
        fs::remove_file(&path).unwrap();
        let mut file = NewFile::create(&link).unwrap();
        file.write_all(b"again").unwrap();
        file.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "again");
        NewFile::create("/dev/null").unwrap().commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(NewFile::create(folder.path().join("no/such/folder")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_the_older_file_or_of_any_new_one() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let plain = folder.path().join("plain");
        File::create(&plain).unwrap();
        NewFile::create(&path).unwrap().commit().unwrap();
        assert_eq!(mode(&path), mode(&plain));
        for kept in [0o600, 0o444, 0o664] {
            fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
            let file = NewFile::create(&path).unwrap();
            assert_eq!(mode(file.partial().unwrap()), 0o600, "nobody else reads what may be private");
            file.commit().unwrap();
            assert_eq!(mode(&path), kept);
        }
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_errors_name_the_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for left in ["a.re-1-2.part", "b.re-1-2.part", "a.re-1-x.part", "a.backup.part"] {
            fs::write(at(left), "x").unwrap();
        }
        let live = NewFile::create(at("a")).unwrap();
        NewFile::create(at("a")).unwrap().commit().unwrap();
        let gone = ["a.re-1-2.part", "b.re-1-2.part", "a.re-1-x.part", "a.backup.part"]
            .map(|name| at(name).exists());
        assert_eq!((gone, live.partial().unwrap().exists()), ([false, true, true, true], true));
        let long = "이름".repeat(40);
        NewFile::create(at(&long)).unwrap().commit().unwrap();

        let folder = super::super::NewFolder::create(at("folder")).unwrap();
        assert_eq!(NewFile::create(folder.path().join("inner")).unwrap().path(), at("folder/inner"));
        let text = NewFile::create(at("no/folder")).map(drop).unwrap_err().to_string();
        assert!(text.contains("no/folder") && !text.contains("part"), "{text}");
    }
}

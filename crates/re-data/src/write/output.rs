//! Files that become visible only when they are complete.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file that takes its name, and the place of an older one, only when it is complete and on disk; or
/// standard output.
///
/// What is written goes to a file beside the named one, which [`Output::finish`] renames; dropped before, it is
/// removed and leaves the older one as it was. A pipe or a device has no such place and is written directly.
///
/// ```
/// use std::io::Write;
/// use re_data::write::Output;
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("out.txt");
/// let mut output = Output::create(&path)?;
/// writeln!(output, "all of it")?;
/// assert!(!path.exists());
/// output.finish()?;
/// assert_eq!(std::fs::read_to_string(&path)?, "all of it\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Stdout(BufWriter<io::Stdout>),
    Direct(BufWriter<File>),
    /// The file beside, and the name that it will take.
    Beside(BufWriter<NamedTempFile>, PathBuf),
}

impl Output {
    /// Opens the output called `path`: standard output where it is `-`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let sink = Sink::open(path).map_err(|source| Error::io(path, source))?;
        Ok(Self { path: path.to_owned(), sink })
    }

    /// What the output is called; `-` for standard output.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The unfinished file beside the named one, which a process that ends at once leaves behind; `None` for
    /// what is written directly.
    pub fn partial(&self) -> Option<&Path> {
        match &self.sink {
            Sink::Beside(file, _) => Some(file.get_ref().path()),
            _ => None,
        }
    }

    /// Writes out what is still buffered and gives the file its name.
    ///
    /// # Errors
    /// [`Error::Io`] where the output refuses it.
    pub fn finish(self) -> Result<()> {
        let Self { path, sink } = self;
        sink.finish().map_err(|source| Error::io(path, source))
    }
}

impl Sink {
    fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(BufWriter::new(io::stdout())));
        }
        // A link stays one: the file that it names is replaced.
        let target = match fs::canonicalize(path) {
            Ok(existing) if existing.is_file() => existing,
            Ok(_) => return Ok(Self::Direct(BufWriter::new(OpenOptions::new().write(true).open(path)?))),
            Err(_) => path.to_owned(),
        };
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        fs::metadata(folder)?;
        let mut name = OsString::from(".");
        name.push(target.file_name().ok_or(io::ErrorKind::IsADirectory)?);
        name.push(".");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&name).suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder);
        // The name of the file beside says nothing to whoever reads the error.
        let file = file.map_err(|error| io::Error::from(error.kind()))?;
        Ok(Self::Beside(BufWriter::new(file), target))
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush(),
            Self::Direct(mut out) => out.flush(),
            Self::Beside(out, target) => {
                let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.as_file().sync_all()?;
                file.persist(target).map_err(|error| error.error)?;
                Ok(())
            }
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Stdout(out) => out,
            Self::Direct(out) => out,
            Self::Beside(out, _) => out,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink.writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.writer().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn an_older_file_stays_until_the_new_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "old").unwrap();
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"new").unwrap();
        assert!(output.partial().unwrap().exists());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        drop(output);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(folder.path()).len()), ("old", 1));
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"new").unwrap();
        output.finish().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(folder.path()).len()), ("new", 1));
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_devices_are_written_directly() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let mut output = Output::create(&link).unwrap();
        output.write_all(b"new").unwrap();
        output.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");

        let device = Output::create("/dev/null").unwrap();
        assert_eq!(device.partial(), None);
        device.finish().unwrap();
        let mut full = Output::create("/dev/full").unwrap();
        full.write_all(b"x").unwrap();
        assert!(full.finish().unwrap_err().to_string().starts_with("/dev/full: "));
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent/a.csv");
        let message = Output::create(&absent).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}: ", absent.display())), "{message}");
        assert!(Output::create(folder.path()).is_err());
        assert!(Output::create("").is_err());
    }
}

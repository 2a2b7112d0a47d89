//! The list of files of an unpacked install. It is written last, so that its presence says that the
//! unpacking ended, and every file's size can be checked against it within milliseconds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "manifest.tsv";

/// Whether the folder carries a manifest.
pub fn exists(folder: &Path) -> bool {
    folder.join(NAME).is_file()
}

/// Lists every file of `folder` with its size.
///
/// # Errors
/// The folder cannot be read or the manifest cannot be written.
pub fn write(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    collect(folder, Path::new(""), &mut files)?;
    files.sort();
    let lines: String = files.iter().map(|(path, size)| format!("{size}\t{}\n", path.display())).collect();
    let path = folder.join(NAME);
    fs::write(&path, lines)?;
    fs::File::open(&path)?.sync_all()
}

fn collect(folder: &Path, inside: &Path, files: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(inside))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(folder, &path, files)?;
        } else if path != Path::new(NAME) {
            files.push((path, entry.metadata()?.len()));
        }
    }
    Ok(())
}

/// The first file that is missing or has another size than the manifest says, in words; `None` when
/// all is well.
///
/// # Errors
/// The manifest cannot be read.
pub fn first_difference(folder: &Path) -> io::Result<Option<String>> {
    let listed = fs::read_to_string(folder.join(NAME))?;
    if listed.is_empty() {
        return Ok(Some(format!("{NAME} is empty")));
    }
    for (number, line) in listed.lines().enumerate() {
        let Some((size, path)) = line.split_once('\t') else {
            return Ok(Some(format!("line {} of {NAME} is broken", number + 1)));
        };
        match fs::metadata(folder.join(path)) {
            Ok(found) if found.len().to_string() == size => {}
            Ok(found) => return Ok(Some(format!("{path} has {} bytes, expected {size}", found.len()))),
            Err(_) => return Ok(Some(format!("{path} is missing"))),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("lib")).unwrap();
        fs::write(folder.path().join("lib/a.so"), "12345").unwrap();
        fs::write(folder.path().join("b.h"), "").unwrap();
        write(folder.path()).unwrap();
        folder
    }

    #[test]
    fn an_untouched_folder_agrees() {
        let folder = folder();
        assert!(exists(folder.path()));
        assert_eq!(first_difference(folder.path()).unwrap(), None);
        write(folder.path()).unwrap();
        assert_eq!(first_difference(folder.path()).unwrap(), None, "the manifest does not list itself");
    }

    #[test]
    fn a_cut_or_missing_file_is_named() {
        let folder = folder();
        fs::write(folder.path().join("lib/a.so"), "123").unwrap();
        assert_eq!(
            first_difference(folder.path()).unwrap().as_deref(),
            Some("lib/a.so has 3 bytes, expected 5")
        );
        fs::remove_file(folder.path().join("lib/a.so")).unwrap();
        assert_eq!(first_difference(folder.path()).unwrap().as_deref(), Some("lib/a.so is missing"));
    }

    #[test]
    fn a_broken_manifest_is_a_difference() {
        let folder = folder();
        fs::write(folder.path().join(NAME), "").unwrap();
        assert!(first_difference(folder.path()).unwrap().is_some());
        fs::write(folder.path().join(NAME), "no tab").unwrap();
        assert!(first_difference(folder.path()).unwrap().is_some());
    }
}

//! Files of a model's folder: opening them, and naming what stands there in their place.
//!
//! A file that a model is read from is a regular file with something in it. Anything else would be read without end
//! (a device), be waited for (a named pipe), or end in a parser's error that names no cause: what Git leaves where a large
//! file was not fetched, and the page that a download saved instead of the file.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::Path;

use crate::error::{Error, Result};

/// As many bytes as it takes to recognise what is no file of a model.
const BEGINNING: u64 = 64;

/// Opens a file of a model.
///
/// # Errors
/// [`Error::Io`]; [`Error::ModelFile`] for what is no regular file, for an empty one, and for a Git LFS pointer or a web
/// page in place of the file.
pub fn open(path: &Path) -> Result<File> {
    let io = |source| Error::io(path, source);
    let fault = |found, expected| Err(Error::ModelFile { path: path.to_owned(), found, expected });
    let mut file = open_regular(path)?;
    let mut beginning = Vec::new();
    (&file).take(BEGINNING).read_to_end(&mut beginning).map_err(io)?;
    if beginning.is_empty() {
        return fault("an empty file", "one with content; it may have been copied or downloaded in part");
    }
    if beginning.starts_with(b"version https://git-lfs.github.com/spec/") {
        return fault("a Git LFS pointer", "the file that it stands for, which `git lfs pull` fetches");
    }
    if is_page(&beginning) {
        return fault("a web page", "the file itself, in whose place a download has saved the page");
    }
    file.rewind().map_err(io)?;
    Ok(file)
}

/// Opens a regular file, whatever it holds.
///
/// # Errors
/// [`Error::Io`]; [`Error::ModelFile`] for a folder, a pipe or a device.
pub fn open_regular(path: &Path) -> Result<File> {
    let fault = |found| Err(Error::ModelFile { path: path.to_owned(), found, expected: "a regular file" });
    // Before it is opened: opening a pipe waits for somebody who writes into it.
    let metadata = fs::metadata(path).map_err(|source| Error::io(path, source))?;
    if metadata.is_dir() {
        return fault("a folder");
    }
    if !metadata.is_file() {
        return fault("a pipe or a device");
    }
    File::open(path).map_err(|source| Error::io(path, source))
}

/// Reads a whole file of a model.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map_err(|source| Error::io(path, source))?;
    Ok(bytes)
}

/// Reads a whole file of a model that is text.
///
/// # Errors
/// As [`open`]; [`Error::Io`] where the text is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text).map_err(|source| Error::io(path, source))?;
    Ok(text)
}

/// Whether a file begins as HTML does, or as the XML in which stores of files tell their errors.
fn is_page(beginning: &[u8]) -> bool {
    let text = beginning.strip_prefix("\u{feff}".as_bytes()).unwrap_or(beginning).trim_ascii_start();
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|text| text.eq_ignore_ascii_case(with));
    begins(b"<!doctype html") || begins(b"<html") || begins(b"<?xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_place_of_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let found = |content: &str| {
            fs::write(&path, content).unwrap();
            match read_text(&path).unwrap_err() {
                Error::ModelFile { found, .. } => found,
                other => panic!("{other}"),
            }
        };
        assert_eq!(found(""), "an empty file");
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 438007537\n";
        assert_eq!(found(pointer), "a Git LFS pointer");
        for page in ["<!DOCTYPE html><html>", "\u{feff}\n  <HTML lang=en>", "<?xml version=\"1.0\"?><Error>"]
        {
            assert_eq!(found(page), "a web page", "{page}");
        }
        fs::write(&path, "{}").unwrap();
        assert_eq!(read_text(&path).unwrap(), "{}");
        assert_eq!(read(&path).unwrap(), b"{}");
    }

    #[test]
    fn folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(open(folder.path()), Err(Error::ModelFile { found: "a folder", .. })));
    }

    /// Opening either would never end in an error.
    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("model.safetensors");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_path(), Path::new("/dev/zero")] {
            assert!(matches!(read(path), Err(Error::ModelFile { found: "a pipe or a device", .. })));
        }
    }
}

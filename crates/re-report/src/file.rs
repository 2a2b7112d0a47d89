//! Files that become visible only when they are complete.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes `text` beside `path`, syncs it and puts it in its place.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let io = |source| Error::io(path, source);
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let partial = PathBuf::from(name);
    let mut file = File::create(&partial).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    std::fs::rename(&partial, path).map_err(io)
}

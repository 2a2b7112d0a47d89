//! Names of what is being written, and the removal of what killed processes have left under such names.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::system::{folder_of, same, sync_folder};

/// Between the name of what is written and the numbers that tell writers apart: `NAME.re-PROCESS-NUMBER.part`.
const MARK: &str = ".re-";
const SUFFIX: &str = ".part";
/// Bytes that are left of a long name, so that the marks have a place behind it.
const NAME: usize = 200;

/// Something that is being written. It is locked while its writer lives, and vanishes with it unless it is
/// [moved](Partial::move_to) to its place.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    /// Holds the lock; `None` where the system cannot lock a folder.
    lock: Option<File>,
    moved: bool,
}

impl Partial {
    /// A new file beside `target`, open for writing, that others may read as `private` or the user's mask says.
    pub(super) fn file(target: &Path, private: bool) -> io::Result<(Self, File)> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(if private { 0o600 } else { 0o666 });
        }
        #[cfg(not(unix))]
        let _ = private;
        loop {
            let (partial, file) = Self::begin(target, |path| options.open(path))?;
            if partial.claim(&file)? {
                return Ok((partial, file));
            }
        }
    }

    /// A new folder beside `target`.
    pub(super) fn folder(target: &Path) -> io::Result<Self> {
        loop {
            let (mut partial, ()) = Self::begin(target, |path| fs::create_dir(path))?;
            // Only Unix opens folders.
            let Ok(open) = File::open(&partial.path) else { return Ok(partial) };
            if partial.claim(&open)? {
                partial.lock = Some(open);
                return Ok(partial);
            }
        }
    }

    /// Calls `create` with names beside `target` until there is one that nothing has.
    fn begin<T>(target: &Path, create: impl Fn(&Path) -> io::Result<T>) -> io::Result<(Self, T)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = name(target).ok_or(io::ErrorKind::IsADirectory)?;
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{name}{MARK}{}-{number}{SUFFIX}", std::process::id());
            let path = folder_of(target).join(name);
            match create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|made| (Self { path, lock: None, moved: false }, made)),
            }
        }
    }

    /// Locks what was created; false where a sweep was faster, which takes it away.
    fn claim(&self, open: &File) -> io::Result<bool> {
        match open.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(false),
            Ok(()) => same(open, &self.path),
            // There are file systems without locks; a sweep, which cannot lock either, leaves everything there.
            Err(TryLockError::Error(_)) => Ok(true),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, in place of what had that name.
    #[allow(clippy::disallowed_methods)]
    pub(super) fn move_to(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.moved = true;
        sync_folder(folder_of(target))
    }

    /// Moves a folder to where this empty one lies, so that it is gone from its place at once.
    #[allow(clippy::disallowed_methods)]
    pub(super) fn take(&mut self, folder: &Path) -> io::Result<()> {
        fs::rename(folder, &self.path)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.moved {
            // What cannot be removed now is removed by a sweep.
            let _ = remove(&self.path);
        }
    }
}

/// Removes what killed processes have left of writing files and folders in `folder`; what live ones write stays.
///
/// This is done for one file or folder whenever it is written; a folder of which the caller is the only writer may be
/// swept as a whole. What cannot be removed stays: it is in nobody's way.
pub fn sweep(folder: impl AsRef<Path>) {
    sweep_of(folder.as_ref(), None);
}

/// The same for what was to become `target`.
pub(super) fn sweep_for(target: &Path) {
    sweep_of(folder_of(target), name(target).as_deref());
}

fn sweep_of(folder: &Path, target: Option<&str>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| is_partial(name, target)) {
            let _ = remove_abandoned(&entry.path());
        }
    }
}

fn remove_abandoned(path: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?;
    if !kind.is_dir() && !kind.is_file() {
        return Ok(());
    }
    // Some file systems lock only what is open for writing.
    let open = if kind.is_dir() { File::open(path)? } else { OpenOptions::new().append(true).open(path)? };
    match open.try_lock() {
        Ok(()) => remove(path),
        _ => Ok(()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// The name of `target` as it stands in the names of its parts; `None` for `/` and `..`.
fn name(target: &Path) -> Option<String> {
    let mut name = target.file_name()?.to_string_lossy().into_owned();
    while name.len() > NAME {
        name.pop();
    }
    Some(name)
}

/// Whether a file of this name is an unfinished one, of `target` where that is given.
fn is_partial(name: &str, target: Option<&str>) -> bool {
    target_of(name).is_some_and(|of| target.is_none_or(|target| target == of))
}

/// What an unfinished file of this name is to become.
fn target_of(name: &str) -> Option<&str> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (target, numbers) = name.strip_suffix(SUFFIX)?.rsplit_once(MARK)?;
    let (process, count) = numbers.split_once('-')?;
    (number(process) && number(count)).then_some(target)
}

/// The path of a file when it and the folder that it is written into are complete, for errors.
pub fn when_complete(path: &Path) -> PathBuf {
    let target = |name: &OsStr| name.to_str().and_then(target_of).map(OsStr::new).map(ToOwned::to_owned);
    if path.iter().all(|name| target(name).is_none()) {
        return path.to_owned();
    }
    path.iter().map(|name| target(name).unwrap_or_else(|| name.to_owned())).collect()
}

//! Keeping other processes out of a run's folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use re_data::files;
use re_train::Start;
use re_train::checkpoint::Place;

use super::origin::ORIGIN;
use super::{CONFIG, DATA_HASH, LOCK, RunFolder};
use crate::error::{Error, Result};

/// Keeps other processes out of a run's folder, and takes a folder away that a run was refused in.
pub(crate) struct Claim<'a> {
    folder: &'a Path,
    pub(crate) place: Place,
    new: bool,
    _lock: File,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Where one cannot look, the folder may be a run's; where another one lies there now, it is somebody else's.
        if self.new
            && self.place.check().is_ok()
            && matches!(files::exists(self.folder.join(CONFIG)), Ok(false))
        {
            for name in [DATA_HASH, ORIGIN, LOCK] {
                let _ = std::fs::remove_file(self.folder.join(name));
            }
            // Fails where anything else lies there.
            let _ = std::fs::remove_dir(self.folder);
        }
    }
}

impl RunFolder {
    /// Makes sure that the folder is one to start or resume in, and keeps other processes out of it.
    pub(crate) fn claim(&self, start: Start) -> Result<Claim<'_>> {
        let folder = || self.path().to_owned();
        let begun = self.begun()?;
        // Settings without the lock are somebody else's, the lock without settings is that of a run that was refused.
        let settled = files::is_file(self.path().join(CONFIG))? && files::is_file(self.path().join(LOCK))?;
        match start {
            Start::Resume | Start::ResumeChanged if !begun && !settled => {
                return Err(Error::Train(re_train::Error::NoCheckpoint { folder: folder() }));
            }
            Start::Fresh if begun => {
                return Err(Error::Train(re_train::Error::RunExists { folder: folder() }));
            }
            _ => {}
        }
        let new = !files::exists(self.path())?;
        let place = Place::create(self.path())?;
        files::sweep(self.path());
        let path = self.path().join(LOCK);
        // A run that ended before its first checkpoint may start afresh; a folder of something else may not.
        if start == Start::Fresh && !files::exists(&path)? && !files::entries(self.path())?.is_empty() {
            return Err(Error::NotEmpty { folder: folder() });
        }
        let lock = File::create(&path).map_err(|source| Error::io(&path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Claim { folder: self.path(), place, new, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::RunBusy { folder: folder() }),
            Err(TryLockError::Error(source)) => Err(Error::io(path, source)),
        }
    }
}

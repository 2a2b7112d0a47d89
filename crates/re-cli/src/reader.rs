//! Whether somebody still reads what is written to a pipe.

use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// How long the thread that writes has to find out by itself, which it does unless it waits for input or computes.
const GRACE: Duration = Duration::from_millis(100);

/// Calls `closed`, on a thread of its own, once nobody reads the pipe at `path` any more: a command that waits for input
/// would not notice. Other kinds of files are left alone.
pub fn watch(path: &Path, closed: impl FnOnce(&Path) + Send + 'static) {
    let pipe = match open(path) {
        Ok(pipe) => Some(pipe),
        // There was a reader when it was opened before.
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => None,
        Err(_) => return,
    };
    let path = path.to_owned();
    std::thread::spawn(move || {
        if pipe.is_some_and(|pipe| !waits_until_closed(&pipe)) {
            return;
        }
        std::thread::sleep(GRACE);
        closed(&path);
    });
}

/// The pipe at `path` once more, which as a writer of its own sees the same readers.
fn open(path: &Path) -> io::Result<File> {
    let is_pipe = |kind: FileType| kind.is_fifo() || kind.is_socket();
    let pipe = if path == Path::new("-") {
        File::from(io::stdout().as_fd().try_clone_to_owned()?)
    } else if is_pipe(path.metadata()?.file_type()) {
        // Where the reader has gone already, opening would wait for another one.
        OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?
    } else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    if is_pipe(pipe.metadata()?.file_type()) { Ok(pipe) } else { Err(io::ErrorKind::Unsupported.into()) }
}

/// Waits for the last reader to go; false where the system does not tell.
fn waits_until_closed(pipe: &File) -> bool {
    loop {
        // No events: errors and hang-ups are told unasked.
        let mut look = PollFd::new(pipe, PollFlags::empty());
        match poll(std::slice::from_mut(&mut look), None) {
            Err(Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) => return look.revents().intersects(PollFlags::ERR | PollFlags::HUP),
        }
    }
}

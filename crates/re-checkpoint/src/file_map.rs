//! Files in memory that stay readable when somebody cuts them short.
//!
//! Where a map reaches past the end of its file, the kernel answers reading with the signal SIGBUS, which ends the process.
//! The handler here puts zeros in the place of what is gone and notes it, so that the reader goes on, asks afterwards
//! whether the file is still the one that was mapped, and tells an error.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use memmap2::{MmapMut, MmapOptions};

/// A private map of a file: what is written to it stays in memory.
#[derive(Debug)]
pub struct FileMap {
    // Before the map, as it has to end before the memory becomes something else.
    guard: guard::Guard,
    map: MmapMut,
    file: File,
    length: u64,
    modified: Option<SystemTime>,
}

impl FileMap {
    /// Maps a whole file.
    ///
    /// # Errors
    /// Those of the system, as for what is no regular file.
    pub fn new(file: File) -> io::Result<Arc<Self>> {
        let metadata = file.metadata()?;
        // SAFETY: the map is private, so that no other process sees what is written to it. A file that is changed while it
        // is mapped gives wrong numbers and no invalid ones, as all bits are floats; one that is cut short gives zeros.
        let map = unsafe { MmapOptions::new().map_copy(&file) }?;
        let guard = guard::Guard::new(&map)?;
        Ok(Arc::new(Self { guard, map, file, length: metadata.len(), modified: metadata.modified().ok() }))
    }

    /// Whether the file still has the length and the time of its last change that it had when it was mapped, and all of
    /// it could be read. A file that another one has replaced under its name is unchanged: the map is still of this one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn is_unchanged(&self) -> io::Result<bool> {
        let metadata = self.file.metadata()?;
        let same = metadata.len() == self.length && metadata.modified().ok() == self.modified;
        Ok(same && !self.guard.was_hit())
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

#[cfg(unix)]
mod guard {
    use std::ffi::{c_int, c_void};
    use std::io;
    use std::ptr::null_mut;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

    /// A stretch of memory whose reading the handler makes safe. It is never freed: a handler may be looking at it.
    #[derive(Debug)]
    struct Stretch {
        start: usize,
        end: usize,
        live: AtomicBool,
        hit: AtomicBool,
        next: *const Stretch,
    }

    static FIRST: AtomicPtr<Stretch> = AtomicPtr::new(null_mut());

    /// What the process did on SIGBUS before, and the size of a page.
    struct Before {
        action: libc::sigaction,
        page: usize,
    }

    /// A handler that asks for more than the number of the signal.
    type WithInfo = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

    static BEFORE: OnceLock<io::Result<Before>> = OnceLock::new();

    /// Watches a stretch of memory as long as it lives.
    #[derive(Debug)]
    pub struct Guard(&'static Stretch);

    // SAFETY: `next` is set before the stretch is shared, and what it points at lives as long as the process.
    unsafe impl Send for Guard {}
    // SAFETY: as above.
    unsafe impl Sync for Guard {}

    impl Guard {
        /// Begins to watch `memory`, a map of a file.
        pub fn new(memory: &[u8]) -> io::Result<Self> {
            if let Err(error) = BEFORE.get_or_init(install) {
                return Err(io::Error::new(error.kind(), error.to_string()));
            }
            let start = memory.as_ptr() as usize;
            let new = Box::into_raw(Box::new(Stretch {
                start,
                end: start + memory.len(),
                live: AtomicBool::new(true),
                hit: AtomicBool::new(false),
                next: null_mut(),
            }));
            let mut first = FIRST.load(Ordering::Acquire);
            loop {
                // SAFETY: nobody else knows the stretch before it is the first one, and it is never freed.
                unsafe { (*new).next = first };
                match FIRST.compare_exchange_weak(first, new, Ordering::AcqRel, Ordering::Acquire) {
                    // SAFETY: as above.
                    Ok(_) => return Ok(Self(unsafe { &*new })),
                    Err(other) => first = other,
                }
            }
        }

        /// Whether something in it could not be read.
        pub fn was_hit(&self) -> bool {
            self.0.hit.load(Ordering::Acquire)
        }
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.live.store(false, Ordering::Release);
        }
    }

    fn install() -> io::Result<Before> {
        // SAFETY: both structs are plain data; the handler has the signature that SA_SIGINFO asks for, and does only what a
        // handler may: atomic loads and stores, mmap, sigaction, raise, and what the handler before it does.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_sigbus as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).map_err(io::Error::other)?;
            if libc::sigaction(libc::SIGBUS, &raw const action, &raw mut before) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Before { action: before, page })
        }
    }

    extern "C" fn on_sigbus(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        let Some(Ok(before)) = BEFORE.get() else { return };
        // SAFETY: the kernel gives a valid `info`; stretches are never freed; the memory that is mapped anew is the rest of
        // a live map, of which nothing behind the fault can be read either; a handler that was installed before has the
        // signature that its flags tell, and gets what it would have got from the kernel.
        unsafe {
            // Zero and below where a process sent the signal, above where memory could not be read.
            let sent = (*info).si_code <= 0;
            let address = (*info).si_addr() as usize;
            let mut next = if sent { null_mut() } else { FIRST.load(Ordering::Acquire) }.cast_const();
            while let Some(stretch) = next.as_ref() {
                let inside = (stretch.start..stretch.end.next_multiple_of(before.page)).contains(&address);
                if inside && stretch.live.load(Ordering::Acquire) {
                    let page = address - address % before.page;
                    let zeros = libc::mmap(
                        page as *mut c_void,
                        stretch.end - page,
                        libc::PROT_READ | libc::PROT_WRITE,
                        libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED | libc::MAP_NORESERVE,
                        -1,
                        0,
                    );
                    if zeros != libc::MAP_FAILED {
                        stretch.hit.store(true, Ordering::Release);
                        return;
                    }
                }
                next = stretch.next;
            }
            // Not about a map of ours: what follows is what would have been without this handler.
            match before.action.sa_sigaction {
                libc::SIG_IGN if sent => {}
                libc::SIG_DFL | libc::SIG_IGN => {
                    // A read that failed is repeated after this, and ends the process.
                    libc::sigaction(signal, &raw const before.action, null_mut());
                    if sent {
                        libc::raise(signal);
                    }
                }
                handler if before.action.sa_flags & libc::SA_SIGINFO != 0 => {
                    let handler: WithInfo = std::mem::transmute(handler);
                    handler(signal, info, context);
                }
                handler => {
                    let handler: extern "C" fn(c_int) = std::mem::transmute(handler);
                    handler(signal);
                }
            }
        }
    }
}

#[cfg(not(unix))]
mod guard {
    use std::io;

    /// Other systems do not let a mapped file be cut short.
    #[derive(Debug)]
    pub struct Guard;

    impl Guard {
        pub fn new(_: &[u8]) -> io::Result<Self> {
            Ok(Self)
        }

        pub fn was_hit(&self) -> bool {
            false
        }
    }
}

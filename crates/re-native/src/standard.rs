//! Standard output that is closed.

use std::ffi::c_int;

/// Makes writing to standard output fail where it was closed when the process began: Rust opens `/dev/null` in its place,
/// so that results would get lost without a word. To be called before `main`, by way of `.init_array`.
pub extern "C" fn keep_closed_output_failing() {
    const OUTPUT: c_int = libc::STDOUT_FILENO;
    // SAFETY: neither call touches memory of this process but the name; at this time there is no other thread that could
    // open or close files.
    unsafe {
        if libc::fcntl(OUTPUT, libc::F_GETFD) != -1 {
            return;
        }
        // A device that is always full. An error of the descriptor itself Rust would take for success.
        let full = libc::open(c"/dev/full".as_ptr(), libc::O_WRONLY);
        if full != -1 && full != OUTPUT {
            libc::dup2(full, OUTPUT);
            libc::close(full);
        }
    }
}

//! What has to be done before libraries are used: settings that they read when the process begins, and libtorch's CUDA part.

use std::convert::Infallible;
use std::io;

/// Variables that are set where the user has not: name, value.
///
/// Threads that spin while they wait make computing slow where another program wants the same cores; large tensors on small
/// pages make steps of a large model longer. `.cargo/config.toml` sets the same for programs that cargo starts.
const DEFAULTS: [(&str, &str); 2] =
    [("OMP_WAIT_POLICY", "passive"), ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")];

/// Starts this program once more, in the same process, where a variable is missing: the OpenMP library and the allocator
/// read theirs before `main`. Where that cannot be done, computing is slower, no more.
pub fn prepare() {
    let missing: Vec<_> = DEFAULTS.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    if !missing.is_empty() {
        let _: io::Result<Infallible> = again(&missing);
    }
}

#[cfg(target_os = "linux")]
fn again(variables: &[(&str, &str)]) -> io::Result<Infallible> {
    use std::os::unix::process::CommandExt;
    let mut arguments = std::env::args_os();
    let mut command = std::process::Command::new(std::env::current_exe()?);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    Err(command.args(arguments).envs(variables.iter().copied()).exec())
}

/// Loads libtorch's CUDA part where there is a driver: before libtorch is asked anything, and once, in the process that
/// computes.
#[cfg(feature = "libtorch")]
pub fn load_devices() {
    #[cfg(target_os = "linux")]
    re_native::load_cuda_part_with_driver();
}

/// The loader calls this before what would load the part before `main`, in every process.
#[cfg(all(target_os = "linux", feature = "libtorch"))]
#[used]
#[allow(unsafe_code)]
#[unsafe(link_section = ".init_array.00200")]
static LEFT_TO_MAIN: extern "C" fn() = re_native::leave_cuda_part_to_main;

/// The loader calls this before Rust opens what is closed.
#[cfg(target_os = "linux")]
#[used]
#[allow(unsafe_code)]
#[unsafe(link_section = ".init_array.00201")]
static CLOSED_OUTPUT: extern "C" fn() = keep_closed_output_failing;

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
/// Makes writing to standard output fail where it was closed when the process began: Rust opens `/dev/null` in its place,
/// so that results would get lost without a word. To be called before `main`, by way of `.init_array`.
extern "C" fn keep_closed_output_failing() {
    const OUTPUT: libc::c_int = libc::STDOUT_FILENO;
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

#[cfg(not(target_os = "linux"))]
fn again(_: &[(&str, &str)]) -> io::Result<Infallible> {
    Err(io::ErrorKind::Unsupported.into())
}

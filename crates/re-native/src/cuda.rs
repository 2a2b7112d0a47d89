//! libtorch's CUDA part, which a program that was linked against the CPU part alone loads as it starts.

use std::ffi::{CStr, c_int, c_void};
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

/// Loads libtorch's CUDA part, which registers itself: a program that was linked against the CPU part alone then runs on
/// the GPU. `LD_LIBRARY_PATH` must name the `lib` folder of a PyTorch with CUDA when the program is started.
///
/// Where there is a driver, this has happened before `main`, save in a program that leaves it to its `main`
/// ([`leave_cuda_part_to_main`]). Later is too late: the first question that libtorch is asked, even by `manual_seed`,
/// settles whether it has CUDA.
///
/// # Errors
/// The loader's reason where the library cannot be loaded.
pub fn load_cuda_part() -> Result<(), String> {
    if !load(c"libtorch_cuda.so", libc::RTLD_NOW | libc::RTLD_GLOBAL).is_null() {
        return Ok(());
    }
    // SAFETY: dlerror gives a C string, or null where it has nothing to say.
    let reason = unsafe { libc::dlerror().as_ref().map(|text| CStr::from_ptr(text)) };
    Err(reason.map_or("unknown error".into(), CStr::to_string_lossy).into_owned())
}

fn load(name: &CStr, how: c_int) -> *mut c_void {
    // SAFETY: the name is a C string, and the initialisers of these libraries may run at any time.
    unsafe { libc::dlopen(name.as_ptr(), how) }
}

/// As [`load_cuda_part`], where there is a driver. Without one, a look through the loader's list of libraries is all that
/// this costs. What keeps the part from being loaded is for those to know who ask for the device.
#[cfg(target_os = "linux")]
pub fn load_cuda_part_with_driver() {
    if !load(c"libcuda.so.1", libc::RTLD_LAZY | libc::RTLD_LOCAL).is_null() {
        let _ = load_cuda_part();
    }
}

#[cfg(target_os = "linux")]
static LEFT_TO_MAIN: AtomicBool = AtomicBool::new(false);

/// Lets nothing be loaded before `main`, for a program that often needs no device, or replaces its process first. Its
/// `main` calls [`load_cuda_part_with_driver`] before it asks libtorch anything.
///
/// The loader must call this before what it calls in order: from `.init_array.N`, where N is some number.
#[cfg(target_os = "linux")]
pub extern "C" fn leave_cuda_part_to_main() {
    LEFT_TO_MAIN.store(true, Ordering::Relaxed);
}

#[cfg(target_os = "linux")]
extern "C" fn at_start() {
    if !LEFT_TO_MAIN.load(Ordering::Relaxed) {
        load_cuda_part_with_driver();
    }
}

/// The loader calls this before `main`.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = at_start;

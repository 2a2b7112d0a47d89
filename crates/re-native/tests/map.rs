//! Tensors on private maps of files.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use re_native::{FileMap, tensor_on_map};

fn file(folder: &Path, values: &[f32]) -> PathBuf {
    let path = folder.join("values");
    fs::write(&path, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    path
}

fn map(path: &Path) -> Arc<FileMap> {
    FileMap::new(File::open(path).unwrap()).unwrap()
}

#[test]
fn values_outlive_the_map_and_changes_stay_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &[1.0, 2.0, 3.0]);
    let before = fs::read(&path).unwrap();
    let map = map(&path);
    let tensor = tensor_on_map(&map, 4, &[2, 1]).unwrap();
    let view = tensor.narrow(0, 1, 1);
    drop(map);
    drop(tensor);
    assert_eq!(view.double_value(&[0, 0]), 3.0);
    let _ = view.shallow_clone().fill_(7.0);
    assert_eq!(view.double_value(&[0, 0]), 7.0);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn what_lies_outside_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let map = map(&file(folder.path(), &[0.0; 4]));
    for (offset, shape) in [(0, [5i64, 1]), (8, [3, 1]), (20, [0, 1]), (0, [-1, 1]), (0, [i64::MAX, 8])] {
        assert!(tensor_on_map(&map, offset, &shape).is_err(), "{offset} {shape:?}");
    }
    assert!(tensor_on_map(&map, 2, &[1]).unwrap_err().to_string().contains("aligned"));
    assert!(tensor_on_map(&map, 12, &[1]).is_ok());
    assert_eq!(Arc::strong_count(&map), 1);
}

/// libtorch refuses this shape when it has taken the memory already.
#[test]
fn what_libtorch_refuses_lets_go_of_the_map_once() {
    let folder = tempfile::tempdir().unwrap();
    let map = map(&file(folder.path(), &[1.0; 4]));
    let _ = tensor_on_map(&map, 0, &[0, i64::MAX, i64::MAX]);
    assert_eq!(Arc::strong_count(&map), 1);
}

#[test]
fn reading_what_was_cut_off_ends_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &[1.0; 100_000]);
    let (cut, whole) = (map(&path), map(&file(tempfile::tempdir().unwrap().path(), &[2.0; 100_000])));
    let tensors = [&cut, &whole].map(|map| tensor_on_map(map, 0, &[100_000]).unwrap());
    let sums = || tensors.iter().map(|t| t.sum(tch::Kind::Float).double_value(&[])).collect::<Vec<_>>();
    assert_eq!(sums(), [100_000.0, 200_000.0]);
    // What was written to the map is gone as well.
    let _ = tensors[0].narrow(0, 90_000, 10_000).fill_(5.0);
    File::options().write(true).open(&path).unwrap().set_len(200_000).unwrap();
    let after = sums();
    assert!((50_000.0..60_000.0).contains(&after[0]) && after[1] == 200_000.0, "{after:?}");
    assert!(!cut.is_unchanged().unwrap() && whole.is_unchanged().unwrap());
    // A file that has its length again is not the one that was mapped.
    File::options().write(true).open(&path).unwrap().set_len(400_000).unwrap();
    assert!(!cut.is_unchanged().unwrap());
}

#[test]
fn a_file_that_another_one_replaces_is_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &[1.0; 4]);
    let map = map(&path);
    let other = folder.path().join("other");
    fs::write(&other, [0; 16]).unwrap();
    fs::rename(&other, &path).unwrap();
    assert!(map.is_unchanged().unwrap());
    assert_eq!(tensor_on_map(&map, 0, &[4]).unwrap().double_value(&[3]), 1.0);
}

#[test]
fn a_file_that_is_written_over_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &[1.0; 4]);
    // Times of changes are as fine as the clock of the kernel's timer.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let map = map(&path);
    std::thread::sleep(std::time::Duration::from_millis(20));
    file(folder.path(), &[2.0; 4]);
    assert!(!map.is_unchanged().unwrap());
}

/// How a process of its own ends that runs one test with the variable `child`.
#[cfg(target_os = "linux")]
fn run_alone(test: &str, child: &str, value: &str) -> std::process::ExitStatus {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact"])
        .env(child, value)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
}

/// The handler leaves alone what is not about a map.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_was_sent_still_ends_the_process() {
    use std::os::unix::process::ExitStatusExt;
    const CHILD: &str = "RE_NATIVE_SENDS_SIGBUS";
    if std::env::var_os(CHILD).is_some() {
        let folder = tempfile::tempdir().unwrap();
        let _map = map(&file(folder.path(), &[1.0; 4]));
        let me = std::process::id().to_string();
        // Rust's own handler lets the first one pass.
        for _ in 0..3 {
            std::process::Command::new("kill").args(["-BUS", &me]).status().unwrap();
        }
        return;
    }
    let status = run_alone("a_signal_that_was_sent_still_ends_the_process", CHILD, "1");
    assert_eq!(status.signal(), Some(7));
}

#[cfg(target_os = "linux")]
#[test]
#[allow(unsafe_code)]
fn an_earlier_handler_gets_what_is_not_about_a_map_each_time() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    const CHILD: &str = "RE_NATIVE_HANDLES_SIGBUS";
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(signal: libc::c_int) {
        CALLS.fetch_add(usize::try_from(signal).unwrap_or_default(), Ordering::Relaxed);
    }
    extern "C" fn count_with_info(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the handler before this one passes on what the kernel gave.
        let told = unsafe { (*info).si_signo };
        CALLS.fetch_add(usize::try_from(told + signal - libc::SIGBUS).unwrap_or_default(), Ordering::Relaxed);
    }
    match std::env::var(CHILD).as_deref() {
        Ok(kind) => {
            let (handler, flags) = match kind {
                "plain" => (count as *const () as usize, 0),
                "ignored" => (libc::SIG_IGN, 0),
                _ => (count_with_info as *const () as usize, libc::SA_SIGINFO),
            };
            // SAFETY: plain data; the handlers do no more than add numbers. A fault that no handler mends would be repeated
            // for ever.
            unsafe {
                libc::alarm(60);
                let mut action: libc::sigaction = std::mem::zeroed();
                (action.sa_sigaction, action.sa_flags) = (handler, flags);
                assert_eq!(libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()), 0);
            }
            let folder = tempfile::tempdir().unwrap();
            let path = file(folder.path(), &[1.0; 4]);
            let map = map(&path);
            for _ in 0..3 {
                // SAFETY: the signal has a handler.
                assert_eq!(unsafe { libc::raise(libc::SIGBUS) }, 0);
            }
            // Maps are still watched.
            File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
            assert_eq!(tensor_on_map(&map, 0, &[4]).unwrap().double_value(&[1]), 0.0);
            let signals = if kind == "ignored" { 0 } else { 3 };
            let expected = usize::try_from(signals * libc::SIGBUS).unwrap();
            assert_eq!(CALLS.load(Ordering::Relaxed), expected);
        }
        Err(_) => {
            for kind in ["plain", "with info", "ignored"] {
                let status =
                    run_alone("an_earlier_handler_gets_what_is_not_about_a_map_each_time", CHILD, kind);
                assert!(status.success(), "{kind}: {status}");
            }
        }
    }
}

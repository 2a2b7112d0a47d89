//! The download: three wheels of PyPI, of which a build for the CPU needs a part.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::layout::{LIBTORCH_VERSION, Layout};
use crate::{libtorch, machine, manifest, python};

/// Room for the wheels and what is unpacked, in MB.
const NEEDED_MEGABYTES: u64 = 1_200;
const UNPACK: &str = include_str!("unpack.py");
const DIGEST: &str = "import hashlib, sys\nh = hashlib.sha256()\nf = open(sys.argv[1], 'rb')\n\
                      while b := f.read(1 << 20): h.update(b)\nprint(h.hexdigest())";

/// One wheel.
struct Wheel {
    requirement: &'static str,
    file: &'static str,
    sha256: &'static str,
}

// libtorch_cpu.so of the CUDA build, the only one on PyPI, needs the other two to load.
const WHEELS: [Wheel; 3] = [
    Wheel {
        requirement: "torch==2.11.0",
        file: "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
    },
    Wheel {
        requirement: "nvidia-cuda-runtime==13.0.96",
        file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    },
    Wheel {
        requirement: "nvidia-cuda-cupti==13.0.85",
        file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
        sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
    },
];

/// Downloads, checks and unpacks libtorch into the cache; another process that does the same is waited
/// for. What an earlier run finished is not done again.
///
/// # Errors
/// The machine lacks something, pip fails, or a download does not have the expected content.
pub fn install(layout: &Layout) -> Result<PathBuf> {
    machine::require_supported()?;
    python::require()?;
    let cache = &layout.cache;
    fs::create_dir_all(cache).with_context(|| format!("cannot make the cache folder {}", cache.display()))?;
    let _lock = lock(cache)?;
    let unpacked = layout.unpacked();
    match libtorch::check(&unpacked) {
        Ok(()) => return Ok(unpacked),
        Err(defect) if unpacked.exists() => {
            eprintln!("{}: {defect}; making it anew", unpacked.display());
            fs::remove_dir_all(&unpacked)?;
        }
        Err(_) => {}
    }
    remove_leftovers(cache)?;
    require_space(cache)?;
    let wheels = cache.join("wheels");
    fs::create_dir_all(&wheels)?;
    let files = WHEELS.iter().map(|wheel| fetch(wheel, &wheels)).collect::<Result<Vec<_>>>()?;

    eprintln!("unpacking libtorch {LIBTORCH_VERSION} into {}", unpacked.display());
    let temporary = cache.join(format!("{LEFTOVER}{}", std::process::id()));
    let mut arguments = vec![temporary.as_path()];
    arguments.extend(files.iter().map(PathBuf::as_path));
    python::script(UNPACK, &arguments).context("the wheels cannot be unpacked")?;
    fs::write(temporary.join("build-version"), LIBTORCH_VERSION)?;
    manifest::write(&temporary)?;
    fs::rename(&temporary, &unpacked)?;
    fs::File::open(cache)?.sync_all()?;
    if let Err(defect) = libtorch::check(&unpacked) {
        bail!("{} was unpacked but cannot be used: {defect}", unpacked.display());
    }
    fs::remove_dir_all(&wheels)?;
    Ok(unpacked)
}

const LEFTOVER: &str = "unpacking-";

/// Holds until the returned file is closed.
fn lock(cache: &Path) -> Result<fs::File> {
    let file = fs::File::create(cache.join("setup.lock"))?;
    if file.try_lock().is_err() {
        eprintln!("another set-up is running; waiting for it");
        file.lock()?;
    }
    Ok(file)
}

/// Removes what runs that were killed while unpacking left behind.
fn remove_leftovers(cache: &Path) -> Result<()> {
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(LEFTOVER) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn require_space(cache: &Path) -> Result<()> {
    if let Some(free) = machine::free_megabytes(cache).filter(|&free| free < NEEDED_MEGABYTES) {
        bail!(
            "{} has {free} MB free, the download needs {NEEDED_MEGABYTES}; make room or set RE_CACHE to a \
             folder elsewhere",
            cache.display()
        );
    }
    Ok(())
}

/// The wheel's path, downloaded unless it is there and whole.
fn fetch(wheel: &Wheel, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(wheel.file);
    if path.exists() {
        if digest(&path)? == wheel.sha256 {
            eprintln!("{} was downloaded before", wheel.requirement);
            return Ok(path);
        }
        eprintln!("{} is not whole; downloading it again", path.display());
        fs::remove_file(&path)?;
    }
    eprintln!("downloading {}", wheel.requirement);
    if let Err(error) = python::download(wheel.requirement, folder) {
        bail!(
            "{error:#}. If the package index cannot be reached, mend that and run this command again: it \
             carries on from here. Without a network, install libtorch {LIBTORCH_VERSION} by hand and set \
             LIBTORCH to its folder (the one with include/ and lib/)"
        );
    }
    if !path.exists() {
        bail!("pip downloaded {} under another name than {}", wheel.requirement, wheel.file);
    }
    let found = digest(&path)?;
    if found != wheel.sha256 {
        fs::remove_file(&path)?;
        bail!(
            "the download of {} has the wrong content (sha256 {found}, expected {}); it was removed, run \
             this command again, with `PIP_NO_CACHE_DIR=1` if it happens twice",
            wheel.requirement,
            wheel.sha256
        );
    }
    Ok(path)
}

fn digest(path: &Path) -> Result<String> {
    python::script(DIGEST, &[path]).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_that_is_there_and_whole_is_not_downloaded_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.whl"), "abc").unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let wheel = Wheel { requirement: "no-such-package==0", file: "a.whl", sha256 };
        assert_eq!(fetch(&wheel, folder.path()).unwrap(), folder.path().join("a.whl"));
    }

    #[test]
    fn leftovers_are_removed_and_nothing_else() {
        let cache = tempfile::tempdir().unwrap();
        for name in ["unpacking-77", "libtorch-2.11.0-cpu", "wheels"] {
            fs::create_dir(cache.path().join(name)).unwrap();
        }
        remove_leftovers(cache.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(cache.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["libtorch-2.11.0-cpu", "wheels"]);
    }

    #[test]
    fn a_second_process_waits_for_the_lock() {
        let cache = tempfile::tempdir().unwrap();
        let held = lock(cache.path()).unwrap();
        let again = fs::File::create(cache.path().join("setup.lock")).unwrap();
        assert!(again.try_lock().is_err());
        drop(held);
        assert!(again.try_lock().is_ok());
    }
}

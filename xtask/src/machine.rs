//! Questions to the machine.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::layout::LIBTORCH_VERSION;

/// Whether the libtorch of the PyPI wheel runs here.
pub const SUPPORTED: bool = cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"));

/// The command's standard output, trimmed, when it can be run and succeeds.
pub fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The C++ compiler that the build will call, with its version line.
pub fn compiler() -> Option<(String, String)> {
    let program =
        std::env::var("CXX").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "c++".to_owned());
    // CXX may carry a wrapper or flags: "ccache g++".
    let mut words = program.split_whitespace();
    let mut arguments: Vec<&str> = words.clone().skip(1).collect();
    arguments.push("--version");
    let version = output_of(words.next()?, &arguments)?;
    Some((program.clone(), version.lines().next().unwrap_or_default().to_owned()))
}

/// Free space, in MB, on the file system of a folder that exists.
pub fn free_megabytes(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).stdin(Stdio::null()).output().ok()?;
    free_column(&String::from_utf8_lossy(&output.stdout))
}

/// The fourth column of the second line that `df -Pk` prints, from KiB to MB.
fn free_column(listed: &str) -> Option<u64> {
    let kibibytes: u64 = listed.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kibibytes.saturating_mul(1024) / 1_000_000)
}

/// The build calls a C++ compiler in any case.
///
/// # Errors
/// None is there.
pub fn require_compiler() -> Result<()> {
    if compiler().is_none() {
        bail!(
            "no C++ compiler was found (c++, or what CXX names); install one, for example with \
             `apt install g++`, and run this command again"
        );
    }
    Ok(())
}

/// Downloads exist for one platform.
///
/// # Errors
/// This is another one: what to set by hand.
pub fn require_supported() -> Result<()> {
    if !SUPPORTED {
        bail!(
            "the download of libtorch is made for Linux x86-64 with glibc, this is {} {}. Install libtorch \
             {LIBTORCH_VERSION} by hand and set LIBTORCH to its folder (the one with include/ and lib/), \
             then run this command again",
            std::env::consts::OS,
            std::env::consts::ARCH
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_space_is_read() {
        let listed =
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 100 50 2000000 50% /\n";
        assert_eq!(free_column(listed), Some(2048));
        assert_eq!(free_column(""), None);
        assert_eq!(free_column("a\nb c"), None);
    }
}

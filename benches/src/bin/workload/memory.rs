//! Memory of this process, as Linux counts it.

use anyhow::{Context, Result};

/// The most physical memory that this process has had, in bytes.
pub fn peak() -> Result<u64> {
    field("VmHWM:")
}

/// The physical memory that this process has now, in bytes.
pub fn now() -> Result<u64> {
    field("VmRSS:")
}

fn field(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("memory is read from Linux's /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
    Ok(1024 * kibibytes.with_context(|| format!("/proc/self/status has no {name}"))?)
}

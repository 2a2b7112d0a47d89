//! Choosing a device by name.

use tch::{Cuda, Device};

use crate::error::{Error, Result};

/// The device called `cpu` or `cuda:N` (`cuda` is `cuda:0`).
///
/// # Errors
/// [`Error::Device`] where the name is none of these or the device is absent: never a fallback.
pub fn device(name: &str) -> Result<Device> {
    let fault = |reason: String| Error::Device { asked: name.to_owned(), reason };
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let number = match name.strip_prefix("cuda") {
        Some("") => Some(0),
        Some(rest) => rest.strip_prefix(':').and_then(|n| n.parse::<usize>().ok()),
        None => None,
    };
    let number = number.ok_or_else(|| fault("expected cpu or cuda:N".to_owned()))?;
    re_native::load_cuda_part().map_err(|reason| {
        fault(format!(
            "the CUDA part of libtorch cannot be loaded ({reason}); set LD_LIBRARY_PATH to a PyTorch 2.11.0 with CUDA"
        ))
    })?;
    if !Cuda::is_available() {
        return Err(fault("libtorch found no usable CUDA device or driver".to_owned()));
    }
    let count = Cuda::device_count();
    if number as i64 >= count {
        return Err(fault(format!("this machine has {count} CUDA devices")));
    }
    Ok(Device::Cuda(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_absent_devices_are_errors() {
        assert_eq!(device("cpu").unwrap(), Device::Cpu);
        for name in ["gpu", "cuda:", "cuda:x", "cuda-1", "CPU", "cuda:99"] {
            assert!(matches!(device(name), Err(Error::Device { .. })), "{name}");
        }
    }
}

//! What is computed in bulk, with the widest instructions that the processor has.
//!
//! Loops are written once, generic over [`Lanes`], and compiled for each set of instructions: [`Kernel::run`] calls a
//! [`Task`] within a function that may use them.

mod lanes;
pub(crate) mod panels;
#[cfg(test)]
mod tests;
pub(crate) mod values;

#[cfg(target_arch = "x86_64")]
use self::lanes::{Avx2, Avx512};
use self::lanes::{Lanes, Portable};

/// A set of instructions that this processor has.
///
/// All kernels give the same results up to rounding in the last bits. A row's results do not depend on the rows beside it, to the
/// last bit, with any of them.
///
/// ```
/// use re_infer::Kernel;
/// assert!(Kernel::available().contains(&Kernel::best()));
/// println!("computes with {}", Kernel::best().name());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Set);

/// A value exists only where the processor has the instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// The fastest one.
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self(Set::Portable))
    }

    /// All that this processor has, the slowest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Self(Set::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Self(Set::Avx2));
            }
            if is_x86_feature_detected!("avx512f") {
                all.push(Self(Set::Avx512));
            }
        }
        all
    }

    /// Its name: `portable`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
        }
    }

    /// Columns of a panel, see [`panels`].
    pub(crate) fn panel(self) -> usize {
        match self.0 {
            Set::Portable => panels::width::<Portable>(),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => panels::width::<Avx2>(),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => panels::width::<Avx512>(),
        }
    }

    /// Runs a task with these instructions.
    #[allow(unsafe_code)]
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            Set::Portable => task.run::<Portable>(),
            // SAFETY: the value exists, so the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { with_avx2(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { with_avx512(task) },
        }
    }
}

/// Something to compute with any set of instructions.
pub(crate) trait Task {
    /// What it gives.
    type Output;

    /// Computes it. Implementations are inlined into a function that may use the instructions of `L`, and so must be all
    /// that they call.
    fn run<L: Lanes>(self) -> Self::Output;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<T: Task>(task: T) -> T::Output {
    task.run::<Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn with_avx512<T: Task>(task: T) -> T::Output {
    task.run::<Avx512>()
}

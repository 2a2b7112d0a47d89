//! What is computed in bulk, with the widest instructions that the processor has.
//!
//! Loops are written once, generic over [`Lanes`], and compiled for each set of instructions: [`Kernel::run`] calls a
//! [`Task`] within a function that may use them.

mod lanes;
pub(crate) mod packed;
pub(crate) mod panels;
#[cfg(test)]
mod tests;
mod tiles;
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
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "x86_64")]
    Amx,
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
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            let vnni = avx512 && is_x86_feature_detected!("avx512vnni");
            let bf16 = vnni && is_x86_feature_detected!("avx512bf16");
            let sets = [
                (Set::Avx2, avx2),
                (Set::AvxVnni, avx2 && is_x86_feature_detected!("avxvnni")),
                (Set::Avx512, avx512),
                (Set::Avx512Vnni, vnni),
                (Set::Avx512Bf16, bf16),
                (Set::Amx, bf16 && tiles::available()),
            ];
            all.extend(sets.into_iter().filter(|(_, there)| *there).map(|(set, _)| Self(set)));
        }
        all
    }

    /// Its name: `portable`, `avx2`, `avxvnni`, `avx512`, `avx512vnni`, `avx512bf16` or `amx`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni => "avxvnni",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => "avx512vnni",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bf16 => "avx512bf16",
            #[cfg(target_arch = "x86_64")]
            Set::Amx => "amx",
        }
    }

    /// Whether it multiplies bfloat16 numbers by an instruction of its own.
    pub fn multiplies_bf16(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bf16 | Set::Amx => true,
            _ => false,
        }
    }

    /// Columns of a panel, see [`panels`].
    pub(crate) fn panel(self) -> usize {
        match self.0 {
            Set::Portable => panels::width::<Portable>(),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 | Set::AvxVnni => panels::width::<Avx2<false>>(),
            #[cfg(target_arch = "x86_64")]
            _ => panels::width::<Avx512<false, false>>(),
        }
    }

    /// Whether it has tiles of registers.
    fn tiles(self) -> Option<()> {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Amx => Some(()),
            _ => None,
        }
    }

    /// Runs a task of floats with these instructions.
    #[allow(unsafe_code)]
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        // SAFETY of all blocks, here and below: the value exists, so the processor has the instructions.
        match self.0 {
            Set::Portable => task.run::<Portable>(),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 | Set::AvxVnni => unsafe { with_avx2(task) },
            #[cfg(target_arch = "x86_64")]
            _ => unsafe { with_avx512(task) },
        }
    }

    /// Runs a task that multiplies bytes.
    #[allow(unsafe_code)]
    fn run_bytes<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni => unsafe { with_avxvnni(task) },
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni | Set::Avx512Bf16 | Set::Amx => unsafe { with_avx512vnni(task) },
            _ => self.run(task),
        }
    }

    /// Runs a task that multiplies bfloat16 numbers.
    #[allow(unsafe_code)]
    fn run_pairs<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bf16 | Set::Amx => unsafe { with_avx512bf16(task) },
            _ => self.run(task),
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
    task.run::<Avx2<false>>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avxvnni")]
fn with_avxvnni<T: Task>(task: T) -> T::Output {
    task.run::<Avx2<true>>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx2,fma")]
fn with_avx512<T: Task>(task: T) -> T::Output {
    task.run::<Avx512<false, false>>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
fn with_avx512vnni<T: Task>(task: T) -> T::Output {
    task.run::<Avx512<true, false>>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx2,fma")]
fn with_avx512bf16<T: Task>(task: T) -> T::Output {
    task.run::<Avx512<false, true>>()
}

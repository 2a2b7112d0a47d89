//! Products in tiles of registers: AMX, which multiplies 16 rows by 16 columns and 64 bytes of depth at a time.
//!
//! Intrinsics for it are not stable, so the few instructions are written out.
#![allow(unsafe_code)]

/// Rows of a tile.
pub(super) const ROWS: usize = 16;
/// What a tile takes along the depth, in values of four bytes.
pub(super) const DEPTH: usize = 16;
/// Columns of a block of tiles.
const COLUMNS: usize = 32;

/// What is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Multiply {
    /// Pairs of bfloat16 numbers.
    Pairs,
    /// Bytes, the left ones with a sign.
    Bytes,
}

/// Sums of two tiles by two.
#[repr(C, align(64))]
pub(super) struct Sums([[u32; COLUMNS]; 2 * ROWS]);

impl Default for Sums {
    #[inline(always)]
    fn default() -> Self {
        Self([[0; COLUMNS]; 2 * ROWS])
    }
}

impl Sums {
    /// The sums of a row.
    #[inline(always)]
    pub fn row(&mut self, row: usize) -> *mut u32 {
        self.0.get_mut(row).map_or(std::ptr::null_mut(), |row| row.as_mut_ptr())
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use self::amx::{Configured, available};

#[cfg(target_arch = "x86_64")]
mod amx {
    use std::arch::asm;
    use std::sync::OnceLock;

    use super::{COLUMNS, Multiply, ROWS, Sums};

    /// Whether this processor has tiles for bytes and bfloat16 numbers, and the system lets this process use them.
    pub fn available() -> bool {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(|| present() && permitted())
    }

    fn present() -> bool {
        use std::arch::x86_64::__cpuid_count;
        let (bf16, tile, int8) = (1 << 22, 1 << 24, 1 << 25);
        __cpuid_count(0, 0).eax >= 7 && __cpuid_count(7, 0).edx & (bf16 | tile | int8) == bf16 | tile | int8
    }

    /// Asks the system for the registers, once for all threads.
    #[cfg(target_os = "linux")]
    fn permitted() -> bool {
        const ARCH_PRCTL: i64 = 158;
        const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
        const XFEATURE_XTILEDATA: i64 = 18;
        let mut result = ARCH_PRCTL;
        // SAFETY: the call takes two numbers and touches no memory.
        unsafe {
            asm!(
                "syscall",
                inout("rax") result,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") XFEATURE_XTILEDATA,
                out("rcx") _,
                out("r11") _,
                options(nostack)
            );
        }
        result == 0
    }

    #[cfg(not(target_os = "linux"))]
    fn permitted() -> bool {
        false
    }

    /// The shapes of the registers, as the processor reads them.
    #[repr(C, align(64))]
    struct Shapes {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        /// Bytes of a row of each register, and its rows.
        widths: [u16; 16],
        rows: [u8; 16],
    }

    /// Eight registers of 16 rows of 64 bytes.
    static SHAPES: Shapes = Shapes {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        widths: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
        rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
    };

    /// This thread's tiles, while it has them.
    pub struct Configured {
        _of_this_thread: std::marker::PhantomData<*const ()>,
    }

    /// Multiplies one or two tiles of rows by two of columns. The first four registers are sums.
    macro_rules! multiply {
        ($instruction:literal, one, $left:expr, $stride:expr, $panel:expr, $steps:expr, $sums:expr) => {
            asm!(
                "tileloadd tmm0, [{sums} + {row}]",
                "tileloadd tmm1, [{sums} + {row} + 64]",
                "2:",
                "tileloadd tmm4, [{left} + {stride}]",
                "tileloadd tmm6, [{panel} + {row}]",
                "tileloadd tmm7, [{panel} + {row} + 64]",
                concat!($instruction, " tmm0, tmm4, tmm6"),
                concat!($instruction, " tmm1, tmm4, tmm7"),
                "add {left}, 64",
                "add {panel}, 2048",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{sums} + {row}], tmm0",
                "tilestored [{sums} + {row} + 64], tmm1",
                left = inout(reg) $left => _,
                panel = inout(reg) $panel => _,
                steps = inout(reg) $steps => _,
                stride = in(reg) $stride,
                row = in(reg) 4 * COLUMNS,
                sums = in(reg) $sums,
                out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                options(nostack)
            )
        };
        ($instruction:literal, two, $left:expr, $stride:expr, $panel:expr, $steps:expr, $sums:expr) => {
            asm!(
                "tileloadd tmm0, [{sums} + {row}]",
                "tileloadd tmm1, [{sums} + {row} + 64]",
                "tileloadd tmm2, [{sums} + {row} + 2048]",
                "tileloadd tmm3, [{sums} + {row} + 2112]",
                "2:",
                "tileloadd tmm4, [{left} + {stride}]",
                "tileloadd tmm6, [{panel} + {row}]",
                "tileloadd tmm7, [{panel} + {row} + 64]",
                concat!($instruction, " tmm0, tmm4, tmm6"),
                "tileloadd tmm5, [{second} + {stride}]",
                concat!($instruction, " tmm1, tmm4, tmm7"),
                concat!($instruction, " tmm2, tmm5, tmm6"),
                concat!($instruction, " tmm3, tmm5, tmm7"),
                "add {left}, 64",
                "add {second}, 64",
                "add {panel}, 2048",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{sums} + {row}], tmm0",
                "tilestored [{sums} + {row} + 64], tmm1",
                "tilestored [{sums} + {row} + 2048], tmm2",
                "tilestored [{sums} + {row} + 2112], tmm3",
                left = inout(reg) $left => _,
                second = inout(reg) $left.wrapping_byte_add(ROWS * $stride) => _,
                panel = inout(reg) $panel => _,
                steps = inout(reg) $steps => _,
                stride = in(reg) $stride,
                row = in(reg) 4 * COLUMNS,
                sums = in(reg) $sums,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack)
            )
        };
    }

    impl Configured {
        /// Takes the tiles of this thread, on a processor that has them.
        pub fn new() -> Self {
            assert!(available(), "tiles");
            // SAFETY: there are tiles, and the shapes are such as they may have.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly)) };
            Self { _of_this_thread: std::marker::PhantomData }
        }

        /// Adds to `sums` the products of 16 rows, or of `two` times as many, with a panel of 32 columns. `stride` and `depth`
        /// are in values of four bytes.
        ///
        /// # Safety
        /// All these rows and columns are there, and the depth is a multiple of [`DEPTH`](super::DEPTH).
        #[inline(always)]
        #[allow(clippy::too_many_arguments)]
        pub unsafe fn run(
            &self,
            multiply: Multiply,
            left: *const u32,
            stride: usize,
            panel: *const u32,
            depth: usize,
            two: bool,
            sums: &mut Sums,
        ) {
            let (steps, stride) = (depth / super::DEPTH, 4 * stride);
            if steps == 0 {
                return;
            }
            let sums = std::ptr::from_mut(sums);
            // SAFETY: the caller's; the registers are this thread's.
            unsafe {
                match (multiply, two) {
                    (Multiply::Bytes, false) => {
                        multiply!("tdpbsud", one, left, stride, panel, steps, sums);
                    }
                    (Multiply::Bytes, true) => {
                        multiply!("tdpbsud", two, left, stride, panel, steps, sums);
                    }
                    (Multiply::Pairs, false) => {
                        multiply!("tdpbf16ps", one, left, stride, panel, steps, sums);
                    }
                    (Multiply::Pairs, true) => {
                        multiply!("tdpbf16ps", two, left, stride, panel, steps, sums);
                    }
                }
            }
        }
    }

    impl Drop for Configured {
        fn drop(&mut self) {
            // SAFETY: there are tiles.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }
}

/// No processor of this kind has tiles.
#[cfg(not(target_arch = "x86_64"))]
pub(super) struct Configured(std::convert::Infallible);

#[cfg(not(target_arch = "x86_64"))]
impl Configured {
    pub fn new() -> Self {
        unreachable!("tiles of another processor")
    }

    #[allow(clippy::too_many_arguments)]
    pub unsafe fn run(
        &self,
        _: Multiply,
        _: *const u32,
        _: usize,
        _: *const u32,
        _: usize,
        _: bool,
        _: &mut Sums,
    ) {
        match self.0 {}
    }
}

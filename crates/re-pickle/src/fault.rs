//! Why a pickle cannot be read.

/// Why a pickle cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The program is damaged.
    #[error("found {found}, expected {expected} before byte {offset} of the pickle")]
    Malformed {
        /// Bytes of the program that had been read.
        offset: usize,
        /// What stands there.
        found: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// An instruction that builds no plain value, or the number of a protocol that the caller does not take.
    #[error(
        "instruction 0x{code:02x} at byte {offset} of the pickle is not supported: it builds no plain value"
    )]
    Instruction {
        /// The instruction's byte.
        code: u8,
        /// Its offset in the program.
        offset: usize,
    },
    /// A Python function or class that the caller does not know. It was not called.
    #[error("the pickle refers to {name}, which is not supported and was not called")]
    Global {
        /// Its full name.
        name: String,
    },
}

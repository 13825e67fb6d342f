//! The storage: where files live.

/// A folder that every node sees under the same path (a shared mount, or one machine's own disk).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Absolute path of the root on each node.
    pub root: Vec<u8>,
    /// What an acknowledged upload survives.
    pub durability: Durability,
    /// Whether an interrupted upload is kept for resume.
    pub keep_interrupted: bool,
    /// Uploads are refused once less than this many bytes are free.
    pub reserve_bytes: u64,
}

/// What an acknowledged upload survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// fsync before the answer: survives a power cut.
    Strict,
    /// No fsync at close: survives a killed process, not a power cut.
    Relaxed,
}

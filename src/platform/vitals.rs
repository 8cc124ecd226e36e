//! How what runs a release is, whatever runs it.

/// The end of a process that nobody asked to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// `exited with code 1 at 2026-11-24T12:03:01.000Z`.
    pub what: String,
    /// The last lines it logged, newest last.
    pub last_words: Vec<String>,
}

/// What runs a release, as long as it is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resident {
    /// Names the processes; another name is another life.
    pub process: String,
    /// Resident memory of all of them, in bytes.
    pub bytes: u64,
}

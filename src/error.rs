//! Errors: a kind, which maps one to one to a status code of the C ABI, and a text.
//!
//! The text is lower case, names the object and the numbers, and says what to do where there is
//! something to do. Kinds are never removed or renumbered.

use std::fmt;

/// What went wrong, as a class that a program can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An empty key, an unknown option, a value out of range.
    InvalidArgument,
    /// The operating system failed a read, a write or a sync.
    Io,
    /// Stored bytes do not match their checksum, or files are missing.
    Corruption,
    /// Another process has the directory open.
    Busy,
    /// A deadline passed.
    Timeout,
    /// The device or the quota is full.
    NoSpace,
    /// A write on a handle that was opened read-only or became so after a failed sync.
    ReadOnly,
    /// A key, a value or a batch over the limits.
    TooLarge,
    /// A newer format version, or something this platform lacks.
    Unsupported,
    /// An allocation failed or would pass the memory limit.
    OutOfMemory,
    /// A defect of the library.
    Internal,
}

impl ErrorKind {
    /// The status code of the C ABI for this kind (always negative).
    pub fn code(self) -> i32 {
        match self {
            ErrorKind::InvalidArgument => -1,
            ErrorKind::Io => -2,
            ErrorKind::Corruption => -3,
            ErrorKind::Busy => -4,
            ErrorKind::Timeout => -5,
            ErrorKind::NoSpace => -6,
            ErrorKind::ReadOnly => -7,
            ErrorKind::TooLarge => -8,
            ErrorKind::Unsupported => -9,
            ErrorKind::OutOfMemory => -10,
            ErrorKind::Internal => -11,
        }
    }
}

/// An error of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// The engine's result type.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` with a text that names what was wrong.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into() }
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text of the error, without its kind.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error with `context: ` before its text.
    #[must_use]
    pub fn context(self, context: impl fmt::Display) -> Self {
        Error { kind: self.kind, message: format!("{context}: {}", self.message) }
    }

    /// An error of the operating system during `action` (such as `open /db/LOCK`).
    pub fn os(action: impl fmt::Display, error: &std::io::Error) -> Self {
        let kind = match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => ErrorKind::NoSpace,
            Some(libc::ENOMEM) => ErrorKind::OutOfMemory,
            None if error.kind() == std::io::ErrorKind::OutOfMemory => ErrorKind::OutOfMemory,
            _ => ErrorKind::Io,
        };
        let errno = error.raw_os_error().map_or(String::new(), |n| format!(" (errno {n})"));
        // The standard library appends its own "(os error n)"; ours names errno once.
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        Error::new(kind, format!("{action}: {text}{errno}"))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidArgument, message)
    }

    pub(crate) fn corruption(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Corruption, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

//! Why a command did not do what it was asked: one class, one exit code, one line.
//!
//! Exit codes of engine errors follow from their status codes (`1 - code`: -1 gives 2, -2 gives
//! 3, and so on), so a kind that is added to the engine has its exit code already. Codes from 64
//! on are the tool's own.

use std::fmt;
use std::io;
use warp_engine::{Error, ErrorKind};

/// What ends a command early.
#[derive(Debug)]
pub enum Failure {
    /// The engine, or the operating system under it or under the tool.
    Engine(Error),
    /// The key does not exist; the text names it.
    NotFound(String),
    /// A line of the input is no record; the text names file, line and column.
    Malformed(String),
    /// The command line is wrong, found before anything was done.
    Usage(String),
    /// Whoever read standard output has gone. Not an error: nobody is left to tell.
    ClosedPipe,
}

/// The result of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failed write to standard output.
    pub fn stdout(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::ClosedPipe;
        }
        Failure::Engine(Error::os("write standard output", &error))
    }

    /// The exit code, as `warp --help` lists them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::ClosedPipe => 0,
            Failure::NotFound(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Engine(e) => u8::try_from(1 - e.kind().code()).unwrap_or(12),
            Failure::Malformed(_) => 65,
        }
    }

    /// The name of the class, for programs.
    pub fn class(&self) -> &'static str {
        match self {
            Failure::ClosedPipe => "closed_pipe",
            Failure::NotFound(_) => "not_found",
            Failure::Usage(_) => "invalid_argument",
            Failure::Malformed(_) => "malformed_input",
            Failure::Engine(e) => match e.kind() {
                ErrorKind::InvalidArgument => "invalid_argument",
                ErrorKind::Io => "io",
                ErrorKind::Corruption => "corruption",
                ErrorKind::Busy => "busy",
                ErrorKind::Timeout => "timeout",
                ErrorKind::NoSpace => "no_space",
                ErrorKind::ReadOnly => "read_only",
                ErrorKind::TooLarge => "too_large",
                ErrorKind::Unsupported => "unsupported",
                ErrorKind::OutOfMemory => "out_of_memory",
                ErrorKind::Internal => "internal",
                _ => "unknown",
            },
        }
    }

    /// The line for standard error.
    pub fn line(&self, json: bool) -> String {
        let message = self.to_string();
        if json {
            let object = serde_json::json!({
                "error": self.class(),
                "message": message,
                "exit_code": self.exit_code(),
            });
            return object.to_string();
        }
        // One error, one line, whatever a path or a key brought in.
        format!("warp: {}", message.replace('\n', "\\n"))
    }

    /// The same failure with `context: ` before its text.
    #[must_use]
    pub fn context(self, context: impl fmt::Display) -> Self {
        match self {
            Failure::Engine(e) => Failure::Engine(e.context(context)),
            Failure::NotFound(m) => Failure::NotFound(format!("{context}: {m}")),
            Failure::Malformed(m) => Failure::Malformed(format!("{context}: {m}")),
            Failure::Usage(m) => Failure::Usage(format!("{context}: {m}")),
            Failure::ClosedPipe => Failure::ClosedPipe,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Engine(e) => e.fmt(f),
            Failure::NotFound(m) | Failure::Malformed(m) | Failure::Usage(m) => f.write_str(m),
            Failure::ClosedPipe => f.write_str("the reader of standard output has gone"),
        }
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::Engine(e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let documented = [
            (ErrorKind::InvalidArgument, 2),
            (ErrorKind::Io, 3),
            (ErrorKind::Corruption, 4),
            (ErrorKind::Busy, 5),
            (ErrorKind::Timeout, 6),
            (ErrorKind::NoSpace, 7),
            (ErrorKind::ReadOnly, 8),
            (ErrorKind::TooLarge, 9),
            (ErrorKind::Unsupported, 10),
            (ErrorKind::OutOfMemory, 11),
            (ErrorKind::Internal, 12),
        ];
        for (kind, code) in documented {
            let failure = Failure::from(Error::new(kind, "x"));
            assert_eq!(failure.exit_code(), code, "{kind:?}");
            assert_ne!(failure.class(), "unknown", "{kind:?}");
        }
    }

    #[test]
    fn an_error_is_one_line() {
        let failure = Failure::Usage("no\nsuch \"thing\"".to_owned());
        assert_eq!(failure.line(false), "warp: no\\nsuch \"thing\"");
        let parsed: serde_json::Value = serde_json::from_str(&failure.line(true)).unwrap();
        assert_eq!(parsed["message"], "no\nsuch \"thing\"");
        assert_eq!(parsed["exit_code"], 2);
        assert!(!failure.line(true).contains('\n'));
    }
}

//! Looking at a database's files without opening it: what is damaged, and what can be saved.
//!
//! [`verify`] lists every defect of every file; [`repair`] copies all that verifies into a new
//! database. Both read files in plain reads (a failing device gives a defect in the list and no
//! signal), hold the directory's lock shared, and write nothing to the directory they look at.

pub(crate) mod files;
mod index;
pub(crate) mod repair;
mod table;
pub(crate) mod verify;
pub(crate) mod walk;

pub use repair::RepairReport;
pub use verify::VerifyReport;

/// A class of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DamageKind {
    /// A file is not there.
    MissingFile,
    /// The operating system failed to read a part of a file.
    Unreadable,
    /// A file's own structure is damaged: its magic number, its header, its checksum, its length.
    File,
    /// Bytes where records should be do not verify.
    Record,
    /// A batch frame is damaged or its parts contradict each other.
    Batch,
    /// Segments contradict each other or the checkpoint.
    Chain,
    /// The index image contradicts the records.
    Index,
    /// Sequence numbers contradict each other.
    Sequence,
}

impl DamageKind {
    /// The name of the class, for programs.
    pub fn name(self) -> &'static str {
        match self {
            DamageKind::MissingFile => "missing_file",
            DamageKind::Unreadable => "unreadable",
            DamageKind::File => "file",
            DamageKind::Record => "record",
            DamageKind::Batch => "batch",
            DamageKind::Chain => "chain",
            DamageKind::Index => "index",
            DamageKind::Sequence => "sequence",
        }
    }
}

/// One defect of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The class.
    pub kind: DamageKind,
    /// Name of the file in the database's directory.
    pub file: String,
    /// Where it begins, if it has a place.
    pub offset: Option<u64>,
    /// How many bytes it takes, if that is known.
    pub len: Option<u64>,
    /// The key of the damaged record, as far as it can be read; it may be damaged itself.
    pub key: Option<Vec<u8>>,
    /// What is wrong.
    pub what: String,
}

impl Damage {
    pub(crate) fn new(kind: DamageKind, file: &str, what: impl Into<String>) -> Damage {
        let file = file.to_owned();
        Damage { kind, file, offset: None, len: None, key: None, what: what.into() }
    }

    pub(crate) fn at(mut self, from: usize, to: usize) -> Damage {
        self.offset = Some(from as u64);
        self.len = Some(to.saturating_sub(from) as u64);
        self
    }

    pub(crate) fn key(mut self, key: Option<&[u8]>) -> Damage {
        self.key = key.map(<[u8]>::to_vec);
        self
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        match (self.offset, self.len) {
            (Some(at), Some(len)) if len > 0 => write!(f, ": offset {at}, {len} bytes")?,
            (Some(at), _) => write!(f, ": offset {at}")?,
            _ => {}
        }
        write!(f, ": {}", self.what)?;
        if let Some(key) = &self.key {
            let shown = key.len().min(64);
            let dots = if shown < key.len() { "…" } else { "" };
            write!(f, "; key \"{}{dots}\"", key[..shown].escape_ascii())?;
        }
        Ok(())
    }
}

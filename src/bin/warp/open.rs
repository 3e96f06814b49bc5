//! Opening the database for a command.

use crate::args::{Database, Global};
use crate::failure::Outcome;
use std::time::Duration;
use warp_engine::{Db, Options};

/// How long the tool waits for a database that another process has open. A person waits for a
/// command; the engine's own default is made for servers that restart.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// What a command does with the database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads: the directory must exist and is not written.
    Read,
    /// Changes a database that exists.
    Write,
    /// Changes a database, or makes one.
    Create,
}

/// The options for work on a database's files without opening it.
pub fn options(global: &Global) -> Outcome<Options> {
    let mut options = Options::new();
    options.open_timeout = OPEN_TIMEOUT;
    for (name, value) in &global.options {
        options.set(name, value)?;
    }
    Ok(options)
}

/// Opens the database. What `-o` says comes last and wins over what the command wants.
pub fn open(global: &Global, database: &Database, access: Access) -> Outcome<Db> {
    let mut options = Options::new();
    options.read_only = access == Access::Read;
    options.create_if_missing = access == Access::Create;
    options.open_timeout = OPEN_TIMEOUT;
    for (name, value) in &global.options {
        options.set(name, value)?;
    }
    Ok(Db::open(Some(&database.path), &options)?)
}

/// Runs `work` on the opened database and closes it. The error of the work is told rather than
/// the error of the close that follows from it.
pub fn with<T>(
    global: &Global,
    database: &Database,
    access: Access,
    work: impl FnOnce(&Db) -> Outcome<T>,
) -> Outcome<T> {
    let db = open(global, database, access)?;
    let done = work(&db)?;
    db.close()?;
    Ok(done)
}

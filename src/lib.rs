//! WarpEngine: an embedded, sharded, log-structured key-value engine.
//!
//! ```
//! use warp_engine::{Db, Options};
//!
//! let db = Db::open(None, &Options::new())?; // no path: in memory
//! db.put(b"planet", b"earth")?;
//! assert_eq!(db.get(b"planet")?.as_deref(), Some(&b"earth"[..]));
//! db.close()?;
//! # Ok::<(), warp_engine::Error>(())
//! ```
//!
//! The C ABI over it is in `ffi`, the design in `docs/architecture.md`, every byte on disk in
//! `docs/format.md`.

#![deny(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]
#![deny(clippy::undocumented_unsafe_blocks)]

mod batch;
mod check;
mod copy;
mod db;
mod engine;
mod epoch;
mod error;
#[doc(hidden)]
pub mod ffi;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod hash;
mod index;
mod iter;
#[cfg(feature = "lab")]
#[doc(hidden)]
pub mod lab;
mod limits;
mod log;
#[cfg(all(test, feature = "shuttle"))]
mod model;
mod options;
mod packed;
#[cfg(feature = "sabotage")]
#[doc(hidden)]
pub mod sabotage;
#[cfg(not(feature = "sabotage"))]
#[allow(dead_code)]
mod sabotage;
mod sync;
mod sys;
mod value;

pub use batch::Batch;
pub use check::{Damage, DamageKind, RepairReport, VerifyReport};
pub use db::{Changed, Db, Nowait, NowaitPinned, Temperature};
pub use engine::links::{Linked, Partner};
pub use engine::rules::Rule;
pub use engine::stats::Stats;
pub use error::{Error, ErrorKind, Result};
pub use iter::Iter;
pub use limits::{BATCH_BYTES_MAX, KEY_LEN_MAX, SHARDS_DEFAULT, SHARDS_MAX, VALUE_LEN_MAX};
pub use options::{Durability, Options, OPTION_NAMES};
pub use packed::{PackedOp, PackedOps, PACKED_DELETE, PACKED_PUT};
pub use value::Pinned;

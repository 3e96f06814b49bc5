//! The limits of the engine, each in one place, with the arithmetic that fixes it.

/// Longest key, in bytes: the record header stores the length in 16 bits.
pub const KEY_LEN_MAX: usize = 65_535;

/// Longest value, in bytes: 1 GiB.
pub const VALUE_LEN_MAX: usize = 1 << 30;

/// Largest number of shards of one database.
pub const SHARDS_MAX: usize = 1024;

/// Number of shards of a database that was created without saying.
pub const SHARDS_DEFAULT: usize = 24;

/// Largest batch, in bytes as stored in the log: every record of a batch must start below
/// 64 MiB in its segment, because the index addresses offsets in 23 bits of 8 bytes.
pub const BATCH_BYTES_MAX: usize = (64 << 20) - (64 << 10);

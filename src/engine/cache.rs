//! The value cache: records that were read from cold segments, within a number of bytes.
//!
//! Invariants:
//! 1. What is in the cache has been verified against its checksum. It is never wrong: a record is
//!    known by its segment's generation and its offset, and both are never used twice. So nothing
//!    is ever taken out because of a write; what nobody reads any more leaves by age.
//! 2. The bytes of records and of what the cache needs for them stay within the capacity, which
//!    `engine/memory.rs` sets.
//! 3. Gets and the look of a write at its key's old record fill the cache; iteration, compaction
//!    and backup do not look at it.
//!
//! The policy is that of `quick_cache`, of the CLOCK-Pro and S3-FIFO kin: what was read once makes
//! room for what was read twice, so one scan does not take what many reads have brought
//! (`docs/decisions/011-memory-limit.md`). Any thread may call this.

use super::cold::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::log::stored::{Stored, NOWAIT_MAX};
use crate::options::Options;
use quick_cache::sync::{Cache as Quick, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// What a cached record takes beside its bytes: the reference count, the fixed part of the record,
/// and what the allocator adds to both of its pieces.
const ENTRY_BYTES: usize = 96;
/// Records of this length are what the cache's tables are laid out for.
const RECORD_TYPICAL: u64 = 512;
/// Values below this are not compressed: there is nothing to gain.
const COMPRESS_MIN: usize = 256;

/// A record in the cache.
#[derive(Clone)]
enum Cached {
    Plain(Arc<Stored>),
    /// The record's bytes, compressed with LZ4, their length in front.
    Compressed(Arc<[u8]>),
}

/// How long the record is that was compressed into `bytes`.
fn plain_len(bytes: &[u8]) -> usize {
    bytes.first_chunk().map_or(0, |len| u32::from_le_bytes(*len) as usize)
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Place, Cached> for ByBytes {
    fn weight(&self, _: &Place, cached: &Cached) -> u64 {
        let bytes = match cached {
            Cached::Plain(record) => record.room(),
            Cached::Compressed(bytes) => bytes.len(),
        };
        // A sixteenth lies unused between the pieces, as measured.
        (bytes + bytes / 16 + ENTRY_BYTES) as u64
    }
}

/// The cache of one database.
pub(crate) struct Cache {
    records: Quick<Place, Cached, ByBytes>,
    compress: bool,
    least: u64,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Cache {
    /// An empty cache.
    pub(crate) fn new(options: &Options) -> Cache {
        let most = options.memory_limit / 2;
        let built = OptionsBuilder::new()
            .estimated_items_capacity((most / RECORD_TYPICAL) as usize)
            .weight_capacity(most)
            .build();
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let records = match built {
            Ok(built) => Quick::with_options(built, ByBytes, hasher, lifecycle),
            Err(_) => Quick::with_weighter(1, most, ByBytes),
        };
        let (compress, least) = (options.cache_compression, most / 64);
        Cache { records, compress, least, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// The record at a place. One that takes long to decompress is not there for those who must not
    /// wait.
    pub(crate) fn get(&self, place: Place, nowait: bool) -> Result<Option<Arc<Stored>>> {
        let Some(cached) = self.records.get(&place) else {
            self.misses.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        };
        self.hits.fetch_add(1, Ordering::Relaxed);
        match cached {
            Cached::Plain(record) => Ok(Some(record)),
            Cached::Compressed(bytes) if nowait && plain_len(&bytes) > NOWAIT_MAX => Ok(None),
            Cached::Compressed(bytes) => {
                let plain = lz4_flex::decompress_size_prepended(&bytes).ok();
                let record = plain.and_then(Stored::of_verified);
                record.map(|record| Some(Arc::new(record))).ok_or_else(|| {
                    Error::new(ErrorKind::Internal, "a record in the cache does not decompress")
                })
            }
        }
    }

    /// Takes a record in.
    pub(crate) fn put(&self, place: Place, record: &Arc<Stored>) {
        if record.bytes().len() as u64 > self.records.shard_capacity() {
            return;
        }
        let cached = match self.compress && record.value().len() >= COMPRESS_MIN {
            true => {
                let compressed = lz4_flex::compress_prepend_size(record.bytes());
                // An eighth must be gained, or it is not worth the work at each read.
                match compressed.len() < record.bytes().len() / 8 * 7 {
                    true => Cached::Compressed(compressed.into()),
                    false => Cached::Plain(record.clone()),
                }
            }
            false => Cached::Plain(record.clone()),
        };
        self.records.insert(place, cached);
    }

    /// Sets the most bytes that it may take, about: small changes are left out, and there is always
    /// a little. (The cache remembers keys that have left it, as many as its capacity says, and each
    /// change rounds that down.)
    pub(crate) fn set_capacity(&self, bytes: u64) {
        let (now, bytes) = (self.records.capacity(), bytes.max(self.least));
        if bytes < now - now / 16 || bytes > now + now / 8 {
            self.records.set_capacity(bytes);
        }
    }

    /// The most bytes that it may take.
    pub(crate) fn capacity(&self) -> u64 {
        self.records.capacity()
    }

    /// Bytes that it takes, its tables included.
    pub(crate) fn bytes(&self) -> u64 {
        self.records.weight() + self.records.memory_used().total() as u64
    }

    /// Records in it.
    pub(crate) fn len(&self) -> u64 {
        self.records.len() as u64
    }

    /// Lookups that found their record, and those that did not.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

//! A batch: puts and deletes that are written together, all or none, across all shards.
//!
//! A batch belongs to one thread at a time and may move between threads. It holds its operations
//! in the packed form of [`crate::packed`], so that writing it is the same path as writing a
//! buffer that another language built.

use crate::error::{Error, ErrorKind, Result};
use crate::packed::{check_lengths, PACKED_DELETE, PACKED_HEADER, PACKED_PUT};

/// An ordered list of puts and deletes. The last operation on a key wins.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    packed: Vec<u8>,
    count: usize,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a put.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.push(PACKED_PUT, key, value)
    }

    /// Adds a delete. Deleting a key that does not exist is not an error.
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.push(PACKED_DELETE, key, &[])
    }

    /// Number of operations.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no operation.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Removes every operation and keeps the memory.
    pub fn clear(&mut self) {
        self.packed.clear();
        self.count = 0;
    }

    /// The operations in the packed form.
    pub fn as_packed(&self) -> &[u8] {
        &self.packed
    }

    fn push(&mut self, kind: u8, key: &[u8], value: &[u8]) -> Result<()> {
        check_lengths(key.len(), value.len())?;
        let size = PACKED_HEADER + key.len() + value.len();
        self.packed.try_reserve(size).map_err(|_| {
            Error::new(ErrorKind::OutOfMemory, format!("no memory for {size} bytes of a batch"))
        })?;
        self.packed.push(kind);
        self.packed.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.packed.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.packed.extend_from_slice(key);
        self.packed.extend_from_slice(value);
        self.count += 1;
        Ok(())
    }
}

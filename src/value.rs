//! Pinned values: bytes that stay where they are, whatever happens to the key or the database.
//!
//! Invariant: the owner word keeps the bytes. It is a reference to the mapping of a segment or,
//! with its lowest bit set, to a record that was read from a cold segment.

use crate::log::stored::Stored;
use crate::sys::map::Mapping;
use std::sync::Arc;

/// Set in the owner word of a value that was read from a cold segment.
const STORED: usize = 1;
const _: () = assert!(align_of::<Mapping>() > STORED && align_of::<Stored>() > STORED);

/// A value that is not copied. It stays valid and unchanged while it is held, even past the close
/// of its database.
pub struct Pinned {
    data: *const u8,
    len: usize,
    owner: usize,
}

// SAFETY: immutable bytes plus a reference count that any thread may give up.
unsafe impl Send for Pinned {}
// SAFETY: as above.
unsafe impl Sync for Pinned {}

impl Pinned {
    /// A value that lies in the mapping of a segment.
    ///
    /// # Safety
    /// `value` lies in the mapping, in a complete record.
    #[inline]
    pub(crate) unsafe fn of_segment(value: &[u8], mapping: Arc<Mapping>) -> Pinned {
        let owner = Arc::into_raw(mapping) as usize;
        Pinned { data: value.as_ptr(), len: value.len(), owner }
    }

    /// The value of a record that was read.
    pub(crate) fn of_stored(record: Arc<Stored>) -> Pinned {
        let (data, len) = (record.value().as_ptr(), record.value().len());
        Pinned { data, len, owner: Arc::into_raw(record) as usize | STORED }
    }

    /// Takes the value apart for a foreign caller: address, length, owner word (never 0).
    pub fn into_raw(self) -> (*const u8, usize, usize) {
        let this = std::mem::ManuallyDrop::new(self);
        (this.data, this.len, this.owner)
    }

    /// Puts together what [`Pinned::into_raw`] took apart.
    ///
    /// # Safety
    /// The three come from one `into_raw`, and are given back at most once.
    pub unsafe fn from_raw(data: *const u8, len: usize, owner: usize) -> Self {
        Pinned { data, len, owner }
    }
}

impl std::ops::Deref for Pinned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the owner keeps the bytes, and nobody changes them.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl std::fmt::Debug for Pinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pinned({} bytes)", self.len)
    }
}

impl Drop for Pinned {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the owner word is a reference given to this value alone, of the kind that its
        // lowest bit says.
        unsafe {
            if self.owner & STORED == 0 {
                drop(Arc::from_raw(self.owner as *const Mapping));
            } else {
                drop(Arc::from_raw((self.owner & !STORED) as *const Stored));
            }
        }
    }
}

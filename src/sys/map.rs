//! Mapped memory: of a file, or anonymous.

use std::any::Any;
use std::io;

/// Size of a huge page.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// A range of memory that stays at its address until it is dropped.
///
/// The bytes are shared mutable memory: who may write where is the log's business. A mapping is
/// handed around by address, never as one big `&mut [u8]`.
pub(crate) struct Mapping {
    address: *mut u8,
    len: usize,
    writable: bool,
    /// What keeps the memory: a `memmap2` map, or the memory of a simulated file.
    _owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: the mapping is plain memory; access to it is synchronised by its users.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Wraps memory of `len` bytes at `address`, kept alive by `owner`.
    pub(crate) fn new(
        address: *mut u8,
        len: usize,
        writable: bool,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Self {
        Mapping { address, len, writable, _owner: owner }
    }

    /// Zeroed memory that belongs to no file.
    pub(crate) fn anonymous(len: usize) -> io::Result<Self> {
        let map = memmap2::MmapRaw::from(memmap2::MmapOptions::new().len(len).map_anon()?);
        Ok(Mapping::new(map.as_mut_ptr(), len, true, Box::new(map)))
    }

    /// The same mapping, which drops `more` when it has gone.
    pub(crate) fn keeping(self, more: Box<dyn Any + Send + Sync>) -> Self {
        let Mapping { address, len, writable, _owner } = self;
        Mapping { address, len, writable, _owner: Box::new((_owner, more)) }
    }

    pub(crate) fn address(&self) -> *mut u8 {
        self.address
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes the pages of a range present and writable ahead of their first touch. Only a hint:
    /// the first store does the same, slower.
    pub(crate) fn populate(&self, from: usize, to: usize) {
        #[cfg(target_os = "linux")]
        {
            const POPULATE_WRITE: libc::c_int = 23;
            let from = from & !4095;
            let to = to.min(self.len);
            if self.writable && from < to {
                // SAFETY: the range lies in this mapping.
                unsafe {
                    libc::madvise(self.address.add(from).cast(), to - from, POPULATE_WRITE);
                }
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (from, to);
    }

    /// Makes the pages that begin before `end` durable: what `fdatasync` does for the whole file.
    #[cfg(target_os = "linux")]
    pub(crate) fn sync_below(&self, end: usize) -> std::io::Result<()> {
        let len = end.next_multiple_of(4096).min(self.len);
        // SAFETY: the range lies in this mapping, which begins at a page.
        match unsafe { libc::msync(self.address.cast(), len, libc::MS_SYNC) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    /// Asks for single pages: without read-ahead, which brings them in larger and larger pieces.
    pub(crate) fn advise_small(&self) {
        #[cfg(target_os = "linux")]
        // SAFETY: the range is this mapping.
        unsafe {
            libc::madvise(self.address.cast(), self.len, libc::MADV_RANDOM);
        }
    }

    /// Asks for huge pages.
    pub(crate) fn advise_huge(&self) {
        #[cfg(target_os = "linux")]
        // SAFETY: the range is this mapping.
        unsafe {
            libc::madvise(self.address.cast(), self.len, libc::MADV_HUGEPAGE);
        }
    }
}

/// Has the kernel begin to read `len` bytes of mapped memory from their file, if the first of them
/// is not in memory. Returns at once; a hint.
pub(crate) fn will_need(address: *const u8, len: usize) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let page = address.wrapping_sub(address as usize % PAGE).cast_mut().cast();
        let mut resident = 0u8;
        // SAFETY: neither call touches the memory; a range that is not mapped is an error.
        unsafe {
            if libc::mincore(page, PAGE, &mut resident) == 0 && resident & 1 == 0 {
                fetch(address, len);
            }
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (address, len);
}

/// [`will_need`], whether the first byte is in memory or not.
pub(crate) fn fetch(address: *const u8, len: usize) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let before = address as usize % PAGE;
        let page = address.wrapping_sub(before).cast_mut().cast();
        // SAFETY: a hint; a range that is not mapped is an error.
        unsafe {
            libc::madvise(page, (before + len).next_multiple_of(PAGE), libc::MADV_WILLNEED);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (address, len);
}

/// Most bytes that [`is_resident`] can tell of.
pub(crate) const RESIDENT_MAX: usize = 256 << 10;

/// Whether `len` bytes of mapped memory, at most [`RESIDENT_MAX`], can be read without waiting for
/// their file, as far as the system says so.
pub(crate) fn is_resident(address: *const u8, len: usize) -> bool {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let before = address as usize % PAGE;
        let pages = (before + len).div_ceil(PAGE);
        let mut resident = [0u8; RESIDENT_MAX / PAGE + 1];
        let Some(resident) = resident.get_mut(..pages) else { return false };
        let page = address.wrapping_sub(before).cast_mut().cast();
        // SAFETY: the call does not touch the memory; a range that is not mapped is an error. The
        // vector has a byte for each page.
        let told = unsafe { libc::mincore(page, pages * PAGE, resident.as_mut_ptr()) } == 0;
        told && resident.iter().all(|r| r & 1 == 1)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (address, len);
        true
    }
}

impl std::fmt::Debug for Mapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mapping({:p}, {} bytes)", self.address, self.len)
    }
}

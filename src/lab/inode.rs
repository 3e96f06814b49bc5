//! A simulated file: what everybody sees now, and what the device would give back.
//!
//! Live bytes lie in memory that stays at its address, since the engine stores into mappings
//! without a call. Durable bytes are those of the last sync, and of sectors that the kernel wrote
//! back by itself. A power loss keeps, of each sector that differs, the one or the other, or the
//! beginning of the new one: a page that was written back while records were being appended to it.
//!
//! A failed sync leaves sectors *dropped*: the kernel takes their pages for clean, so no later sync
//! writes them, while everybody who reads sees the new bytes; until somebody writes there again, or
//! until the kernel needs the memory and forgets the page, after which all see the old bytes.

use super::random::Random;
use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error, Layout};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the device writes whole or not at all.
pub(crate) const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// Memory of a file, zeroed, at one address until it is dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    address: *mut u8,
    capacity: usize,
}

// SAFETY: plain memory; the lab runs an engine on one thread.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    fn new(capacity: usize) -> Arc<Buffer> {
        let capacity = capacity.next_multiple_of(PAGE).max(PAGE);
        let layout = Self::layout(capacity);
        // SAFETY: the layout has a size.
        let address = unsafe { alloc_zeroed(layout) };
        if address.is_null() {
            handle_alloc_error(layout);
        }
        Arc::new(Buffer { address, capacity })
    }

    fn layout(capacity: usize) -> Layout {
        Layout::from_size_align(capacity, PAGE).expect("a file fits the address space")
    }

    pub(crate) fn address(&self) -> *mut u8 {
        self.address
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.address, Self::layout(self.capacity)) };
    }
}

/// A file.
#[derive(Debug)]
pub(crate) struct Inode {
    live: Arc<Buffer>,
    len: usize,
    durable: Arc<Vec<u8>>,
    /// Sectors that a failed sync has dropped, as they were then: no later sync writes them while
    /// they stay so.
    dropped: BTreeMap<usize, Vec<u8>>,
    /// Whether somebody stores into it without calls.
    mapped: bool,
}

/// A file at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Still {
    live: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    dropped: BTreeMap<usize, Vec<u8>>,
    mapped: bool,
}

impl Inode {
    pub(crate) fn new() -> Inode {
        Inode {
            live: Buffer::new(0),
            len: 0,
            durable: Arc::default(),
            dropped: BTreeMap::new(),
            mapped: false,
        }
    }

    fn of_bytes(live: &[u8], durable: Arc<Vec<u8>>) -> Inode {
        let mut inode = Inode { durable, ..Inode::new() };
        inode.write(live, 0);
        inode
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The live bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` is within the capacity; the lab's one thread is here and not in a store.
        unsafe { std::slice::from_raw_parts(self.live.address, self.len) }
    }

    pub(crate) fn buffer(&mut self, writable: bool) -> Arc<Buffer> {
        self.mapped |= writable;
        self.live.clone()
    }

    /// Sets the length; new bytes are zero.
    pub(crate) fn set_len(&mut self, len: usize) {
        if len > self.live.capacity {
            assert_eq!(Arc::strong_count(&self.live), 1, "the simulated disk grows no mapped file");
            let old = std::mem::replace(&mut self.live, Buffer::new(len.max(2 * self.len)));
            // SAFETY: both are at least `self.len` long, and distinct.
            unsafe { std::ptr::copy_nonoverlapping(old.address, self.live.address, self.len) };
        }
        if len < self.len {
            // SAFETY: the range is within the capacity.
            unsafe { std::ptr::write_bytes(self.live.address.add(len), 0, self.len - len) };
        }
        self.len = len;
    }

    pub(crate) fn write(&mut self, bytes: &[u8], at: usize) {
        self.set_len(self.len.max(at + bytes.len()));
        let written = at / SECTOR..(at + bytes.len()).div_ceil(SECTOR);
        self.dropped.retain(|sector, _| !written.contains(sector));
        // SAFETY: `set_len` made room.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.live.address.add(at), bytes.len());
        }
    }

    /// All that is live becomes durable, but for what a failed sync has dropped.
    pub(crate) fn sync(&mut self) {
        let mut durable = self.bytes().to_vec();
        self.dropped.retain(|sector, content| {
            let range = sector * SECTOR..(sector * SECTOR + content.len()).min(durable.len());
            let stays = durable.get(range.clone()) == Some(&content[..]);
            if stays {
                let mut old = vec![0; range.len()];
                copy_overlap(&mut old, &self.durable, range.start);
                durable[range].copy_from_slice(&old);
            }
            stays
        });
        self.durable = Arc::new(durable);
    }

    /// [`Inode::sync`] of the pages that begin before `end` alone, and of the length.
    pub(crate) fn sync_below(&mut self, end: usize) {
        let rest = end.saturating_add(PAGE - 1).min(self.len) / PAGE * PAGE;
        let rest = if end >= self.len { self.len } else { rest };
        let mut beyond = vec![0; self.len - rest];
        copy_overlap(&mut beyond, &self.durable, rest);
        let dropped = self.dropped.clone().into_iter().filter(|(n, _)| n * SECTOR >= rest);
        let dropped: Vec<_> = dropped.collect();
        self.sync();
        Arc::make_mut(&mut self.durable)[rest..].copy_from_slice(&beyond);
        self.dropped.extend(dropped);
    }

    /// A sync that fails: some of it reached the device, the rest is dropped.
    pub(crate) fn fail_sync(&mut self, random: &mut Random) {
        self.write_back(random);
        let sectors = self.bytes().chunks(SECTOR).enumerate();
        let lost = sectors.filter(|(sector, content)| {
            self.durable.get(sector * SECTOR..sector * SECTOR + content.len()) != Some(*content)
        });
        let lost: Vec<_> = lost.map(|(sector, content)| (sector, content.to_vec())).collect();
        self.dropped.extend(lost);
    }

    /// The kernel writes some of it back by itself.
    pub(crate) fn write_back(&mut self, random: &mut Random) {
        let mut durable = (*self.durable).clone();
        if durable.len() != self.len && random.one_in(2) {
            durable.resize(self.len, 0);
        }
        let len = durable.len().min(self.len);
        for (sector, content) in self.bytes()[..len].chunks(SECTOR).enumerate() {
            let at = sector * SECTOR;
            if durable[at..at + content.len()] != *content
                && self.dropped.get(&sector).is_none_or(|dropped| dropped != content)
                && random.one_in(2)
            {
                durable[at..at + content.len()].copy_from_slice(content);
            }
        }
        self.durable = Arc::new(durable);
    }

    pub(crate) fn still(&self) -> Still {
        Still {
            live: Arc::new(self.bytes().to_vec()),
            durable: self.durable.clone(),
            dropped: self.dropped.clone(),
            mapped: self.mapped,
        }
    }
}

impl Still {
    /// The file after the death of a process: nothing is lost yet.
    pub(crate) fn after_kill(&self) -> Inode {
        let mut inode = Inode::of_bytes(&self.live, self.durable.clone());
        (inode.dropped, inode.mapped) = (self.dropped.clone(), self.mapped);
        inode
    }

    /// The same, and the kernel has forgotten some pages, or all, that it takes for clean.
    pub(crate) fn after_kill_and_eviction(&self, random: &mut Random) -> Inode {
        let mut inode = self.after_kill();
        let all = random.one_in(2);
        let is_dropped = |sector: &usize, content: &[u8]| {
            self.dropped.get(sector).is_some_and(|dropped| dropped == content)
        };
        for (page, new) in self.live.chunks(PAGE).enumerate() {
            let mut old = vec![0; new.len()];
            copy_overlap(&mut old, &self.durable, page * PAGE);
            let sectors = new.chunks(SECTOR).zip(old.chunks(SECTOR)).enumerate();
            let mut sectors = sectors.map(|(n, (new, old))| (page * PAGE / SECTOR + n, new, old));
            let is_clean = sectors.all(|(n, new, old)| new == old || is_dropped(&n, new));
            if is_clean && old != new && (all || random.one_in(2)) {
                inode.write(&old, page * PAGE);
            }
        }
        inode
    }

    /// The file after a power loss.
    pub(crate) fn after_power_loss(&self, random: &mut Random) -> Inode {
        let durable = &self.durable;
        let mut live = (*self.live).clone();
        // What the kernel takes for written it never writes.
        for (sector, content) in &self.dropped {
            let at = sector * SECTOR;
            let here = live.get_mut(at..at + content.len()).filter(|l| *l == &content[..]);
            if let Some(here) = here {
                here.fill(0);
                copy_overlap(here, durable, at);
            }
        }
        // Often all or nothing of a file; else a coin a sector or a page, more or less loaded.
        let keep = [0, 16, 8, 2, 14][random.below(5) as usize];
        let unit = if random.one_in(2) { SECTOR } else { PAGE };
        let len = if random.below(16) < keep { live.len() } else { durable.len() };
        let mut bytes = vec![0; len];
        for at in (0..len).step_by(unit) {
            let end = (at + unit).min(len);
            let (old, new) = (&mut vec![0; end - at], &mut vec![0; end - at]);
            copy_overlap(old, durable, at);
            copy_overlap(new, &live, at);
            if old == new || random.below(16) >= keep {
                bytes[at..end].copy_from_slice(old);
                continue;
            }
            let torn = self.mapped && at != 0 && random.one_in(4);
            let cut =
                if torn { random.below(new.len() as u64 / 8 + 1) as usize * 8 } else { new.len() };
            bytes[at..end].copy_from_slice(old);
            bytes[at..at + cut].copy_from_slice(&new[..cut]);
        }
        Inode::of_bytes(&bytes, Arc::new(bytes.clone()))
    }
}

/// Fills `to` with the bytes of `from` that begin at `at`, as far as there are any.
fn copy_overlap(to: &mut [u8], from: &[u8], at: usize) {
    let from = from.get(at..).unwrap_or_default();
    let n = from.len().min(to.len());
    to[..n].copy_from_slice(&from[..n]);
}

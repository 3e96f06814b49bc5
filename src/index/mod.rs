//! A shard's index: from a key's hash to the places of records that may have the key.
//!
//! 256 groups, chosen by hash bits; a group is a column of lines ([`line`]), eight entries each.
//! An entry's home line is `tag * lines >> 21`; when that is full the entry goes to the next line
//! of its group that has room, cyclically, and each line passed counts it.
//!
//! ```text
//!            group 0   group 1  …  group 255        group word: version << 32 | lines
//!   row 0  [ line    | line    | … | line   ]
//!   row 1  [ line    | line    | … | line   ]       a group grows by a fifth when its lines
//!   row 2  [ line    |         | … |        ]       are seven eighths full
//! ```
//!
//! So a key costs 9 to 12 bytes (up to 14 below a million keys, where groups are small and differ
//! more), and a lookup one cache miss, with a second one for the few per cent that overflow.
//!
//! Invariants:
//! 1. One writer at a time, under the shard's lock. Readers take no lock and write nothing.
//! 2. An entry is published with a release store after its record is complete.
//! 3. What a reader finds is right (it compares the key in the record). What it does *not* find
//!    is right if the group's version was even and the same before and after. The version is odd
//!    while entries move or overflow counts change; plain inserts, updates and removals of
//!    entries leave it alone, since each is one store.
//! 4. A key's group never changes, so a scan group by group meets each key once.
//! 5. The bits to place an entry anew are all in the entry and its group: growth reads no record.

pub(crate) mod entry;
pub(crate) mod line;
pub(crate) mod rows;

use crate::hash::{KeyHash, TAG_BITS};
use crate::sabotage::{self, Sabotage};
use crate::sync;
use crate::sync::atomic::{fence, AtomicU64, Ordering};
use crate::sys;
use entry::{tag_word, Entry, Location, LINE_BIT, TAG_MASK};
use line::{scan, Line, LINE_ENTRIES};
use rows::{RowArena, Rows, GROUPS, ROW_BYTES};
use std::cell::UnsafeCell;
use std::io;
use std::sync::Arc;

/// Entries that a line may hold on average before its group grows.
const LINE_LOAD_MAX: usize = 7;
const VERSION_STEP: u64 = 1 << 32;

/// The index of one shard.
pub(crate) struct Index {
    groups: Box<[AtomicU64; GROUPS]>,
    rows: Rows,
    /// What only the writer uses.
    writer: UnsafeCell<Writer>,
    arena: Arc<RowArena>,
}

struct Writer {
    counts: Box<[u32; GROUPS]>,
    /// Memory for rebuilds, kept to avoid allocating in them.
    image: Vec<[u64; LINE_ENTRIES]>,
    entries: Vec<Entry>,
}

// SAFETY: `writer` is touched only by `&self` methods whose contract is the shard's lock; all else
// is atomic.
unsafe impl Sync for Index {}

/// The place of an entry that [`Index::locate`] found. Good until the next change of the index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    line: usize,
    i: usize,
}

#[inline(always)]
fn lines_of(word: u64) -> usize {
    word as u32 as usize
}

#[inline(always)]
fn is_changing(word: u64) -> bool {
    word & VERSION_STEP != 0
}

/// The line of a group of `lines` in which the search for a tag begins.
#[inline(always)]
fn home(tag: u32, lines: usize) -> usize {
    ((u64::from(tag) * lines as u64) >> TAG_BITS) as usize
}

/// The little-endian words in `bytes`.
#[inline(always)]
pub(crate) fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let word = |b: &[u8]| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
    bytes.chunks_exact(8).map(word)
}

/// Where the first entry of `line` whose tag fits leads.
#[inline(always)]
fn first_in(line: &Line, hash: KeyHash) -> Option<Location> {
    let matches = scan(line, tag_word(hash)) & ((1 << LINE_ENTRIES) - 1);
    if matches == 0 {
        return None;
    }
    let i = matches.trailing_zeros() as usize;
    // SAFETY: some bit below LINE_ENTRIES is set.
    let word = unsafe { line.0.get_unchecked(i) }.load(Ordering::Acquire);
    Some(Entry(word).location())
}

impl Index {
    pub(crate) fn new(arena: Arc<RowArena>) -> Self {
        Index {
            groups: Box::new([const { AtomicU64::new(0) }; GROUPS]),
            rows: Rows::new(),
            writer: UnsafeCell::new(Writer {
                counts: Box::new([0; GROUPS]),
                image: Vec::new(),
                entries: Vec::new(),
            }),
            arena,
        }
    }

    /// Where the rows come from.
    pub(crate) fn arena(&self) -> &Arc<RowArena> {
        &self.arena
    }

    /// Bytes of memory that the index takes.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.len() * ROW_BYTES + GROUPS * 12
    }

    /// Starts loading the line in which the search for `hash` begins.
    #[inline(always)]
    pub(crate) fn prefetch(&self, hash: KeyHash) {
        let group = hash.group();
        let lines = lines_of(self.groups[group].load(Ordering::Acquire));
        if lines > 0 {
            // SAFETY: the group word names `lines` rows.
            let line = unsafe { self.rows.line(home(hash.tag(), lines), group) };
            sys::prefetch(std::ptr::from_ref(line).cast());
        }
    }

    /// Where the first entry in the home line whose tag fits leads: most likely to the key's
    /// record. A hit in it is a hit; that there is none, or that it leads elsewhere, says nothing,
    /// and takes a [`Index::search`]. An empty place leads to offset 0 of slot 0, where no record
    /// lies.
    #[inline(always)]
    pub(crate) fn first(&self, hash: KeyHash) -> Option<Location> {
        let group = hash.group();
        let lines = lines_of(self.groups[group].load(Ordering::Acquire));
        if lines == 0 {
            return None;
        }
        // SAFETY: the group word names `lines` rows.
        first_in(unsafe { self.rows.line(home(hash.tag(), lines), group) }, hash)
    }

    /// Starts loading the line after the home line, where a key is that found no room at home.
    pub(crate) fn prefetch_second(&self, hash: KeyHash) {
        if let Some(line) = self.second_line(hash) {
            sys::prefetch(std::ptr::from_ref(line).cast());
        }
    }

    /// [`Index::first`] in the line after the home line.
    pub(crate) fn second(&self, hash: KeyHash) -> Option<Location> {
        first_in(self.second_line(hash)?, hash)
    }

    fn second_line(&self, hash: KeyHash) -> Option<&Line> {
        let group = hash.group();
        let lines = lines_of(self.groups[group].load(Ordering::Acquire));
        // SAFETY: the row is below the number that the group word names.
        (lines > 1).then(|| unsafe { self.rows.line((home(hash.tag(), lines) + 1) % lines, group) })
    }

    /// The first entry in the home line whose tag fits, and where it leads: most likely the key's,
    /// if the key exists.
    #[inline(always)]
    pub(crate) fn candidate(&self, hash: KeyHash) -> Option<(Place, Location)> {
        let mut search = self.search(hash);
        search.left = 1;
        search.next()
    }

    /// Begins a search for places whose tag fits. No lock; see invariant 3 and [`Search::settled`].
    #[inline(always)]
    pub(crate) fn search(&self, hash: KeyHash) -> Search<'_> {
        let group = hash.group();
        let word = self.groups[group].load(Ordering::Acquire);
        let lines = lines_of(word);
        let mut search = Search {
            index: self,
            wanted: tag_word(hash),
            group,
            word,
            row: home(hash.tag(), lines),
            left: lines,
            matches: 0,
            line: &EMPTY_LINE,
        };
        if lines > 0 {
            search.scan();
        }
        search
    }

    /// The place whose record `is_key` accepts.
    ///
    /// # Safety
    /// The caller holds the shard's lock; so for every method from here on that says so.
    #[inline(always)]
    pub(crate) unsafe fn locate<E>(
        &self,
        hash: KeyHash,
        mut is_key: impl FnMut(Location) -> Result<bool, E>,
    ) -> Result<Option<Place>, E> {
        let mut search = self.search(hash);
        while let Some((place, location)) = search.next() {
            if is_key(location)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Makes room for one more key of this hash, so that the next [`Index::insert`] cannot fail.
    ///
    /// # Safety
    /// The caller holds the shard's lock.
    #[inline(always)]
    pub(crate) unsafe fn reserve(&self, hash: KeyHash) -> io::Result<()> {
        let group = hash.group();
        // SAFETY: the lock makes this the only writer.
        let writer = unsafe { &mut *self.writer.get() };
        let lines = lines_of(self.groups[group].load(Ordering::Relaxed));
        if writer.counts[group] as usize >= lines * LINE_LOAD_MAX {
            self.grow_group(writer, group, lines + (lines / 5).max(1))?;
        }
        Ok(())
    }

    /// Adds the entry of a key that is not in the index. [`Index::reserve`] came before.
    ///
    /// # Safety
    /// The caller holds the shard's lock, and the record at `at` is complete.
    #[inline(always)]
    pub(crate) unsafe fn insert(&self, hash: KeyHash, at: Location) {
        let group = hash.group();
        // SAFETY: the lock makes this the only writer.
        let writer = unsafe { &mut *self.writer.get() };
        let lines = lines_of(self.groups[group].load(Ordering::Relaxed));
        assert!((writer.counts[group] as usize) < lines * LINE_ENTRIES, "insert without reserve");
        writer.counts[group] += 1;
        let first = home(hash.tag(), lines);
        let mut row = first;
        loop {
            // SAFETY: `row` is below `lines` of the group word.
            let line = unsafe { self.rows.line(row, group) };
            if let Some(i) = free_place(line) {
                line.publish(i, Entry::new(hash, at));
                break;
            }
            row = if row + 1 == lines { 0 } else { row + 1 };
        }
        if row != first {
            self.count_overflow(group, first, row, lines, Line::overflow_add);
        }
    }

    /// Points the entry at `place` to `at`.
    ///
    /// # Safety
    /// The caller holds the shard's lock, `place` is of this hash and still good, and the record
    /// at `at` is complete.
    #[inline(always)]
    pub(crate) unsafe fn update(&self, hash: KeyHash, place: Place, at: Location) {
        // SAFETY: the place came from a search under the same lock.
        let line = unsafe { self.rows.line(place.line, hash.group()) };
        line.publish(place.i, Entry::new(hash, at));
    }

    /// Removes the entry at `place`.
    ///
    /// # Safety
    /// The caller holds the shard's lock, and `place` is of this hash and still good.
    pub(crate) unsafe fn remove(&self, hash: KeyHash, place: Place) {
        let group = hash.group();
        // SAFETY: the lock makes this the only writer.
        let writer = unsafe { &mut *self.writer.get() };
        let lines = lines_of(self.groups[group].load(Ordering::Relaxed));
        writer.counts[group] -= 1;
        // SAFETY: the place came from a search under the same lock.
        unsafe { self.rows.line(place.line, group) }.clear(place.i);
        let first = home(hash.tag(), lines);
        if place.line != first {
            self.count_overflow(group, first, place.line, lines, Line::overflow_sub);
        }
    }

    /// Changes the counts of the lines from `first` up to, not including, `last`.
    fn count_overflow(
        &self,
        group: usize,
        first: usize,
        last: usize,
        lines: usize,
        change: impl Fn(&Line),
    ) {
        self.changing(group, lines, || {
            let mut row = first;
            while row != last {
                // SAFETY: `row` is below `lines` of the group word.
                change(unsafe { self.rows.line(row, group) });
                row = if row + 1 == lines { 0 } else { row + 1 };
            }
        });
    }

    /// Runs `change` with the group's version odd, and leaves it with `lines` lines.
    fn changing(&self, group: usize, lines: usize, change: impl FnOnce()) {
        let word = self.groups[group].load(Ordering::Relaxed);
        self.groups[group].store(word.wrapping_add(VERSION_STEP), Ordering::Relaxed);
        fence(Ordering::Release);
        change();
        let version = word.wrapping_add(2 * VERSION_STEP) & !u64::from(u32::MAX);
        self.groups[group].store(version | lines as u64, Ordering::Release);
    }

    /// Lays a group out over `lines` lines.
    #[cold]
    fn grow_group(&self, writer: &mut Writer, group: usize, lines: usize) -> io::Result<()> {
        self.rows.grow(lines, &self.arena)?;
        let old_lines = lines_of(self.groups[group].load(Ordering::Relaxed));
        writer.entries.clear();
        for row in 0..old_lines {
            // SAFETY: rows below the group word's number exist.
            let line = unsafe { self.rows.line(row, group) };
            writer.entries.extend((0..LINE_ENTRIES).filter_map(|i| Entry::from_word(line.load(i))));
        }
        lay_out(&writer.entries, lines, &mut writer.image);
        self.changing(group, lines, || {
            for (row, words) in writer.image.iter().enumerate() {
                // SAFETY: `grow` made `lines` rows, and the image has as many.
                let line = unsafe { self.rows.line(row, group) };
                for (place, word) in line.0.iter().zip(words) {
                    place.store(*word, Ordering::Release);
                }
            }
        });
        Ok(())
    }

    /// The words of a group's lines, as they were at one moment as far as a key that existed all
    /// along is concerned: it is there, once. Takes no lock.
    pub(crate) fn snapshot_group(&self, group: usize, words: &mut Vec<u64>) {
        let mut attempt = 0;
        loop {
            let word = self.groups[group].load(Ordering::Acquire);
            words.clear();
            for row in 0..lines_of(word) {
                // SAFETY: rows below the group word's number exist.
                let line = unsafe { self.rows.line(row, group) };
                words.extend(line.0.iter().map(|w| w.load(Ordering::Acquire)));
            }
            fence(Ordering::Acquire);
            if self.groups[group].load(Ordering::Relaxed) == word && !is_changing(word) {
                return;
            }
            wait_for_writer(&mut attempt);
        }
    }

    /// Fills the empty groups from `first` on with the words of an image, little-endian, whole lines
    /// for each group. `None`: they are no groups of this index, as `is_valid` or a count tells; it
    /// is then to be thrown away. Else the number of entries.
    ///
    /// Lines of neighbouring groups lie side by side, so the groups are filled row by row: each
    /// write goes on where the last one ended.
    ///
    /// # Safety
    /// The caller holds the shard's lock, and nobody reads the index yet.
    pub(crate) unsafe fn load_groups(
        &self,
        first: usize,
        groups: &[&[u8]],
        is_valid: impl Fn(Location) -> bool,
    ) -> io::Result<Option<usize>> {
        // SAFETY: the lock makes this the only writer.
        let writer = unsafe { &mut *self.writer.get() };
        let mut total = 0;
        for (group, bytes) in (first..).zip(groups) {
            assert_eq!(writer.counts[group], 0, "the group is not empty");
            let (mut count, mut good) = (0, true);
            for entry in words_of(bytes).filter_map(Entry::from_word) {
                good &= is_valid(entry.location());
                count += 1;
            }
            let whole = bytes.len() % size_of::<Line>() == 0;
            if !good || !whole || count > bytes.len() / size_of::<Line>() * LINE_LOAD_MAX {
                return Ok(None);
            }
            writer.counts[group] = count as u32;
            total += count;
        }
        let lines = |bytes: &[u8]| bytes.len() / size_of::<Line>();
        let rows = groups.iter().map(|bytes| lines(bytes)).max().unwrap_or(0);
        self.rows.grow(rows, &self.arena)?;
        for row in 0..rows {
            for (group, bytes) in (first..).zip(groups).filter(|(_, bytes)| row < lines(bytes)) {
                // SAFETY: `grow` made the row.
                let line = unsafe { self.rows.line(row, group) };
                let words = words_of(&bytes[row * size_of::<Line>()..]);
                for (place, word) in line.0.iter().zip(words) {
                    // The group word publishes them all.
                    place.store(word, Ordering::Relaxed);
                }
            }
        }
        for (group, bytes) in (first..).zip(groups) {
            self.changing(group, lines(bytes), || {});
        }
        Ok(Some(total))
    }
}

/// A search for the places of one hash, from its home line on.
pub(crate) struct Search<'a> {
    index: &'a Index,
    wanted: u64,
    group: usize,
    /// The group word when the search began.
    word: u64,
    /// The line that is being looked at, and how many there are from it on.
    row: usize,
    left: usize,
    line: &'a Line,
    /// Places of the line that fit and were not yet returned.
    matches: u32,
}

static EMPTY_LINE: Line = Line([const { AtomicU64::new(0) }; LINE_ENTRIES]);

impl Search<'_> {
    /// The next place whose tag fits.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<(Place, Location)> {
        loop {
            while self.matches != 0 {
                let i = self.matches.trailing_zeros() as usize;
                self.matches &= self.matches - 1;
                // Pairs with the publication: the record is complete.
                let word = self.line.0[i].load(Ordering::Acquire) & !LINE_BIT;
                // It may be another word by now; then its tag tells. Empty places may fit too.
                if word & TAG_MASK == self.wanted && word != 0 {
                    return Some((Place { line: self.row, i }, Entry(word).location()));
                }
            }
            if self.left <= 1 || self.line.overflow() == 0 {
                return None;
            }
            self.go_on();
        }
    }

    /// Moves to the next line of the group.
    #[inline(always)]
    fn go_on(&mut self) {
        self.left -= 1;
        self.row = if self.row + 1 == lines_of(self.word) { 0 } else { self.row + 1 };
        self.scan();
    }

    #[inline(always)]
    fn scan(&mut self) {
        // SAFETY: the row is below the group word's number of lines.
        self.line = unsafe { self.index.rows.line(self.row, self.group) };
        self.matches = scan(self.line, self.wanted) & ((1 << LINE_ENTRIES) - 1);
    }

    /// Whether a search that found nothing may be believed. If not, begin again.
    #[inline(always)]
    pub(crate) fn settled(&self, attempt: &mut u32) -> bool {
        if sabotage::is(Sabotage::UnsettledSearch) {
            return true;
        }
        fence(Ordering::Acquire);
        let now = self.index.groups[self.group].load(Ordering::Relaxed);
        let settled = now == self.word && !is_changing(now);
        if !settled {
            wait_for_writer(attempt);
        }
        settled
    }
}

#[inline(always)]
fn free_place(line: &Line) -> Option<usize> {
    (0..LINE_ENTRIES).find(|i| Entry::from_word(line.load(*i)).is_none())
}

/// Lays `entries` out over `lines` lines, counts included.
fn lay_out(entries: &[Entry], lines: usize, image: &mut Vec<[u64; LINE_ENTRIES]>) {
    image.clear();
    image.resize(lines, [0; LINE_ENTRIES]);
    let is_free = |word: &u64| word & !LINE_BIT == 0;
    for entry in entries {
        let mut row = home(entry.tag(), lines);
        loop {
            if let Some(place) = image[row].iter_mut().find(|w| is_free(w)) {
                *place |= entry.0;
                break;
            }
            count_passing(&mut image[row]);
            row = if row + 1 == lines { 0 } else { row + 1 };
        }
    }
}

/// The words of a group whose entries no search would find: a line on the way from the entry's home
/// says that nothing lies beyond it.
pub(crate) fn misplaced(words: &[u64]) -> Vec<usize> {
    let lines = words.len() / LINE_ENTRIES;
    let ends = |row: usize| {
        words[row * LINE_ENTRIES..][..LINE_ENTRIES].iter().all(|word| word & LINE_BIT == 0)
    };
    let is_misplaced = |i: usize, entry: Entry| {
        let (mut row, last) = (home(entry.tag(), lines), i / LINE_ENTRIES);
        while row != last && !ends(row) {
            row = if row + 1 == lines { 0 } else { row + 1 };
        }
        row != last
    };
    let entries = words.iter().enumerate().filter_map(|(i, w)| Some((i, Entry::from_word(*w)?)));
    entries.filter(|(i, entry)| is_misplaced(*i, *entry)).map(|(i, _)| i).collect()
}

/// Adds one to the number in the top bits of a line's words, unless it sticks at its maximum.
fn count_passing(words: &mut [u64; LINE_ENTRIES]) {
    if words.iter().all(|w| w & LINE_BIT != 0) {
        return;
    }
    for word in words {
        *word ^= LINE_BIT;
        if *word & LINE_BIT != 0 {
            return;
        }
    }
}

/// Between two attempts of a reader that met a change: the writer needs microseconds, unless the
/// system has taken its core.
#[cold]
fn wait_for_writer(attempt: &mut u32) {
    *attempt += 1;
    if *attempt < 64 {
        match cfg!(feature = "shuttle") {
            true => sync::yield_now(),
            false => std::hint::spin_loop(),
        }
    } else {
        sync::yield_now();
    }
}

#[cfg(test)]
mod tests;

//! LMDB through its C interface, declared here.
//!
//! `process`: a writable map and no syncs: a commit is stores into the page cache. `device`: the
//! defaults, where each commit writes and syncs. Readers keep a read transaction for at most
//! [`READS`] gets or until they write, then renew it.

use crate::store::{Each, Kind, Level, Pair, Result, Session, Setup, Store};
use std::ffi::{c_char, c_int, c_uint, c_void, CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::ptr::{null, null_mut};

pub const KIND: Kind =
    Kind { name: "lmdb", levels: &[Level::Process, Level::Device], describe, open };

/// Gets for which a snapshot is kept. One a get would be unfair to stores that have to be asked for
/// one, and keeping it for good would hide what other threads write.
pub const READS: u32 = 100;

fn describe() -> String {
    // SAFETY: NULL is allowed for each; the text is static.
    let version = unsafe { CStr::from_ptr(c::mdb_version(null_mut(), null_mut(), null_mut())) };
    format!(
        "{}, Debian's; process: MDB_WRITEMAP and MDB_NOSYNC; device: default flags; \
         MDB_NOTLS, read transactions renewed every {READS} gets and after a write",
        version.to_string_lossy()
    )
}

mod c {
    use super::*;

    #[repr(C)]
    pub struct Val {
        pub len: usize,
        pub data: *const c_void,
    }

    #[repr(C)]
    #[derive(Default)]
    pub struct Stat {
        pub page_size: c_uint,
        pub depth: c_uint,
        pub branch_pages: usize,
        pub leaf_pages: usize,
        pub overflow_pages: usize,
        pub entries: usize,
    }

    pub const WRITEMAP: c_uint = 0x80000;
    pub const NOSYNC: c_uint = 0x10000;
    pub const NOTLS: c_uint = 0x200000;
    pub const RDONLY: c_uint = 0x20000;
    pub const NOTFOUND: c_int = -30798;
    pub const FIRST: c_int = 0;
    pub const NEXT: c_int = 8;
    pub const SET_RANGE: c_int = 17;

    extern "C" {
        pub fn mdb_version(a: *mut c_int, b: *mut c_int, c: *mut c_int) -> *const c_char;
        pub fn mdb_strerror(code: c_int) -> *const c_char;
        pub fn mdb_env_create(env: *mut *mut c_void) -> c_int;
        pub fn mdb_env_set_mapsize(env: *mut c_void, size: usize) -> c_int;
        pub fn mdb_env_open(
            env: *mut c_void,
            path: *const c_char,
            flags: c_uint,
            mode: c_uint,
        ) -> c_int;
        pub fn mdb_env_sync(env: *mut c_void, force: c_int) -> c_int;
        pub fn mdb_env_close(env: *mut c_void);
        pub fn mdb_txn_begin(
            env: *mut c_void,
            parent: *mut c_void,
            flags: c_uint,
            txn: *mut *mut c_void,
        ) -> c_int;
        pub fn mdb_txn_commit(txn: *mut c_void) -> c_int;
        pub fn mdb_txn_abort(txn: *mut c_void);
        pub fn mdb_txn_reset(txn: *mut c_void);
        pub fn mdb_txn_renew(txn: *mut c_void) -> c_int;
        pub fn mdb_dbi_open(
            txn: *mut c_void,
            name: *const c_char,
            flags: c_uint,
            dbi: *mut c_uint,
        ) -> c_int;
        pub fn mdb_put(
            txn: *mut c_void,
            dbi: c_uint,
            key: *mut Val,
            value: *mut Val,
            flags: c_uint,
        ) -> c_int;
        pub fn mdb_get(txn: *mut c_void, dbi: c_uint, key: *mut Val, value: *mut Val) -> c_int;
        pub fn mdb_del(txn: *mut c_void, dbi: c_uint, key: *mut Val, value: *mut Val) -> c_int;
        pub fn mdb_stat(txn: *mut c_void, dbi: c_uint, stat: *mut Stat) -> c_int;
        pub fn mdb_cursor_open(txn: *mut c_void, dbi: c_uint, cursor: *mut *mut c_void) -> c_int;
        pub fn mdb_cursor_get(
            cursor: *mut c_void,
            key: *mut Val,
            value: *mut Val,
            operation: c_int,
        ) -> c_int;
        pub fn mdb_cursor_close(cursor: *mut c_void);
    }
}

fn check(code: c_int) -> Result<()> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the text of a code is static, or that of strerror.
    let text = unsafe { CStr::from_ptr(c::mdb_strerror(code)) };
    Err(format!("LMDB: {}", text.to_string_lossy()).into())
}

fn val(bytes: &[u8]) -> c::Val {
    c::Val { len: bytes.len(), data: bytes.as_ptr().cast() }
}

/// # Safety
/// `val` is one that LMDB filled in, its transaction still open for `'a`.
unsafe fn bytes<'a>(val: &c::Val) -> &'a [u8] {
    std::slice::from_raw_parts(val.data.cast(), val.len)
}

struct Lmdb {
    env: *mut c_void,
    dbi: c_uint,
}

// SAFETY: an environment may be used from any number of threads.
unsafe impl Send for Lmdb {}
// SAFETY: as above.
unsafe impl Sync for Lmdb {}

fn open(setup: &Setup) -> Result<Box<dyn Store>> {
    let flags = c::NOTLS
        | match setup.level {
            Level::Device => 0,
            _ => c::WRITEMAP | c::NOSYNC,
        };
    // The file is sparse; what is never used costs addresses alone.
    let size = (4 << 30) + 6 * setup.keys as usize * (setup.value_len + 64);
    let path = CString::new(setup.dir.as_os_str().as_bytes())?;
    let (mut env, mut txn, mut dbi) = (null_mut(), null_mut(), 0);
    // SAFETY: handles and texts live as long as the calls.
    unsafe {
        check(c::mdb_env_create(&mut env))?;
        check(c::mdb_env_set_mapsize(env, size.next_multiple_of(1 << 20)))?;
        check(c::mdb_env_open(env, path.as_ptr(), flags, 0o644))?;
        check(c::mdb_txn_begin(env, null_mut(), 0, &mut txn))?;
        check(c::mdb_dbi_open(txn, null(), 0, &mut dbi))?;
        check(c::mdb_txn_commit(txn))?;
    }
    Ok(Box::new(Lmdb { env, dbi }))
}

impl Store for Lmdb {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Txns { db: self, reader: null_mut(), reads_left: 0 })
    }

    fn close(self: Box<Self>) -> Result<()> {
        // SAFETY: no transaction is left, and the handle is given up.
        unsafe {
            let synced = check(c::mdb_env_sync(self.env, 1));
            c::mdb_env_close(self.env);
            synced
        }
    }
}

struct Txns<'a> {
    db: &'a Lmdb,
    /// A read transaction, or NULL before the first read.
    reader: *mut c_void,
    /// Gets until it is renewed; 0 means that it is reset.
    reads_left: u32,
}

impl Drop for Txns<'_> {
    fn drop(&mut self) {
        if !self.reader.is_null() {
            // SAFETY: the session's own.
            unsafe { c::mdb_txn_abort(self.reader) }
        }
    }
}

impl Txns<'_> {
    fn reader(&mut self) -> Result<*mut c_void> {
        // SAFETY: the transaction is this session's, reset before it is renewed.
        unsafe {
            if self.reader.is_null() {
                check(c::mdb_txn_begin(self.db.env, null_mut(), c::RDONLY, &mut self.reader))?;
                self.reads_left = READS;
            } else if self.reads_left == 0 {
                check(c::mdb_txn_renew(self.reader))?;
                self.reads_left = READS;
            }
        }
        Ok(self.reader)
    }

    fn release(&mut self) {
        if self.reads_left > 0 {
            // SAFETY: the session's own, and active.
            unsafe { c::mdb_txn_reset(self.reader) }
            self.reads_left = 0;
        }
    }

    fn write(&mut self, body: impl FnOnce(*mut c_void) -> Result<()>) -> Result<()> {
        self.release();
        let mut txn = null_mut();
        // SAFETY: the transaction ends here, one way or the other.
        unsafe {
            check(c::mdb_txn_begin(self.db.env, null_mut(), 0, &mut txn))?;
            if let Err(error) = body(txn) {
                c::mdb_txn_abort(txn);
                return Err(error);
            }
            check(c::mdb_txn_commit(txn))
        }
    }

    fn scan(&mut self, from: Option<&[u8]>, each: Each) -> Result<()> {
        self.release();
        let txn = self.reader()?;
        let mut cursor = null_mut();
        let (mut key, mut value) = (val(from.unwrap_or(&[])), val(&[]));
        let mut operation = if from.is_some() { c::SET_RANGE } else { c::FIRST };
        // SAFETY: what a cursor returns holds as long as its transaction.
        unsafe {
            check(c::mdb_cursor_open(txn, self.db.dbi, &mut cursor))?;
            let ended = loop {
                match c::mdb_cursor_get(cursor, &mut key, &mut value, operation) {
                    0 if each(bytes(&key), bytes(&value)) => operation = c::NEXT,
                    0 | c::NOTFOUND => break Ok(()),
                    code => break check(code),
                }
            };
            c::mdb_cursor_close(cursor);
            self.release();
            ended
        }
    }
}

impl Session for Txns<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let dbi = self.db.dbi;
        // SAFETY: an open transaction and valid slices.
        self.write(|txn| check(unsafe { c::mdb_put(txn, dbi, &mut val(key), &mut val(value), 0) }))
    }

    fn get(&mut self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        let txn = self.reader()?;
        let mut value = val(&[]);
        // SAFETY: the value is copied while its transaction is open.
        let found = unsafe {
            match c::mdb_get(txn, self.db.dbi, &mut val(key), &mut value) {
                c::NOTFOUND => None,
                code => {
                    check(code)?;
                    buf[..value.len].copy_from_slice(bytes(&value));
                    Some(value.len)
                }
            }
        };
        if self.reads_left == 1 {
            self.release();
        } else {
            self.reads_left -= 1;
        }
        Ok(found)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        let dbi = self.db.dbi;
        // SAFETY: an open transaction and a valid slice.
        self.write(|txn| match unsafe { c::mdb_del(txn, dbi, &mut val(key), null_mut()) } {
            c::NOTFOUND => Ok(()),
            code => check(code),
        })
    }

    fn batch(&mut self, pairs: &[Pair]) -> Result<()> {
        let dbi = self.db.dbi;
        self.write(|txn| {
            pairs.iter().try_for_each(|Pair { key, value }| {
                // SAFETY: an open transaction and valid slices.
                match unsafe {
                    match value {
                        Some(value) => c::mdb_put(txn, dbi, &mut val(key), &mut val(value), 0),
                        None => c::mdb_del(txn, dbi, &mut val(key), null_mut()),
                    }
                } {
                    c::NOTFOUND if value.is_none() => Ok(()),
                    code => check(code),
                }
            })
        })
    }

    fn iterate(&mut self, each: Each) -> Result<()> {
        self.scan(None, each)
    }

    fn range(&mut self, from: &[u8], each: Each) -> Result<bool> {
        self.scan(Some(from), each).map(|()| true)
    }

    fn len(&mut self) -> Result<Option<u64>> {
        let txn = self.reader()?;
        let mut stat = c::Stat::default();
        // SAFETY: an open transaction.
        check(unsafe { c::mdb_stat(txn, self.db.dbi, &mut stat) })?;
        self.release();
        Ok(Some(stat.entries as u64))
    }
}

//! WarpEngine through its C ABI, as any C program calls it.

use crate::store::{Each, Kind, Level, Pair, Result, Session, Setup, Store};
use std::ffi::{c_char, c_void, CStr, CString};
use std::os::unix::ffi::OsStrExt;

pub const KIND: Kind =
    Kind { name: "warp", levels: &[Level::None, Level::Process, Level::Device], describe, open };

fn describe() -> String {
    // SAFETY: a text that lives as long as the library.
    let version = unsafe { CStr::from_ptr(c::warp_version()) }.to_string_lossy();
    format!("WarpEngine {version}, C ABI, default options but `durability` (none, process, sync)")
}

/// The functions of `include/warp_engine.h` that are used here.
mod c {
    use super::*;

    #[repr(C)]
    pub struct Slice {
        pub data: *const u8,
        pub len: usize,
    }

    /// `warp_value`: two fields to read and two that the engine keeps.
    #[repr(C)]
    pub struct Value {
        pub data: *const u8,
        pub len: usize,
        pub private: [usize; 2],
    }

    extern "C" {
        pub fn warp_version() -> *const c_char;
        pub fn warp_last_error() -> *const c_char;
        pub fn warp_options_new() -> *mut c_void;
        pub fn warp_options_free(options: *mut c_void);
        pub fn warp_options_set(o: *mut c_void, name: *const c_char, value: *const c_char) -> i32;
        pub fn warp_open(path: *const c_char, options: *const c_void, db: *mut *mut c_void) -> i32;
        pub fn warp_close(db: *mut c_void) -> i32;
        pub fn warp_put(
            db: *mut c_void,
            key: *const u8,
            key_len: usize,
            value: *const u8,
            value_len: usize,
        ) -> i32;
        pub fn warp_get(
            db: *mut c_void,
            key: *const u8,
            key_len: usize,
            buf: *mut u8,
            buf_len: usize,
            value_len: *mut usize,
        ) -> i32;
        pub fn warp_delete(db: *mut c_void, key: *const u8, key_len: usize) -> i32;
        pub fn warp_multi_get(
            db: *mut c_void,
            n: usize,
            keys: *const Slice,
            values: *mut Value,
            statuses: *mut i32,
        ) -> i32;
        pub fn warp_value_release(value: *mut Value);
        pub fn warp_batch_new() -> *mut c_void;
        pub fn warp_batch_free(batch: *mut c_void);
        pub fn warp_batch_clear(batch: *mut c_void);
        pub fn warp_batch_put(
            batch: *mut c_void,
            key: *const u8,
            key_len: usize,
            value: *const u8,
            value_len: usize,
        ) -> i32;
        pub fn warp_batch_delete(batch: *mut c_void, key: *const u8, key_len: usize) -> i32;
        pub fn warp_write(db: *mut c_void, batch: *const c_void) -> i32;
        pub fn warp_iter_new(
            db: *mut c_void,
            prefix: *const u8,
            prefix_len: usize,
            out: *mut *mut c_void,
        ) -> i32;
        pub fn warp_iter_next(iter: *mut c_void, key: *mut Slice, value: *mut Slice) -> i32;
        pub fn warp_iter_free(iter: *mut c_void);
        pub fn warp_stats(db: *mut c_void, out: *mut u64) -> i32;
        pub fn warp_compact(db: *mut c_void) -> i32;
    }
}

/// The status if it is an answer, the text if it is an error.
fn check(status: i32) -> Result<i32> {
    if status >= 0 {
        return Ok(status);
    }
    // SAFETY: never NULL, valid until the next failing call of this thread.
    Err(unsafe { CStr::from_ptr(c::warp_last_error()) }.to_string_lossy().into_owned().into())
}

struct Warp(*mut c_void);

// SAFETY: a handle may be used from any number of threads.
unsafe impl Send for Warp {}
// SAFETY: as above.
unsafe impl Sync for Warp {}

fn open(setup: &Setup) -> Result<Box<dyn Store>> {
    let durability = match setup.level {
        Level::None => c"none",
        Level::Process => c"process",
        Level::Device => c"sync",
    };
    let path = CString::new(setup.dir.join("warp").as_os_str().as_bytes())?;
    let mut db = std::ptr::null_mut();
    // SAFETY: handles and texts live as long as the calls.
    unsafe {
        let options = c::warp_options_new();
        let opened =
            check(c::warp_options_set(options, c"durability".as_ptr(), durability.as_ptr()))
                .and_then(|_| check(c::warp_open(path.as_ptr(), options, &mut db)));
        c::warp_options_free(options);
        opened?;
    }
    Ok(Box::new(Warp(db)))
}

impl Store for Warp {
    fn session(&self) -> Box<dyn Session + '_> {
        // SAFETY: the batch is freed with the session.
        Box::new(Calls { db: self.0, batch: unsafe { c::warp_batch_new() } })
    }

    fn close(self: Box<Self>) -> Result<()> {
        // SAFETY: the handle is given up.
        check(unsafe { c::warp_close(self.0) }).map(drop)
    }

    fn compact(&mut self) -> Result<bool> {
        // SAFETY: an open handle.
        check(unsafe { c::warp_compact(self.0) }).map(|_| true)
    }
}

struct Calls {
    db: *mut c_void,
    batch: *mut c_void,
}

impl Drop for Calls {
    fn drop(&mut self) {
        // SAFETY: the session's own.
        unsafe { c::warp_batch_free(self.batch) }
    }
}

impl Session for Calls {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        // SAFETY: open handle, valid slices.
        let status =
            unsafe { c::warp_put(self.db, key.as_ptr(), key.len(), value.as_ptr(), value.len()) };
        check(status).map(drop)
    }

    fn get(&mut self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        let mut len = 0;
        // SAFETY: open handle, valid slices.
        let status = unsafe {
            let to = buf.as_mut_ptr();
            c::warp_get(self.db, key.as_ptr(), key.len(), to, buf.len(), &mut len)
        };
        Ok((check(status)? == 0).then_some(len))
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        // SAFETY: open handle, valid slice.
        check(unsafe { c::warp_delete(self.db, key.as_ptr(), key.len()) }).map(drop)
    }

    fn batch(&mut self, pairs: &[Pair]) -> Result<()> {
        // SAFETY: open handles, valid slices.
        unsafe {
            c::warp_batch_clear(self.batch);
            for Pair { key, value } in pairs {
                let (batch, key_at, key_len) = (self.batch, key.as_ptr(), key.len());
                check(match value {
                    Some(v) => c::warp_batch_put(batch, key_at, key_len, v.as_ptr(), v.len()),
                    None => c::warp_batch_delete(batch, key_at, key_len),
                })?;
            }
            check(c::warp_write(self.db, self.batch)).map(drop)
        }
    }

    fn multi_get(&mut self, keys: &[&[u8]], each: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        let slices: Vec<c::Slice> =
            keys.iter().map(|key| c::Slice { data: key.as_ptr(), len: key.len() }).collect();
        let none = || c::Value { data: std::ptr::null(), len: 0, private: [0; 2] };
        let mut values: Vec<c::Value> = keys.iter().map(|_| none()).collect();
        let mut statuses = vec![0; keys.len()];
        // SAFETY: the arrays have one element for each key; values are read before their release.
        unsafe {
            let (to, said) = (values.as_mut_ptr(), statuses.as_mut_ptr());
            check(c::warp_multi_get(self.db, keys.len(), slices.as_ptr(), to, said))?;
            for (i, value) in values.iter_mut().enumerate() {
                if check(statuses[i])? != 0 {
                    return Err("a key of a multi-get is missing".into());
                }
                each(i, std::slice::from_raw_parts(value.data, value.len));
                c::warp_value_release(value);
            }
        }
        Ok(())
    }

    fn iterate(&mut self, each: Each) -> Result<()> {
        let none = || c::Slice { data: std::ptr::null(), len: 0 };
        let (mut key, mut value) = (none(), none());
        let mut iter = std::ptr::null_mut();
        // SAFETY: slices hold until the next call on the iterator, which is freed at the end.
        unsafe {
            check(c::warp_iter_new(self.db, std::ptr::null(), 0, &mut iter))?;
            let ended = loop {
                match check(c::warp_iter_next(iter, &mut key, &mut value)) {
                    Ok(0) => {
                        let key = std::slice::from_raw_parts(key.data, key.len);
                        if !each(key, std::slice::from_raw_parts(value.data, value.len)) {
                            break Ok(());
                        }
                    }
                    Ok(_) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            c::warp_iter_free(iter);
            ended
        }
    }

    fn len(&mut self) -> Result<Option<u64>> {
        // The struct's size, then the number of keys; nothing is written past that size.
        let mut stats = [16, 0];
        // SAFETY: two fields are all that is asked for.
        check(unsafe { c::warp_stats(self.db, stats.as_mut_ptr()) })?;
        Ok(Some(stats[1]))
    }
}

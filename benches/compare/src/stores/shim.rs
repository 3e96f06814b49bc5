//! What RocksDB and Tkrzw have in common: a C++ shim with the same few functions (`shim/`).

use crate::store::{Each, Pair, Result, Session};
use std::ffi::{c_char, c_void, CStr};

/// `shim_pair`.
#[repr(C)]
pub struct RawPair {
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
}

/// `shim_each`.
pub type RawEach = unsafe extern "C" fn(*mut c_void, *const u8, usize, *const u8, usize) -> bool;
pub type Scan = unsafe extern "C" fn(*mut c_void, *const u8, usize, *mut c_void, RawEach) -> i64;
pub type MultiGet =
    unsafe extern "C" fn(*mut c_void, *const RawPair, usize, *mut c_void, RawEach) -> i64;

/// The functions of one shim.
pub struct Calls {
    pub error: unsafe extern "C" fn() -> *const c_char,
    pub put: unsafe extern "C" fn(*mut c_void, *const u8, usize, *const u8, usize) -> i64,
    pub delete: unsafe extern "C" fn(*mut c_void, *const u8, usize) -> i64,
    pub batch: unsafe extern "C" fn(*mut c_void, *const RawPair, usize) -> i64,
    pub get: unsafe extern "C" fn(*mut c_void, *const u8, usize, *mut u8, usize) -> i64,
    /// In order of keys.
    pub scan: Option<Scan>,
    /// In any order.
    pub each: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, RawEach) -> i64>,
    pub multi_get: Option<MultiGet>,
    pub len: Option<unsafe extern "C" fn(*mut c_void) -> i64>,
}

impl Calls {
    /// The number, the answer "not found" as `None`, or the text of the failure.
    pub fn check(&self, result: i64) -> Result<Option<usize>> {
        match result {
            -1 => Ok(None),
            0.. => Ok(Some(result as usize)),
            // SAFETY: a terminated text, valid until this thread's next failure.
            _ => {
                Err(unsafe { CStr::from_ptr((self.error)()) }.to_string_lossy().into_owned().into())
            }
        }
    }
}

/// A session: the handle and its functions.
pub struct Shim {
    pub at: *mut c_void,
    pub calls: &'static Calls,
}

/// Calls the closure behind `context`, which is a pointer to an [`Each`].
unsafe extern "C" fn call_each(
    context: *mut c_void,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
) -> bool {
    // SAFETY: the callers below pass an `Each` that outlives the call, and the shim valid slices.
    unsafe {
        let each = &mut *context.cast::<Each>();
        each(std::slice::from_raw_parts(key, key_len), slice(value, value_len))
    }
}

/// # Safety
/// `data` has `len` bytes, or `len` is 0.
unsafe fn slice<'a>(data: *const u8, len: usize) -> &'a [u8] {
    if len == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, len)
    }
}

fn raw(pairs: impl Iterator<Item = (*const u8, usize, *const u8, usize)>) -> Vec<RawPair> {
    pairs
        .map(|(key, key_len, value, value_len)| RawPair { key, key_len, value, value_len })
        .collect()
}

impl Session for Shim {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let (value_at, value_len) = (value.as_ptr(), value.len());
        // SAFETY: open handle, valid slices.
        let put =
            unsafe { (self.calls.put)(self.at, key.as_ptr(), key.len(), value_at, value_len) };
        self.calls.check(put).map(drop)
    }

    fn get(&mut self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        let (to, room) = (buf.as_mut_ptr(), buf.len());
        // SAFETY: open handle, valid slices.
        self.calls.check(unsafe { (self.calls.get)(self.at, key.as_ptr(), key.len(), to, room) })
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        // SAFETY: open handle, valid slice.
        let deleted = unsafe { (self.calls.delete)(self.at, key.as_ptr(), key.len()) };
        self.calls.check(deleted).map(drop)
    }

    fn batch(&mut self, pairs: &[Pair]) -> Result<()> {
        // The shims take a NULL for a delete.
        let raw = raw(pairs.iter().map(|Pair { key, value }| {
            let (value_at, value_len) =
                value.as_ref().map_or((std::ptr::null(), 0), |v| (v.as_ptr(), v.len()));
            (key.as_ptr(), key.len(), value_at, value_len)
        }));
        // SAFETY: open handle; the pairs outlive the call.
        let written = unsafe { (self.calls.batch)(self.at, raw.as_ptr(), raw.len()) };
        self.calls.check(written).map(drop)
    }

    fn multi_get(&mut self, keys: &[&[u8]], each: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        let Some(multi_get) = self.calls.multi_get else {
            let mut buf = vec![0; crate::workload::VALUE_MAX];
            for (i, key) in keys.iter().enumerate() {
                let len = self.get(key, &mut buf)?.ok_or("a key of a multi-get is missing")?;
                each(i, &buf[..len]);
            }
            return Ok(());
        };
        let raw = raw(keys.iter().map(|k| (k.as_ptr(), k.len(), std::ptr::null(), 0)));
        let mut i = 0;
        let mut in_order = |_: &[u8], value: &[u8]| {
            each(i, value);
            i += 1;
            true
        };
        let mut context: Each = &mut in_order;
        let context = std::ptr::from_mut(&mut context).cast();
        // SAFETY: open handle; keys and closure outlive the call.
        let got = unsafe { multi_get(self.at, raw.as_ptr(), raw.len(), context, call_each) };
        self.calls.check(got)?.ok_or("a key of a multi-get is missing")?;
        Ok(())
    }

    fn iterate(&mut self, mut each: Each) -> Result<()> {
        let context = std::ptr::from_mut(&mut each).cast();
        // SAFETY: open handle; the closure outlives the call.
        let result = match (self.calls.each, self.calls.scan) {
            (Some(all), _) => unsafe { all(self.at, context, call_each) },
            (None, Some(scan)) => unsafe { scan(self.at, b"".as_ptr(), 0, context, call_each) },
            (None, None) => return Err("the store cannot iterate".into()),
        };
        self.calls.check(result).map(drop)
    }

    fn range(&mut self, from: &[u8], mut each: Each) -> Result<bool> {
        let Some(scan) = self.calls.scan else { return Ok(false) };
        let context = std::ptr::from_mut(&mut each).cast();
        // SAFETY: open handle; slice and closure outlive the call.
        let result = unsafe { scan(self.at, from.as_ptr(), from.len(), context, call_each) };
        self.calls.check(result).map(|_| true)
    }

    fn len(&mut self) -> Result<Option<u64>> {
        // SAFETY: open handle.
        Ok(self.calls.len.map(|len| unsafe { len(self.at) } as u64))
    }
}

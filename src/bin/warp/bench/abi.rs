//! The engine as any C program calls it: the benchmark goes through the C ABI, argument checks,
//! panic guard and all.

use std::ffi::{c_void, CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use warp_engine::{Error, ErrorKind};

/// The functions of the header, by their stems.
mod c {
    pub use warp_engine::ffi::db::{warp_close, warp_db, warp_open, warp_put};
    pub use warp_engine::ffi::error::warp_last_error;
    pub use warp_engine::ffi::get::warp_get;
    pub use warp_engine::ffi::options::{warp_options_free, warp_options_new, warp_options_set};
    pub use warp_engine::ffi::stats::{
        warp_statistics, warp_stats, warp_stats_json, warp_string_free,
    };
    pub use warp_engine::ffi::status::warp_status;
    pub use warp_engine::ffi::value::{warp_multi_get, warp_slice, warp_value, warp_value_release};
}

/// A database behind the C ABI.
pub struct CDb(*mut c::warp_db);

// SAFETY: the contract allows any number of threads.
unsafe impl Send for CDb {}
// SAFETY: as above.
unsafe impl Sync for CDb {}

/// The text of the last failure.
fn last_error() -> String {
    // SAFETY: never NULL, valid until the next failing call of this thread.
    unsafe { CStr::from_ptr(c::warp_last_error()) }.to_string_lossy().into_owned()
}

/// Every kind, to find the one of a status.
const KINDS: [ErrorKind; 11] = [
    ErrorKind::InvalidArgument,
    ErrorKind::Io,
    ErrorKind::Corruption,
    ErrorKind::Busy,
    ErrorKind::Timeout,
    ErrorKind::NoSpace,
    ErrorKind::ReadOnly,
    ErrorKind::TooLarge,
    ErrorKind::Unsupported,
    ErrorKind::OutOfMemory,
    ErrorKind::Internal,
];

fn check(status: c::warp_status) -> Result<(), Error> {
    if status >= 0 {
        return Ok(());
    }
    let kind = KINDS.into_iter().find(|k| k.code() == status).unwrap_or(ErrorKind::Internal);
    Err(Error::new(kind, last_error()))
}

impl CDb {
    /// Opens with options by name.
    pub fn open(path: &Path, options: &[(String, String)]) -> Result<CDb, Error> {
        let text = |bytes: &[u8]| {
            CString::new(bytes).map_err(|e| Error::new(ErrorKind::InvalidArgument, e.to_string()))
        };
        let path = text(path.as_os_str().as_bytes())?;
        let mut db = std::ptr::null_mut();
        // SAFETY: handles and strings live as long as the calls.
        unsafe {
            let set = c::warp_options_new();
            let mut all = options.iter().map(|(name, value)| {
                let (name, value) = (text(name.as_bytes())?, text(value.as_bytes())?);
                check(c::warp_options_set(set, name.as_ptr(), value.as_ptr()))
            });
            let opened = all
                .try_for_each(|set| set)
                .and_then(|()| check(c::warp_open(path.as_ptr(), set, &mut db)));
            c::warp_options_free(set);
            opened?;
        }
        Ok(CDb(db))
    }

    /// `warp_put`.
    #[inline]
    pub fn put(&self, key: &[u8], value: &[u8]) {
        // SAFETY: open handle, valid slices.
        let status = unsafe {
            c::warp_put(self.0, key.as_ptr().cast(), key.len(), value.as_ptr().cast(), value.len())
        };
        assert!(status == 0, "put: {}", last_error());
    }

    /// `warp_get`: the value's length, or `None`.
    #[inline]
    pub fn get(&self, key: &[u8], buf: &mut [u8]) -> Option<usize> {
        let mut len = 0;
        // SAFETY: open handle, valid slices.
        let status = unsafe {
            let key_at = key.as_ptr().cast::<c_void>();
            c::warp_get(self.0, key_at, key.len(), buf.as_mut_ptr().cast(), buf.len(), &mut len)
        };
        assert!(status >= 0, "get: {}", last_error());
        (status == 0).then_some(len)
    }

    /// `warp_multi_get`; each answer is handed to `each` and released.
    pub fn multi_get(&self, keys: &[super::workload::Key], mut each: impl FnMut(usize, &[u8])) {
        let slices: Vec<c::warp_slice> =
            keys.iter().map(|k| c::warp_slice { data: k.as_ptr(), len: k.len() }).collect();
        // SAFETY: zeroed values are empty values; the slices live as long as the call.
        unsafe {
            let mut values: Vec<c::warp_value> =
                (0..keys.len()).map(|_| std::mem::zeroed()).collect();
            let mut statuses = vec![0; keys.len()];
            let status = c::warp_multi_get(
                self.0,
                keys.len(),
                slices.as_ptr(),
                values.as_mut_ptr(),
                statuses.as_mut_ptr(),
            );
            assert!(status == 0, "multi_get: {}", last_error());
            for (i, value) in values.iter_mut().enumerate() {
                assert!(statuses[i] == 0, "multi_get: key {i} has status {}", statuses[i]);
                each(i, std::slice::from_raw_parts(value.data, value.len));
                c::warp_value_release(value);
            }
        }
    }

    /// `warp_stats`.
    pub fn stats(&self) -> c::warp_statistics {
        // SAFETY: plain numbers, of which zero is one.
        unsafe {
            let mut stats: c::warp_statistics = std::mem::zeroed();
            stats.struct_size = size_of::<c::warp_statistics>();
            assert!(c::warp_stats(self.0, &mut stats) == 0, "stats: {}", last_error());
            stats
        }
    }

    /// `warp_stats_json`.
    pub fn stats_json(&self) -> Result<String, Error> {
        let mut json = std::ptr::null_mut();
        // SAFETY: open handle; the text is copied before it is freed.
        unsafe {
            check(c::warp_stats_json(self.0, &mut json))?;
            let text = CStr::from_ptr(json).to_string_lossy().into_owned();
            c::warp_string_free(json);
            Ok(text)
        }
    }

    /// `warp_close`.
    pub fn close(self) -> Result<(), Error> {
        // SAFETY: the handle is given up.
        check(unsafe { c::warp_close(self.0) })
    }
}

//! Copies of few bytes without a call.
//!
//! Most keys and many values are short, and for them the call of `memcpy` and what it does to find
//! out how short they are cost more than the copy.

/// Longest copy that is done in place.
pub(crate) const SHORT_MAX: usize = 128;

/// `to.copy_from_slice(from)`, for slices that are short more often than not.
#[inline(always)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    assert_eq!(to.len(), from.len());
    if from.len() <= SHORT_MAX {
        // SAFETY: both have as many bytes, and a slice to write to overlaps no other.
        unsafe { copy_short(from.as_ptr(), to.as_mut_ptr(), from.len()) };
    } else {
        to.copy_from_slice(from);
    }
}

/// Copies up to [`SHORT_MAX`] bytes.
///
/// # Safety
/// As for `copy_nonoverlapping`, and `len` is at most [`SHORT_MAX`].
#[inline(always)]
pub(crate) unsafe fn copy_short(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: each arm copies within the first and the last of `len` bytes.
    unsafe {
        match len {
            65.. => copy_ends::<64>(from, to, len),
            33.. => copy_ends::<32>(from, to, len),
            16.. => copy_ends::<16>(from, to, len),
            8.. => copy_ends::<8>(from, to, len),
            4.. => copy_ends::<4>(from, to, len),
            1.. => {
                copy_ends::<1>(from, to, len);
                to.add(len / 2).write(from.add(len / 2).read());
            }
            0 => {}
        }
    }
}

/// Copies the first and the last `N` of `len` bytes, which may overlap.
///
/// # Safety
/// As for `copy_nonoverlapping`, and `len` is at least `N`.
#[inline(always)]
unsafe fn copy_ends<const N: usize>(from: *const u8, to: *mut u8, len: usize) {
    for at in [0, len - N] {
        // SAFETY: the caller's promise.
        unsafe { to.add(at).cast::<[u8; N]>().write(from.add(at).cast::<[u8; N]>().read()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_copies_and_nothing_more() {
        let from: Vec<u8> = (0..=SHORT_MAX).map(|i| i as u8 + 1).collect();
        for len in 0..=SHORT_MAX + 1 {
            let mut to = [0xee; SHORT_MAX + 2];
            copy(&mut to[..len], &from[..len]);
            assert_eq!(&to[..len], &from[..len]);
            assert!(to[len..].iter().all(|b| *b == 0xee), "length {len}");
        }
    }
}

//! The steps that read what has changed.

use crate::steps::{bytes, failed, key, number, same, same_bytes, text_or_none};
use crate::steps::{Outcome, Step, NOT_FOUND, OK, TOO_SMALL, UNCHANGED, WOULD_BLOCK};
use std::collections::HashMap;
use std::mem::MaybeUninit;
use warp_engine::{Changed, Db};

/// Runs a step, with the revisions that the file has named.
pub fn answer(db: &Db, step: &Step, revisions: &mut HashMap<String, u64>) -> Outcome {
    let known = match text_or_none(step, "known") {
        Some(name) => *revisions.get(name).ok_or("no such revision")?,
        None => 0,
    };
    let (key, capacity) = (key(step)?, number(step, "capacity")? as usize);
    let mut buffer = vec![MaybeUninit::new(0xEE); capacity];
    let got = match text_or_none(step, "op") {
        Some("get_if_changed") => db.get_if_changed(&key, known, &mut buffer),
        _ => db.get_if_changed_nowait(&key, known, &mut buffer),
    };
    // SAFETY: every byte was initialised when the buffer was made.
    let buffer: Vec<u8> = buffer.iter().map(|b| unsafe { b.assume_init() }).collect();
    let untouched = |from: usize| {
        same("bytes after the value", &buffer[from..].iter().all(|b| *b == 0xEE), &true)
    };
    let (length, revision) = match got {
        Ok(Changed::Value { len, revision }) => (len, revision),
        Ok(Changed::Unchanged) => return untouched(0).map(|()| UNCHANGED),
        Ok(Changed::Missing) => return untouched(0).map(|()| NOT_FOUND),
        Ok(Changed::WouldBlock) => return untouched(0).map(|()| WOULD_BLOCK),
        Err(error) => return Ok(failed(&error)),
    };
    same("length", &(length as u64), &number(step, "length")?)?;
    same("a new revision", &(revision != 0 && revision != known), &true)?;
    if let Some(name) = text_or_none(step, "as") {
        revisions.insert(name.to_owned(), revision);
    }
    if length > capacity {
        return untouched(0).map(|()| TOO_SMALL);
    }
    same_bytes("value", &buffer[..length], &bytes(step, "value")?)?;
    untouched(length).map(|()| OK)
}

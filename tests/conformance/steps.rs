//! One conformance file: its steps, run against a database, each answer compared.

use crate::bytes::{decode, optional, shorten, text};
use crate::{changed, features};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::time::Duration;
use warp_engine::{Batch, Db, Error, ErrorKind, Iter, Nowait, Options, Pinned, Stats};

pub type Step = Map<String, Value>;
/// What a step found: the status, or a text that says where file and engine differ.
pub type Outcome = Result<&'static str, String>;
type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

pub const OK: &str = "WARP_OK";
pub const NOT_FOUND: &str = "WARP_NOT_FOUND";
pub const TOO_SMALL: &str = "WARP_BUFFER_TOO_SMALL";
const CONFLICT: &str = "WARP_CONFLICT";
pub const WOULD_BLOCK: &str = "WARP_WOULD_BLOCK";
pub const UNCHANGED: &str = "WARP_UNCHANGED";

const ERRORS: [(ErrorKind, &str); 11] = [
    (ErrorKind::InvalidArgument, "WARP_ERR_INVALID_ARGUMENT"),
    (ErrorKind::Io, "WARP_ERR_IO"),
    (ErrorKind::Corruption, "WARP_ERR_CORRUPTION"),
    (ErrorKind::Busy, "WARP_ERR_BUSY"),
    (ErrorKind::Timeout, "WARP_ERR_TIMEOUT"),
    (ErrorKind::NoSpace, "WARP_ERR_NO_SPACE"),
    (ErrorKind::ReadOnly, "WARP_ERR_READ_ONLY"),
    (ErrorKind::TooLarge, "WARP_ERR_TOO_LARGE"),
    (ErrorKind::Unsupported, "WARP_ERR_UNSUPPORTED"),
    (ErrorKind::OutOfMemory, "WARP_ERR_OUT_OF_MEMORY"),
    (ErrorKind::Internal, "WARP_ERR_INTERNAL"),
];
const ANSWERS: [&str; 6] = [OK, NOT_FOUND, TOO_SMALL, CONFLICT, WOULD_BLOCK, UNCHANGED];

pub fn failed(error: &Error) -> &'static str {
    let found = ERRORS.iter().find(|(kind, _)| *kind == error.kind());
    found.map_or("an error kind without a status", |(_, name)| name)
}

/// The status of a call that answers nothing but success.
pub fn done(result: warp_engine::Result<()>) -> &'static str {
    result.map_or_else(|error| failed(&error), |()| OK)
}

/// The status of a call whose `false` is the answer `no`.
pub fn yes(result: warp_engine::Result<bool>, no: &'static str) -> &'static str {
    result.map_or_else(|error| failed(&error), |yes| if yes { OK } else { no })
}

/// The state between the steps of one file.
pub struct Runner {
    root: Option<tempfile::TempDir>,
    dir: String,
    options: Step,
    db: Option<Db>,
    pins: HashMap<String, Pinned>,
    iters: HashMap<String, Iter>,
    tokens: HashMap<String, u64>,
    revisions: HashMap<String, u64>,
}

impl Runner {
    /// A runner of a file with databases in memory or in a directory of their own.
    pub fn new(in_memory: bool) -> Self {
        let root = (!in_memory).then(|| tempfile::tempdir().expect("a temporary directory"));
        Runner {
            root,
            dir: "db".to_owned(),
            options: Step::new(),
            db: None,
            pins: HashMap::new(),
            iters: HashMap::new(),
            tokens: HashMap::new(),
            revisions: HashMap::new(),
        }
    }

    /// Runs one step and compares its status with what the file expects.
    pub fn run(&mut self, step: &Step) -> Result<(), String> {
        let got = self.answer(step)?;
        expect(step, got)
    }

    fn db(&self) -> Result<&Db, String> {
        self.db.as_ref().ok_or_else(|| "no database is open".to_owned())
    }

    fn path(&self, dir: &str) -> Option<PathBuf> {
        self.root.as_ref().map(|root| root.path().join(dir))
    }

    fn answer(&mut self, step: &Step) -> Outcome {
        match text(step, "op")? {
            "open" | "close" | "reopen" | "open_second" => self.open_and_close(step),
            "option" => {
                let set = Options::new().set(text(step, "name")?, text(step, "value")?);
                Ok(done(set))
            }
            "put" => Ok(done(self.db()?.put(&key(step)?, &bytes(step, "value")?))),
            "exists" => Ok(yes(self.db()?.exists(&key(step)?), NOT_FOUND)),
            "delete" => Ok(yes(self.db()?.delete(&key(step)?), NOT_FOUND)),
            "cas" => {
                let expected = optional(&step["expected"])?;
                let desired = optional(&step["desired"])?;
                let swapped = self.db()?.compare_and_swap(
                    &key(step)?,
                    expected.as_deref(),
                    desired.as_deref(),
                );
                Ok(yes(swapped, CONFLICT))
            }
            "get" | "get_pinned" | "get_into" | "get_nowait" => self.read(step),
            "get_if_changed" | "get_if_changed_nowait" => {
                let db = self.db.as_ref().ok_or("no database is open")?;
                changed::answer(db, step, &mut self.revisions)
            }
            "pin" | "pinned" | "release" => self.pin(step),
            "multi_get" => self.multi_get(step),
            "batch" => self.batch(step),
            "write_encoded" => Ok(done(self.db()?.write_packed(&bytes(step, "bytes")?))),
            "iterate" | "pages" | "iter_open" | "iter_rest" => self.iterate(step),
            "sync" => Ok(done(self.db()?.sync())),
            "checkpoint" => Ok(done(self.db()?.checkpoint())),
            "compact" => Ok(done(self.db()?.compact())),
            "backup" => {
                let to = self.path(text(step, "dir")?).ok_or("backup needs a directory")?;
                Ok(done(self.db()?.backup(&to)))
            }
            "token" | "wait_durable" | "is_durable" => self.token(step),
            "stats" => check_stats(step, &self.db()?.stats()),
            "stats_json" => match serde_json::from_str(&self.db()?.stats_json()) {
                Ok(Value::Object(_)) => Ok(OK),
                other => Err(format!("the statistics are no JSON object: {other:?}")),
            },
            "status" => status_code(step),
            op => features::answer(self.db()?, step)
                .unwrap_or_else(|| Err(format!("unknown operation {op:?}"))),
        }
    }

    fn open_and_close(&mut self, step: &Step) -> Outcome {
        let op = text(step, "op")?;
        if op == "close" || op == "reopen" {
            let db = self.db.take().ok_or("no database is open")?;
            let closed = done(db.close());
            if op == "close" || closed != OK {
                return Ok(closed);
            }
        }
        let dir = match op {
            "reopen" => self.dir.clone(),
            _ => step.get("dir").and_then(Value::as_str).unwrap_or("db").to_owned(),
        };
        let options = match step.get("options") {
            Some(options) => options.as_object().ok_or("options are no object")?.clone(),
            None if op == "reopen" => self.options.clone(),
            None => Step::new(),
        };
        let opened = open(self.path(&dir), &options);
        if op == "open_second" {
            return Ok(opened.map_or_else(|error| failed(&error), |_| OK));
        }
        if self.db.is_some() {
            return Err("a database is open already".to_owned());
        }
        match opened {
            Ok(db) => {
                (self.db, self.dir, self.options) = (Some(db), dir, options);
                Ok(OK)
            }
            Err(error) => Ok(failed(&error)),
        }
    }

    fn read(&mut self, step: &Step) -> Outcome {
        let (db, key) = (self.db()?, key(step)?);
        let into = match text(step, "op")? {
            "get" => return compare_value(step, db.get(&key)),
            "get_pinned" => return compare_value(step, db.get_pinned(&key)),
            op => op == "get_into",
        };
        let mut buffer = vec![MaybeUninit::new(0xEE); number(step, "capacity")? as usize];
        let answer = match into {
            true => {
                db.get_into(&key, &mut buffer).map(|n| n.map_or(Nowait::Missing, Nowait::Found))
            }
            false => db.get_nowait(&key, &mut buffer),
        };
        let length = match answer {
            Err(error) => return Ok(failed(&error)),
            Ok(Nowait::Missing) => return Ok(NOT_FOUND),
            Ok(Nowait::WouldBlock) => return Ok(WOULD_BLOCK),
            Ok(Nowait::Found(length)) => length,
        };
        same("length", &(length as u64), &number(step, "length")?)?;
        // SAFETY: every byte was initialised when the buffer was made.
        let buffer: Vec<u8> = buffer.iter().map(|b| unsafe { b.assume_init() }).collect();
        if length > buffer.len() {
            same("bytes written", &buffer.iter().filter(|b| **b != 0xEE).count(), &0)?;
            return Ok(TOO_SMALL);
        }
        same_bytes("value", &buffer[..length], &bytes(step, "value")?)?;
        same("bytes after the value", &buffer[length..].iter().all(|b| *b == 0xEE), &true)?;
        Ok(OK)
    }

    fn pin(&mut self, step: &Step) -> Outcome {
        let name = text(step, "as")?.to_owned();
        match text(step, "op")? {
            "pin" => match self.db()?.get_pinned(&key(step)?) {
                Ok(Some(pinned)) => {
                    same_bytes("value", &pinned, &bytes(step, "value")?)?;
                    self.pins.insert(name, pinned);
                    Ok(OK)
                }
                other => compare_value(step, other),
            },
            "pinned" => {
                let pinned = self.pins.get(&name).ok_or("no such pin")?;
                same_bytes("value", pinned, &bytes(step, "value")?).map(|()| OK)
            }
            _ => self.pins.remove(&name).map(|_| OK).ok_or("no such pin".to_owned()),
        }
    }

    fn multi_get(&mut self, step: &Step) -> Outcome {
        let keys = list(step, "keys")?.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        let answers = list(step, "answers")?;
        let mut got = Vec::new();
        let key = |i: usize| &keys[i][..];
        self.db()?.multi_get(keys.len(), key, |i, answer| got.push((i, answer)));
        same("number of answers", &got.len(), &answers.len())?;
        got.sort_by_key(|(i, _)| *i);
        for (i, answer) in got {
            let wanted = answers[i].as_object().ok_or("an answer is no object")?;
            let status = compare_value(wanted, answer).map_err(|e| format!("key {i}: {e}"))?;
            expect(wanted, status).map_err(|e| format!("key {i}: {e}"))?;
        }
        Ok(OK)
    }

    fn batch(&mut self, step: &Step) -> Outcome {
        let mut batch = Batch::new();
        for (i, op) in list(step, "ops")?.iter().enumerate() {
            let op = op.as_object().ok_or("an operation is no object")?;
            let added = match text(op, "op")? {
                "put" => batch.put(&key(op)?, &bytes(op, "value")?),
                _ => batch.delete(&key(op)?),
            };
            expect(op, done(added)).map_err(|e| format!("operation {i}: {e}"))?;
        }
        if step.contains_key("count") {
            same("count", &(batch.len() as u64), &number(step, "count")?)?;
        }
        Ok(done(self.db()?.write(&batch)))
    }

    fn iterate(&mut self, step: &Step) -> Outcome {
        let op = text(step, "op")?;
        let mut iter = match op {
            "iter_rest" => self.iters.remove(text(step, "as")?).ok_or("no such iterator")?,
            _ => match self.db()?.iter(&bytes(step, "prefix")?) {
                Ok(iter) => iter,
                Err(error) => return Ok(failed(&error)),
            },
        };
        if op == "iter_open" {
            self.iters.insert(text(step, "as")?.to_owned(), iter);
            return Ok(OK);
        }
        // The Rust interface has no pages; what a page of this size would answer is known.
        let room = if op == "pages" { number(step, "buffer")? as usize } else { usize::MAX };
        let mut got = Entries::new();
        loop {
            match iter.advance() {
                Err(error) => return Ok(failed(&error)),
                Ok(false) => break,
                Ok(true) => {}
            }
            let (key, value) = iter.current().ok_or("advance said that there is an entry")?;
            if 8 + key.len() + value.len() > room {
                return Ok(TOO_SMALL);
            }
            if got.insert(key.to_vec(), value.to_vec()).is_some() {
                return Err(format!("the key {} came twice", shorten(key)));
            }
        }
        compare_entries(step, &got)
    }

    fn token(&mut self, step: &Step) -> Outcome {
        if text(step, "op")? == "token" {
            let token = self.db()?.token();
            self.tokens.insert(text(step, "as")?.to_owned(), token);
            return Ok(OK);
        }
        let token = *self.tokens.get(text(step, "token")?).ok_or("no such token")?;
        if text(step, "op")? == "is_durable" {
            return Ok(yes(self.db()?.is_durable(token), WOULD_BLOCK));
        }
        let timeout = Duration::from_millis(number(step, "timeout_ms")?);
        Ok(yes(self.db()?.wait_durable(token, timeout), "WARP_ERR_TIMEOUT"))
    }
}

fn open(path: Option<PathBuf>, options: &Step) -> warp_engine::Result<Db> {
    let mut set = Options::new();
    for (name, value) in options {
        set.set(name, value.as_str().unwrap_or_default())?;
    }
    Db::open(path.as_deref(), &set)
}

pub fn compare_value<V: std::ops::Deref<Target = [u8]>>(
    step: &Step,
    answer: warp_engine::Result<Option<V>>,
) -> Outcome {
    match answer {
        Err(error) => Ok(failed(&error)),
        Ok(None) => Ok(NOT_FOUND),
        Ok(Some(value)) => same_bytes("value", &value, &bytes(step, "value")?).map(|()| OK),
    }
}

fn compare_entries(step: &Step, got: &Entries) -> Outcome {
    let mut wanted = Entries::new();
    for entry in list(step, "entries")? {
        let pair = entry.as_array().filter(|pair| pair.len() == 2).ok_or("an entry is no pair")?;
        wanted.insert(decode(&pair[0])?, decode(&pair[1])?);
    }
    for (key, value) in got {
        let known = wanted.get(key).ok_or_else(|| format!("the key {} too many", shorten(key)))?;
        same_bytes(&format!("value of {}", shorten(key)), value, known)?;
    }
    match wanted.keys().find(|key| !got.contains_key(*key)) {
        Some(key) => Err(format!("the key {} is missing", shorten(key))),
        None => Ok(OK),
    }
}

fn check_stats(step: &Step, stats: &Stats) -> Outcome {
    for (group, exact) in [("fields", true), ("at_least", false)] {
        let Some(fields) = step.get(group).and_then(Value::as_object) else { continue };
        for (name, wanted) in fields {
            let got = stat(stats, name).ok_or_else(|| format!("no statistic is named {name}"))?;
            let wanted = wanted.as_u64().ok_or("a statistic is no number")?;
            if (exact && got != wanted) || got < wanted {
                return Err(format!("{name} is {got}, the file says {wanted}"));
            }
        }
    }
    Ok(OK)
}

fn stat(stats: &Stats, name: &str) -> Option<u64> {
    Some(match name {
        "keys" => stats.keys,
        "puts" => stats.puts,
        "gets" => stats.gets,
        "hits" => stats.hits,
        "deletes" => stats.deletes,
        "shards" => stats.shards,
        "log_bytes" => stats.log_bytes,
        "live_bytes" => stats.live_bytes,
        "index_bytes" => stats.index_bytes,
        "cache_bytes" => stats.cache_bytes,
        "resident_bytes" => stats.resident_bytes,
        "checkpoints" => stats.checkpoints,
        "recovered_records" => stats.recovered_records,
        "open_micros" => stats.open_micros,
        "disk_bytes" => stats.disk_bytes,
        "syncs" => stats.syncs,
        _ => return None,
    })
}

fn status_code(step: &Step) -> Outcome {
    let name = text(step, "name")?;
    let code = step["code"].as_i64().ok_or("the code is no number")?;
    let answer = ANSWERS.iter().position(|known| *known == name).map(|at| at as i64);
    let error = ERRORS.iter().find(|(_, known)| *known == name);
    let known = answer.or(error.map(|(kind, _)| i64::from(kind.code())));
    same("code", &known, &Some(code)).map(|()| OK)
}

fn expect(step: &Step, got: &str) -> Result<(), String> {
    let holds = match step.get("expect") {
        None => got == OK,
        Some(Value::Array(any)) => any.iter().any(|one| one == got),
        Some(one) => one == got,
    };
    let wanted = step.get("expect").map_or(OK.to_owned(), Value::to_string);
    if holds {
        Ok(())
    } else {
        Err(format!("answered {got}, the file expects {wanted}"))
    }
}

pub fn key(step: &Step) -> Result<Vec<u8>, String> {
    bytes(step, "key")
}

pub fn bytes(step: &Step, field: &str) -> Result<Vec<u8>, String> {
    decode(step.get(field).ok_or_else(|| format!("the field {field} is missing"))?)
}

/// A name or an operation, if the step has one.
pub fn text_or_none<'a>(step: &'a Step, field: &str) -> Option<&'a str> {
    step.get(field).and_then(Value::as_str)
}

pub fn number(step: &Step, field: &str) -> Result<u64, String> {
    step.get(field).and_then(Value::as_u64).ok_or_else(|| format!("{field} is no number"))
}

pub fn list<'a>(step: &'a Step, field: &str) -> Result<&'a Vec<Value>, String> {
    step.get(field).and_then(Value::as_array).ok_or_else(|| format!("{field} is no list"))
}

pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, wanted: &T) -> Result<(), String> {
    if got == wanted {
        Ok(())
    } else {
        Err(format!("{what}: answered {got:?}, the file says {wanted:?}"))
    }
}

pub fn same_bytes(what: &str, got: &[u8], wanted: &[u8]) -> Result<(), String> {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what}: answered {}, the file says {}", shorten(got), shorten(wanted)))
}

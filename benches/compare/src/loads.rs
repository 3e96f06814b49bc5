//! The loads whose rates and latencies are taken: what one thread does in one step.

use crate::measure::{measure, Measured, Step};
use crate::phases::pair;
use crate::store::{Pair, Result, Session, Store};
use crate::workload::{mix, Key, Random, Shape, Zipf, VALUE_MAX};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A load. Unless it says otherwise, keys are drawn by Zipf's law.
#[derive(Debug, Clone, Copy)]
pub enum Load {
    Get {
        zipfian: bool,
    },
    MultiGet {
        keys: u64,
    },
    /// Uniform.
    Overwrite,
    /// Reads in so many of a hundred cases, else overwrites; with `modify`, of what was just read.
    Mixed {
        reads: u64,
        modify: bool,
    },
    /// Uniform overwrites in batches.
    Batch {
        pairs: u64,
    },
    /// Puts of new keys.
    Insert,
    /// Reads in 95 of a hundred cases, of the newest most often; else puts of new keys.
    Latest,
}

/// Number of the key that thread `t` inserts after `i` others.
pub fn inserted_key(t: u64, i: u64) -> u64 {
    1 << 40 | t << 32 | i
}

/// Reads key number `n`, which exists, and checks its value.
#[inline]
pub fn read(session: &mut dyn Session, shape: &Shape, n: u64, buf: &mut [u8]) -> Result<()> {
    let len = session.get(&shape.key(n), buf)?.ok_or_else(|| format!("key {n} is missing"))?;
    shape.version(&buf[..len], n).ok_or_else(|| format!("key {n} has a wrong value"))?;
    Ok(())
}

/// A filled store, as loads see it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub store: &'a dyn Store,
    pub shape: Shape,
    pub zipf: &'a Zipf,
    /// Keys 0 up to this are there.
    pub keys: u64,
    pub seed: u64,
    /// Keys that each thread has inserted beyond those.
    pub inserted: &'a [AtomicU64],
}

impl View<'_> {
    pub fn measure(&self, threads: u64, span: Duration, load: Load) -> Result<Measured> {
        measure(self.store, threads, span, &|t, pass| self.step(load, t, pass))
    }

    fn step(&self, load: Load, t: u64, pass: u64) -> Step<'_> {
        let mut random = Random::new(mix(self.seed) ^ mix(salt(load) << 16 | t << 1 | pass));
        let (mut buf, mut value) = (vec![0; VALUE_MAX], self.shape.value());
        let this = *self;
        match load {
            Load::Get { zipfian } => Box::new(move |session| {
                let n = this.draw(zipfian, &mut random);
                read(session, &this.shape, n, &mut buf)?;
                Ok(Some(1))
            }),
            Load::MultiGet { keys } => Box::new(move |session| {
                let numbers: Vec<u64> = (0..keys).map(|_| random.below(this.keys)).collect();
                this.multi_get(session, &numbers)?;
                Ok(Some(keys))
            }),
            Load::Overwrite => {
                // The yardstick has room for so many.
                let mut left = this.keys / 2;
                Box::new(move |session| {
                    if left == 0 {
                        return Ok(None);
                    }
                    left -= 1;
                    this.put(session, random.below(this.keys), &mut random, &mut value)?;
                    Ok(Some(1))
                })
            }
            Load::Mixed { reads, modify } => Box::new(move |session| {
                let n = this.zipf.scattered(&mut random);
                let write = !random.percent(reads);
                if !write || modify {
                    read(session, &this.shape, n, &mut buf)?;
                }
                if write {
                    this.put(session, n, &mut random, &mut value)?;
                }
                Ok(Some(1))
            }),
            Load::Batch { pairs } => {
                let mut batch = vec![Pair::default(); pairs as usize];
                Box::new(move |session| {
                    for at in &mut batch {
                        *at = pair(&this.shape, random.below(this.keys), random.next());
                    }
                    session.batch(&batch)?;
                    Ok(Some(pairs))
                })
            }
            Load::Insert => Box::new(move |session| {
                this.insert(session, t, &mut random, &mut value)?;
                Ok(Some(1))
            }),
            Load::Latest => Box::new(move |session| {
                if random.percent(5) {
                    this.insert(session, t, &mut random, &mut value)?;
                } else {
                    let n = this.latest(t, &mut random);
                    read(session, &this.shape, n, &mut buf)?;
                }
                Ok(Some(1))
            }),
        }
    }

    /// A number below the number of keys.
    #[inline]
    fn draw(&self, zipfian: bool, random: &mut Random) -> u64 {
        if zipfian {
            self.zipf.scattered(random)
        } else {
            random.below(self.keys)
        }
    }

    #[inline]
    fn put(
        &self,
        session: &mut dyn Session,
        n: u64,
        random: &mut Random,
        value: &mut [u8],
    ) -> Result<()> {
        self.shape.fill(value, n, random.next());
        session.put(&self.shape.key(n), value)
    }

    /// A new key of thread `t`, which alone counts it.
    fn insert(
        &self,
        session: &mut dyn Session,
        t: u64,
        random: &mut Random,
        value: &mut [u8],
    ) -> Result<()> {
        let count = &self.inserted[t as usize];
        let i = count.load(Ordering::Relaxed);
        self.put(session, inserted_key(t, i), random, value)?;
        count.store(i + 1, Ordering::Relaxed);
        Ok(())
    }

    /// A key of those that thread `t` knows to be there, the newest most often.
    fn latest(&self, t: u64, random: &mut Random) -> u64 {
        let (age, own) =
            (self.zipf.rank(random), self.inserted[t as usize].load(Ordering::Relaxed));
        if age < own {
            inserted_key(t, own - 1 - age)
        } else {
            self.keys - 1 - (age - own).min(self.keys - 1)
        }
    }

    fn multi_get(&self, session: &mut dyn Session, numbers: &[u64]) -> Result<()> {
        let keys: Vec<Key> = numbers.iter().map(|&n| self.shape.key(n)).collect();
        let slices: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
        let (mut seen, mut wrong) = (0, None);
        session.multi_get(&slices, &mut |i, value| {
            seen += 1;
            if self.shape.version(value, numbers[i]).is_none() {
                wrong = Some(numbers[i]);
            }
        })?;
        match wrong {
            Some(n) => Err(format!("key {n} has a wrong value").into()),
            None if seen != numbers.len() => Err("a multi-get left keys out".into()),
            None => Ok(()),
        }
    }
}

/// A number for each load, so that no two draw the same keys.
fn salt(load: Load) -> u64 {
    match load {
        Load::Get { zipfian } => 1 + u64::from(zipfian),
        Load::MultiGet { keys } => 100 + keys,
        Load::Overwrite => 3,
        Load::Mixed { reads, modify } => 1_000 + reads * 2 + u64::from(modify),
        Load::Batch { pairs } => 10_000 + pairs,
        Load::Insert => 4,
        Load::Latest => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Each;
    use std::collections::HashMap;
    use std::sync::Mutex;

    /// A store that may answer wrongly once in a while.
    #[derive(Default)]
    struct Fake {
        records: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
        gets: AtomicU64,
        /// What happens to the value of every hundredth get.
        damage: Option<fn(&mut Vec<u8>)>,
    }

    impl Store for Fake {
        fn session(&self) -> Box<dyn Session + '_> {
            Box::new(FakeSession(self))
        }

        fn close(self: Box<Self>) -> Result<()> {
            Ok(())
        }
    }

    struct FakeSession<'a>(&'a Fake);

    impl Session for FakeSession<'_> {
        fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
            self.0.records.lock().unwrap().insert(key.to_vec(), value.to_vec());
            Ok(())
        }

        fn get(&mut self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
            let records = self.0.records.lock().unwrap();
            let Some(mut value) = records.get(key).cloned() else { return Ok(None) };
            if self.0.gets.fetch_add(1, Ordering::Relaxed) % 100 == 99 {
                self.0.damage.iter().for_each(|damage| damage(&mut value));
            }
            buf[..value.len()].copy_from_slice(&value);
            Ok(Some(value.len()))
        }

        fn delete(&mut self, key: &[u8]) -> Result<()> {
            self.0.records.lock().unwrap().remove(key);
            Ok(())
        }

        fn batch(&mut self, pairs: &[Pair]) -> Result<()> {
            pairs.iter().try_for_each(|Pair { key, value }| match value {
                Some(value) => self.put(key, value),
                None => self.delete(key),
            })
        }

        fn iterate(&mut self, _each: Each) -> Result<()> {
            Ok(())
        }
    }

    const LOADS: [Load; 7] = [
        Load::Get { zipfian: false },
        Load::Get { zipfian: true },
        Load::MultiGet { keys: 32 },
        Load::Mixed { reads: 50, modify: false },
        Load::Mixed { reads: 50, modify: true },
        Load::Batch { pairs: 10 },
        Load::Latest,
    ];

    /// Fills a store and runs a load; whether it was content.
    fn content(damage: Option<fn(&mut Vec<u8>)>, missing: u64, load: Load) -> bool {
        const KEYS: u64 = 1000;
        let store = Fake { damage, ..Fake::default() };
        let shape = Shape { key_len: 16, value_len: 100 };
        let session = &mut *store.session();
        for n in missing..KEYS {
            let one = pair(&shape, n, 1);
            session.put(&one.key, one.value.as_deref().unwrap()).unwrap();
        }
        let inserted: Vec<AtomicU64> = (0..2).map(|_| AtomicU64::new(0)).collect();
        let zipf = &Zipf::new(KEYS);
        let view = View { store: &store, shape, zipf, keys: KEYS, seed: 1, inserted: &inserted };
        view.measure(2, Duration::from_millis(50), load).is_ok()
    }

    #[test]
    fn a_wrong_answer_is_noticed_by_every_load_that_reads() {
        for load in LOADS {
            assert!(content(None, 0, load), "{load:?}");
            if matches!(load, Load::Batch { .. }) {
                continue;
            }
            assert!(!content(Some(|value| value[99] ^= 1), 0, load), "{load:?}");
            assert!(!content(Some(|value| value.truncate(50)), 0, load), "{load:?}");
            assert!(!content(None, 500, load), "{load:?}");
        }
    }
}

//! Keys, values and distributions. Everything follows from numbers and a seed, so that each store
//! gets the same, and each value read can be checked from its first byte to its last.
//!
//! Key number `n` looks random and is unique. A value of it is `n | version | words that follow
//! from both`, cut to its length; a value of 8 bytes is `n` alone.

/// No value is longer.
pub const VALUE_MAX: usize = 64 << 10;

/// A well-mixed number, and no two alike (the finaliser of splitmix64, Steele et al., 2014).
#[inline]
pub fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A key of up to 24 bytes.
#[derive(Clone, Copy)]
pub struct Key {
    bytes: [u8; 24],
    len: usize,
}

impl std::ops::Deref for Key {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What the records of a data set look like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub key_len: usize,
    pub value_len: usize,
}

impl Shape {
    /// Key number `n`.
    #[inline]
    pub fn key(&self, n: u64) -> Key {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&mix(n).to_le_bytes());
        bytes[8..16].copy_from_slice(&n.to_le_bytes());
        bytes[16..].copy_from_slice(&mix(!n).to_le_bytes());
        Key { bytes, len: self.key_len }
    }

    /// A buffer for values.
    pub fn value(&self) -> Vec<u8> {
        vec![0; self.value_len]
    }

    /// Writes a value of key number `n` to all of `value`.
    #[inline]
    pub fn fill(&self, value: &mut [u8], n: u64, version: u64) {
        let mut words = Words::new(n, version);
        let mut chunks = value.chunks_exact_mut(8);
        for chunk in &mut chunks {
            chunk.copy_from_slice(&words.next().to_le_bytes());
        }
        let rest = chunks.into_remainder();
        let last = words.next().to_le_bytes();
        rest.copy_from_slice(&last[..rest.len()]);
    }

    /// The version of a value if it is one of key number `n`, whole; 0 where it has no room for one.
    #[inline]
    pub fn version(&self, value: &[u8], n: u64) -> Option<u64> {
        if value.len() != self.value_len {
            return None;
        }
        let word = |at: usize| {
            value.get(at..at + 8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default()))
        };
        let version = word(8).unwrap_or(0);
        let mut words = Words::new(n, version);
        let chunks = value.chunks_exact(8);
        let rest = chunks.remainder();
        let mut differs = 0;
        for chunk in chunks {
            differs |= words.next() ^ u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        }
        let whole = differs == 0 && words.next().to_le_bytes()[..rest.len()] == *rest;
        whole.then_some(version)
    }
}

/// The words of a value.
struct Words {
    n: u64,
    version: u64,
    base: u64,
    i: u64,
}

impl Words {
    #[inline]
    fn new(n: u64, version: u64) -> Words {
        Words { n, version, base: mix(n ^ version.rotate_left(32)), i: 0 }
    }

    #[inline]
    fn next(&mut self) -> u64 {
        let word = match self.i {
            0 => self.n,
            1 => self.version,
            i => self.base.wrapping_add(i.wrapping_mul(0x2545_f491_4f6c_dd1d)),
        };
        self.i += 1;
        word
    }
}

/// Random numbers from a seed.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(mix(seed))
    }

    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        mix(self.0)
    }

    /// A number below `n`.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// True in `percent` of the cases.
    #[inline]
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// In 0 to 1, without 1.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Zipf's law with exponent 0.99 by the method of Gray et al., "Quickly Generating Billion-Record
/// Synthetic Databases" (SIGMOD 1994), as YCSB uses it.
#[derive(Clone)]
pub struct Zipf {
    n: u64,
    zeta: f64,
    eta: f64,
}

const THETA: f64 = 0.99;

impl Zipf {
    pub fn new(n: u64) -> Zipf {
        let sum = |n: u64| (1..=n).map(|i| (i as f64).powf(-THETA)).sum::<f64>();
        let zeta = sum(n);
        let eta = (1.0 - (2.0 / n as f64).powf(1.0 - THETA)) / (1.0 - sum(2) / zeta);
        Zipf { n, zeta, eta }
    }

    /// A rank below `n`: 0 is the most frequent.
    #[inline]
    pub fn rank(&self, random: &mut Random) -> u64 {
        let u = random.unit();
        let uz = u * self.zeta;
        let rank = if uz < 1.0 {
            0
        } else if uz < 1.0 + 0.5f64.powf(THETA) {
            1
        } else {
            (self.n as f64 * (self.eta * u - self.eta + 1.0).powf(1.0 / (1.0 - THETA))) as u64
        };
        rank.min(self.n - 1)
    }

    /// A number below `n`, the frequent ones scattered.
    #[inline]
    pub fn scattered(&self, random: &mut Random) -> u64 {
        mix(self.rank(random)) % self.n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_recognised_and_any_changed_byte_is_seen() {
        for value_len in [8, 24, 100, 150, 1024] {
            let shape = Shape { key_len: 16, value_len };
            let mut value = shape.value();
            shape.fill(&mut value, 7, 9);
            let version = if value_len == 8 { 0 } else { 9 };
            assert_eq!(shape.version(&value, 7), Some(version));
            assert_eq!(shape.version(&value, 8), None);
            assert_eq!(shape.version(&value[1..], 7), None);
            for i in 0..value_len {
                value[i] ^= 1;
                assert_eq!(shape.version(&value, 7), None, "byte {i} of {value_len}");
                value[i] ^= 1;
            }
        }
    }

    #[test]
    fn zipf_favours_the_first_ranks() {
        let (zipf, mut random) = (Zipf::new(1000), Random::new(1));
        let first = (0..10_000).filter(|_| zipf.rank(&mut random) == 0).count();
        // 1 over the sum of n^-0.99 for n up to 1000 is 0.129.
        assert!((1100..1500).contains(&first), "{first}");
    }
}

//! Keys, values and distributions: the same for every engine that is measured.

/// A key: 16 bytes that look random and follow from a number.
pub type Key = [u8; 16];

/// A well-mixed number (the finaliser of splitmix64, Steele et al., 2014).
#[inline]
pub fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Key number `n`.
#[inline]
pub fn key(n: u64) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&mix(n).to_le_bytes());
    key[8..].copy_from_slice(&n.to_le_bytes());
    key
}

/// Fills `value` with what key number `n` has: its number, then a pattern.
#[inline]
pub fn fill_value(value: &mut [u8], n: u64) {
    let mark = n.to_le_bytes();
    let len = value.len().min(8);
    value[..len].copy_from_slice(&mark[..len]);
}

/// Whether a value read is that of key number `n`.
#[inline]
pub fn is_value_of(value: &[u8], n: u64) -> bool {
    let len = value.len().min(8);
    value[..len] == n.to_le_bytes()[..len]
}

/// Random numbers below `n`, uniform or zipfian.
#[derive(Clone)]
pub struct Draw {
    state: u64,
    n: u64,
    zipf: Option<Zipf>,
}

impl Draw {
    /// Uniform numbers below `n`.
    pub fn uniform(n: u64, seed: u64) -> Self {
        Draw { state: mix(seed), n, zipf: None }
    }

    /// Zipfian numbers below `n` with exponent 0.99, the ranks scattered.
    pub fn zipfian(n: u64, seed: u64) -> Self {
        Draw { zipf: Some(Zipf::new(n, 0.99)), ..Draw::uniform(n, seed) }
    }

    /// The same distribution from another seed. Cheap, where making one adds up all ranks.
    pub fn with_seed(&self, seed: u64) -> Self {
        Draw { state: mix(seed), ..self.clone() }
    }

    /// Heads or tails.
    #[inline]
    pub fn coin(&mut self) -> bool {
        self.random() >> 63 == 1
    }

    #[inline]
    fn random(&mut self) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        mix(self.state)
    }

    /// The next number.
    #[inline]
    pub fn next(&mut self) -> u64 {
        let random = self.random();
        match &self.zipf {
            None => ((u128::from(random) * u128::from(self.n)) >> 64) as u64,
            Some(zipf) => mix(zipf.rank((random >> 11) as f64 / (1u64 << 53) as f64)) % self.n,
        }
    }
}

/// Zipf's law by the method of Gray et al., "Quickly Generating Billion-Record Synthetic
/// Databases" (SIGMOD 1994), as YCSB uses it.
#[derive(Clone)]
struct Zipf {
    n: f64,
    theta: f64,
    zeta: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    fn new(n: u64, theta: f64) -> Zipf {
        let sum = |n: u64| (1..=n).map(|i| (i as f64).powf(-theta)).sum::<f64>();
        // Beyond ten million terms the integral is exact enough.
        let exact = n.min(10_000_000);
        let rest = |a: f64, b: f64| (b.powf(1.0 - theta) - a.powf(1.0 - theta)) / (1.0 - theta);
        let zeta = sum(exact) + if n > exact { rest(exact as f64, n as f64) } else { 0.0 };
        let eta = (1.0 - (2.0 / n as f64).powf(1.0 - theta)) / (1.0 - sum(2) / zeta);
        Zipf { n: n as f64, theta, zeta, alpha: 1.0 / (1.0 - theta), eta }
    }

    #[inline]
    fn rank(&self, u: f64) -> u64 {
        let uz = u * self.zeta;
        if uz < 1.0 {
            0
        } else if uz < 1.0 + 0.5f64.powf(self.theta) {
            1
        } else {
            (self.n * (self.eta * u - self.eta + 1.0).powf(self.alpha)) as u64
        }
    }
}

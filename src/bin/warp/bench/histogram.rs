//! A histogram of durations: any number of them in a few KiB, each to about one per cent.

/// Sub-buckets of each power of two.
const SUB: u64 = 64;

/// Counts by duration, in nanoseconds.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Histogram { counts: vec![0; bucket(u64::MAX) + 1], total: 0, longest: 0 }
    }

    #[inline]
    pub fn add(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.longest = self.longest.max(nanos);
    }

    /// Takes in all that another one has.
    pub fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// The duration that so large a part of all does not exceed.
    pub fn percentile(&self, part: f64) -> u64 {
        let rank = ((self.total as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper(bucket).min(self.longest);
            }
        }
        self.longest
    }

    pub fn longest(&self) -> u64 {
        self.longest
    }
}

/// Below 2 × `SUB` each nanosecond has its own; above, each power of two is cut into `SUB`.
fn bucket(nanos: u64) -> usize {
    let shift = (63 - (nanos | 1).leading_zeros() as u64).saturating_sub(SUB.ilog2() as u64);
    (shift * SUB + (nanos >> shift)) as usize
}

/// The longest duration of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / SUB).saturating_sub(1);
    let head = bucket - shift * SUB;
    ((head + 1) << shift).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    #[allow(unused_imports, reason = "cargo bench has no test harness")]
    use super::*;

    #[test]
    fn percentiles_are_within_two_per_cent() {
        let mut all = Histogram::new();
        (1..=100_000u64).for_each(|n| all.add(n * 37));
        for part in [0.5, 0.9, 0.99, 0.999] {
            let (got, exact) = (all.percentile(part) as f64, part * 3_700_000.0);
            assert!((got / exact - 1.0).abs() < 0.02, "{part}: {got} for {exact}");
        }
        assert_eq!(all.percentile(1.0), 3_700_000);
        assert_eq!(all.longest(), 3_700_000);
    }

    #[test]
    fn every_duration_lies_in_its_bucket() {
        for nanos in (0..64).flat_map(|bit| [0, 1].map(|n| (1u64 << bit) - n)).chain([u64::MAX]) {
            assert!(upper(bucket(nanos)) >= nanos, "{nanos}");
            assert!(bucket(nanos) == 0 || upper(bucket(nanos) - 1) < nanos, "{nanos}");
        }
    }
}

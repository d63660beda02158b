//! Quantiles of times and counts in bounded memory.
//!
//! Values fall into buckets by their highest bit and the six bits after it, so a quantile is right
//! to 1 part in 64; below 128 it is exact. Entries have a weight, for values that stand for others.

use serde::Serialize;

/// Bits of a value after its highest one that count.
const DETAIL: u32 = 6;

/// Buckets of values below `2^(DETAIL + 1)`, one for each, and then of every further bit.
const BUCKETS: usize = (64 - DETAIL as usize + 1) << DETAIL;

/// A histogram of numbers that are not negative.
#[derive(Debug, Clone)]
pub struct Histogram {
    weights: Vec<u64>,
    total: u64,
    max: u64,
}

/// Quantiles of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// Half lie at or below.
    pub p50: u64,
    /// Nine in ten lie at or below.
    pub p90: u64,
    /// 99 in 100 lie at or below.
    pub p99: u64,
    /// The greatest.
    pub max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { weights: vec![0; BUCKETS], total: 0, max: 0 }
    }
}

impl Histogram {
    /// Adds a value that stands for `weight` of them; what is negative counts as 0.
    pub fn add(&mut self, value: i64, weight: u64) {
        let value = u64::try_from(value).unwrap_or(0);
        if let Some(bucket) = self.weights.get_mut(bucket(value)) {
            *bucket += weight;
            self.total += weight;
            self.max = self.max.max(value);
        }
    }

    /// Number of values, weights counted.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// Middle of the bucket in which the share `q` of the values is reached; `None` when empty.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let rank = ((q * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut below = 0;
        let place = self.weights.iter().position(|&weight| {
            below += weight;
            below >= rank
        })?;
        Some(middle(place).min(self.max))
    }

    /// The usual quantiles; `None` when empty.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let at = |q| self.quantile(q);
        Some(Quantiles { p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)?, max: self.max })
    }
}

fn bucket(value: u64) -> usize {
    let above = (u64::BITS - value.leading_zeros()).saturating_sub(DETAIL + 1);
    ((above as usize) << DETAIL) + (value >> above) as usize
}

/// Middle of a bucket; the value itself where a bucket holds one.
fn middle(bucket: usize) -> u64 {
    let above = ((bucket >> DETAIL) as u32).saturating_sub(1);
    let lowest = ((bucket - ((above as usize) << DETAIL)) as u64) << above;
    lowest + ((1 << above) >> 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::{BUCKETS, Histogram, bucket, middle};

    #[test]
    fn quantiles_of_small_numbers_are_exact() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantiles(), None);
        (1..=100).for_each(|value| histogram.add(value, 1));
        let quantiles = histogram.quantiles().unwrap();
        assert_eq!((quantiles.p50, quantiles.p90, quantiles.p99), (50, 90, 99));
        assert_eq!((quantiles.max, histogram.count()), (100, 100));
        histogram.add(5, 1_000);
        assert_eq!(histogram.quantile(0.5), Some(5));
        histogram.add(-3, 10_000);
        assert_eq!(histogram.quantile(0.5), Some(0));
    }

    #[test]
    fn every_number_has_a_bucket() {
        for value in [0, 1, 127, 128, 129, 1 << 40, u64::MAX] {
            assert!(bucket(value) < BUCKETS);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn a_bucket_is_right_to_one_part_in_64(shift in 0_u32..63, low in 0_u64..u64::MAX) {
            let value = low >> shift;
            let error = middle(bucket(value)).abs_diff(value);
            prop_assert!(error as f64 <= value as f64 / 64.0, "{} {}", value, error);
        }
    }
}

//! The rate over time.
//!
//! Events are counted in bins of one length. When more bins would be needed than allowed, they are
//! joined in pairs and the length doubles, so that a trace of any length is counted in one pass and
//! in bounded memory, and no count is ever wrong.

use serde::Serialize;

use crate::record::SECOND_NS;

/// Counts events over time.
#[derive(Debug, Clone)]
pub struct RateCurve {
    bin_ns: i64,
    bins_max: usize,
    counts: Vec<u64>,
}

/// Events per bin, from 0 on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// Length of a bin, ns.
    pub bin_ns: i64,
    /// End of the observation, ns; the last bin may be cut off there.
    pub end_ns: i64,
    /// Events in each bin.
    pub counts: Vec<u64>,
}

impl RateCurve {
    /// Counts in bins of at least `bin_ns`, at most `bins_max` of them.
    pub fn new(bin_ns: i64, bins_max: usize) -> Self {
        Self { bin_ns: bin_ns.max(1), bins_max: bins_max.max(1), counts: Vec::new() }
    }

    /// Adds an event; one before 0 counts in the first bin.
    pub fn add(&mut self, t_ns: i64) {
        let bin = self.bin(t_ns);
        if bin >= self.counts.len() {
            self.counts.resize(bin + 1, 0);
        }
        self.counts[bin] += 1;
    }

    /// The bin of an instant, after as many joins as that takes.
    fn bin(&mut self, t_ns: i64) -> usize {
        loop {
            match usize::try_from(t_ns.max(0) / self.bin_ns) {
                Ok(bin) if bin < self.bins_max => return bin,
                _ => self.join(),
            }
        }
    }

    fn join(&mut self) {
        self.counts = self.counts.chunks(2).map(|pair| pair.iter().sum()).collect();
        self.bin_ns = self.bin_ns.saturating_mul(2);
        if self.bin_ns == i64::MAX {
            self.bins_max = self.bins_max.max(2);
        }
    }

    /// Ends the observation; bins without events up to there are filled in.
    pub fn finish(mut self, end_ns: i64) -> Rates {
        if end_ns > 0 {
            let last = self.bin(end_ns - 1);
            if last >= self.counts.len() {
                self.counts.resize(last + 1, 0);
            }
        }
        Rates { bin_ns: self.bin_ns, end_ns: end_ns.max(0), counts: self.counts }
    }
}

impl Rates {
    /// Joins bins so that at most `bins_max` are left.
    pub fn coarser(&self, bins_max: usize) -> Self {
        let joined = self.counts.len().div_ceil(bins_max.max(1)).max(1);
        Self {
            bin_ns: self.bin_ns.saturating_mul(joined as i64),
            end_ns: self.end_ns,
            counts: self.counts.chunks(joined).map(|bins| bins.iter().sum()).collect(),
        }
    }

    /// Events per second in each bin; the last is divided by what is observed of it.
    pub fn per_s(&self) -> Vec<f64> {
        let rate = |(bin, &count): (i64, &u64)| {
            let begin_ns = self.bin_ns.saturating_mul(bin);
            let length_ns = self.bin_ns.min(self.end_ns.saturating_sub(begin_ns)).max(1);
            count as f64 * SECOND_NS as f64 / length_ns as f64
        };
        (0..).zip(&self.counts).map(rate).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{RateCurve, Rates};

    #[test]
    fn bins_double_until_the_trace_fits() {
        let mut curve = RateCurve::new(10, 4);
        [0, 5, 10, 39].into_iter().for_each(|t_ns| curve.add(t_ns));
        let early = curve.clone().finish(40);
        assert_eq!(early, Rates { bin_ns: 10, end_ns: 40, counts: vec![2, 1, 0, 1] });
        curve.add(40);
        let rates = curve.finish(70);
        assert_eq!(rates, Rates { bin_ns: 20, end_ns: 70, counts: vec![3, 1, 1, 0] });
        assert_eq!(rates.coarser(2).counts, [4, 1]);
        let per_s = rates.per_s();
        assert!((per_s[0] - 3.0 / 20e-9).abs() < 1.0 && per_s[3] == 0.0);
    }

    #[test]
    fn the_last_bin_is_divided_by_what_is_seen_of_it() {
        let mut curve = RateCurve::new(10, 10);
        [12, 13].into_iter().for_each(|t_ns| curve.add(t_ns));
        assert!((curve.finish(14).per_s()[1] - 2.0 / 4e-9).abs() < 1e-3);
        assert!(RateCurve::new(1, 5).finish(0).per_s().is_empty());
    }

    proptest! {
        #[test]
        fn no_event_is_lost(times in proptest::collection::vec(any::<i64>(), 0..50), bins in 0_usize..9) {
            let mut curve = RateCurve::new(7, bins);
            times.iter().for_each(|&t_ns| curve.add(t_ns));
            let rates = curve.finish(i64::MAX);
            prop_assert_eq!(rates.counts.iter().sum::<u64>(), times.len() as u64);
            prop_assert!(rates.counts.len() <= bins.max(2));
        }
    }
}

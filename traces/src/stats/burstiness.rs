//! How unevenly events come.
//!
//! The index of dispersion for counts is the variance of the number of events in windows of one
//! length over its mean: 1 for a Poisson process, less for a metronome, more for bursts, and over
//! the length of the window it tells on which scale the bursts are. Windows follow one another from
//! 0; one that begins before the observation or ends after it would hold too few events and is
//! left out, as the analysis of a run does it.
//!
//! Counts and their squares are added up as integers, so nothing is lost over a hundred million
//! windows.

use serde::Serialize;

use crate::record::SECOND_NS;

/// Windows that are shown, ns: 0.1, 1, 10 and 60 s.
pub const WINDOWS_NS: [i64; 4] = [SECOND_NS / 10, SECOND_NS, 10 * SECOND_NS, 60 * SECOND_NS];

/// Fewest whole windows of which a variance is taken.
const WINDOWS_MIN: u64 = 2;

/// Index of dispersion at one window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Dispersion {
    /// Length of the window, ns.
    pub window_ns: i64,
    /// Whole windows.
    pub windows: u64,
    /// Mean number of events in them.
    pub mean: f64,
    /// Variance over mean; absent without an event or with fewer than two whole windows.
    pub index: Option<f64>,
}

/// How unevenly the events of a timeline come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BurstinessFigures {
    /// Number of events.
    pub events: u64,
    /// Length of the observation, ns.
    pub length_ns: i64,
    /// Events per second on average.
    pub mean_per_s: f64,
    /// Events in the fullest second, seconds counted from 0.
    pub peak_per_s: u64,
    /// Squared coefficient of variation of the gaps: variance over squared mean, 1 for a Poisson
    /// process of constant rate. Absent with fewer than two gaps.
    pub gap_cv2: Option<f64>,
    /// Index of dispersion, window by window.
    pub dispersion: Vec<Dispersion>,
}

/// Measures how unevenly events come, in one pass.
#[derive(Debug, Clone)]
pub struct Burstiness {
    begin_ns: i64,
    windows: Vec<WindowCounts>,
    seconds: WindowCounts,
    gaps: Moments,
    last_ns: Option<i64>,
    events: u64,
}

impl Burstiness {
    /// Observes from `begin_ns` on, in windows of these lengths; lengths below 1 ns are left out.
    pub fn new(begin_ns: i64, windows_ns: &[i64]) -> Self {
        let windows = windows_ns.iter().filter(|&&window_ns| window_ns > 0);
        Self {
            begin_ns,
            windows: windows.map(|&window_ns| WindowCounts::new(window_ns, begin_ns)).collect(),
            seconds: WindowCounts::new(SECOND_NS, begin_ns),
            gaps: Moments::default(),
            last_ns: None,
            events: 0,
        }
    }

    /// Adds an event; they come in ascending order.
    pub fn add(&mut self, t_ns: i64) {
        self.events += 1;
        for window in self.windows.iter_mut().chain([&mut self.seconds]) {
            window.add(t_ns);
        }
        if let Some(last_ns) = self.last_ns.replace(t_ns) {
            self.gaps.add((t_ns - last_ns) as f64);
        }
    }

    /// Ends the observation at `end_ns`.
    pub fn finish(mut self, end_ns: i64) -> BurstinessFigures {
        let length_ns = (end_ns - self.begin_ns).max(0);
        let length_s = length_ns as f64 / SECOND_NS as f64;
        self.seconds.finish(end_ns);
        let dispersion = self.windows.into_iter().map(|mut window| {
            window.finish(end_ns);
            window.dispersion()
        });
        BurstinessFigures {
            events: self.events,
            length_ns,
            mean_per_s: if length_ns > 0 { self.events as f64 / length_s } else { 0.0 },
            peak_per_s: self.seconds.peak,
            gap_cv2: self.gaps.cv2(),
            dispersion: dispersion.collect(),
        }
    }
}

/// Counts in consecutive windows of one length.
#[derive(Debug, Clone)]
struct WindowCounts {
    window_ns: i64,
    /// First whole window.
    first: i64,
    /// Window of the last event, and how many it holds so far.
    current: i64,
    count: u64,
    peak: u64,
    total: u64,
    squares: u128,
    windows: u64,
}

impl WindowCounts {
    fn new(window_ns: i64, begin_ns: i64) -> Self {
        let current = begin_ns.div_euclid(window_ns);
        let first = current + i64::from(begin_ns.rem_euclid(window_ns) != 0);
        Self { window_ns, first, current, count: 0, peak: 0, total: 0, squares: 0, windows: 0 }
    }

    fn add(&mut self, t_ns: i64) {
        let window = t_ns.div_euclid(self.window_ns);
        if window > self.current {
            self.close();
            self.current = window;
        }
        self.count += 1;
    }

    /// Takes the window of the last event as over.
    fn close(&mut self) {
        let count = std::mem::take(&mut self.count);
        self.peak = self.peak.max(count);
        if self.current >= self.first {
            self.total += count;
            self.squares += u128::from(count) * u128::from(count);
        }
    }

    fn finish(&mut self, end_ns: i64) {
        // The window in which the observation ends is cut off; it counts for the peak alone.
        let end = end_ns.div_euclid(self.window_ns);
        self.windows = u64::try_from(end - self.first).unwrap_or(0);
        if self.current >= end {
            self.first = i64::MAX;
        }
        self.close();
    }

    fn dispersion(&self) -> Dispersion {
        let windows = self.windows as f64;
        let mean = if self.windows > 0 { self.total as f64 / windows } else { 0.0 };
        let index = (self.windows >= WINDOWS_MIN && self.total > 0).then(|| {
            let squares = self.squares as f64 - self.total as f64 * mean;
            (squares / (windows - 1.0) / mean).max(0.0)
        });
        Dispersion { window_ns: self.window_ns, windows: self.windows, mean, index }
    }
}

/// Mean and variance of numbers, in one pass (Welford 1962).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let off = value - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (value - self.mean);
    }

    /// Variance over squared mean.
    pub fn cv2(&self) -> Option<f64> {
        (self.count >= 2 && self.mean > 0.0)
            .then(|| self.squares / (self.count - 1) as f64 / (self.mean * self.mean))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Distribution, Exp1};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn figures(
        times_ns: &[i64],
        begin_ns: i64,
        end_ns: i64,
        windows_ns: &[i64],
    ) -> BurstinessFigures {
        let mut burstiness = Burstiness::new(begin_ns, windows_ns);
        times_ns.iter().for_each(|&t_ns| burstiness.add(t_ns));
        burstiness.finish(end_ns)
    }

    #[test]
    fn a_poisson_process_has_an_index_of_one_at_every_window() {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut now_s = 0.0;
        let times: Vec<i64> = std::iter::from_fn(|| {
            let gap: f64 = Exp1.sample(&mut chance);
            now_s += gap / 50.0;
            (now_s < 4_000.0).then_some((now_s * 1e9) as i64)
        })
        .collect();
        let figures = figures(&times, 0, 4_000 * SECOND_NS, &WINDOWS_NS);
        for dispersion in figures.dispersion {
            // The index of N windows spreads by √(2/N): four times that.
            let tolerance = 4.0 * (2.0 / dispersion.windows as f64).sqrt();
            let index = dispersion.index.unwrap();
            assert!((index - 1.0).abs() < tolerance, "{} ns: {index}", dispersion.window_ns);
        }
        assert!((figures.gap_cv2.unwrap() - 1.0).abs() < 0.05);
        assert!((figures.mean_per_s - 50.0).abs() < 0.5);
    }

    #[test]
    fn a_metronome_has_none_and_clumps_have_their_size() {
        let metronome: Vec<i64> = (0..1_000).map(|k| k * SECOND_NS / 10).collect();
        let even = figures(&metronome, 0, 100 * SECOND_NS, &[SECOND_NS]);
        assert_eq!(even.dispersion[0].index, Some(0.0));
        assert_eq!((even.gap_cv2, even.peak_per_s, even.mean_per_s), (Some(0.0), 10, 10.0));
        // Ten at once in every second second: mean 5, variance 25·100/99.
        let clumps: Vec<i64> = (0..50).flat_map(|k| [2 * k * SECOND_NS; 10]).collect();
        let clumps = figures(&clumps, 0, 100 * SECOND_NS, &[SECOND_NS]);
        assert!((clumps.dispersion[0].index.unwrap() - 5.0 * 100.0 / 99.0).abs() < 1e-12);
    }

    #[test]
    fn windows_cut_off_at_either_end_are_left_out() {
        let times: Vec<i64> = [15, 16, 21, 35, 45, 46, 47].map(|t| t * SECOND_NS).to_vec();
        let figures = figures(&times, 15 * SECOND_NS, 48 * SECOND_NS, &[10 * SECOND_NS]);
        let window = figures.dispersion[0];
        assert_eq!((window.windows, window.mean), (2, 1.0));
        assert_eq!(window.index, Some(0.0));
        assert_eq!((figures.events, figures.peak_per_s), (7, 1));
    }

    #[test]
    fn nothing_one_event_and_equal_stamps_have_no_figures_that_mislead() {
        let none = figures(&[], 0, 0, &WINDOWS_NS);
        assert_eq!((none.events, none.mean_per_s, none.gap_cv2), (0, 0.0, None));
        assert!(none.dispersion.iter().all(|window| window.index.is_none()));
        let silent = figures(&[], 0, 100 * SECOND_NS, &WINDOWS_NS);
        assert!(silent.dispersion.iter().all(|window| window.index.is_none()));
        let one = figures(&[0], 0, 1, &WINDOWS_NS);
        assert_eq!((one.events, one.peak_per_s, one.gap_cv2), (1, 1, None));
        let same = figures(&[5; 100], 0, 10 * SECOND_NS, &[SECOND_NS]);
        assert_eq!((same.peak_per_s, same.gap_cv2), (100, None));
        // One window of ten holds all: variance 1,000 over mean 10.
        assert!((same.dispersion[0].index.unwrap() - 100.0).abs() < 1e-9);
        let wrong = figures(&[1], 0, 10, &[0, -5]);
        assert!(wrong.dispersion.is_empty());
    }

    proptest! {
        #[test]
        fn the_stream_finds_what_counting_finds(seed in 0_u64..1_000, window_ns in 1_i64..200) {
            let mut chance = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut times: Vec<i64> = (0..200).map(|_| chance.random_range(0..1_000)).collect();
            times.sort_unstable();
            let windows = 1_000 / window_ns;
            let count = |w: i64| times.iter().filter(|&&t| t / window_ns == w).count() as f64;
            let counts: Vec<f64> = (0..windows).map(count).collect();
            let mean = counts.iter().sum::<f64>() / windows as f64;
            let squares: f64 = counts.iter().map(|count| (count - mean).powi(2)).sum();
            let known = squares / (windows - 1) as f64 / mean;
            let found = figures(&times, 0, 1_000, &[window_ns]).dispersion[0];
            prop_assert_eq!(found.windows, windows as u64);
            prop_assert!((found.index.unwrap() - known).abs() < 1e-9 * (1.0 + known));
        }
    }
}

//! What a specification does to the rate and to the bursts, by formula.
//!
//! Bursts are measured by the index of dispersion for counts, `I(w)`: variance over mean of the
//! number of events in windows of length w. `V(w) = λ·w·I(w)` is the variance itself, λ the mean
//! rate; `x(w) = I(w) − 1` is what goes beyond a Poisson process.
//!
//! * **thin** by p, every event by itself: `1 + p·x(w)`, exactly. By session the bursts inside
//!   sessions stay, so the index lies between that and `I(w)`.
//! * **overlap** of n timelines: `I(w)`, when what happens a shift apart has nothing to do with one
//!   another. A trend over the trace cancels and makes it less, a period of the shift's length
//!   makes it more.
//! * **copies**: each event becomes itself and n − 1 moved ones. Two things add up. Copies of the
//!   *same* event fall into the same window with a probability that follows from the jitter: with
//!   U the distance of a copy from its event, Δ that between two copies,
//!
//!   ```text
//!   D(w) = [ 2(n−1)·E(w−|U|)⁺ + (n−1)(n−2)·E(w−|Δ|)⁺ ] / (n·w)
//!   ```
//!
//!   Copies of *different* events carry on what is beyond Poisson in the original. The covariance
//!   of its counts in two windows a distance d apart, Poisson part left out, is
//!   `K(d) = [ X(w+d) + X(|w−d|) − 2X(d) ] / 2` with `X(w) = w·x(w)`, so
//!
//!   ```text
//!   I'(w) = 1 + D(w) + [ K(0) + 2(n−1)·E K(|U|) + (n−1)²·E K(|Δ|) ] / (n·w)
//!   ```
//!
//!   For windows far longer than the jitter this is `n·I(w)`, rate and curve multiplied alike; far
//!   below it and for rates that change slowly, `1 + n·x(w)`.
//! * **speed** s: `I(w·s)`, exactly: time alone is changed.
//!
//! No formula tells what slice, filter and cut gaps do; measure the trace after them. They are
//! taken as done here, with the measured curve as what they left.

use serde::Serialize;

use super::spec::{Copies, ReplaySpec, ThinBy};

/// Index of dispersion over the length of the window, as measured; between two windows it is
/// straight over the window's logarithm, and outside it is what it is at the end.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DispersionCurve {
    /// Windows, ascending, and the index there.
    points: Vec<(f64, f64)>,
}

impl DispersionCurve {
    /// Takes windows in ns and the indices measured there, in any order; what is no number is
    /// left out.
    pub fn new(points: impl IntoIterator<Item = (i64, f64)>) -> Self {
        let is_number = |&(window, index): &(f64, f64)| window > 0.0 && index.is_finite();
        let points = points.into_iter().map(|(window_ns, index)| (window_ns as f64, index));
        let mut points: Vec<_> = points.filter(is_number).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { points }
    }

    /// The index at a window; 1, as of a Poisson process, when nothing was measured.
    pub fn at(&self, window_ns: f64) -> f64 {
        let next = self.points.partition_point(|&(window, _)| window < window_ns);
        let before = next.checked_sub(1).and_then(|place| self.points.get(place));
        match (before, self.points.get(next)) {
            (Some(&(window_0, index_0)), Some(&(window_1, index_1))) => {
                let share = (window_ns / window_0).ln() / (window_1 / window_0).ln();
                index_0 + share * (index_1 - index_0)
            }
            (Some(&(_, index)), None) | (None, Some(&(_, index))) => index,
            (None, None) => 1.0,
        }
    }
}

/// What is to be expected at one window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExpectedDispersion {
    /// Length of the window, ns.
    pub window_ns: i64,
    /// Index of dispersion before, as measured.
    pub before: f64,
    /// Least index to be expected afterwards.
    pub low: f64,
    /// Greatest index to be expected afterwards; the same as `low` when a formula gives one.
    pub high: f64,
}

/// What a specification does, by formula.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expectation {
    /// What the rate is multiplied by.
    pub rate_factor: f64,
    /// What the length of the trace is multiplied by, seams left out.
    pub length_factor: f64,
    /// Index of dispersion, window by window.
    pub dispersion: Vec<ExpectedDispersion>,
    /// What the formulas take for granted.
    pub notes: Vec<&'static str>,
}

/// Tells what a specification does to a trace whose index of dispersion is `measured`, after
/// slice, filter and cut gaps.
pub fn expected(spec: &ReplaySpec, measured: &DispersionCurve, windows_ns: &[i64]) -> Expectation {
    let number = |n: Option<u32>| f64::from(n.unwrap_or(1));
    let p = spec.thin.map_or(1.0, |thin| thin.p);
    let n =
        number(spec.overlap.map(|overlap| overlap.n)) * number(spec.copies.map(|copies| copies.n));
    let dispersion = windows_ns.iter().map(|&window_ns| {
        let window = window_ns as f64;
        let (low, high) = after(spec, measured, window * spec.speed);
        ExpectedDispersion { window_ns, before: measured.at(window), low, high }
    });
    Expectation {
        rate_factor: p * n * spec.speed,
        length_factor: f64::from(spec.repeat.times) / spec.speed,
        dispersion: dispersion.collect(),
        notes: notes(spec),
    }
}

/// Least and greatest index at a window before the speed is applied.
fn after(spec: &ReplaySpec, measured: &DispersionCurve, window: f64) -> (f64, f64) {
    let excess = |window: f64| measured.at(window) - 1.0;
    let copied = |share: f64| {
        let thinned = move |window: f64| share * excess(window);
        match spec.copies {
            Some(copies) => 1.0 + copied_excess(copies, thinned, window),
            None => 1.0 + thinned(window),
        }
    };
    let Some(thin) = spec.thin else {
        let index = copied(1.0);
        return (index, index);
    };
    let by_event = copied(thin.p);
    match thin.by {
        ThinBy::Event => (by_event, by_event),
        ThinBy::Session => {
            let whole = copied(1.0);
            (by_event.min(whole), by_event.max(whole))
        }
    }
}

/// `I'(w) − 1` of copies; the module tells the formula.
fn copied_excess(copies: Copies, excess: impl Fn(f64) -> f64, window: f64) -> f64 {
    let n = f64::from(copies.n);
    let jitter = copies.jitter_ns.max(0) as f64;
    let inside = |distance: f64| (window - distance).max(0.0);
    let scaled = |window: f64| window * excess(window);
    let covariance = |distance: f64| {
        let ends = scaled(window + distance) + scaled((window - distance).abs());
        (ends - 2.0 * scaled(distance)) / 2.0
    };
    let covariance =
        |distance: f64| if distance > 0.0 { covariance(distance) } else { scaled(window) };
    let reach = if copies.keep_session_order { jitter } else { jitter / 2.0 };
    let from_event = |of: &dyn Fn(f64) -> f64| mean_uniform(reach, of);
    let between = |of: &dyn Fn(f64) -> f64| mean_triangular(jitter, of);
    let same = 2.0 * (n - 1.0) * from_event(&inside) + (n - 1.0) * (n - 2.0) * between(&inside);
    let different = scaled(window)
        + 2.0 * (n - 1.0) * from_event(&covariance)
        + (n - 1.0).powi(2) * between(&covariance);
    (same + different) / (n * window)
}

/// Points at which a mean over distances is taken.
const POINTS: u32 = 400;

/// Mean of a function of a distance that is uniform in `[0, reach)`.
fn mean_uniform(reach: f64, of: &dyn Fn(f64) -> f64) -> f64 {
    let shares = (0..POINTS).map(|point| (f64::from(point) + 0.5) / f64::from(POINTS));
    shares.map(|share| of(share * reach)).sum::<f64>() / f64::from(POINTS)
}

/// Mean of a function of the distance of two instants that are uniform in an interval of this
/// width: its distribution is `1 − (1 − d)²`.
fn mean_triangular(width: f64, of: &dyn Fn(f64) -> f64) -> f64 {
    let shares = (0..POINTS).map(|point| (f64::from(point) + 0.5) / f64::from(POINTS));
    let distances = shares.map(|share| width * (1.0 - (1.0 - share).sqrt()));
    distances.map(of).sum::<f64>() / f64::from(POINTS)
}

fn notes(spec: &ReplaySpec) -> Vec<&'static str> {
    let parts = [
        (
            spec.max_gap_ns.is_some() || spec.filter != super::Filter::default(),
            "no formula tells what the filter and cut gaps do: measure the trace after them",
        ),
        (
            spec.thin.is_some_and(|thin| thin.by == ThinBy::Session),
            "thinned by session: bursts inside sessions stay, so the index lies in a range",
        ),
        (
            spec.overlap.is_some_and(|overlap| overlap.n > 1),
            "overlapped: taken as independent of one another; less where a trend cancels, \
             more where the trace repeats itself after a shift",
        ),
        (
            spec.copies.is_some_and(|copies| copies.n > 1),
            "copied: all copies follow the rate curve of one trace, so bursts grow with their number",
        ),
    ];
    parts.into_iter().filter(|(applies, _)| *applies).map(|(_, note)| note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SECOND_NS;
    use crate::transform::{Overlap, Repeat, Thin};

    /// As measured on the whole of the Azure conversation trace.
    fn curve() -> DispersionCurve {
        DispersionCurve::new(
            [(0.1, 1.06), (1.0, 1.39), (10.0, 3.87), (60.0, 16.4), (240.0, 52.0)]
                .map(|(window_s, index)| ((window_s * 1e9) as i64, index)),
        )
    }

    fn at(spec: &ReplaySpec, window_s: i64) -> f64 {
        let expectation = expected(spec, &curve(), &[window_s * SECOND_NS]);
        let expected = expectation.dispersion[0];
        assert_eq!(expected.low, expected.high);
        expected.low
    }

    #[test]
    fn the_identity_changes_nothing() {
        let expectation = expected(&ReplaySpec::default(), &curve(), &[SECOND_NS, 5 * SECOND_NS]);
        assert_eq!((expectation.rate_factor, expectation.length_factor), (1.0, 1.0));
        for point in expectation.dispersion {
            assert_eq!((point.low, point.high), (point.before, point.before));
        }
        assert!(expectation.notes.is_empty());
    }

    #[test]
    fn thinning_compression_and_overlap_follow_their_formulas() {
        let thin =
            ReplaySpec { thin: Some(Thin { p: 0.25, by: ThinBy::Event }), ..ReplaySpec::default() };
        assert!((at(&thin, 60) - 4.85).abs() < 1e-9);
        let fast = ReplaySpec { speed: 4.0, ..ReplaySpec::default() };
        assert!((at(&fast, 60) - 52.0).abs() < 1e-9);
        let overlap = Some(Overlap { n: 4, shift_ns: SECOND_NS });
        let overlap = ReplaySpec { overlap, ..ReplaySpec::default() };
        assert!((at(&overlap, 1) - 1.39).abs() < 1e-9);
        let repeat = Repeat { times: 3, seam_ns: 0 };
        let all = ReplaySpec { thin: thin.thin, overlap: overlap.overlap, repeat, ..fast };
        let expectation = expected(&all, &curve(), &[]);
        assert_eq!((expectation.rate_factor, expectation.length_factor), (4.0, 0.75));
    }

    #[test]
    fn thinning_by_session_gives_a_range() {
        let thin = Some(Thin { p: 0.25, by: ThinBy::Session });
        let spec = ReplaySpec { thin, ..ReplaySpec::default() };
        let point = expected(&spec, &curve(), &[60 * SECOND_NS]).dispersion[0];
        assert!((point.low - 4.85).abs() < 1e-9 && (point.high - 16.4).abs() < 1e-9);
    }

    #[test]
    fn copies_multiply_the_index_at_long_windows_and_its_excess_at_short_ones() {
        let copies = |jitter_ns| ReplaySpec {
            copies: Some(Copies { n: 4, jitter_ns, keep_session_order: false }),
            ..ReplaySpec::default()
        };
        // Measured on that trace: 65.6, the mean of 40 draws of another program.
        assert!((at(&copies(SECOND_NS / 2), 60) - 65.6).abs() < 0.5);
        // Without jitter all copies are one: four times as much, at any window.
        assert!((at(&copies(0), 1) - 4.0 * 1.39).abs() < 1e-9);
        // A Poisson process keeps only the copies of the same event.
        let poisson = DispersionCurve::default();
        let index = |spec: &ReplaySpec, window_s: i64| {
            expected(spec, &poisson, &[window_s * SECOND_NS]).dispersion[0].low
        };
        // With w = 1 s and a jitter of 0.5 s, E(w−|U|) = 0.875 and E(w−|Δ|) = 1 − 0.5/3.
        let known = 1.0 + (6.0 * 0.875 + 6.0 * (1.0 - 0.5 / 3.0)) / 4.0;
        assert!((index(&copies(SECOND_NS / 2), 1) - known).abs() < 1e-4);
        assert!((index(&copies(1_000 * SECOND_NS), 1) - 1.0).abs() < 0.01);
    }
}

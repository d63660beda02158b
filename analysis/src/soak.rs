//! From a run to the series that are searched for drift.
//!
//! Drift is looked for in the longest soak phase, else in the longest phase of constant rate
//! if that is long enough. Windows are a 120th of it, at least the set width, and wide enough
//! for the set number of samples. Response times are those of the successes: failures have a
//! series of their own.

use std::collections::BTreeMap;

use openload_contract::summary::Drift;
use openload_contract::{Metric, PhaseRecord, Role};

use crate::drift::{Series, Threshold, WINDOWS_AIM, WINDOWS_MIN, drift, insufficient};
use crate::groups::is_good;
use crate::numeric::{mean, ns_to_ms, ns_to_s, resampler, s_to_ns};
use crate::parallel;
use crate::quantile::rank;
use crate::rows::Rows;
use crate::run::{Run, Scope, is_flat};
use crate::store::Fields;

/// Change of the share of errors, and fall of goodput, per 24 h that count as drift.
const ERROR_RISE: f64 = 0.001;
const GOODPUT_FALL: f64 = 0.01;

/// Searches every series of a run; empty when the run is too short to ask.
pub fn drifts(run: &Run, limits: &[i64]) -> BTreeMap<String, Drift> {
    let Some(stretch) = Stretch::longest(run).filter(|stretch| stretch.is_wanted(run)) else {
        return BTreeMap::new();
    };
    let settings = &run.manifest.analysis;
    let windows = Windows::of(run, stretch, &stretch.scope());
    let width_s = windows.width_s;
    let seen = windows.see(&[0.5, 0.99], Some(limits));
    let relative = Threshold::Relative;
    let ratio =
        |count: u64, window: &Seen| (window.rows > 0).then(|| count as f64 / window.rows as f64);
    let mut found = BTreeMap::new();
    let mut search = |name: &str, threshold, value: &dyn Fn(&Seen) -> Option<f64>| {
        found.insert(name.to_owned(), windows.drift(run, name, threshold, &seen, value));
    };
    search("response_p50", relative(settings.drift_p50), &|window| window.response_ms[0]);
    search("response_p99", relative(settings.drift_p99), &|window| window.response_ms[1]);
    search("error_rate", Threshold::AbsoluteRise(ERROR_RISE), &|window| {
        ratio(window.failed, window)
    });
    search("goodput", Threshold::RelativeFall(GOODPUT_FALL), &|window| {
        Some(window.good as f64 / width_s)
    });
    search("lag_p99", relative(settings.drift_p99), &|window| window.lag_p99_us);
    if let Some(memory) = memory_drift(run, settings.drift_memory) {
        found.insert("target_memory".to_owned(), memory);
    }
    found
}

/// Searches one quantile of the response time of a scope; `threshold` is the change per 24 h
/// that matters.
pub fn response_drift(run: &Run, scope: &Scope<'_>, level: f64, threshold: f64) -> Drift {
    let Some(stretch) = Stretch::longest_in(run, scope) else {
        return insufficient(0, 0.0, "no phase to search");
    };
    let windows = Windows::of(
        run,
        stretch,
        &Scope { stream: Some(stretch.stream), phase: Some(&stretch.phase.name), ..*scope },
    );
    let name = format!("response p{level}");
    let seen = windows.see(&[level], None);
    windows
        .drift(run, &name, Threshold::Relative(threshold), &seen, &|window| window.response_ms[0])
}

/// Searches the target's resident memory; `None` when it was not recorded.
pub fn memory_drift(run: &Run, threshold: f64) -> Option<Drift> {
    let readings: Vec<(i64, f64)> = run
        .vitals
        .iter()
        .filter_map(|vitals| Some((vitals.t_ns, vitals.target_rss_bytes? as f64)))
        .collect();
    let stretch = Stretch::longest(run).filter(|_| !readings.is_empty())?;
    let (start_ns, end_ns) = run.span(stretch.phase);
    let width_ns = window_ns(run, end_ns - start_ns, 0);
    let windows = (end_ns - start_ns) / width_ns;
    let values = (0..windows).map(|index| {
        let from_ns = start_ns + index * width_ns;
        let inside =
            readings.iter().filter(|(t_ns, _)| (from_ns..from_ns + width_ns).contains(t_ns));
        let inside: Vec<f64> = inside.map(|&(_, bytes)| bytes).collect();
        (!inside.is_empty()).then(|| mean(&inside))
    });
    let series = series(values, width_ns, end_ns - start_ns, Threshold::Relative(threshold));
    let series = Series { by_floor: true, ..series };
    let found = drift(&series, &mut resampler(run.manifest.seed, "target memory"));
    Some(Drift { from_s: ns_to_s(start_ns), ..found })
}

/// A phase that is searched.
#[derive(Debug, Clone, Copy)]
struct Stretch<'a> {
    stream: &'a str,
    phase: &'a PhaseRecord,
}

impl<'a> Stretch<'a> {
    fn longest(run: &'a Run) -> Option<Self> {
        Self::longest_in(run, &Scope::default())
    }

    /// The longest soak phase, else the longest phase of constant rate, else the longest.
    fn longest_in(run: &'a Run, scope: &Scope<'_>) -> Option<Self> {
        let phases = run.phases().filter(|(stream, phase)| scope.covers(stream, phase));
        let length_ns = |phase: &PhaseRecord| phase.end_ns - phase.start_ns;
        let best = phases.max_by_key(|(_, phase)| {
            (phase.role == Role::Soak, is_flat(&phase.rate), length_ns(phase))
        });
        best.map(|(stream, phase)| Self { stream, phase })
    }

    /// Tells whether drift is a question to ask of this run.
    fn is_wanted(&self, run: &Run) -> bool {
        let (start_ns, end_ns) = run.span(self.phase);
        let shortest_s = WINDOWS_MIN as f64 * run.manifest.analysis.drift_window_s;
        let is_long = ns_to_s(end_ns - start_ns) >= shortest_s && is_flat(&self.phase.rate);
        let asked = |metric| matches!(metric, Metric::Drift | Metric::MemoryGrowth);
        self.phase.role == Role::Soak
            || is_long
            || run.manifest.objectives.iter().any(|objective| asked(objective.metric))
    }

    fn scope(&self) -> Scope<'a> {
        Scope { stream: Some(self.stream), phase: Some(&self.phase.name), ..Scope::default() }
    }
}

/// Width of the windows of a stretch with `rows` arrivals; 0 rows ask for no number of samples.
fn window_ns(run: &Run, length_ns: i64, rows: usize) -> i64 {
    let settings = &run.manifest.analysis;
    let length_s = ns_to_s(length_ns);
    let sampled_s =
        if rows > 0 { settings.drift_window_samples as f64 * length_s / rows as f64 } else { 0.0 };
    let aim_s = length_s / WINDOWS_AIM as f64;
    s_to_ns(aim_s.max(settings.drift_window_s).max(sampled_s)).max(1)
}

/// The rows of a stretch, cut into windows.
struct Windows<'a> {
    rows: Vec<Rows<'a>>,
    start_ns: i64,
    width_ns: i64,
    width_s: f64,
    length_ns: i64,
    refusal: Option<&'static str>,
}

/// What a window shows.
#[derive(Debug, Clone, Default)]
struct Seen {
    rows: u64,
    failed: u64,
    good: u64,
    /// Quantiles of the response times of the successes.
    response_ms: Vec<Option<f64>>,
    lag_p99_us: Option<f64>,
}

impl<'a> Windows<'a> {
    fn of(run: &'a Run, stretch: Stretch<'_>, scope: &Scope<'_>) -> Self {
        let (start_ns, end_ns) = run.span(stretch.phase);
        let length_ns = end_ns - start_ns;
        let rows = run.samples.columns().rows(|kind| scope.holds(kind));
        let width_ns = window_ns(run, length_ns, rows.count());
        let count = (length_ns / width_ns).max(0);
        let windows = (0..count).map(|index| {
            let from_ns = start_ns + index * width_ns;
            rows.between(from_ns, from_ns + width_ns)
        });
        let refusal = (!is_flat(&stretch.phase.rate))
            .then_some("the rate changes, and response times change with it");
        let rows = windows.collect();
        Self { rows, start_ns, width_ns, width_s: ns_to_s(width_ns), length_ns, refusal }
    }

    /// Looks at every window: quantiles of the response time at `levels`, and what is good by
    /// `limits`.
    fn see(&self, levels: &[f64], limits: Option<&[i64]>) -> Vec<Seen> {
        if self.refusal.is_some() {
            return Vec::new();
        }
        parallel::map(self.rows.len(), |index| see(&self.rows[index], levels, limits))
    }

    fn drift(
        &self,
        run: &Run,
        name: &str,
        threshold: Threshold,
        seen: &[Seen],
        value: &dyn Fn(&Seen) -> Option<f64>,
    ) -> Drift {
        if let Some(why) = self.refusal {
            return insufficient(self.rows.len(), self.width_s, why);
        }
        let values = seen.iter().map(value);
        let series = series(values, self.width_ns, self.length_ns, threshold);
        let found = drift(&series, &mut resampler(run.manifest.seed, name));
        Drift { from_s: ns_to_s(self.start_ns), ..found }
    }
}

/// Looks at a window, a 120th of the rows or less: its times are copied.
fn see(rows: &Rows<'_>, levels: &[f64], limits: Option<&[i64]>) -> Seen {
    let kinds = rows.columns().kinds();
    let (mut times, mut lags, mut seen) = (Vec::new(), Vec::new(), Seen::default());
    rows.visit(Fields::RESPONSE | Fields::LAG, |rows, places| {
        seen.rows += places.len() as u64;
        for place in places.iter() {
            lags.push(rows.lag_ns[place]);
            if kinds[rows.code(place)].outcome.is_ok() {
                times.push(rows.response_ns[place]);
            }
            if let Some(limits) = limits {
                seen.good += u64::from(is_good(kinds, limits, rows, place));
            }
        }
    });
    seen.failed = seen.rows - times.len() as u64;
    seen.response_ms =
        levels.iter().map(|&level| select(&mut times, level).map(ns_to_ms)).collect();
    seen.lag_p99_us = select(&mut lags, 0.99).map(|ns| ns as f64 / 1e3);
    seen
}

/// Quantile of values in any order.
fn select(values: &mut [i64], level: f64) -> Option<i64> {
    let index = rank(values.len(), level) - 1;
    (index < values.len()).then(|| *values.select_nth_unstable(index).1)
}

/// Puts the windows that have a value into a series.
fn series(
    values: impl Iterator<Item = Option<f64>>,
    width_ns: i64,
    length_ns: i64,
    threshold: Threshold,
) -> Series {
    let window_s = ns_to_s(width_ns);
    let known = (0..).zip(values).filter_map(|(index, value)| Some((index, value?)));
    let (times_s, values) =
        known.map(|(index, value)| ((f64::from(index) + 0.5) * window_s, value)).unzip();
    Series { times_s, values, window_s, length_s: ns_to_s(length_ns), threshold, by_floor: false }
}

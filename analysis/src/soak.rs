//! From a run to the series that are searched for drift.
//!
//! Drift is looked for in the longest soak phase, else in the longest phase of constant rate
//! if that is long enough. Windows are a 120th of it, at least the set width, and wide enough
//! for the set number of samples. Response times are those of the successes: failures have a
//! series of their own.

use std::collections::BTreeMap;

use openload_contract::summary::Drift;
use openload_contract::{Metric, PhaseRecord, Role};

use crate::Error;
use crate::drift::{Series, Threshold, WINDOWS_AIM, WINDOWS_MIN, drift, insufficient};
use crate::groups::is_good;
use crate::load::Columns;
use crate::numeric::{mean, ns_to_ms, ns_to_s, resampler, s_to_ns};
use crate::quantile::of_sorted;
use crate::run::{Run, Scope, is_flat};

/// Change of the share of errors, and fall of goodput, per 24 h that count as drift.
const ERROR_RISE: f64 = 0.001;
const GOODPUT_FALL: f64 = 0.01;

/// Searches every series of a run; empty when the run is too short to ask.
///
/// # Errors
/// When a column of the frame is unusable.
pub fn drifts(run: &Run, limits: &[i64]) -> Result<BTreeMap<String, Drift>, Error> {
    let Some(stretch) = Stretch::longest(run).filter(|stretch| stretch.is_wanted(run)) else {
        return Ok(BTreeMap::new());
    };
    let columns = run.samples.columns()?;
    let settings = &run.manifest.analysis;
    let windows = Windows::of(run, columns, stretch, &stretch.scope());
    let width_s = windows.width_s;
    let relative = Threshold::Relative;
    let ratio =
        |count: usize, rows: &[u32]| (!rows.is_empty()).then(|| count as f64 / rows.len() as f64);
    let count = |rows: &[u32], holds: &dyn Fn(usize) -> bool| {
        rows.iter().filter(|&&row| holds(row as usize)).count()
    };
    let failed = |row: usize| !columns.kind(row).outcome.is_ok();
    let good = |row: usize| is_good(columns, limits, row);
    let mut found = BTreeMap::new();
    let mut search = |name: &str, threshold, value: &dyn Fn(&[u32]) -> Option<f64>| {
        found.insert(name.to_owned(), windows.drift(run, name, threshold, value));
    };
    search("response_p50", relative(settings.drift_p50), &|rows| response_ms(columns, rows, 0.5));
    search("response_p99", relative(settings.drift_p99), &|rows| response_ms(columns, rows, 0.99));
    search("error_rate", Threshold::AbsoluteRise(ERROR_RISE), &|rows| {
        ratio(count(rows, &failed), rows)
    });
    search("goodput", Threshold::RelativeFall(GOODPUT_FALL), &|rows| {
        Some(count(rows, &good) as f64 / width_s)
    });
    search("lag_p99", relative(settings.drift_p99), &|rows| lag_us(columns, rows, 0.99));
    if let Some(memory) = memory_drift(run, settings.drift_memory) {
        found.insert("target_memory".to_owned(), memory);
    }
    Ok(found)
}

/// Searches one quantile of the response time of a scope; `threshold` is the change per 24 h
/// that matters.
pub fn response_drift(
    run: &Run,
    columns: Columns<'_>,
    scope: &Scope<'_>,
    level: f64,
    threshold: f64,
) -> Drift {
    let Some(stretch) = Stretch::longest_in(run, scope) else {
        return insufficient(0, 0.0, "no phase to search");
    };
    let windows = Windows::of(
        run,
        columns,
        stretch,
        &Scope { stream: Some(stretch.stream), phase: Some(&stretch.phase.name), ..*scope },
    );
    let name = format!("response p{level}");
    windows.drift(run, &name, Threshold::Relative(threshold), &|rows| {
        response_ms(columns, rows, level)
    })
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
struct Windows {
    rows: Vec<Vec<u32>>,
    start_ns: i64,
    width_ns: i64,
    width_s: f64,
    length_ns: i64,
    refusal: Option<&'static str>,
}

impl Windows {
    fn of(run: &Run, columns: Columns<'_>, stretch: Stretch<'_>, scope: &Scope<'_>) -> Self {
        let (start_ns, end_ns) = run.span(stretch.phase);
        let length_ns = end_ns - start_ns;
        let rows = columns.rows(&columns.mask(|kind| scope.holds(kind)));
        let width_ns = window_ns(run, length_ns, rows.len());
        let count = usize::try_from(length_ns / width_ns).unwrap_or(0);
        let mut windows = vec![Vec::new(); count];
        for row in rows {
            let offset_ns = columns.intended_ns[row as usize] - start_ns;
            let window = usize::try_from(offset_ns / width_ns).ok();
            if let Some(window) = window.and_then(|window| windows.get_mut(window)) {
                window.push(row);
            }
        }
        let refusal = (!is_flat(&stretch.phase.rate))
            .then_some("the rate changes, and response times change with it");
        Self { rows: windows, start_ns, width_ns, width_s: ns_to_s(width_ns), length_ns, refusal }
    }

    fn drift(
        &self,
        run: &Run,
        name: &str,
        threshold: Threshold,
        value: &dyn Fn(&[u32]) -> Option<f64>,
    ) -> Drift {
        if let Some(why) = self.refusal {
            return insufficient(self.rows.len(), self.width_s, why);
        }
        let values = self.rows.iter().map(|rows| value(rows));
        let series = series(values, self.width_ns, self.length_ns, threshold);
        let found = drift(&series, &mut resampler(run.manifest.seed, name));
        Drift { from_s: ns_to_s(self.start_ns), ..found }
    }
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

fn response_ms(columns: Columns<'_>, rows: &[u32], level: f64) -> Option<f64> {
    let rows = rows.iter().map(|&row| row as usize);
    let mut times: Vec<i64> = rows
        .filter(|&row| columns.kind(row).outcome.is_ok())
        .map(|row| columns.response_ns[row])
        .collect();
    times.sort_unstable();
    of_sorted(&times, level).map(ns_to_ms)
}

fn lag_us(columns: Columns<'_>, rows: &[u32], level: f64) -> Option<f64> {
    let mut lags: Vec<i64> = rows.iter().map(|&row| columns.lag_ns[row as usize]).collect();
    lags.sort_unstable();
    of_sorted(&lags, level).map(|ns| ns as f64 / 1e3)
}

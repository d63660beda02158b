//! Counts, rates, quantiles and errors of groups of arrivals.
//!
//! The groups are everything measured, and the same by phase, by scenario and by request.
//! The rows of a table are dealt out to its groups in one pass; then each group is worked on
//! alone, so no more than one group's times are copied at once.

use std::collections::BTreeMap;

use openload_contract::summary::{Errors, GroupSummary, LagQuantiles, Rates, RequestCounts};
use openload_contract::{Bound, Metric, Objective, Outcome};

use crate::Error;
use crate::load::{Columns, Kind, second_of};
use crate::numeric::s_to_ns;
use crate::quantile::{CENSORED, Distribution, of_sorted};
use crate::run::{Run, Scope};

/// The tables of the summary.
#[derive(Debug, Clone)]
pub struct Groups {
    /// Everything measured.
    pub all: GroupSummary,
    /// By measured phase.
    pub by_phase: BTreeMap<String, GroupSummary>,
    /// By scenario.
    pub by_scenario: BTreeMap<String, GroupSummary>,
    /// By request.
    pub by_request: BTreeMap<String, GroupSummary>,
}

/// Summarises a run by its groups.
///
/// # Errors
/// When a column of the frame is unusable.
pub fn groups(run: &Run) -> Result<Groups, Error> {
    let columns = run.samples.columns()?;
    let table = Table { run, columns, limits: good_limits(&run.manifest.objectives, columns) };
    let measured_s = run.covered_s(|stream, phase| Scope::default().covers(stream, phase));
    let mut all = table.by(|_| "", |kind| kind.is_measured, |_| measured_s);
    let mut by_phase = table.by(
        |kind| phase_key(run, kind),
        |kind| kind.is_measured,
        |key| run.covered_s(|stream, phase| run.phase_key(stream, &phase.name) == key),
    );
    for (stream, phase) in run.phases().filter(|(_, phase)| phase.role.is_measured()) {
        // A phase that saw no arrival is a result too.
        by_phase
            .entry(run.phase_key(stream, &phase.name))
            .or_insert_with(|| table.summarise(&[], 0.0));
    }
    Ok(Groups {
        all: all.remove("").unwrap_or_else(|| table.summarise(&[], measured_s)),
        by_phase,
        by_scenario: table.by(
            |kind| kind.scenario.clone(),
            |kind| kind.is_measured,
            |_| measured_s,
        ),
        by_request: table.by(|kind| kind.request.clone(), |kind| kind.is_measured, |_| measured_s),
    })
}

fn phase_key(run: &Run, kind: &Kind) -> String {
    run.phase_key(&kind.stream, &kind.phase)
}

/// Response time up to which a success is good, by kind.
///
/// That is the response-time objective of the highest quantile that applies to the kind; a
/// success of a kind without one is good whatever it took.
pub fn good_limits(objectives: &[Objective], columns: Columns<'_>) -> Vec<i64> {
    let limit = |kind: &Kind| {
        let applying = objectives.iter().filter_map(|objective| match objective {
            Objective { metric: Metric::ResponseTime, bound: Bound::Max(limit), .. }
                if scope_of(objective).holds(kind) =>
            {
                Some((objective.quantile.unwrap_or(1.0), *limit))
            }
            _ => None,
        });
        let strictest = applying.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
        strictest.map_or(i64::MAX, |(_, limit_ms)| s_to_ns(limit_ms / 1e3))
    };
    columns.kinds_iter().map(limit).collect()
}

/// The arrivals an objective is about.
pub fn scope_of(objective: &Objective) -> Scope<'_> {
    Scope {
        stream: objective.stream.as_deref(),
        phase: objective.phase.as_deref(),
        scenario: objective.scenario.as_deref(),
        request: objective.request.as_deref(),
        tag: objective.tag.as_deref(),
    }
}

/// Response times of rows in arrival order; failures rank as infinitely slow.
pub fn response_times(columns: Columns<'_>, rows: &[u32]) -> Vec<i64> {
    let time = |&row: &u32| {
        let row = row as usize;
        if columns.kind(row).outcome.is_ok() { columns.response_ns[row] } else { CENSORED }
    };
    rows.iter().map(time).collect()
}

/// Distribution of the response times of rows, phase by phase.
pub fn responses(run: &Run, columns: Columns<'_>, rows: &[u32]) -> Distribution {
    Distribution::new(response_times(columns, rows)).with_cuts(run.cuts(columns, rows))
}

/// Distribution of the service times of the successes among rows, phase by phase.
pub fn services(run: &Run, columns: Columns<'_>, rows: &[u32]) -> Distribution {
    let time = |row: u32| {
        let is_ok = columns.kind(row as usize).outcome.is_ok();
        if is_ok { columns.service_ns(row as usize) } else { None }
    };
    let rows = rows.iter().filter_map(|&row| Some((row, time(row)?)));
    let (rows, times): (Vec<u32>, Vec<i64>) = rows.unzip();
    Distribution::new(times).with_cuts(run.cuts(columns, &rows))
}

/// Schedule lags of rows, in arrival order.
pub fn lags(columns: Columns<'_>, rows: &[u32]) -> Vec<i64> {
    rows.iter().map(|&row| columns.lag_ns[row as usize]).collect()
}

/// What summarising a group needs.
struct Table<'a> {
    run: &'a Run,
    columns: Columns<'a>,
    limits: Vec<i64>,
}

impl Table<'_> {
    /// Summarises the kinds that `keep` keeps, by the key of their group; `length_s` tells the
    /// intended time of a group.
    fn by<K: Into<String>>(
        &self,
        key: impl Fn(&Kind) -> K,
        keep: impl Fn(&Kind) -> bool,
        length_s: impl Fn(&str) -> f64,
    ) -> BTreeMap<String, GroupSummary> {
        let kinds = self.run.samples.kinds();
        let mut places = BTreeMap::new();
        let groups_of_kinds: Vec<Option<usize>> = kinds
            .iter()
            .map(|kind| {
                let next = places.len();
                keep(kind).then(|| *places.entry(key(kind).into()).or_insert(next))
            })
            .collect();
        let parts = self.columns.partition(&groups_of_kinds, places.len());
        let named = places.into_iter().map(|(name, place)| {
            let summary = self.summarise(&parts[place], length_s(&name));
            (name, summary)
        });
        named.collect()
    }

    fn summarise(&self, rows: &[u32], length_s: f64) -> GroupSummary {
        let requests = self.counts(rows);
        let all = responses(self.run, self.columns, rows);
        let response_time = all.table();
        let response_time_ok =
            if requests.failed == 0 { response_time.clone() } else { all.into_finite().table() };
        GroupSummary {
            requests,
            rate: self.rates(rows, requests, length_s),
            response_time,
            response_time_ok,
            service_time: services(self.run, self.columns, rows).table(),
            schedule_lag_us: lag_quantiles(lags(self.columns, rows)),
            errors: self.errors(rows),
        }
    }

    fn counts(&self, rows: &[u32]) -> RequestCounts {
        let mut counts = RequestCounts { intended: rows.len() as u64, ..RequestCounts::default() };
        for &row in rows {
            let outcome = self.columns.kind(row as usize).outcome;
            counts.sent += u64::from(self.columns.sent_ns(row as usize).is_some());
            counts.completed += u64::from(outcome.is_completed());
            counts.ok += u64::from(outcome.is_ok());
            counts.dropped += u64::from(outcome == Outcome::Dropped);
        }
        counts.failed = counts.intended - counts.ok;
        counts
    }

    fn rates(&self, rows: &[u32], counts: RequestCounts, length_s: f64) -> Rates {
        let good = rows.iter().filter(|&&row| is_good(self.columns, &self.limits, row as usize));
        let per_second = |count: u64| if length_s > 0.0 { count as f64 / length_s } else { 0.0 };
        Rates {
            offered: per_second(counts.intended),
            achieved: per_second(counts.sent),
            goodput: per_second(good.count() as u64),
            peak_1s: self.peak(rows),
        }
    }

    /// Greatest number of intended starts in one second; the rows are in their order.
    fn peak(&self, rows: &[u32]) -> u64 {
        let second = |row: &u32| second_of(self.columns.intended_ns[*row as usize]);
        let seconds = rows.chunk_by(|a, b| second(a) == second(b));
        seconds.map(|rows| rows.len() as u64).max().unwrap_or(0)
    }

    fn errors(&self, rows: &[u32]) -> Errors {
        let mut by_kind = vec![0_u64; self.run.samples.kinds().len()];
        rows.iter().for_each(|&row| by_kind[self.columns.code(row as usize)] += 1);
        let mut errors = Errors::default();
        for (kind, count) in self.run.samples.kinds().iter().zip(by_kind) {
            if count == 0 || kind.outcome.is_ok() {
                continue;
            }
            *errors.by_outcome.entry(kind.outcome.name().to_owned()).or_default() += count;
            if let Some(status) = kind.status.filter(|_| kind.outcome.is_completed()) {
                *errors.by_status.entry(status.to_string()).or_default() += count;
            }
        }
        errors
    }
}

/// Tells whether a row is a success within its limit of [`good_limits`].
pub fn is_good(columns: Columns<'_>, limits: &[i64], row: usize) -> bool {
    columns.kind(row).outcome.is_ok() && columns.response_ns[row] <= limits[columns.code(row)]
}

fn lag_quantiles(mut lags: Vec<i64>) -> LagQuantiles {
    lags.sort_unstable();
    let micros = |ns: i64| ns as f64 / 1e3;
    LagQuantiles {
        p50: of_sorted(&lags, 0.5).map(micros),
        p99: of_sorted(&lags, 0.99).map(micros),
        p999: of_sorted(&lags, 0.999).map(micros),
        max: lags.last().copied().map(micros),
    }
}

//! Counts, rates, quantiles and errors of groups of arrivals.
//!
//! The groups are everything measured, and the same by phase, by scenario and by request. What can
//! be counted is counted once for each kind of row, and a group is a sum over its kinds; the
//! quantiles of all groups of a table are surveyed together.

use std::collections::BTreeMap;

use openload_contract::summary::{Errors, GroupSummary, LagQuantiles, Rates, RequestCounts};
use openload_contract::{Bound, Metric, Objective, Outcome};

use crate::load::{Columns, Kind, second_of};
use crate::numeric::s_to_ns;
use crate::parallel;
use crate::rows::Rows;
use crate::run::{Run, Scope};
use crate::store::{Decoded, Fields};
use crate::survey::{Measure, Question, Survey};

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
pub fn groups(run: &Run) -> Groups {
    let columns = run.samples.columns();
    let limits = good_limits(&run.manifest.objectives, columns);
    let table = Table { run, columns, counts: count_kinds(columns, &limits) };
    let measured_s = run.covered_s(|stream, phase| Scope::default().covers(stream, phase));
    let mut all = table.by(|_| "", |_| measured_s);
    let mut by_phase = table.by(
        |kind| phase_key(run, kind),
        |key| run.covered_s(|stream, phase| run.phase_key(stream, &phase.name) == key),
    );
    for (stream, phase) in run.phases().filter(|(_, phase)| phase.role.is_measured()) {
        // A phase that saw no arrival is a result too.
        let key = run.phase_key(stream, &phase.name);
        by_phase.entry(key).or_insert_with(|| table.empty(0.0));
    }
    Groups {
        all: all.remove("").unwrap_or_else(|| table.empty(measured_s)),
        by_phase,
        by_scenario: table.by(|kind| kind.scenario.clone(), |_| measured_s),
        by_request: table.by(|kind| kind.request.clone(), |_| measured_s),
    }
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
    columns.kinds().iter().map(limit).collect()
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

/// Surveys the response times of rows, phase by phase; failures rank as infinitely slow.
pub fn responses(run: &Run, rows: &Rows<'_>, levels: &[f64]) -> Survey {
    crate::survey::survey(rows, Measure::Response, &run.starts_ns(), levels)
}

/// Surveys the service times of the successes among rows, phase by phase.
pub fn services(run: &Run, rows: &Rows<'_>, levels: &[f64]) -> Survey {
    crate::survey::survey(rows, Measure::Service, &run.starts_ns(), levels)
}

/// Tells whether a row is a success within its limit of [`good_limits`].
pub fn is_good(kinds: &[Kind], limits: &[i64], rows: &Decoded, place: usize) -> bool {
    let code = rows.code(place);
    kinds[code].outcome.is_ok() && rows.response_ns[place] <= limits[code]
}

/// What is counted of a kind.
#[derive(Debug, Clone, Copy, Default)]
struct KindCounts {
    rows: u64,
    sent: u64,
    good: u64,
}

fn count_kinds(columns: Columns<'_>, limits: &[i64]) -> Vec<KindCounts> {
    let none = || vec![KindCounts::default(); columns.kinds().len()];
    let pieces = columns.all().pieces();
    let sums = parallel::fold(pieces.len(), none, |counts, index| {
        pieces[index].visit(Fields::RESPONSE | Fields::SENT, |rows, places| {
            for place in places.iter() {
                let code = rows.code(place);
                let counts = &mut counts[code];
                counts.rows += 1;
                counts.sent += u64::from(rows.sent_ns(place).is_some());
                counts.good += u64::from(rows.response_ns[place] <= limits[code]);
            }
        });
    });
    let mut counts = none();
    for sum in sums {
        for (counts, more) in counts.iter_mut().zip(sum) {
            counts.rows += more.rows;
            counts.sent += more.sent;
            counts.good += more.good;
        }
    }
    counts
}

/// What summarising a group needs.
struct Table<'a> {
    run: &'a Run,
    columns: Columns<'a>,
    counts: Vec<KindCounts>,
}

/// What of a group is measured.
const MEASURES: [Measure; 4] =
    [Measure::Response, Measure::ResponseOk, Measure::Service, Measure::Lag];

impl Table<'_> {
    /// Summarises the measured kinds by the key of their group; `length_s` tells the intended time
    /// of a group.
    fn by<K: Into<String>>(
        &self,
        key: impl Fn(&Kind) -> K,
        length_s: impl Fn(&str) -> f64,
    ) -> BTreeMap<String, GroupSummary> {
        let mut places = BTreeMap::new();
        let groups_of_kinds: Vec<Option<usize>> = self
            .columns
            .kinds()
            .iter()
            .map(|kind| {
                let next = places.len();
                kind.is_measured.then(|| *places.entry(key(kind).into()).or_insert(next))
            })
            .collect();
        let peaks = peaks(self.columns, &groups_of_kinds, places.len());
        let question = Question {
            rows: self.columns.rows(|kind| kind.is_measured),
            group_of_kind: groups_of_kinds,
            groups: places.len(),
            measures: MEASURES.to_vec(),
            starts_ns: self.run.starts_ns(),
            levels: Survey::table_levels(),
        };
        let surveys = question.answer();
        let named = places.into_iter().map(|(name, place)| {
            let kinds = question.group_of_kind.iter().map(|&group| group == Some(place));
            let kinds: Vec<bool> = kinds.collect();
            let length_s = length_s(&name);
            (name, self.summarise(&kinds, &surveys[place], peaks[place], length_s))
        });
        named.collect()
    }

    fn empty(&self, length_s: f64) -> GroupSummary {
        let nothing = vec![Survey::default(); MEASURES.len()];
        self.summarise(&vec![false; self.counts.len()], &nothing, 0, length_s)
    }

    /// Summarises the kinds that are in a group.
    fn summarise(
        &self,
        is_in: &[bool],
        surveys: &[Survey],
        peak_1s: u64,
        length_s: f64,
    ) -> GroupSummary {
        let kinds = self.columns.kinds().iter().zip(&self.counts).zip(is_in);
        let kinds: Vec<(&Kind, KindCounts)> =
            kinds.filter(|(_, is_in)| **is_in).map(|((kind, counts), _)| (kind, *counts)).collect();
        let requests = request_counts(&kinds);
        let good = kinds.iter().filter(|(kind, _)| kind.outcome.is_ok());
        let good: u64 = good.map(|(_, counts)| counts.good).sum();
        let per_second = |count: u64| if length_s > 0.0 { count as f64 / length_s } else { 0.0 };
        let [all, ok, service, lag] = [0, 1, 2, 3].map(|measure| &surveys[measure]);
        GroupSummary {
            requests,
            rate: Rates {
                offered: per_second(requests.intended),
                achieved: per_second(requests.sent),
                goodput: per_second(good),
                peak_1s,
            },
            response_time: all.table(),
            response_time_ok: ok.table(),
            service_time: service.table(),
            schedule_lag_us: lag_quantiles(lag),
            errors: errors(&kinds),
        }
    }
}

fn request_counts(kinds: &[(&Kind, KindCounts)]) -> RequestCounts {
    let mut counts = RequestCounts::default();
    for (kind, of_kind) in kinds {
        let if_so = |is_so: bool| if is_so { of_kind.rows } else { 0 };
        counts.intended += of_kind.rows;
        counts.sent += of_kind.sent;
        counts.completed += if_so(kind.outcome.is_completed());
        counts.ok += if_so(kind.outcome.is_ok());
        counts.dropped += if_so(kind.outcome == Outcome::Dropped);
    }
    counts.failed = counts.intended - counts.ok;
    counts
}

fn errors(kinds: &[(&Kind, KindCounts)]) -> Errors {
    let mut errors = Errors::default();
    for (kind, KindCounts { rows, .. }) in kinds {
        if *rows == 0 || kind.outcome.is_ok() {
            continue;
        }
        *errors.by_outcome.entry(kind.outcome.name().to_owned()).or_default() += rows;
        if let Some(status) = kind.status.filter(|_| kind.outcome.is_completed()) {
            *errors.by_status.entry(status.to_string()).or_default() += rows;
        }
    }
    errors
}

/// Greatest number of intended starts in one second, by group.
fn peaks(columns: Columns<'_>, group_of_kind: &[Option<usize>], groups: usize) -> Vec<u64> {
    /// Arrivals of one second and group.
    #[derive(Debug, Clone, Copy)]
    struct Stretch {
        group: usize,
        second: u64,
        count: u64,
    }
    let mask = group_of_kind.iter().map(Option::is_some).collect();
    let pieces = Rows::new(columns, 0..columns.len(), mask).pieces();
    let stretches = parallel::map(pieces.len(), |index| {
        let mut open = vec![(0, 0); groups];
        let mut ended = Vec::new();
        pieces[index].visit(Fields::INTENDED, |rows, places| {
            for place in places.iter() {
                let Some(group) = group_of_kind[rows.code(place)] else { continue };
                let second = second_of(rows.intended_ns[place]);
                let (last, count) = &mut open[group];
                if *last != second && *count > 0 {
                    ended.push(Stretch { group, second: *last, count: std::mem::take(count) });
                }
                *last = second;
                *count += 1;
            }
        });
        let open = open.into_iter().enumerate().filter(|(_, (_, count))| *count > 0);
        ended.extend(open.map(|(group, (second, count))| Stretch { group, second, count }));
        ended
    });
    let (mut peaks, mut open) = (vec![0; groups], vec![(0, 0); groups]);
    for Stretch { group, second, count } in stretches.into_iter().flatten() {
        let (last, sum) = &mut open[group];
        *sum = if *last == second { *sum + count } else { count };
        *last = second;
        peaks[group] = peaks[group].max(*sum);
    }
    peaks
}

fn lag_quantiles(lags: &Survey) -> LagQuantiles {
    let micros = |ns: i64| ns as f64 / 1e3;
    LagQuantiles {
        p50: lags.estimate(0.5).value.map(micros),
        p99: lags.estimate(0.99).value.map(micros),
        p999: lags.estimate(0.999).value.map(micros),
        max: lags.max.map(micros),
    }
}

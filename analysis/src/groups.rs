//! Counts, rates, quantiles and errors of groups of arrivals.
//!
//! The groups are everything measured, and the same by phase, by scenario and by request. What can
//! be counted is counted once for each kind of row, and a group is a sum over its kinds; the
//! quantiles of all groups of a table are surveyed together.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    let counts = count_kinds(columns, &limits);
    let table = Table { run, columns, counts, known: RefCell::default() };
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

/// Groups of the kinds, and what was found of each group.
type Known = (Vec<Option<usize>>, Arc<Vec<GroupTimes>>);

/// What summarising a group needs.
struct Table<'a> {
    run: &'a Run,
    columns: Columns<'a>,
    counts: Vec<KindCounts>,
    /// What was found already, by the groups of kinds.
    known: RefCell<Vec<Known>>,
}

/// What of a group is measured, with the intervals of its quantiles, and what without.
const MEASURES: [Measure; 3] = [Measure::Response, Measure::ResponseOk, Measure::Service];
const LAG_LEVELS: [f64; 4] = [0.5, 0.99, 0.999, 1.0];

/// What the rows of a group say, whatever the group is called and however long it took.
#[derive(Debug, Clone, Default)]
struct GroupTimes {
    surveys: Vec<Survey>,
    lags: Vec<Option<i64>>,
    peak_1s: u64,
}

impl Table<'_> {
    /// Summarises the measured kinds by the key of their group; `length_s` tells the intended time
    /// of a group.
    fn by<K: Into<String>>(
        &self,
        key: impl Fn(&Kind) -> K,
        length_s: impl Fn(&str) -> f64,
    ) -> BTreeMap<String, GroupSummary> {
        let mut places = BTreeMap::new();
        let group_of_kind: Vec<Option<usize>> = self
            .columns
            .kinds()
            .iter()
            .map(|kind| {
                let next = places.len();
                kind.is_measured.then(|| *places.entry(key(kind).into()).or_insert(next))
            })
            .collect();
        let times = self.times(&group_of_kind, places.len());
        let named = places.into_iter().map(|(name, place)| {
            let is_in: Vec<bool> =
                group_of_kind.iter().map(|group| *group == Some(place)).collect();
            let length_s = length_s(&name);
            (name, self.summarise(&is_in, &times[place], length_s))
        });
        named.collect()
    }

    /// What the rows of each group say. A run of one phase, or of one scenario, has the same groups
    /// in several tables.
    fn times(&self, group_of_kind: &[Option<usize>], groups: usize) -> Arc<Vec<GroupTimes>> {
        let mut known = self.known.borrow_mut();
        if let Some((_, times)) = known.iter().find(|(known, _)| known == group_of_kind) {
            return Arc::clone(times);
        }
        let question = Question {
            rows: self.columns.rows(|kind| kind.is_measured),
            group_of_kind: group_of_kind.to_vec(),
            groups,
            measures: MEASURES.to_vec(),
            starts_ns: self.run.starts_ns(),
            levels: Survey::table_levels(),
        };
        let surveys = question.answer();
        let lags = question.quantiles_of(Measure::Lag, &LAG_LEVELS);
        let peaks = peaks(self.columns, group_of_kind, groups);
        let times = surveys.into_iter().zip(lags).zip(peaks);
        let times = times.map(|((surveys, lags), peak_1s)| GroupTimes { surveys, lags, peak_1s });
        let times: Arc<Vec<GroupTimes>> = Arc::new(times.collect());
        known.push((group_of_kind.to_vec(), Arc::clone(&times)));
        times
    }

    fn empty(&self, length_s: f64) -> GroupSummary {
        let surveys = vec![Survey::default(); MEASURES.len()];
        let nothing = GroupTimes { surveys, lags: vec![None; LAG_LEVELS.len()], peak_1s: 0 };
        self.summarise(&vec![false; self.counts.len()], &nothing, length_s)
    }

    /// Summarises the kinds that are in a group.
    fn summarise(&self, is_in: &[bool], times: &GroupTimes, length_s: f64) -> GroupSummary {
        let kinds = self.columns.kinds().iter().zip(&self.counts).zip(is_in);
        let kinds: Vec<(&Kind, KindCounts)> =
            kinds.filter(|(_, is_in)| **is_in).map(|((kind, counts), _)| (kind, *counts)).collect();
        let requests = request_counts(&kinds);
        let good = kinds.iter().filter(|(kind, _)| kind.outcome.is_ok());
        let good: u64 = good.map(|(_, counts)| counts.good).sum();
        let per_second = |count: u64| if length_s > 0.0 { count as f64 / length_s } else { 0.0 };
        let [all, ok, service] = [0, 1, 2].map(|measure| &times.surveys[measure]);
        GroupSummary {
            requests,
            rate: Rates {
                offered: per_second(requests.intended),
                achieved: per_second(requests.sent),
                goodput: per_second(good),
                peak_1s: times.peak_1s,
            },
            response_time: all.table(),
            response_time_ok: ok.table(),
            service_time: service.table(),
            schedule_lag_us: lag_quantiles(&times.lags),
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

fn lag_quantiles(lags: &[Option<i64>]) -> LagQuantiles {
    let micros = |place: usize| lags[place].map(|ns| ns as f64 / 1e3);
    LagQuantiles { p50: micros(0), p99: micros(1), p999: micros(2), max: micros(3) }
}

//! Each objective with its measured value, and how sure the answer is.
//!
//! An objective is met by its point value; with `strict`, by its whole 95 % interval. A value
//! that falls among failures is larger than any limit. A value that the samples do not support
//! is not met, with two exceptions. Memory that cannot be read at all is not judged: nobody
//! promised to read it. And a quantile whose samples are many but depend on each other (a queue
//! that fills during a surge is one long accident) is met when not one response, failures
//! included, was above the limit: that is a fact of the run and needs no inference.
//!
//! With a window, the objective must hold wherever the window is laid: it slides over the time of
//! the scope by tenths of its width. Windows without the samples for a value are left out; the
//! measured value is the worst one. A run shorter than a window is one window. `recovery_time`
//! and `drift` look at the whole run.
//!
//! With `trim = "auto"`, a beginning that looks like warm-up ([`crate::warmup`]) does not count.
//!
//! Shares (error rate, availability, drop rate) get Wilson's interval with the effective number
//! of samples of [`crate::quantile`] in place of n: failures come in clusters too.

use openload_contract::objective::Unit;
use openload_contract::summary::{
    Capacity, Confidence, Drift, DriftShape, Interval, ObjectiveResult, Recovery,
};
use openload_contract::{Bound, Metric, Objective, Outcome, PhaseRecord};

use crate::groups::{responses, scope_of, services};
use crate::load::Kind;
use crate::numeric::{ns_to_ms, rounded, s_to_ns};
use crate::quantile::Support;
use crate::rows::Rows;
use crate::run::{Run, Scope};
use crate::share::share_survey;
use crate::soak::{memory_drift, response_drift};
use crate::store::{Decoded, Fields};
use crate::survey::{Measure, Survey, survey};
use crate::validity::percent;

/// Steps in which a window slides over its own width.
const SLIDES: i64 = 10;

/// Quantile of an objective that names none.
const QUANTILE_DEFAULT: f64 = 0.99;

/// Judges every objective of a run, by the arrivals from `counted_from` on.
pub fn judge(
    run: &Run,
    recovery: &[Recovery],
    capacity: Option<&Capacity>,
    counted_from: i64,
) -> Vec<ObjectiveResult> {
    let results = run.manifest.objectives.iter().map(|objective| {
        let judge = Judge { run, objective, scope: scope_of(objective), counted_from };
        let measured = judge.measure(recovery, capacity);
        judge.result(measured)
    });
    results.collect()
}

/// What was measured, before it is held against the limit.
#[derive(Debug, Clone, PartialEq)]
struct Measured {
    value: Value,
    interval: Interval,
    note: Option<String>,
}

/// A measured value, or what there is instead of one.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Known(f64),
    /// Larger than can be said, and at least this.
    AtLeast(Option<f64>),
    /// The samples do not support a value, for this reason, but the greatest of them is this.
    AtMost(f64, String),
    /// The samples do not support a value, for this reason.
    Unknown(String),
}

impl Measured {
    fn known(value: f64, interval: Interval) -> Self {
        Self { value: Value::Known(value), interval, note: None }
    }

    fn unknown(why: impl Into<String>) -> Self {
        Self { value: Value::Unknown(why.into()), interval: Interval::default(), note: None }
    }

    /// How bad the value is under `bound`; larger is worse. `None` when there is no value.
    fn badness(&self, bound: Bound) -> Option<f64> {
        match (&self.value, bound) {
            (Value::Unknown(_), _) => None,
            (Value::AtLeast(_), _) => Some(f64::INFINITY),
            (Value::AtMost(limit, _), Bound::Max(allowed)) => (*limit <= allowed).then_some(*limit),
            (Value::AtMost(..), Bound::Min(_)) => None,
            (Value::Known(value), Bound::Max(_)) => Some(*value),
            (Value::Known(value), Bound::Min(_)) => Some(-value),
        }
    }
}

/// What the steps of the run say of the capacity. It lies in the bracket of two rates.
fn capacity_value(capacity: Option<&Capacity>) -> Measured {
    let Some(capacity) = capacity else {
        return Measured::unknown("the run does not hold three rates one after another");
    };
    let sustained = capacity.sustainable_rps.unwrap_or(0.0);
    let interval = Interval { low: Some(sustained), high: capacity.failing_rps };
    Measured { value: Value::Known(sustained), interval, note: Some(capacity.text.clone()) }
}

struct Judge<'a> {
    run: &'a Run,
    objective: &'a Objective,
    scope: Scope<'a>,
    /// Earlier arrivals do not count.
    counted_from: i64,
}

impl Judge<'_> {
    fn measure(&self, recovery: &[Recovery], capacity: Option<&Capacity>) -> Measured {
        match self.objective.metric {
            Metric::RecoveryTime => self.recovery_time(recovery),
            Metric::Drift => drift_value(self.response_drift()),
            Metric::MemoryGrowth => self.memory_growth(),
            Metric::Capacity => capacity_value(capacity),
            _ => {
                let rows = self.run.samples.columns().rows(|kind| self.scope.holds(kind));
                let rows = rows.between(self.counted_from, i64::MAX);
                match self.objective.window_s.filter(|&window_s| window_s > 0.0) {
                    Some(window_s) => self.worst_window(&rows, window_s),
                    None => self.over(&rows, self.covered_s()),
                }
            }
        }
    }

    fn covered_s(&self) -> f64 {
        let is_in = |stream: &str, phase: &PhaseRecord| self.scope.covers(stream, phase);
        self.run.covered_from(self.counted_from, is_in)
    }

    fn quantile(&self) -> f64 {
        self.objective.quantile.unwrap_or(QUANTILE_DEFAULT)
    }

    /// Measures rows whose intended time is `length_s`.
    fn over(&self, rows: &Rows<'_>, length_s: f64) -> Measured {
        let levels = [self.quantile()];
        match self.objective.metric {
            Metric::ResponseTime => self.time(&responses(self.run, rows, &levels)),
            Metric::ServiceTime => self.time(&services(self.run, rows, &levels)),
            Metric::ScheduleLag => self.time(&survey(rows, Measure::Lag, &[], &levels)),
            Metric::Throughput => self.throughput(rows, length_s),
            Metric::ErrorRate => self.share(rows, |kind| !kind.outcome.is_ok()),
            Metric::Availability => self.share(rows, is_available),
            _ => self.share(rows, |kind| kind.outcome == Outcome::Dropped),
        }
    }

    fn time(&self, survey: &Survey) -> Measured {
        if survey.is_empty() {
            return Measured::unknown("no arrivals to measure");
        }
        let estimate = survey.estimate(self.quantile());
        let value = match (estimate.support, estimate.value) {
            (Support::Needs(about), _) => self.unsupported(survey, about),
            (_, Some(value)) if !estimate.is_censored() => Value::Known(ns_to_ms(value)),
            _ => Value::AtLeast(survey.max.map(ns_to_ms)),
        };
        let note = (estimate.support == Support::Low)
            .then(|| "few samples lie beyond this quantile".to_owned());
        Measured { value, interval: estimate.interval_ms(), note }
    }

    /// What can be said of a quantile that the samples do not support.
    fn unsupported(&self, survey: &Survey, about: u64) -> Value {
        let why = format!("{} arrivals, about {about} are needed", survey.count);
        // Were the samples independent, this many would give the quantile an upper limit.
        let fewest = 0.025_f64.ln() / self.quantile().ln();
        match survey.max {
            Some(greatest) if !survey.has_censored() && survey.count as f64 >= fewest => {
                Value::AtMost(ns_to_ms(greatest), why)
            }
            _ => Value::Unknown(why),
        }
    }

    fn throughput(&self, rows: &Rows<'_>, length_s: f64) -> Measured {
        let Some((count, share, interval)) =
            self.share_of(rows, |kind| kind.outcome.is_ok()).filter(|_| length_s > 0.0)
        else {
            return Measured::unknown("no arrivals to measure");
        };
        // The timeline is given: only the share that ends well is left to chance.
        let offered = count as f64 / length_s;
        let scaled = |end: Option<f64>| end.map(|share| share * offered);
        let interval = Interval { low: scaled(interval.low), high: scaled(interval.high) };
        Measured::known(share * offered, interval)
    }

    fn share(&self, rows: &Rows<'_>, holds: impl Fn(&Kind) -> bool) -> Measured {
        match self.share_of(rows, holds) {
            Some((_, share, interval)) => Measured::known(share, interval),
            None => Measured::unknown("no arrivals to measure"),
        }
    }

    /// Number of rows, the share of them for whose kind `holds` holds, and its interval.
    fn share_of(
        &self,
        rows: &Rows<'_>,
        holds: impl Fn(&Kind) -> bool,
    ) -> Option<(usize, f64, Interval)> {
        let mask = rows.columns().mask(holds);
        let is_inside = |rows: &Decoded, place: usize| mask[rows.code(place)];
        let found = share_survey(rows, Fields::KIND, &self.run.starts_ns(), is_inside)?;
        let effective = found.precision.map_or(found.rows as f64, |precision| precision.effective);
        Some((found.rows, found.share, wilson(found.share, effective)))
    }

    /// Measures every window of the scope's time and keeps the worst.
    fn worst_window(&self, rows: &Rows<'_>, window_s: f64) -> Measured {
        let width_ns = s_to_ns(window_s).max(1);
        let step_ns = (width_ns / SLIDES).max(1);
        let starts = self.stretches().into_iter().flat_map(|(start_ns, end_ns)| {
            // The last window ends where the stretch does, whatever the step leaves.
            let last_ns = end_ns - width_ns;
            let steps = (last_ns - start_ns).div_euclid(step_ns) + 1;
            let starts = (0..steps).map(move |step| start_ns + step * step_ns);
            starts.chain(
                (last_ns >= start_ns && (last_ns - start_ns) % step_ns > 0).then_some(last_ns),
            )
        });
        let measured: Vec<Measured> = starts
            .map(|from_ns| self.over(&rows.between(from_ns, from_ns + width_ns), window_s))
            .collect();
        if measured.is_empty() {
            return self.over(rows, self.covered_s());
        }
        let badness = |measured: &Measured| measured.badness(self.objective.bound);
        let unknown = measured.iter().filter(|measured| badness(measured).is_none()).count();
        let count = measured.len();
        let worst =
            measured.into_iter().filter(|measured| badness(measured).is_some()).max_by(|a, b| {
                badness(a).partial_cmp(&badness(b)).unwrap_or(std::cmp::Ordering::Equal)
            });
        let Some(worst) = worst else {
            return Measured::unknown(format!("none of {count} windows has enough arrivals"));
        };
        let note = format!("{unknown} of {count} windows had too few arrivals to be judged");
        Measured { note: (unknown > 0).then_some(note).or(worst.note.clone()), ..worst }
    }

    /// The scope's time as stretches without a gap, in order.
    fn stretches(&self) -> Vec<(i64, i64)> {
        let spans = self.run.phases().filter(|(stream, phase)| self.scope.covers(stream, phase));
        let mut spans: Vec<(i64, i64)> = spans
            .map(|(_, phase)| self.run.span(phase))
            .map(|(start_ns, end_ns)| (start_ns.max(self.counted_from), end_ns))
            .filter(|(start_ns, end_ns)| start_ns < end_ns)
            .collect();
        spans.sort_unstable();
        let mut stretches: Vec<(i64, i64)> = Vec::new();
        for (start_ns, end_ns) in spans {
            match stretches.last_mut() {
                Some((_, reached_ns)) if start_ns <= *reached_ns => {
                    *reached_ns = end_ns.max(*reached_ns);
                }
                _ => stretches.push((start_ns, end_ns)),
            }
        }
        stretches
    }

    /// The slowest recovery; one that was not seen to end is slower than any limit it reached.
    fn recovery_time(&self, records: &[Recovery]) -> Measured {
        let meant = self.meant(records);
        let limit_ms = self.objective.bound.limit();
        let ended = meant.iter().filter_map(|record| Some((record.recovery_s? * 1e3, record)));
        let slowest = ended.max_by(|a, b| a.0.total_cmp(&b.0));
        let open = meant.iter().filter(|record| !record.recovered);
        let open =
            open.max_by(|a, b| a.at_least_s.unwrap_or(0.0).total_cmp(&b.at_least_s.unwrap_or(0.0)));
        match (slowest, open) {
            (Some((value_ms, record)), open) if open.is_none() || value_ms > limit_ms => {
                let resolution_ms = record.window_s * 1e3;
                let low = Some((value_ms - resolution_ms).max(0.0));
                let high = Some(value_ms + resolution_ms);
                Measured::known(value_ms, Interval { low, high })
            }
            (_, Some(record)) => unrecovered(record, limit_ms),
            _ => Measured::unknown("no spike in this run"),
        }
    }

    /// The spikes an objective is about: all, or those of the named phase. When the name is not
    /// that of a spike it is where the recovery happens, and all are meant.
    fn meant<'r>(&self, records: &'r [Recovery]) -> Vec<&'r Recovery> {
        let is_on_stream =
            |record: &&Recovery| self.scope.stream.is_none_or(|stream| stream == record.stream);
        let is_named =
            |record: &&Recovery| self.scope.phase.is_none_or(|phase| phase == record.phase);
        let named: Vec<&Recovery> = records.iter().filter(is_on_stream).filter(is_named).collect();
        if named.is_empty() { records.iter().filter(is_on_stream).collect() } else { named }
    }

    /// Searches the objective's own quantile, with the tighter of limit and setting as the
    /// change that matters.
    fn response_drift(&self) -> Drift {
        let settings = &self.run.manifest.analysis;
        let level = self.quantile();
        let setting = if level < 0.9 { settings.drift_p50 } else { settings.drift_p99 };
        let threshold = setting.min(self.objective.bound.limit());
        response_drift(self.run, &self.scope, level, threshold)
    }

    fn memory_growth(&self) -> Measured {
        let threshold = self.run.manifest.analysis.drift_memory;
        match memory_drift(self.run, threshold.min(self.objective.bound.limit())) {
            Some(drift) => drift_value(drift),
            None => Measured {
                note: Some(NOT_READABLE.to_owned()),
                ..Measured::unknown("the target's memory cannot be read")
            },
        }
    }

    fn result(&self, measured: Measured) -> ObjectiveResult {
        let objective = self.objective;
        let unit = objective.metric.unit();
        let (met, confidence) = self.answer(&measured);
        let (value, measured_text) = match &measured.value {
            Value::Known(value) => (Some(*value), quantity(*value, unit)),
            Value::AtLeast(Some(at_least)) => {
                (None, format!(">= {} (censored)", quantity(*at_least, unit)))
            }
            Value::AtLeast(None) => (None, "no success (censored)".to_owned()),
            Value::AtMost(greatest, _) if met => {
                (None, format!("none above {}", quantity(*greatest, unit)))
            }
            Value::AtMost(_, why) | Value::Unknown(why) => (None, format!("insufficient: {why}")),
        };
        ObjectiveResult {
            objective: objective.clone(),
            text: text(objective),
            unit,
            measured: value,
            measured_text,
            ci95: measured.interval,
            met,
            confidence,
            note: measured.note,
        }
    }

    fn answer(&self, measured: &Measured) -> (bool, Confidence) {
        let bound = self.objective.bound;
        let is_allowed = |end: Option<f64>| end.is_some_and(|end| bound.allows(end));
        let Interval { low, high } = measured.interval;
        let (good_end, bad_end) = match bound {
            Bound::Max(_) => (low, high),
            Bound::Min(_) => (high, low),
        };
        match measured.value {
            Value::Unknown(_) => {
                let is_excused = measured.note.as_deref() == Some(NOT_READABLE);
                (is_excused, Confidence::Insufficient)
            }
            Value::AtMost(greatest, _)
                if matches!(bound, Bound::Max(_)) && bound.allows(greatest) =>
            {
                (!self.objective.strict, Confidence::Borderline)
            }
            Value::AtMost(..) => (false, Confidence::Insufficient),
            Value::AtLeast(_) => {
                let is_clear = !is_allowed(good_end);
                (false, if is_clear { Confidence::Clear } else { Confidence::Borderline })
            }
            Value::Known(value) => {
                let met = bound.allows(value) && (!self.objective.strict || is_allowed(bad_end));
                let is_clear = if bound.allows(value) {
                    is_allowed(bad_end)
                } else {
                    good_end.is_some() && !is_allowed(good_end)
                };
                (met, if is_clear { Confidence::Clear } else { Confidence::Borderline })
            }
        }
    }
}

/// A recovery that was not seen to end: missed when it lasted to the limit, else not decided.
fn unrecovered(record: &Recovery, limit_ms: f64) -> Measured {
    let at_least_ms = record.at_least_s.map(|at_least_s| at_least_s * 1e3);
    let note = record.note.clone();
    match at_least_ms.filter(|&at_least_ms| at_least_ms >= limit_ms) {
        Some(at_least_ms) => Measured {
            value: Value::AtLeast(Some(at_least_ms)),
            interval: Interval { low: Some(at_least_ms), high: None },
            note,
        },
        None => Measured::unknown(note.unwrap_or_else(|| "the run is too short".to_owned())),
    }
}

/// Note of a memory objective that is excused.
const NOT_READABLE: &str = "not readable, not judged";

/// Tells whether the target answered at all: a complete response with a status below 500.
fn is_available(kind: &Kind) -> bool {
    kind.outcome.is_completed() && kind.status.is_none_or(|status| status < 500)
}

/// Wilson's 95 % interval of a share among `count` independent rows.
pub(crate) fn wilson(share: f64, count: f64) -> Interval {
    let z = 1.959_964;
    let weight = z * z / count;
    let center = (share + weight / 2.0) / (1.0 + weight);
    let spread = (share * (1.0 - share) * weight + weight * weight / 4.0).sqrt() / (1.0 + weight);
    let (low, high) = ((center - spread).max(0.0), (center + spread).min(1.0));
    // Rounding must not push the share itself out.
    Interval { low: Some(low.min(share)), high: Some(high.max(share)) }
}

fn drift_value(drift: Drift) -> Measured {
    let note = Some(drift.text.clone());
    let measured = match drift.shape {
        DriftShape::Insufficient => Measured::unknown(drift.text),
        DriftShape::Drift | DriftShape::Step => {
            let size = drift.change_24h.map_or(f64::INFINITY, f64::abs);
            let (low, high) = (drift.change_24h_ci95.low, drift.change_24h_ci95.high);
            let ends = low.zip(high).map(|(low, high)| (low.abs(), high.abs()));
            let interval = Interval {
                low: ends.map(|(low, high)| low.min(high)),
                high: ends.map(|(low, high)| low.max(high)),
            };
            Measured::known(size, interval)
        }
        _ => Measured::known(0.0, Interval { low: Some(0.0), high: Some(0.0) }),
    };
    Measured { note, ..measured }
}

/// A value with its unit: `12.3 ms`, `1000/s`, `0.5 %`.
pub fn quantity(value: f64, unit: Unit) -> String {
    let digits = |value: f64| rounded(value, if value.abs() < 10.0 { 0.001 } else { 0.1 }) as f32;
    match unit {
        Unit::Ms if value.abs() >= 10_000.0 => format!("{} s", digits(value / 1e3)),
        Unit::Ms => format!("{} ms", digits(value)),
        Unit::PerSecond => format!("{}/s", digits(value)),
        Unit::Ratio => format!("{} %", digits(100.0 * value)),
    }
}

/// The objective in words: `p95 response time ≤ 500 ms in before`.
fn text(objective: &Objective) -> String {
    let level = percent(objective.quantile.unwrap_or(QUANTILE_DEFAULT));
    let name = match objective.metric {
        Metric::ResponseTime => format!("p{level} response time"),
        Metric::ServiceTime => format!("p{level} service time"),
        Metric::ScheduleLag => format!("p{level} schedule lag"),
        Metric::Throughput => "throughput".to_owned(),
        Metric::ErrorRate => "error rate".to_owned(),
        Metric::Availability => "availability".to_owned(),
        Metric::DropRate => "drop rate".to_owned(),
        Metric::RecoveryTime => "recovery time".to_owned(),
        Metric::Drift => format!("drift of p{level} response time per 24 h"),
        Metric::MemoryGrowth => "memory growth per 24 h".to_owned(),
        Metric::Capacity => "capacity".to_owned(),
    };
    let sign = match objective.bound {
        Bound::Max(_) => "≤",
        Bound::Min(_) => "≥",
    };
    let limit = quantity(objective.bound.limit(), objective.metric.unit());
    let places = [
        (" in ", &objective.phase),
        (" on stream ", &objective.stream),
        (" for scenario ", &objective.scenario),
        (" for request ", &objective.request),
        (" for tag ", &objective.tag),
    ];
    let places: String = places
        .iter()
        .filter_map(|(before, name)| Some(format!("{before}{}", name.as_ref()?)))
        .collect();
    let window = objective.window_s.map(|window_s| format!(" in every {window_s} s"));
    format!("{name} {sign} {limit}{places}{}", window.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use openload_contract::{Role, Trim};

    use super::*;
    use crate::seconds::seconds;
    use crate::testing::{PhasePlan, Simulated, fail, objective, open, phase};
    use crate::warmup::counted_from;

    const MS: i64 = 1_000_000;

    fn steady() -> [PhasePlan; 2] {
        [phase("warm", Role::Warmup, 200.0, 5.0), phase("hold", Role::Steady, 200.0, 20.0)]
    }

    fn judged(run: &Simulated) -> ObjectiveResult {
        let opened = open(run);
        let seconds = seconds(&opened);
        let counted_from = counted_from(&opened, &seconds);
        judge(&opened, &[], None, counted_from).remove(0)
    }

    #[test]
    fn texts_name_everything_that_narrows_an_objective() {
        let mut narrow = objective(Metric::ResponseTime, Some(0.95), Bound::Max(500.0));
        narrow.phase = Some("before".to_owned());
        assert_eq!(text(&narrow), "p95 response time ≤ 500 ms in before");
        narrow.scenario = Some("browse".to_owned());
        narrow.window_s = Some(10.0);
        narrow.quantile = Some(0.999);
        assert_eq!(
            text(&narrow),
            "p99.9 response time ≤ 500 ms in before for scenario browse in every 10 s"
        );
        let share = objective(Metric::Availability, None, Bound::Min(0.999));
        assert_eq!(text(&share), "availability ≥ 99.9 %");
    }

    #[test]
    fn a_quantile_is_held_against_its_limit() {
        let mut run = Simulated::new(&steady(), 30 * MS);
        run.objective(Metric::ResponseTime, Some(0.95), Bound::Max(50.0));
        let result = judged(&run);
        assert!(result.met && result.confidence == Confidence::Clear, "{result:?}");
        assert_eq!(result.measured, Some(30.0));
        run.manifest.objectives[0].bound = Bound::Max(20.0);
        let result = judged(&run);
        assert!(!result.met && result.confidence == Confidence::Clear, "{result:?}");
    }

    #[test]
    fn failures_are_slower_than_any_limit() {
        let mut run = Simulated::new(&steady(), 30 * MS);
        run.rows
            .iter_mut()
            .filter(|row| row.seq % 10 == 0)
            .for_each(|row| fail(row, Outcome::HttpError));
        run.objective(Metric::ResponseTime, Some(0.95), Bound::Max(1e9));
        let result = judged(&run);
        assert!(!result.met && result.measured.is_none());
        assert_eq!(result.measured_text, ">= 30 ms (censored)");
        run.manifest.objectives[0] = objective(Metric::ErrorRate, None, Bound::Max(0.05));
        let result = judged(&run);
        assert!(!result.met && (result.measured.unwrap() - 0.1).abs() < 0.01, "{result:?}");
        // HTTP 500 is no answer.
        run.manifest.objectives[0] = objective(Metric::Availability, None, Bound::Min(0.95));
        assert!(!judged(&run).met);
    }

    #[test]
    fn what_the_samples_do_not_support_is_not_met() {
        let mut run = Simulated::new(&steady(), 30 * MS);
        run.rows.truncate(1_100);
        run.seal();
        run.objective(Metric::ResponseTime, Some(0.999), Bound::Max(1e9));
        let result = judged(&run);
        assert!(!result.met && result.confidence == Confidence::Insufficient, "{result:?}");
        run.manifest.objectives[0] = objective(Metric::MemoryGrowth, None, Bound::Max(0.05));
        let result = judged(&run);
        assert!(result.met && result.confidence == Confidence::Insufficient);
        assert_eq!(result.note.as_deref(), Some("not readable, not judged"));
        run.manifest.objectives[0] = objective(Metric::RecoveryTime, None, Bound::Max(1e4));
        assert!(!judged(&run).met);
    }

    #[test]
    fn warm_up_counts_only_when_it_is_named() {
        let mut run = Simulated::new(&steady(), 30 * MS);
        run.rows.iter_mut().filter(|row| row.phase == 0).for_each(|row| row.response_ns = 900 * MS);
        run.objective(Metric::ResponseTime, Some(0.5), Bound::Max(50.0));
        assert!(judged(&run).met);
        run.manifest.objectives[0].phase = Some("warm".to_owned());
        assert!(!judged(&run).met);
    }

    #[test]
    fn the_worst_window_decides() {
        let mut run = Simulated::new(&steady(), 30 * MS);
        let slow = 15_000 * MS..16_000 * MS;
        run.rows
            .iter_mut()
            .filter(|row| slow.contains(&row.intended_ns))
            .for_each(|row| row.response_ns = 300 * MS);
        run.objective(Metric::ResponseTime, Some(0.5), Bound::Max(50.0));
        assert!(judged(&run).met);
        run.manifest.objectives[0].window_s = Some(1.0);
        let result = judged(&run);
        assert!(!result.met, "{result:?}");
        assert_eq!(result.measured, Some(300.0));
        run.manifest.objectives[0] = objective(Metric::Throughput, None, Bound::Min(190.0));
        let result = judged(&run);
        assert!(result.met && (result.measured.unwrap() - 200.0).abs() < 12.0, "{result:?}");
    }

    #[test]
    fn a_window_slides_and_stays_inside_the_scope() {
        let mut run = Simulated::new(&steady(), 30 * MS);
        // Across the edge of two windows that would follow one another.
        let slow = 15_500 * MS..16_500 * MS;
        run.rows
            .iter_mut()
            .filter(|row| slow.contains(&row.intended_ns))
            .for_each(|row| row.response_ns = 300 * MS);
        run.objective(Metric::ResponseTime, Some(0.1), Bound::Max(50.0));
        run.manifest.objectives[0].window_s = Some(1.0);
        assert_eq!(judged(&run).measured, Some(300.0));
        // Half of any longer window is fast.
        run.manifest.objectives[0].window_s = Some(2.0);
        assert_eq!(judged(&run).measured, Some(30.0));
        // A window that reached into the warm-up would find fewer arrivals of the scope.
        run.manifest.objectives[0] = objective(Metric::Throughput, None, Bound::Min(1.0));
        run.manifest.objectives[0].window_s = Some(5.0);
        let result = judged(&run);
        assert!(result.measured.unwrap() > 150.0, "{result:?}");
    }

    #[test]
    fn a_beginning_that_settles_counts_unless_it_is_trimmed() {
        let mut run = Simulated::new(&[phase("hold", Role::Steady, 100.0, 100.0)], 30 * MS);
        run.rows
            .iter_mut()
            .filter(|row| row.intended_ns < 20_000 * MS)
            .for_each(|row| row.response_ns = 200 * MS);
        run.objective(Metric::ResponseTime, Some(0.9), Bound::Max(50.0));
        let all = judged(&run);
        assert_eq!((all.met, all.measured), (false, Some(200.0)));
        run.manifest.analysis.trim = Trim::Auto;
        let trimmed = judged(&run);
        assert_eq!((trimmed.met, trimmed.measured), (true, Some(30.0)));
        // The rate of what is left is over the time that is left.
        run.manifest.objectives[0] = objective(Metric::Throughput, None, Bound::Min(1.0));
        let rate = judged(&run).measured.unwrap();
        assert!((rate - 100.0).abs() < 5.0, "{rate}");
        let opened = open(&run);
        let warned = crate::summary(&opened, &seconds(&opened)).warnings;
        let told =
            |warning: &String| warning.contains("20 s of hold") && warning.contains("left out");
        assert!(warned.iter().any(told), "{warned:?}");
    }

    #[test]
    fn a_censored_recovery_is_missed_only_when_it_reached_the_limit() {
        let mut run = Simulated::new(&steady(), 30 * MS);
        run.objective(Metric::RecoveryTime, None, Bound::Max(10_000.0));
        let opened = open(&run);
        let objective = &run.manifest.objectives[0];
        let scope = scope_of(objective);
        let judge = Judge { run: &opened, objective, scope, counted_from: i64::MIN };
        let record =
            |recovery_s, at_least_s| Recovery { recovery_s, at_least_s, ..blank(&recovery_s) };
        let of = |records: &[Recovery]| judge.result(judge.recovery_time(records));
        let ended = of(&[record(Some(4.0), None), record(Some(9.0), None)]);
        assert!(ended.met && ended.measured == Some(9_000.0));
        let open = of(&[record(Some(4.0), None), record(None, Some(12.0))]);
        assert!(!open.met && open.confidence == Confidence::Clear, "{open:?}");
        let short = of(&[record(None, Some(3.0))]);
        assert_eq!((short.met, short.confidence), (false, Confidence::Insufficient));
        let missed = of(&[record(Some(14.0), None), record(None, Some(3.0))]);
        assert!(!missed.met && missed.measured == Some(14_000.0));
    }

    fn blank(recovery_s: &Option<f64>) -> Recovery {
        serde_json::from_value(serde_json::json!({
            "stream": "main", "phase": "surge", "start_s": 0.0, "end_s": 5.0,
            "recovered": recovery_s.is_some(), "by_signal": {}, "arrivals_out_of_band": 0,
            "backlog_peak": 0, "window_s": 0.5, "recovery_s": null, "at_least_s": null,
            "baseline_ms": null, "band_ms": null, "degrade_s": null, "peak_ms": null,
            "area_s2": null, "drain_s": null, "note": null
        }))
        .unwrap()
    }
}

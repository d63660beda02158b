//! Ends a run whose objective is missed while it still goes on.
//!
//! Objectives with `abort_on_fail` are held against the rows as they are written. A run is ended
//! when an objective has seen its arrivals for the grace time, has the least number of them, and is
//! missed by all of them so far. The guard only ever stops: the verdict comes from the samples.

use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;
use openload_contract::objective::{AbortRule, Unit};
use openload_contract::{Bound, Metric, Objective, Outcome};
use openload_samples::{Chunk, Sample};

use crate::dispatch::{RowCodes, StopLevel, StopSignal};
use crate::plan::Plan;

/// Longest time a histogram tells apart: an hour.
const HIGHEST_NS: u64 = 3_600_000_000_000;

/// Watches the rows of a run.
#[derive(Debug)]
pub struct Guard {
    watches: Vec<Watch>,
    stop: StopSignal,
    cause: Cause,
}

/// Why a guard ended the run, once it has.
#[derive(Debug, Clone, Default)]
pub struct Cause(Arc<Mutex<Option<String>>>);

impl Cause {
    /// The missed objective in words.
    pub fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Guard {
    /// Makes the guard of a plan; `None` when none of its objectives ends a run.
    pub fn new(plan: &Plan, stop: StopSignal) -> Option<Self> {
        let watches: Vec<Watch> = plan
            .objectives
            .iter()
            .filter_map(|objective| Some(Watch::new(plan, objective, objective.abort?)))
            .collect();
        (!watches.is_empty()).then(|| Self { watches, stop, cause: Cause::default() })
    }

    /// Where the cause will be.
    pub fn cause(&self) -> Cause {
        self.cause.clone()
    }

    /// Looks at new rows.
    pub fn add(&mut self, chunk: &Chunk) {
        if self.stop.level() > StopLevel::Run {
            return;
        }
        for sample in chunk.samples() {
            self.watches.iter_mut().for_each(|watch| watch.add(&sample));
        }
        if let Some(missed) = self.watches.iter().find_map(Watch::missed) {
            *self.cause.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(missed);
            self.stop.raise(StopLevel::Drain);
        }
    }
}

/// One objective and its arrivals so far.
#[derive(Debug)]
struct Watch {
    objective: Objective,
    rule: AbortRule,
    /// Whether the arrivals of a phase count, by stream and by the phase's code.
    phases: Vec<Vec<bool>>,
    /// The same by scenario.
    scenarios: Vec<bool>,
    /// Intended starts of the first and the last arrival.
    span_ns: Option<(i64, i64)>,
    count: u64,
    /// Arrivals of the kind whose share is limited.
    failed: u64,
    /// Response times of the successes; all other arrivals are slower.
    times_ns: Histogram<u64>,
}

impl Watch {
    fn new(plan: &Plan, objective: &Objective, rule: AbortRule) -> Self {
        let is_named = |wanted: &Option<String>, name: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == name)
        };
        // Phases of several streams that share a name share its code, and nothing else.
        let (codes, _) = RowCodes::new(plan);
        let phases = plan.streams.iter().zip(codes.by_stream()).map(|(stream, codes)| {
            let codes = stream.phases.iter().zip(codes);
            let mut watched = Vec::new();
            for (phase, &code) in codes.filter(|_| is_named(&objective.stream, &stream.name)) {
                let code = usize::from(code);
                watched.resize(watched.len().max(code + 1), false);
                watched[code] = (phase.role.is_measured() || objective.phase.is_some())
                    && is_named(&objective.phase, &phase.name);
            }
            watched
        });
        let scenarios = plan.scenarios.iter().map(|one| {
            is_named(&objective.scenario, &one.name)
                && is_named(&objective.request, &one.request.name)
                && objective.tag.as_ref().is_none_or(|tag| one.tags.contains(tag))
        });
        Self {
            objective: objective.clone(),
            rule,
            phases: phases.collect(),
            scenarios: scenarios.collect(),
            span_ns: None,
            count: 0,
            failed: 0,
            times_ns: Histogram::new_with_bounds(1, HIGHEST_NS, 3)
                .expect("1 < 3600 s and 3 digits"),
        }
    }

    fn add(&mut self, sample: &Sample) {
        let is_in = |flags: &[bool], code: u16| flags.get(usize::from(code)) == Some(&true);
        let phases = self.phases.get(usize::from(sample.stream));
        let is_watched = sample.step == 0
            && phases.is_some_and(|phases| is_in(phases, sample.phase))
            && is_in(&self.scenarios, sample.scenario);
        if !is_watched {
            return;
        }
        let intended_ns = sample.intended_ns;
        let (first_ns, last_ns) = self.span_ns.unwrap_or((intended_ns, intended_ns));
        self.span_ns = Some((first_ns.min(intended_ns), last_ns.max(intended_ns)));
        self.count += 1;
        let is_ok = sample.outcome.is_ok();
        match self.objective.metric {
            Metric::ResponseTime if is_ok => {
                self.times_ns.saturating_record(sample.response_ns.max(1).unsigned_abs());
            }
            Metric::ErrorRate => self.failed += u64::from(!is_ok),
            Metric::DropRate => self.failed += u64::from(sample.outcome == Outcome::Dropped),
            _ => {}
        }
    }

    /// The objective in words if its arrivals so far miss it and are enough to say so.
    fn missed(&self) -> Option<String> {
        let (first_ns, last_ns) = self.span_ns?;
        let seen_s = (last_ns - first_ns) as f64 / 1e9;
        if self.count < self.rule.min_count || seen_s < self.rule.after_s {
            return None;
        }
        let value = self.value();
        let Bound::Max(limit) = self.objective.bound else { return None };
        let name = self.objective.metric.name();
        let text = match self.objective.metric.unit() {
            Unit::Ms if value.is_infinite() => {
                format!("{name} falls among failures, limit {limit} ms")
            }
            Unit::Ms => format!("{name} {value:.1} ms, limit {limit} ms"),
            _ => format!("{name} {:.2} %, limit {} %", 100.0 * value, 100.0 * limit),
        };
        (value > limit).then(|| {
            format!("an objective with abort_on_fail was missed after {seen_s:.1} s and {} arrivals: {text}", self.count)
        })
    }

    /// Value over the arrivals so far, in the metric's unit.
    fn value(&self) -> f64 {
        if self.objective.metric != Metric::ResponseTime {
            return self.failed as f64 / self.count as f64;
        }
        let level = self.objective.quantile.unwrap_or(0.99);
        let rank = (self.count as f64 * level - 1e-9).ceil().max(1.0);
        let ok = self.times_ns.len() as f64;
        if rank > ok {
            f64::INFINITY
        } else {
            // The lower edge of its bucket: what may still be within the limit ends nothing.
            let highest = self.times_ns.value_at_quantile(rank / ok);
            self.times_ns.lowest_equivalent(highest) as f64 / 1e6
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Overrides, parse};

    fn watched(objective: &str) -> (Guard, StopSignal) {
        let text = format!(
            "name = 'x'\n[target]\nurl = 'embedded'\n\
             [[phase]]\nname = 'warm'\nrole = 'warmup'\nduration = '5s'\nrate = 100\n\
             [[phase]]\nname = 'hold'\nduration = '60s'\nrate = 100\n\
             [[scenario]]\nname = 'read'\nrequest = {{ path = '/r' }}\n\
             [[scenario]]\nname = 'buy'\ntags = ['write']\nrequest = {{ path = '/b' }}\n\
             [[objective]]\n{objective}\n"
        );
        let stop = StopSignal::default();
        let plan = parse("test.toml", &text, &Overrides::default()).unwrap();
        (Guard::new(&plan, stop.clone()).unwrap(), stop)
    }

    /// Rows of the phase `hold` a tenth of a second apart, from `first` on.
    fn rows(first: i64, count: i64, scenario: u16, response_ms: i64, outcome: Outcome) -> Chunk {
        let mut chunk = Chunk::with_capacity(count as usize);
        for row in first..first + count {
            chunk.push(&Sample {
                seq: row.unsigned_abs(),
                intended_ns: row * 100_000_000,
                lag_ns: 0,
                connect_ns: Some(0),
                pool_wait_ns: Some(0),
                sent_ns: Some(0),
                ttfb_ns: Some(1),
                response_ns: response_ms * 1_000_000,
                status: Some(200),
                outcome,
                stream: 0,
                phase: 1,
                scenario,
                request: scenario,
                step: 0,
                bytes_in: 0,
                bytes_out: 0,
            });
        }
        chunk
    }

    #[test]
    fn it_waits_for_the_grace_time_and_the_count() {
        let rule = "metric = 'response_time'\nquantile = 0.9\nmax = '50ms'\nabort_on_fail = true\n\
                    abort_after = '10s'\nabort_min_count = 150";
        let (mut guard, stop) = watched(rule);
        guard.add(&rows(0, 101, 0, 80, Outcome::Ok));
        assert_eq!(stop.level(), StopLevel::Run, "10 s, but 101 arrivals");
        guard.add(&rows(101, 60, 0, 80, Outcome::Ok));
        assert_eq!(stop.level(), StopLevel::Drain);
        let cause = guard.cause().take().unwrap();
        assert!(cause.contains("16.0 s and 161 arrivals: response_time 80.0 ms"), "{cause}");
    }

    #[test]
    fn what_is_met_or_not_watched_goes_on() {
        let rule = "metric = 'response_time'\nquantile = 0.9\nmax = '50ms'\ntag = 'write'\nabort_on_fail = true";
        let (mut guard, stop) = watched(rule);
        guard.add(&rows(0, 500, 0, 80, Outcome::Ok));
        guard.add(&rows(500, 500, 1, 40, Outcome::Ok));
        assert_eq!(stop.level(), StopLevel::Run);
        // Failures are slower than any limit: a tenth of them and one more is enough.
        guard.add(&rows(1_000, 57, 1, 1, Outcome::Timeout));
        assert_eq!(stop.level(), StopLevel::Drain);
        assert!(guard.cause().take().unwrap().contains("falls among failures"));
    }

    /// The warm-up of one stream is called as the measured phase of the other.
    #[test]
    fn phases_of_two_streams_that_share_a_name_are_told_apart() {
        let text = "name = 'x'\n[target]\nurl = 'embedded'\n\
                    [[stream]]\nname = 'a'\n[[stream.phase]]\nname = 'run'\nrole = 'warmup'\nduration = '60s'\nrate = 10\n\
                    [[stream.phase]]\nname = 'rest'\nduration = '60s'\nrate = 10\n\
                    [[stream]]\nname = 'b'\n[[stream.phase]]\nname = 'run'\nduration = '60s'\nrate = 10\n\
                    [[objective]]\nmetric = 'error_rate'\nmax = '2%'\nabort_on_fail = true\n";
        let plan = parse("test.toml", text, &Overrides::default()).unwrap();
        let watch = Watch::new(&plan, &plan.objectives[0], plan.objectives[0].abort.unwrap());
        assert_eq!(watch.phases, [vec![false, true], vec![true]]);
    }

    #[test]
    fn times_within_a_bucket_of_the_limit_end_nothing() {
        let rule = "metric = 'response_time'\nquantile = 0.9\nmax = '5000ms'\nabort_on_fail = true";
        let (mut guard, stop) = watched(rule);
        guard.add(&rows(0, 500, 0, 5_000, Outcome::Ok));
        assert_eq!(stop.level(), StopLevel::Run);
        guard.add(&rows(500, 500, 0, 5_020, Outcome::Ok));
        assert_eq!(stop.level(), StopLevel::Drain);
    }

    #[test]
    fn shares_are_watched() {
        let (mut guard, stop) = watched("metric = 'error_rate'\nmax = '2%'\nabort_on_fail = true");
        guard.add(&rows(0, 490, 0, 5, Outcome::Ok));
        guard.add(&rows(490, 10, 0, 5, Outcome::HttpError));
        assert_eq!(stop.level(), StopLevel::Run, "the limit itself is allowed");
        guard.add(&rows(500, 1, 0, 5, Outcome::HttpError));
        assert!(guard.cause().take().unwrap().contains("error_rate 2.20 %, limit 2 %"));
    }
}

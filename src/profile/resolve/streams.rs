//! Streams and their phases.

use openload_contract::{PhaseRecord, RateCurve};

use crate::plan::StreamPlan;
use crate::profile::diagnostic::Fault;
use crate::profile::located::Located;
use crate::profile::nearest::{list, nearest};
use crate::profile::raw::{RawPhase, RawProfile, RawStream};
use crate::profile::trace::RawTrace;

use super::trace::replay_phase;
use super::{Checker, nanoseconds};

/// Most arrivals of a run: 2⁴⁸, a year at nine million per second. Up to here a number
/// of arrivals is exact in f64 and leaves room beside it in 64 bits.
const ARRIVALS_MAX: f64 = (1_u64 << 48) as f64;

/// The stream of a profile that has only phases.
const ONLY_STREAM: &str = "main";

impl Checker<'_> {
    pub(super) fn streams(&mut self, raw: &RawProfile) -> Option<Vec<StreamPlan>> {
        let single = RawStream {
            name: Located::new(ONLY_STREAM.to_owned(), raw.name.span()),
            phase: raw.phase.clone(),
            trace: raw.trace.clone(),
            scenarios: None,
        };
        let has_own = !raw.phase.is_empty() || raw.trace.is_some();
        let streams = match (has_own, raw.stream.as_slice()) {
            (true, []) => std::slice::from_ref(&single),
            (false, [_, ..]) => &raw.stream,
            (false, []) => {
                let fault = Fault::new("the profile has no phases: nothing would be sent")
                    .help("add a `[[phase]]` with `name`, `duration` and `rate`, or a `[trace]`");
                self.report(&raw.name, fault);
                return None;
            }
            (true, [stream, ..]) => {
                let fault = Fault::new("the profile has both a stream of its own and `[[stream]]`")
                    .help("write the phases of a stream as `[[stream.phase]]`, a trace as `[stream.trace]`");
                self.report(&stream.name, fault);
                return None;
            }
        };
        self.unique("stream", streams.iter().map(|stream| &stream.name));
        let names: Vec<&str> = raw.scenario.iter().map(|one| one.name.get().as_str()).collect();
        // Requests made from events belong to a scenario of their own behind the others.
        let recorded = names.len();
        let plans: Vec<_> =
            streams.iter().map(|stream| self.stream(stream, &names, recorded)).collect();
        let plans: Vec<StreamPlan> = plans.into_iter().collect::<Option<_>>()?;
        self.total(&raw.name, &plans);
        Some(plans)
    }

    fn stream(&mut self, raw: &RawStream, names: &[&str], recorded: usize) -> Option<StreamPlan> {
        self.unique("phase", raw.phase.iter().map(|phase| &phase.name));
        if raw.phase.is_empty() && raw.trace.is_none() {
            let fault = Fault::new(format!("the stream `{}` has no phases", raw.name.get()));
            self.report(
                &raw.name,
                fault.help("add a `[[stream.phase]]` or a `[stream.trace]` below it"),
            );
        }
        let scenarios = self.stream_scenarios(raw, names);
        if let Some(trace) = &raw.trace {
            return self.recorded_stream(raw, trace, scenarios, recorded);
        }
        // Each phase is looked at, also behind one that is wrong.
        let lengths: Vec<Option<f64>> =
            raw.phase.iter().map(|phase| self.duration(&phase.duration)).collect();
        let phases: Vec<Option<PhaseRecord>> = raw
            .phase
            .iter()
            .zip(lengths)
            .map(|(phase, length_s)| self.phase(phase, length_s))
            .collect();
        let mut phases: Vec<PhaseRecord> = phases.into_iter().collect::<Option<_>>()?;
        self.lay_out(raw, &mut phases)?;
        Some(StreamPlan {
            name: raw.name.get().clone(),
            phases,
            scenarios: scenarios?,
            trace: None,
        })
    }

    fn recorded_stream(
        &mut self,
        raw: &RawStream,
        trace: &RawTrace,
        scenarios: Option<Vec<usize>>,
        recorded: usize,
    ) -> Option<StreamPlan> {
        if let Some(phase) = raw.phase.first() {
            let fault = Fault::new("a stream has either phases or a trace");
            self.report(&phase.name, fault.help("write them as two `[[stream]]`s to run both"));
        }
        let plan = self.trace(trace, recorded);
        Some(StreamPlan {
            name: raw.name.get().clone(),
            phases: vec![replay_phase()],
            scenarios: scenarios?,
            trace: Some(plan?),
        })
    }

    /// Reads a phase as if it began at 0.
    fn phase(&mut self, raw: &RawPhase, length_s: Option<f64>) -> Option<PhaseRecord> {
        // Without a length the rate is still read: an infinite phase has room for any.
        let rate = self.rate_law(&raw.rate, length_s.unwrap_or(f64::INFINITY));
        let arrival = self.arrival(&raw.arrival);
        Some(PhaseRecord {
            name: raw.name.get().clone(),
            role: raw.role,
            arrival: arrival?,
            rate: rate?,
            start_ns: 0,
            end_ns: nanoseconds(length_s?),
        })
    }

    /// Puts phases one after another.
    fn lay_out(&mut self, raw: &RawStream, phases: &mut [PhaseRecord]) -> Option<()> {
        let mut start_ns = 0_i64;
        for (phase, raw) in phases.iter_mut().zip(&raw.phase) {
            let Some(end_ns) = start_ns.checked_add(phase.end_ns) else {
                let fault = Fault::new("the phases together last longer than 292 years");
                self.report(&raw.duration, fault.help("make them shorter"));
                return None;
            };
            (phase.start_ns, phase.end_ns) = (start_ns, end_ns);
            start_ns = end_ns;
        }
        Some(())
    }

    fn stream_scenarios(&mut self, raw: &RawStream, names: &[&str]) -> Option<Vec<usize>> {
        let Some(chosen) = &raw.scenarios else { return Some((0..names.len()).collect()) };
        if chosen.get().is_empty() {
            let fault = Fault::new(format!("the stream `{}` has no scenarios", raw.name.get()));
            self.report(chosen, fault.help("leave `scenarios` out to run all of them"));
            return None;
        }
        self.unique("scenario of the stream", chosen.get().iter());
        let positions: Vec<_> =
            chosen.get().iter().map(|name| self.known("scenario", name, names)).collect();
        positions.into_iter().collect()
    }

    /// Finds a name among the known ones.
    pub(super) fn known(
        &mut self,
        what: &str,
        name: &Located<String>,
        names: &[&str],
    ) -> Option<usize> {
        let position = names.iter().position(|known| known == name.get());
        if position.is_none() && !self.is_full() {
            let fault = Fault::new(format!("there is no {what} called `{}`", name.get()))
                .nearest(nearest(name.get(), names.iter().copied()))
                .help(format!("one of: {}", list(names.iter().copied())));
            self.report(name, fault);
        }
        position
    }

    /// Refuses a run without arrivals and one with more than can be counted.
    fn total(&mut self, at: &Located<String>, streams: &[StreamPlan]) {
        let phases = streams.iter().flat_map(|stream| &stream.phases);
        let total: f64 = phases.map(expected_arrivals).sum();
        if total > ARRIVALS_MAX {
            let fault = Fault::new(format!("the profile asks for {total:.3e} arrivals"))
                .help("a run has at most 2^48 = 2.8e14 arrivals; lower the rates or durations");
            self.report(at, fault);
        }
        // How many events a trace has is known when its file is read.
        if total <= 0.0 && streams.iter().all(|stream| stream.trace.is_none()) {
            let fault = Fault::new("the profile asks for no arrivals: every rate is 0");
            self.report(at, fault.help("write a rate above 0 in some phase"));
        }
    }
}

/// Expected number of arrivals in a phase.
pub(in crate::profile) fn expected_arrivals(phase: &PhaseRecord) -> f64 {
    RateCurve::new(&phase.rate, length_s(phase)).total()
}

/// Length of a phase in seconds.
pub(in crate::profile) fn length_s(phase: &PhaseRecord) -> f64 {
    (phase.end_ns - phase.start_ns) as f64 / 1e9
}

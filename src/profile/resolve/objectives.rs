//! Objectives: their units, and the names they refer to.

use openload_contract::objective::{AbortRule, Unit};
use openload_contract::{Bound, Metric, Objective, Role};

use crate::profile::diagnostic::Fault;
use crate::profile::located::Located;
use crate::profile::quantity::{Limit, Scalar, Written, per_second, seconds, share};
use crate::profile::raw::{RawObjective, RawPhase, RawProfile};

use super::embedded::above_one;
use super::{Checker, request_name, to_ms};

/// Grace time of an objective that may end a run, and the least number of its arrivals.
const ABORT_AFTER_S: f64 = 10.0;
const ABORT_MIN_COUNT: u64 = 100;

impl Checker<'_> {
    /// Reads all objectives; those that are wrong are reported and left out.
    pub(super) fn objectives(&mut self, raw: &RawProfile) -> Vec<Objective> {
        raw.objective.iter().filter_map(|objective| self.objective(raw, objective)).collect()
    }

    fn objective(&mut self, profile: &RawProfile, raw: &RawObjective) -> Option<Objective> {
        self.selection(profile, raw);
        let metric = *raw.metric.get();
        let quantile = self.quantile(raw);
        let window_s = self.window(raw);
        let abort = self.abort(raw);
        let bound = self.bound(raw)?;
        let name = |name: &Option<Located<String>>| name.as_ref().map(|name| name.get().clone());
        Some(Objective {
            metric,
            quantile,
            bound,
            stream: name(&raw.stream),
            phase: name(&raw.phase),
            scenario: name(&raw.scenario),
            request: name(&raw.request),
            tag: name(&raw.tag),
            window_s,
            strict: raw.strict,
            abort,
        })
    }

    /// Checks that what is selected exists and is measured.
    fn selection(&mut self, profile: &RawProfile, raw: &RawObjective) {
        if let Some(name) = &raw.stream {
            let streams: Vec<&str> = match profile.stream.as_slice() {
                [] => vec!["main"],
                streams => streams.iter().map(|stream| stream.name.get().as_str()).collect(),
            };
            self.known("stream", name, &streams);
        }
        if let Some(name) = &raw.scenario {
            let names: Vec<&str> =
                profile.scenario.iter().map(|one| one.name.get().as_str()).collect();
            self.known("scenario", name, &names);
        }
        if let Some(name) = &raw.request {
            let names: Vec<&str> =
                profile.scenario.iter().map(|one| request_name(one).get().as_str()).collect();
            self.known("request", name, &names);
        }
        if let Some(name) = &raw.tag {
            let tags: Vec<&str> =
                profile.scenario.iter().flat_map(|one| &one.tags).map(String::as_str).collect();
            self.known("tag", name, &tags);
        }
        if let Some(name) = &raw.phase {
            self.phase_selection(profile, raw, name);
        }
    }

    fn phase_selection(
        &mut self,
        profile: &RawProfile,
        raw: &RawObjective,
        name: &Located<String>,
    ) {
        let chosen = raw.stream.as_ref().map(Located::get);
        let streams = profile.stream.iter();
        let streams =
            streams.filter(|stream| chosen.is_none_or(|chosen| chosen == stream.name.get()));
        let phases: Vec<&RawPhase> =
            profile.phase.iter().chain(streams.flat_map(|stream| &stream.phase)).collect();
        let names: Vec<&str> = phases.iter().map(|phase| phase.name.get().as_str()).collect();
        let Some(position) = self.known("phase", name, &names) else { return };
        if phases.get(position).is_some_and(|phase| phase.role == Role::Warmup) {
            let fault = Fault::new(format!("the phase `{}` is a warm-up", name.get()))
                .label("its arrivals are not measured")
                .help("give the phase another role, or the objective another phase");
            self.report(name, fault);
        }
    }

    fn quantile(&mut self, raw: &RawObjective) -> Option<f64> {
        let metric = raw.metric.get();
        match (&raw.quantile, metric.takes_quantile()) {
            (None, false) => None,
            (None, true) => {
                let fault = Fault::new(format!("`{}` needs a quantile", metric.name()));
                self.report(&raw.metric, fault.help("add `quantile = 0.95`"));
                None
            }
            (Some(written), false) => {
                let fault = Fault::new(format!("`{}` has no quantiles", metric.name()))
                    .help(format!("leave it out; metrics with quantiles: {}", with_quantile()));
                self.report(written, fault);
                None
            }
            (Some(written), true) => {
                let quantile = *written.get();
                if quantile > 0.0 && quantile < 1.0 {
                    return Some(quantile);
                }
                let fault = Fault::new(format!("a quantile of {quantile} is not possible"));
                let fault = match quantile {
                    percent if percent > 1.0 && percent < 100.0 => {
                        fault.label(format!("did you mean `{}`?", percent / 100.0))
                    }
                    _ => fault,
                };
                self.report(written, fault.help("write a share between 0 and 1: 0.95 for p95"));
                None
            }
        }
    }

    /// Reads when the run is ended; only what can be told from the rows so far can end it.
    fn abort(&mut self, raw: &RawObjective) -> Option<AbortRule> {
        let after_s = match &raw.abort_after {
            Some(written) => self.duration_or_zero(written),
            None => Some(ABORT_AFTER_S),
        };
        let min_count = raw.abort_min_count.as_ref().map_or(ABORT_MIN_COUNT, |count| *count.get());
        if !raw.abort_on_fail.get() {
            let given = raw.abort_after.as_ref().map(|written| written.span());
            if let Some(span) = given.or(raw.abort_min_count.as_ref().map(Located::span)) {
                let fault = Fault::new("it says when to end the run, but not that it may be ended");
                self.report_at(span, fault.help("add `abort_on_fail = true`"));
            }
            return None;
        }
        let metric = *raw.metric.get();
        let can_abort =
            matches!(metric, Metric::ResponseTime | Metric::ErrorRate | Metric::DropRate);
        if !can_abort || raw.max.is_none() || raw.window.is_some() {
            let fault = Fault::new("this objective cannot end a run").help(
                "`abort_on_fail` needs response_time, error_rate or drop_rate with a `max` and without `window`",
            );
            self.report(&raw.abort_on_fail, fault);
        }
        Some(AbortRule { after_s: after_s?, min_count })
    }

    fn window(&mut self, raw: &RawObjective) -> Option<f64> {
        let written = raw.window.as_ref()?;
        let metric = *raw.metric.get();
        let is_of_whole = matches!(
            metric,
            Metric::RecoveryTime | Metric::Drift | Metric::MemoryGrowth | Metric::Capacity
        );
        if is_of_whole {
            let fault = Fault::new(format!("`{}` is measured over the whole", metric.name()));
            self.report(written, fault.help("leave `window` out"));
        }
        self.duration(written)
    }

    fn bound(&mut self, raw: &RawObjective) -> Option<Bound> {
        match (&raw.max, &raw.min) {
            (Some(max), None) => self.limit(*raw.metric.get(), max).map(Bound::Max),
            (None, Some(min)) => self.limit(*raw.metric.get(), min).map(Bound::Min),
            (None, None) => {
                let fault = Fault::new(format!("`{}` has no limit", raw.metric.get().name()));
                let unit = example(raw.metric.get().unit());
                self.report(&raw.metric, fault.help(format!("add `max` or `min`, such as {unit}")));
                None
            }
            (Some(_), Some(min)) => {
                let fault = Fault::new("an objective has one limit, this has both `max` and `min`");
                self.report(min, fault.help("write two objectives"));
                None
            }
        }
    }

    /// Reads a limit in the unit of the metric.
    fn limit(&mut self, metric: Metric, written: &Located<Written<Limit>>) -> Option<f64> {
        let scalar = written.get().scalar();
        let read = match metric.unit() {
            Unit::Ms => milliseconds(scalar),
            Unit::PerSecond => per_second(scalar),
            Unit::Ratio => share(scalar).and_then(|share| match metric {
                // A change may be more than the whole, a part may not.
                Metric::Drift | Metric::MemoryGrowth => Ok(share),
                _ if share > 1.0 => Err(above_one(share)),
                _ => Ok(share),
            }),
        };
        self.keep(written, read.map_err(|fault| wrong_unit(metric, scalar).unwrap_or(fault)))
    }
}

/// Reads a duration; without a unit it was most likely meant in milliseconds.
fn milliseconds(scalar: &Scalar) -> Result<f64, Fault> {
    let read = seconds(scalar).map(to_ms);
    match scalar {
        Scalar::Number(number) => {
            read.map_err(|fault| fault.label(format!("did you mean \"{number}ms\"?")))
        }
        Scalar::Text(_) => read,
    }
}

/// Says that a limit is of another kind, when it is.
fn wrong_unit(metric: Metric, scalar: &Scalar) -> Option<Fault> {
    let Scalar::Text(text) = scalar else { return None };
    let kinds = [
        (Unit::Ms, "a duration", seconds(scalar).is_ok()),
        (Unit::PerSecond, "a rate", per_second(scalar).is_ok()),
        (Unit::Ratio, "a ratio", share(scalar).is_ok()),
    ];
    let (_, found, _) = kinds.iter().find(|(unit, _, fits)| *fits && *unit != metric.unit())?;
    let (_, wanted, _) = kinds.iter().find(|(unit, ..)| *unit == metric.unit())?;
    Some(
        Fault::new(format!("`{text}` is {found}, but `{}` is {wanted}", metric.name()))
            .help(format!("write {}", example(metric.unit()))),
    )
}

fn example(unit: Unit) -> &'static str {
    match unit {
        Unit::Ms => "\"200ms\" or \"1.5s\"",
        Unit::PerSecond => "\"500/s\" or 500",
        Unit::Ratio => "\"0.1%\" or 0.001",
    }
}

fn with_quantile() -> String {
    let names: Vec<&str> =
        Metric::ALL.iter().filter(|metric| metric.takes_quantile()).map(|one| one.name()).collect();
    names.join(", ")
}

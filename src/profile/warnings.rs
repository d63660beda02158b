//! What a plan may do but probably should not.
//!
//! Nothing here stops a run. A warning says that an objective cannot be decided well by the
//! timeline as it is planned, or that a setting does nothing, while there is still time to
//! change it. What is too short says how many times longer it would have to be, so that a
//! suite can shorten a profile as far as its objectives allow, and no further.

use openload_contract::{Bound, Metric, Objective, PhaseRecord, RateLaw, Role};

use crate::plan::{Plan, StreamPlan, TargetAddress};

use super::no_effect::about_connections;
use super::resolve::{expected_arrivals, length_s};

/// Arrivals that must lie beyond a quantile for it to be claimed.
const BEYOND_QUANTILE: f64 = 10.0;

/// Windows the recovery analysis needs in a baseline.
const BASELINE_WINDOWS: f64 = 20.0;

/// Rates the capacity analysis needs.
const CAPACITY_RATES: usize = 3;

/// Windows the drift analysis needs.
const DRIFT_WINDOWS: f64 = 30.0;

/// Lists what is allowed but probably not meant, and tells how many times longer the timeline
/// would have to be for every objective to be decided; 1 when it is long enough.
pub(super) fn warnings(plan: &Plan) -> (Vec<String>, f64) {
    let mut found: Vec<String> = never_sent(plan);
    let mut stretch: f64 = 1.0;
    for objective in &plan.objectives {
        let short = match objective.metric {
            Metric::RecoveryTime => recovery(plan, objective, &mut found),
            Metric::Drift | Metric::MemoryGrowth => drift(plan, objective, &mut found),
            Metric::Capacity => {
                found.extend(capacity(plan));
                Vec::new()
            }
            _ => few_arrivals(plan, objective).into_iter().collect(),
        };
        stretch = short.iter().map(|one| one.stretch).fold(stretch, f64::max);
        found.extend(short.into_iter().map(|one| one.text));
    }
    found.extend(about_connections(plan));
    found.sort();
    found.dedup();
    (found, stretch)
}

/// Something that is too short for an objective to be decided.
struct Short {
    /// What a person is told.
    text: String,
    /// How many times longer it would have to be.
    stretch: f64,
}

/// A scenario that no stream names sends nothing.
fn never_sent(plan: &Plan) -> Vec<String> {
    let is_of_trace =
        |one: &StreamPlan, index| one.trace.as_ref().is_some_and(|trace| trace.scenario == index);
    let is_sent = |index: usize| {
        plan.streams.iter().any(|one| one.scenarios.contains(&index) || is_of_trace(one, index))
    };
    let unsent = plan.scenarios.iter().enumerate().filter(|(index, _)| !is_sent(*index));
    unsent.map(|(_, one)| format!("no stream sends the scenario `{}`", one.name)).collect()
}

/// Streams and phases an objective is about.
fn selected<'a>(
    plan: &'a Plan,
    objective: &'a Objective,
) -> impl Iterator<Item = (&'a StreamPlan, &'a PhaseRecord)> {
    let is_named =
        |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let streams =
        plan.streams.iter().filter(move |stream| is_named(&objective.stream, &stream.name));
    streams.flat_map(|stream| stream.phases.iter().map(move |phase| (stream, phase))).filter(
        move |(_, phase)| phase.role.is_measured() && is_named(&objective.phase, &phase.name),
    )
}

/// Share of a stream's arrivals that an objective is about.
fn share(plan: &Plan, stream: &StreamPlan, objective: &Objective) -> f64 {
    let scenarios = || stream.scenarios.iter().filter_map(|&index| plan.scenarios.get(index));
    let all: f64 = scenarios().map(|scenario| scenario.weight).sum();
    let is_named =
        |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let chosen = scenarios().filter(|scenario| {
        is_named(&objective.scenario, &scenario.name)
            && is_named(&objective.request, &scenario.request.name)
            && objective.tag.as_ref().is_none_or(|tag| scenario.tags.contains(tag))
    });
    chosen.map(|scenario| scenario.weight).sum::<f64>() / all
}

/// A quantile needs arrivals beyond it, in every window if it must hold in every window.
fn few_arrivals(plan: &Plan, objective: &Objective) -> Option<Short> {
    let quantile = objective.quantile?;
    let (arrivals, seconds) = selected(plan, objective).fold((0.0, 0.0), |sum, (stream, phase)| {
        let arrivals = expected_arrivals(phase) * share(plan, stream, objective);
        (sum.0 + arrivals, sum.1 + length_s(phase))
    });
    let (arrivals, per) = match objective.window_s {
        Some(window_s) if window_s < seconds => (arrivals * window_s / seconds, " in each window"),
        _ => (arrivals, ""),
    };
    let needed = (BEYOND_QUANTILE / (1.0 - quantile) - 1e-6).ceil();
    (arrivals < needed).then(|| {
        let metric = objective.metric.name();
        let text = format!(
            "{metric} at quantile {quantile}: about {arrivals:.0} arrivals{per}, \
             needs {needed} to be more than a guess"
        );
        // A longer run has more windows, not more arrivals in each.
        let stretch = if per.is_empty() { needed / arrivals } else { 1.0 };
        Short { text, stretch }
    })
}

/// A capacity is found between rates that were held one after another.
fn capacity(plan: &Plan) -> Vec<String> {
    let is_step = |role: Role| role.is_measured() && !matches!(role, Role::Spike | Role::Recovery);
    let phases = plan.streams.iter().flat_map(|stream| &stream.phases);
    let mut rates: Vec<f64> = Vec::new();
    for phase in phases.filter(|phase| is_step(phase.role)) {
        match &phase.rate {
            RateLaw::Constant { rate } => rates.push(*rate),
            RateLaw::Steps { steps } => rates.extend(steps.iter().map(|step| step.rate)),
            _ => {}
        }
    }
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    if rates.len() < CAPACITY_RATES || plan.streams.len() != 1 {
        return vec![format!(
            "capacity: one stream with at least {CAPACITY_RATES} constant rates tells it, \
             such as rate = {{ steps = [...] }}"
        )];
    }
    Vec::new()
}

/// A recovery can be seen only as long as the hold after it still fits into the phase.
///
/// What is left before the hold is how late a recovery may come and still be seen. A target
/// that recovers later ends as `insufficient`, which is not met. To tell every case apart
/// the phase would have to last for the objective's whole limit plus the hold; but limits
/// are generous, and a phase that sees half of them decides all but odd cases. So the
/// warning begins below half.
fn recovery(plan: &Plan, objective: &Objective, found: &mut Vec<String>) -> Vec<Short> {
    let mut short = Vec::new();
    let mut spikes = 0;
    for stream in &plan.streams {
        for (index, phase) in stream.phases.iter().enumerate() {
            if phase.role == Role::Spike {
                spikes += 1;
                let after_s = calm_after_s(&stream.phases[index + 1..]);
                short.extend(recovery_phase(plan, objective, phase, after_s));
            }
        }
        short.extend(short_baseline(plan, stream));
    }
    if spikes == 0 {
        found.push("recovery_time: no phase has the role `spike` to recover from".to_owned());
    }
    short
}

/// Time until the next spike or the end.
fn calm_after_s(phases: &[PhaseRecord]) -> f64 {
    phases.iter().take_while(|phase| phase.role != Role::Spike).map(length_s).sum()
}

fn recovery_phase(
    plan: &Plan,
    objective: &Objective,
    spike: &PhaseRecord,
    after_s: f64,
) -> Option<Short> {
    let Bound::Max(limit_ms) = objective.bound else { return None };
    let (limit_s, hold_s) = (limit_ms / 1e3, plan.analysis.recovery_hold_s);
    let seen_s = (after_s - hold_s).max(0.0);
    (seen_s < limit_s / 2.0).then(|| Short {
        text: format!(
            "recovery_time: too short to decide: {after_s} s after the spike `{}` show a recovery \
             within {seen_s} s, the objective allows {limit_s} s; make it {} s or more",
            spike.name,
            limit_s + hold_s
        ),
        stretch: (limit_s / 2.0 + hold_s) / after_s,
    })
}

fn short_baseline(plan: &Plan, stream: &StreamPlan) -> Option<Short> {
    let spike = stream.phases.iter().position(|phase| phase.role == Role::Spike)?;
    let before = stream.phases.iter().take(spike).filter(|phase| phase.role.is_measured());
    let before_s: f64 = before.map(length_s).sum();
    let needed_s = BASELINE_WINDOWS * plan.analysis.recovery_window_s;
    (before_s < needed_s).then(|| Short {
        text: format!(
            "recovery_time: {before_s} s before the first spike of `{}` are too short a baseline, \
             needs {needed_s} s",
            stream.name
        ),
        stretch: needed_s / before_s,
    })
}

fn drift(plan: &Plan, objective: &Objective, found: &mut Vec<String>) -> Vec<Short> {
    let unwatched = plan.target_pid.is_none() && plan.target != TargetAddress::Embedded;
    if objective.metric == Metric::MemoryGrowth && unwatched {
        found.push("memory_growth: name the process to watch with `target.pid`".to_owned());
    }
    short_soak(plan, objective).into_iter().collect()
}

/// The drift analysis needs windows, and each window needs samples.
fn short_soak(plan: &Plan, objective: &Objective) -> Option<Short> {
    let longest = selected(plan, objective)
        .max_by_key(|(_, phase)| (phase.role == Role::Soak, phase.end_ns - phase.start_ns));
    let (_, phase) = longest?;
    let seconds = length_s(phase);
    let per_second = expected_arrivals(phase) / seconds;
    let window_s =
        plan.analysis.drift_window_s.max(plan.analysis.drift_window_samples as f64 / per_second);
    let needed_s = DRIFT_WINDOWS * window_s;
    (seconds < needed_s).then(|| Short {
        text: format!(
            "{}: the phase `{}` lasts {seconds} s, \
             needs {needed_s:.0} s for {DRIFT_WINDOWS} windows",
            objective.metric.name(),
            phase.name
        ),
        stretch: needed_s / seconds,
    })
}

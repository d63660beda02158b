//! What a recorded timeline comes to, found by reading it before the run.

use std::collections::BTreeMap;
use std::sync::Arc;

use openload_contract::{RateLaw, Step};
use openload_traces::TraceError;
use openload_traces::stats::{Burstiness, Dispersion, InfoOptions, Rates, TraceInfo, info};
use openload_traces::transform::expected::{DispersionCurve, Expectation, expected};
use openload_traces::transform::{GapCut, ReplaySpec};

use super::recording::{Opened, open};
use crate::plan::{Plan, TracePlan};

/// Steps by which the manifest tells a recorded rate.
const RATE_STEPS_MAX: usize = 600;

/// Windows of the index of dispersion that a plan is told with, ns.
pub const WINDOWS_NS: [i64; 3] = [100_000_000, 1_000_000_000, 60_000_000_000];

/// Windows at which the trace is measured, ns: what lies between is interpolated when a formula
/// asks for it.
const MEASURED_NS: [i64; 14] = [
    10_000_000,
    30_000_000,
    100_000_000,
    300_000_000,
    1_000_000_000,
    3_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
    180_000_000_000,
    600_000_000_000,
    1_800_000_000_000,
    3_600_000_000_000,
    14_400_000_000_000,
];

/// What a recorded timeline comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// The trace as recorded: slice and filters alone.
    pub before: TraceInfo,
    /// The timeline as it is sent.
    pub after: TraceInfo,
    /// Index of dispersion of the timeline as it is sent, at [`WINDOWS_NS`]; absent where the
    /// clock of the trace was coarser, or the timeline is too short.
    pub dispersion: [Option<f64>; WINDOWS_NS.len()],
    /// What theory says that became of the index of dispersion.
    pub expected: Expectation,
    /// Events left out because of their method, by method.
    pub left_out: BTreeMap<String, u64>,
    /// Gaps that were shortened.
    pub gap_cut: GapCut,
    /// Length of the timeline, ns.
    pub length_ns: i64,
}

/// Reads the traces of `plan` and enters what they come to: the length and rate of their phases,
/// and a [`Survey`]. Does nothing to what was surveyed before.
///
/// The whole timeline is read, once as recorded and once as it is sent: about a second for a
/// million events.
///
/// # Errors
/// When the file of a trace cannot be read, is no timeline, or cannot be replayed as asked for.
pub fn prepare(plan: &mut Plan) -> Result<(), TraceError> {
    let seed = plan.seed;
    let mut has_targets = false;
    let traces: Vec<usize> =
        (0..plan.streams.len()).filter(|&stream| plan.streams[stream].trace.is_some()).collect();
    for &stream in &traces {
        let Some(trace) = &mut plan.streams[stream].trace else { continue };
        if trace.survey.is_none() {
            trace.survey = Some(Arc::new(survey(trace, seed)?));
        }
        let Some(survey) = trace.survey.clone() else { continue };
        has_targets |= !survey.after.paths.is_empty();
        if survey.after.events == 0 {
            return Err(nothing_to_send(trace, &survey));
        }
        for phase in &mut plan.streams[stream].phases {
            phase.end_ns = survey.length_ns;
            phase.rate = rate_law(&survey.after.rates, survey.length_ns);
        }
    }
    // The scenario of requests made from events stands last; nobody counts on an empty one.
    let recorded = plan.streams.iter().filter_map(|stream| stream.trace.as_ref()).next();
    if let Some(recorded) = recorded.map(|trace| trace.scenario)
        && !has_targets
        && recorded + 1 == plan.scenarios.len()
    {
        plan.scenarios.pop();
    }
    Ok(())
}

fn survey(trace: &TracePlan, seed: u64) -> Result<Survey, TraceError> {
    let options = InfoOptions { windows_ns: MEASURED_NS.to_vec(), ..InfoOptions::default() };
    let plain = TracePlan {
        spec: ReplaySpec { filter: trace.spec.filter.clone(), ..ReplaySpec::default() },
        ..trace.clone()
    };
    let Opened { events, length_ns, left_out, .. } = open(&plain, seed)?;
    let before = info(events, length_ns, &options)?;
    let left_out = left_out.take();
    let Opened { events, length_ns, gap_cut, .. } = open(trace, seed)?;
    let mut sent = Burstiness::new(0, &WINDOWS_NS);
    let events = events.inspect(|event| event.iter().for_each(|event| sent.add(event.t_ns)));
    let after = info(events, length_ns, &options)?;
    let step_ns = before.clock.step_ns as f64 / trace.spec.speed;
    let index = |at: Dispersion| at.index.filter(|_| at.window_ns as f64 >= step_ns);
    let sent = sent.finish(length_ns).dispersion;
    let dispersion = std::array::from_fn(|at| sent.get(at).copied().and_then(index));
    let measured = before.burstiness.dispersion.iter();
    let measured = measured.filter_map(|at| Some((at.window_ns, at.index?)));
    let expected = expected(&trace.spec, &DispersionCurve::new(measured), &WINDOWS_NS);
    Ok(Survey { before, after, dispersion, expected, left_out, gap_cut, length_ns })
}

fn nothing_to_send(trace: &TracePlan, survey: &Survey) -> TraceError {
    let left_out: Vec<String> =
        survey.left_out.iter().map(|(method, count)| format!("{count} {method}")).collect();
    let why = match left_out.as_slice() {
        [] => "slice and filters leave no event".to_owned(),
        left_out => format!(
            "its methods are not among those that are sent ({}); list them under methods to send them",
            left_out.join(", ")
        ),
    };
    TraceError::Option(format!("{}: nothing would be sent: {why}", trace.file.display()))
}

/// The rate of a recorded timeline as steps.
fn rate_law(rates: &Rates, length_ns: i64) -> RateLaw {
    let coarse = rates.coarser(RATE_STEPS_MAX);
    let steps = coarse.per_s().into_iter().scan(0_i64, |begin_ns, rate| {
        let bin_ns = coarse.bin_ns.min((length_ns - *begin_ns).max(1));
        *begin_ns += bin_ns;
        Some(Step { rate, duration_s: bin_ns as f64 / 1e9 })
    });
    RateLaw::Steps { steps: steps.collect() }
}

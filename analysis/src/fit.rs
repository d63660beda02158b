//! Fit of a run's arrivals to their laws, phase by phase.
//!
//! The intended starts are tested ([`crate::law`]): they were drawn, so a p-value below 10⁻⁴
//! means that the timeline is broken. What was sent is measured by distances instead: with
//! 100,000 arrivals the millisecond of any timer fails any test. Neither finds a short stall of
//! the generator; the recorded lag does.

use std::collections::BTreeMap;

use openload_contract::summary::{Check, CheckLevel, Fit};
use openload_contract::{ArrivalKind, PhaseRecord, RateCurve};

use crate::law::{Rescaled, dispersion, off_pace};
use crate::load::Columns;
use crate::numeric::{SECOND_NS, ns_to_s};
use crate::run::Run;
use crate::validity::check;

/// p-value below which the timeline is broken.
const LAW_P_VALUE: f64 = 1e-4;

/// Rows of a phase, in the order of the timeline.
pub fn rows_of(columns: Columns<'_>, stream: &str, phase: &PhaseRecord) -> Vec<u32> {
    let mask = columns.mask(|kind| kind.stream == stream && kind.phase == phase.name);
    columns.rows_in(columns.between(phase.start_ns, phase.end_ns), &mask)
}

/// Tests the intended starts of every phase; returns the check and the smallest p-value.
pub fn timeline_law(run: &Run, columns: Columns<'_>) -> (Check, Option<f64>) {
    let name = "timeline_law";
    let judged: Vec<(String, f64)> = run
        .phases()
        .filter_map(|(stream, phase)| {
            let p_value = phase_law(run, columns, stream, phase)?;
            Some((run.phase_key(stream, &phase.name), p_value))
        })
        .collect();
    let Some((key, smallest)) = judged.iter().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        let detail = "too few arrivals to test their law".to_owned();
        return (check(name, CheckLevel::Skipped, detail), None);
    };
    let p_value = (smallest * judged.len() as f64).min(1.0);
    let level = if p_value < LAW_P_VALUE { CheckLevel::Invalid } else { CheckLevel::Ok };
    let detail = format!(
        "intended starts against their law: p = {p_value:.2e} at worst, in {key} (limit {LAW_P_VALUE:e})"
    );
    (check(name, level, detail), Some(p_value))
}

/// p-value of one phase's intended starts under their law; `None` when it cannot be judged.
///
/// Constant pacing has no law of chance: it is on its instants (1) or not (0).
fn phase_law(run: &Run, columns: Columns<'_>, stream: &str, phase: &PhaseRecord) -> Option<f64> {
    let (start_ns, end_ns) = run.span(phase);
    let rows = rows_of(columns, stream, phase);
    let instants: Vec<i64> =
        rows.iter().map(|&row| columns.intended_ns[row as usize] - start_ns).collect();
    let curve = phase_curve(phase);
    let is_whole = run.manifest.shard.count <= 1;
    // After a kill the last rows of each worker are missing, so the tail is thinned out.
    let is_cut = run.was_killed && end_ns < phase.end_ns;
    let rescaled = Rescaled::new(&instants, &curve, run.lane_share(), end_ns - start_ns);
    match phase.arrival {
        ArrivalKind::Constant if instants.is_empty() || is_cut => None,
        ArrivalKind::Constant => {
            Some(if off_pace(&instants, &curve, is_whole).is_none() { 1.0 } else { 0.0 })
        }
        _ if !rescaled.is_enough() || is_cut => None,
        ArrivalKind::Poisson => Some(rescaled.poisson_fit().p_value()),
        ArrivalKind::Uniform if !is_whole => None,
        ArrivalKind::Uniform => Some(rescaled.uniform_gaps_fit()),
    }
}

fn phase_curve(phase: &PhaseRecord) -> RateCurve {
    RateCurve::new(&phase.rate, ns_to_s(phase.end_ns - phase.start_ns))
}

/// Measures how far what was sent is from its law: distances, because with 100,000 arrivals
/// any timer fails any test.
pub fn sent_fit(run: &Run, columns: Columns<'_>) -> Fit {
    let distances = run.phases().filter_map(|(stream, phase)| {
        let is_judged = phase.arrival == ArrivalKind::Poisson && phase.role.is_measured();
        is_judged.then(|| sent_distance(run, columns, stream, phase)).flatten()
    });
    let rows = columns.rows(&columns.mask(|kind| kind.is_measured));
    let rows = || rows.iter().map(|&row| row as usize);
    let windows = [("10ms", 10_000_000), ("100ms", 100_000_000), ("1s", SECOND_NS)];
    let ratios = windows.into_iter().filter_map(|(name, window_ns)| {
        let sent_rows = || rows().filter(|&row| columns.sent_ns(row).is_some());
        let intended = sent_rows().map(|row| columns.intended_ns[row]);
        let intended = dispersion(intended, window_ns, run.end_ns);
        let sent = sent_rows().filter_map(|row| columns.sent_at(row));
        (intended > 1e-6)
            .then(|| (name.to_owned(), dispersion(sent, window_ns, run.end_ns) / intended))
    });
    Fit {
        intended_p_value: None,
        dispersion_ratio: ratios.collect::<BTreeMap<_, _>>(),
        sent_ks_distance: distances.reduce(f64::max),
    }
}

fn sent_distance(
    run: &Run,
    columns: Columns<'_>,
    stream: &str,
    phase: &PhaseRecord,
) -> Option<f64> {
    let (start_ns, end_ns) = run.span(phase);
    let rows = rows_of(columns, stream, phase);
    let sent = rows.iter().filter_map(|&row| columns.sent_at(row as usize));
    let mut instants: Vec<i64> =
        sent.filter(|&instant| instant < end_ns).map(|instant| instant - start_ns).collect();
    instants.sort_unstable();
    let rescaled =
        Rescaled::new(&instants, &phase_curve(phase), run.lane_share(), end_ns - start_ns);
    rescaled.is_enough().then(|| rescaled.exponential_distance())
}

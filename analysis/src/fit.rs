//! Fit of a run's arrivals to their laws, phase by phase.
//!
//! The intended starts are tested ([`crate::law`]): they were drawn, so a p-value below 10⁻⁴
//! means that the timeline is broken. What was sent is measured by distances instead: with
//! 100,000 arrivals the millisecond of any timer fails any test. Neither finds a short stall of
//! the generator; the recorded lag does.

use std::collections::BTreeMap;

use openload_contract::seeding::{Purpose, generator_seed};
use openload_contract::summary::{Check, CheckLevel, Fit};
use openload_contract::{ArrivalKind, ModulatedCurve, PhaseRecord, RateCurve};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::law::{Rescaled, dispersion, is_enough_for_gaps, off_pace, renewal_gaps_fit};
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
    let (mut judged, mut untested) = (Vec::new(), Vec::new());
    for (stream, phase) in run.phases() {
        match phase_law(run, columns, stream, phase) {
            Ok(p_value) => judged.push((run.phase_key(stream, &phase.name), p_value)),
            Err(reason) => untested.push(reason),
        }
    }
    let untested = reasons(&untested);
    let Some((key, smallest)) = judged.iter().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return (check(name, CheckLevel::Skipped, format!("not tested: {untested}")), None);
    };
    let p_value = (smallest * judged.len() as f64).min(1.0);
    let level = if p_value < LAW_P_VALUE { CheckLevel::Invalid } else { CheckLevel::Ok };
    let mut detail = format!(
        "intended starts against their law: p = {p_value:.2e} at worst, in {key} (limit {LAW_P_VALUE:e})"
    );
    if !untested.is_empty() {
        detail.push_str(&format!("; not tested: {untested}"));
    }
    (check(name, level, detail), Some(p_value))
}

/// Why a phase cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Untested {
    FewArrivals,
    Cut,
    Shard,
    NoProcess,
    Recorded,
}

impl Untested {
    fn words(self) -> &'static str {
        match self {
            Self::FewArrivals => "too few arrivals",
            Self::Cut => "the last arrivals of a killed run are missing",
            Self::Shard => "a shard has only some arrivals of a sequence that all share",
            Self::NoProcess => "the manifest's numbers make no arrival process",
            Self::Recorded => {
                "recorded arrivals have no law; their digest tells that they were kept"
            }
        }
    }
}

/// Counts the phases that cannot be judged, by reason.
fn reasons(untested: &[Untested]) -> String {
    let mut counts: BTreeMap<Untested, usize> = BTreeMap::new();
    untested.iter().for_each(|reason| *counts.entry(*reason).or_default() += 1);
    let parts = counts.into_iter().map(|(reason, count)| match count {
        1 => format!("1 phase ({})", reason.words()),
        count => format!("{count} phases ({})", reason.words()),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// p-value of one phase's intended starts under their law, or why it cannot be judged.
///
/// Constant pacing has no law of chance: it is on its instants (1) or not (0).
fn phase_law(
    run: &Run,
    columns: Columns<'_>,
    stream: &str,
    phase: &PhaseRecord,
) -> Result<f64, Untested> {
    let (start_ns, end_ns) = run.span(phase);
    let rows = rows_of(columns, stream, phase);
    let instants: Vec<i64> =
        rows.iter().map(|&row| columns.intended_ns[row as usize] - start_ns).collect();
    let is_whole = run.manifest.shard.count <= 1;
    // After a kill the last rows of each worker are missing, so the tail is thinned out.
    if run.was_killed && end_ns < phase.end_ns {
        return Err(Untested::Cut);
    }
    if phase.arrival == ArrivalKind::Trace {
        return Err(Untested::Recorded);
    }
    let curve = phase_curve(phase);
    if phase.arrival.is_paced() {
        return match instants.len() {
            0 => Err(Untested::FewArrivals),
            _ => Ok(if off_pace(&instants, &curve, is_whole).is_none() { 1.0 } else { 0.0 }),
        };
    }
    let rescaled = rescaled(run, stream, phase, &instants).ok_or(Untested::NoProcess)?;
    if !rescaled.is_enough() {
        return Err(Untested::FewArrivals);
    }
    match &phase.arrival {
        ArrivalKind::Poisson | ArrivalKind::Mmpp(_) => Ok(rescaled.poisson_fit().p_value()),
        _ if !is_whole => Err(Untested::Shard),
        ArrivalKind::Renewal(renewal) => {
            if !is_enough_for_gaps(renewal.cv, rescaled.total()) {
                return Err(Untested::FewArrivals);
            }
            Ok(renewal_gaps_fit(&instants, &curve, renewal.gap_law()))
        }
        ArrivalKind::Uniform | ArrivalKind::Constant | ArrivalKind::Trace => {
            Ok(rescaled.uniform_gaps_fit())
        }
    }
}

/// Sees instants of a phase through the integral of its rate, in an MMPP along the path of
/// its states; `None` when the manifest's numbers make no process.
fn rescaled(run: &Run, stream: &str, phase: &PhaseRecord, instants: &[i64]) -> Option<Rescaled> {
    let (start_ns, end_ns) = run.span(phase);
    let (curve, share, length_ns) = (phase_curve(phase), run.lane_share(), end_ns - start_ns);
    let ArrivalKind::Mmpp(mmpp) = &phase.arrival else {
        return Some(Rescaled::new(instants, &curve, share, length_ns));
    };
    if !mmpp.is_sound() {
        return None;
    }
    let (stream, phase) = run.position(stream, &phase.name)?;
    let seed = generator_seed(run.manifest.seed, stream, phase, Purpose::Common);
    let words = Xoshiro256PlusPlus::seed_from_u64(seed).random_iter();
    let mut curve = ModulatedCurve::new(curve, mmpp, words);
    Some(Rescaled::along(instants, |instant_s| curve.expected(instant_s), share, length_ns))
}

fn phase_curve(phase: &PhaseRecord) -> RateCurve {
    RateCurve::new(&phase.rate, ns_to_s(phase.end_ns - phase.start_ns))
}

/// Measures how far what was sent is from its law: distances, because with 100,000 arrivals
/// any timer fails any test.
pub fn sent_fit(run: &Run, columns: Columns<'_>) -> Fit {
    let distances = run.phases().filter_map(|(stream, phase)| {
        let is_poisson = matches!(phase.arrival, ArrivalKind::Poisson | ArrivalKind::Mmpp(_));
        let is_judged = is_poisson && phase.role.is_measured();
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
    let rescaled = rescaled(run, stream, phase, &instants)?;
    rescaled.is_enough().then(|| rescaled.exponential_distance())
}

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

use crate::instants::InOrder;
use crate::law::{
    Counts, Instants, Intensity, Rescaled, is_enough_for_gaps, off_pace, renewal_gaps_fit,
};
use crate::load::Columns;
use crate::numeric::{SECOND_NS, ns_to_s};
use crate::rows::Rows;
use crate::run::Run;
use crate::store::{Decoded, Fields};
use crate::validity::check;

/// p-value below which the timeline is broken.
const LAW_P_VALUE: f64 = 1e-4;

/// Rows of a phase, in the order of the timeline.
pub fn rows_of<'a>(columns: Columns<'a>, stream: &str, phase: &PhaseRecord) -> Rows<'a> {
    let rows = columns.rows(|kind| kind.stream == stream && kind.phase == phase.name);
    rows.between(phase.start_ns, phase.end_ns)
}

/// Intended starts of rows, since an instant.
struct Intended<'a> {
    rows: Rows<'a>,
    start_ns: i64,
}

impl Instants for Intended<'_> {
    fn each(&self, see: &mut dyn FnMut(i64)) {
        self.rows.visit(Fields::INTENDED, |rows, places| {
            places.iter().for_each(|place| see(rows.intended_ns[place] - self.start_ns));
        });
    }
}

/// Instants at which rows were sent, since an instant and before another.
struct Sent<'a, F> {
    in_order: InOrder<'a, F>,
    start_ns: i64,
}

impl<F: Fn(&Decoded, usize) -> Option<i64> + Sync> Instants for Sent<'_, F> {
    fn each(&self, see: &mut dyn FnMut(i64)) {
        self.in_order.iter().for_each(|instant_ns| see(instant_ns - self.start_ns));
    }
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
    let instants = Intended { rows: rows_of(columns, stream, phase), start_ns };
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
        if instants.rows.is_empty() {
            return Err(Untested::FewArrivals);
        }
        return Ok(if off_pace(&instants, &curve, is_whole).is_none() { 1.0 } else { 0.0 });
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
fn rescaled<'i, I: Instants>(
    run: &Run,
    stream: &str,
    phase: &'i PhaseRecord,
    instants: &'i I,
) -> Option<Rescaled<'i, I>> {
    let (start_ns, end_ns) = run.span(phase);
    let (share, length_ns) = (run.lane_share(), end_ns - start_ns);
    let intensity: Intensity<'i> = match &phase.arrival {
        ArrivalKind::Mmpp(mmpp) => {
            if !mmpp.is_sound() {
                return None;
            }
            let (stream, position) = run.position(stream, &phase.name)?;
            let seed = generator_seed(run.manifest.seed, stream, position, Purpose::Common);
            Box::new(move || {
                let words = Xoshiro256PlusPlus::seed_from_u64(seed).random_iter();
                let mut curve = ModulatedCurve::new(phase_curve(phase), mmpp, words);
                Box::new(move |instant_s| curve.expected(instant_s))
            })
        }
        _ => Box::new(move || {
            let curve = phase_curve(phase);
            Box::new(move |instant_s| curve.expected(instant_s))
        }),
    };
    Some(Rescaled::along(instants, intensity, share, length_ns))
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
    let mut windows = Windows::new(run.end_ns);
    columns.rows(|kind| kind.is_measured).sent().visit(
        Fields::INTENDED | Fields::SENT,
        |rows, places| {
            for place in places.iter() {
                let intended_ns = rows.intended_ns[place];
                let sent_ns = rows.sent_at(place).unwrap_or(intended_ns);
                windows.add(intended_ns, sent_ns);
            }
        },
    );
    Fit {
        intended_p_value: None,
        dispersion_ratio: windows.ratios(),
        sent_ks_distance: distances.reduce(f64::max),
    }
}

const MS_10: i64 = 10_000_000;
const MS_100: i64 = 100_000_000;

/// Numbers of intended and of sent arrivals in windows of three widths.
struct Windows {
    ms_10: [Counts<MS_10>; 2],
    ms_100: [Counts<MS_100>; 2],
    second: [Counts<SECOND_NS>; 2],
}

impl Windows {
    fn new(end_ns: i64) -> Self {
        Self {
            ms_10: [Counts::new(end_ns), Counts::new(end_ns)],
            ms_100: [Counts::new(end_ns), Counts::new(end_ns)],
            second: [Counts::new(end_ns), Counts::new(end_ns)],
        }
    }

    fn add(&mut self, intended_ns: i64, sent_ns: i64) {
        for (index, instant_ns) in [intended_ns, sent_ns].into_iter().enumerate() {
            self.ms_10[index].add(instant_ns);
            self.ms_100[index].add(instant_ns);
            self.second[index].add(instant_ns);
        }
    }

    /// Dispersion of what was sent as a multiple of that of what was intended, by width.
    fn ratios(&self) -> BTreeMap<String, f64> {
        fn both<const W: i64>(counts: &[Counts<W>; 2]) -> [f64; 2] {
            [counts[0].dispersion(), counts[1].dispersion()]
        }
        let all = [
            ("10ms", both(&self.ms_10)),
            ("100ms", both(&self.ms_100)),
            ("1s", both(&self.second)),
        ];
        let known = all.into_iter().filter(|(_, [intended, _])| *intended > 1e-6);
        known.map(|(name, [intended, sent])| (name.to_owned(), sent / intended)).collect()
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
    let sent_at = |rows: &Decoded, place: usize| rows.sent_at(place).filter(|&at| at < end_ns);
    let in_order = InOrder::new(rows, Fields::INTENDED | Fields::SENT, sent_at);
    let instants = Sent { in_order, start_ns };
    let rescaled = rescaled(run, stream, phase, &instants)?;
    rescaled.is_enough().then(|| rescaled.exponential_distance())
}

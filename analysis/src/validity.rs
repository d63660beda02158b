//! Did the generator do what it promised? If not, the numbers are its own and not the
//! target's, and the run is invalid: neither pass nor fail.
//!
//! | check | invalid when |
//! |---|---|
//! | contribution | `Q_p(X) − Q_p(X − lag − own queue) > max(1 ms, 5 % of Q_p)` in a measured phase |
//! | schedule_lag | p99 of the lag above its limit, or too many late arrivals, in a measured phase |
//! | dispatch_gap | a lane dispatched nothing for longer than the limit although an arrival was due |
//! | sent_rate | in more than 1 % of the seconds, sent differs from intended by more than 10 % |
//! | reconciliation | the rows are not the arrivals of the timeline |
//! | clock | a clock stepped backwards |
//! | timeline_law | the intended starts do not follow their own law, p < 10⁻⁴ |
//! | generator_cpu | never: a warning when a worker's core is 95 % full, or above 80 % of all cores |
//!
//! A lane that dispatched nothing for a second while an arrival was due has dispatched that
//! arrival a second late, and the other way round: the longest gap is the longest lag, and
//! needs no record of lanes. Drops are no reason: they are answers of infinite length, ranked
//! with the slowest. Waiting for a connection is the target's or the network's.
//!
//! A run that was late also says why ([`causes`](crate::causes)).

use std::collections::{BTreeMap, BTreeSet};

use openload_contract::monitor::Vitals;
use openload_contract::summary::{Check, CheckLevel, Fit, LateCause, Validity};
use openload_contract::{AnalysisSettings, Metric, Outcome};

use crate::causes::{FULL_SHARE, LateSecond, Setting, causes};
use crate::fit::{rows_of, sent_fit, timeline_law};
use crate::load::{Columns, second_of};
use crate::numeric::{SECOND_NS, ns_to_ms, s_to_ns};
use crate::parallel;
use crate::quantile::CENSORED;
use crate::rows::Rows;
use crate::run::Run;
use crate::store::{BLOCK_ROWS, Fields};
use crate::survey::{Measure, quantiles};
use crate::vitals;

/// Allowed contribution of the generator to a quantile.
const CONTRIBUTION_MIN_NS: f64 = 1e6;
const CONTRIBUTION_SHARE: f64 = 0.05;
/// Windows with fewer arrivals are too noisy to compare sent with intended.
const WINDOW_ARRIVALS_MIN: u64 = 20;
const WINDOW_OFF_SHARE: f64 = 0.1;
const WINDOWS_OFF_SHARE: f64 = 0.01;
/// Clock discipline slews by at most half a millisecond a second; a step is more than this.
const CLOCK_STEP_NS: i64 = 10_000_000;
const CPU_SHARE: f64 = 0.8;
const CPU_SECONDS_SHARE: f64 = 0.05;
/// Lags that are worth a word although the measurement stands.
const LAG_P99_WARN_NS: i64 = 1_000_000;
const LAG_P999_WARN_NS: i64 = 10_000_000;
/// Checks that say the generator was late.
const LATE_CHECKS: [&str; 4] = ["contribution", "schedule_lag", "dispatch_gap", "sent_rate"];
/// Seconds that are named at most.
const LATE_SECONDS_MAX: usize = 20;

/// Runs every check.
pub fn validity(run: &Run) -> Validity {
    let columns = run.samples.columns();
    let levels = judged_levels(run);
    let phases = measured_phases(run, columns, &levels);
    let sent_rate = SentRate::of(run, columns);
    // Both go through the rows one after the other, and need nothing of each other.
    let ((law, intended_p_value), fit) =
        parallel::both(|| timeline_law(run, columns), || sent_fit(run, columns));
    let mut checks = vec![
        contribution(&phases),
        schedule_lag(&run.manifest.analysis, &phases),
        dispatch_gap(&run.manifest.analysis, &phases),
        sent_rate.check(),
        reconciliation(run),
        clock(run),
        law,
        generator_cpu(run),
    ];
    if run.manifest.shard.count > 1 {
        let detail = "one shard alone cannot tell how far the shards' clocks are apart";
        checks.push(check("shard_clocks", CheckLevel::Skipped, detail.to_owned()));
    }
    let causes = late_causes(run, columns, &checks);
    Validity {
        valid: checks.iter().all(|check| check.level != CheckLevel::Invalid),
        checks,
        rows: run.samples.len() as u64,
        arrivals: run.manifest.timeline.as_ref().map(|timeline| timeline.arrivals),
        late_seconds: late_seconds(&run.manifest.analysis, columns, &sent_rate),
        causes,
        fit: Fit { intended_p_value, ..fit },
    }
}

/// What the phase-wise checks need of a measured phase.
struct PhaseTimes {
    key: String,
    rows: usize,
    /// Judged levels, with the quantiles of the response time, and of what remains of it without
    /// the generator's own delay.
    responses: Vec<(f64, i64, i64)>,
    lag_p99_ns: i64,
    lag_p999_ns: i64,
    /// Arrivals later than the setting allows.
    late: u64,
    /// The longest lag, and the intended start of the last arrival that had it.
    longest: (i64, i64),
}

impl PhaseTimes {
    /// Looks at the rows of a phase; `None` when there is none.
    fn of(key: String, rows: &Rows<'_>, levels: &[f64], late_ns: i64) -> Option<Self> {
        let Lateness { rows: count, late, longest } = Lateness::of(rows, late_ns);
        let mut all = levels.to_vec();
        all.extend([0.99, 0.999]);
        let measures = [Measure::Response, Measure::WithoutOwn, Measure::Lag];
        let found = quantiles(rows, &measures, &all);
        let responses = levels.iter().zip(found[0].iter().zip(&found[1]));
        let responses =
            responses.filter_map(|(&level, (&with, &without))| Some((level, with?, without?)));
        let lag = |place: usize| found[2][levels.len() + place].unwrap_or(0);
        Some(Self {
            key,
            rows: count,
            responses: responses.collect(),
            lag_p99_ns: lag(0),
            lag_p999_ns: lag(1),
            late,
            longest: longest?,
        })
    }
}

/// Counts of a phase's lags.
#[derive(Debug, Clone, Copy, Default)]
struct Lateness {
    rows: usize,
    late: u64,
    longest: Option<(i64, i64)>,
}

impl Lateness {
    fn of(rows: &Rows<'_>, late_ns: i64) -> Self {
        let pieces = rows.pieces();
        let parts = parallel::map(pieces.len(), |index| {
            let mut sum = Self::default();
            pieces[index].visit(Fields::LAG | Fields::INTENDED, |rows, places| {
                for place in places.iter() {
                    let lag_ns = rows.lag_ns[place];
                    sum.late += u64::from(lag_ns > late_ns);
                    sum.longest = sum.longest.max(Some((lag_ns, rows.intended_ns[place])));
                }
                sum.rows += places.len();
            });
            sum
        });
        parts.into_iter().fold(Self::default(), |sum, part| Self {
            rows: sum.rows + part.rows,
            late: sum.late + part.late,
            longest: sum.longest.max(part.longest),
        })
    }
}

fn measured_phases(run: &Run, columns: Columns<'_>, levels: &[f64]) -> Vec<PhaseTimes> {
    let late_ns = s_to_ns(run.manifest.analysis.lag_late_ms / 1e3);
    let phases = run.phases().filter(|(_, phase)| phase.role.is_measured());
    let with_rows = phases.filter_map(|(stream, phase)| {
        let key = run.phase_key(stream, &phase.name);
        PhaseTimes::of(key, &rows_of(columns, stream, phase), levels, late_ns)
    });
    with_rows.collect()
}

/// Makes a check.
pub(crate) fn check(name: &str, level: CheckLevel, detail: String) -> Check {
    Check { name: name.to_owned(), level, detail }
}

/// What a phase-wise check finds in one phase.
struct Finding {
    level: CheckLevel,
    detail: String,
    /// For the order among findings of the same level.
    weight: f64,
}

/// Reports the worst finding of all phases, or that there was nothing to look at.
fn worst(name: &str, findings: impl Iterator<Item = Finding>) -> Check {
    let severity = |level: CheckLevel| match level {
        CheckLevel::Invalid => 3,
        CheckLevel::Warn => 2,
        CheckLevel::Ok => 1,
        CheckLevel::Skipped => 0,
    };
    let worst = findings.max_by(|a, b| {
        severity(a.level).cmp(&severity(b.level)).then(a.weight.total_cmp(&b.weight))
    });
    match worst {
        Some(finding) => check(name, finding.level, finding.detail),
        None => check(name, CheckLevel::Skipped, "no arrivals in a measured phase".to_owned()),
    }
}

/// Levels of the response-time objectives; the median and p99 when there is none.
fn judged_levels(run: &Run) -> Vec<f64> {
    let objectives = run.manifest.objectives.iter();
    let mut levels: Vec<f64> = objectives
        .filter(|objective| objective.metric == Metric::ResponseTime)
        .filter_map(|objective| objective.quantile)
        .collect();
    if levels.is_empty() {
        levels = vec![0.5, 0.99];
    }
    levels
}

fn contribution(phases: &[PhaseTimes]) -> Check {
    let pairs = phases.iter().flat_map(|phase| phase.responses.iter().map(move |one| (phase, one)));
    worst("contribution", pairs.filter_map(|(phase, &one)| contribution_in(&phase.key, one)))
}

fn contribution_in(key: &str, (level, whole_ns, target_ns): (f64, i64, i64)) -> Option<Finding> {
    if whole_ns == CENSORED {
        return None;
    }
    let own_ns = (whole_ns - target_ns) as f64;
    let limit_ns = CONTRIBUTION_MIN_NS.max(CONTRIBUTION_SHARE * whole_ns as f64);
    Some(Finding {
        level: if own_ns > limit_ns { CheckLevel::Invalid } else { CheckLevel::Ok },
        detail: format!(
            "the generator's own delay makes {:.3} ms of the p{} of {:.3} ms in {key} (limit {:.3} ms)",
            own_ns / 1e6,
            percent(level),
            ns_to_ms(whole_ns),
            limit_ns / 1e6,
        ),
        weight: own_ns / limit_ns,
    })
}

/// 0.999 → `99.9`.
pub fn percent(level: f64) -> String {
    format!("{}", crate::numeric::rounded(level * 100.0, 1e-6) as f32)
}

fn schedule_lag(settings: &AnalysisSettings, phases: &[PhaseTimes]) -> Check {
    let findings = phases.iter().map(|phase| {
        let (p99_ns, p999_ns) = (phase.lag_p99_ns, phase.lag_p999_ns);
        let share = phase.late as f64 / phase.rows as f64;
        let is_late = ns_to_ms(p99_ns) > settings.lag_p99_max_ms || share > settings.lag_late_share;
        let level = if is_late {
            CheckLevel::Invalid
        } else if p99_ns > LAG_P99_WARN_NS || p999_ns > LAG_P999_WARN_NS {
            CheckLevel::Warn
        } else {
            CheckLevel::Ok
        };
        let detail = format!(
            "schedule lag p99 {:.3} ms (limit {} ms), {:.3} % of arrivals later than {} ms \
             (limit {} %) in {}",
            ns_to_ms(p99_ns),
            settings.lag_p99_max_ms,
            100.0 * share,
            settings.lag_late_ms,
            percent(settings.lag_late_share),
            phase.key,
        );
        Finding { level, detail, weight: p99_ns as f64 }
    });
    worst("schedule_lag", findings)
}

fn dispatch_gap(settings: &AnalysisSettings, phases: &[PhaseTimes]) -> Check {
    let findings = phases.iter().map(|phase| {
        let (gap_ns, intended_ns) = phase.longest;
        let is_silent = gap_ns as f64 > settings.gap_max_s * 1e9;
        Finding {
            level: if is_silent { CheckLevel::Invalid } else { CheckLevel::Ok },
            detail: format!(
                "longest silence while an arrival was due: {:.3} s at second {} (limit {} s)",
                gap_ns as f64 / 1e9,
                second_of(intended_ns),
                settings.gap_max_s,
            ),
            weight: gap_ns as f64,
        }
    });
    worst("dispatch_gap", findings)
}

/// Intended and sent arrivals by second, drops left out.
struct SentRate {
    judged: usize,
    off: Vec<u64>,
}

impl SentRate {
    fn of(run: &Run, columns: Columns<'_>) -> Self {
        let seconds = usize::try_from(run.end_ns.max(0) / SECOND_NS).unwrap_or(0);
        let (mut intended, mut sent) = (vec![0_u64; seconds], vec![0_u64; seconds]);
        let bump = |counts: &mut Vec<u64>, instant_ns: i64| {
            if let Some(count) = counts.get_mut(second_of(instant_ns) as usize) {
                *count += 1;
            }
        };
        let rows = columns.rows(|kind| kind.is_measured && kind.outcome != Outcome::Dropped);
        rows.visit(Fields::INTENDED | Fields::SENT, |rows, places| {
            for place in places.iter() {
                bump(&mut intended, rows.intended_ns[place]);
                // Sent but for the wait for a connection, which is not the generator's.
                bump(&mut sent, rows.dispatched_at(place).saturating_add(rows.queue_ns(place)));
            }
        });
        let windows = (0..).zip(intended.into_iter().zip(sent));
        let windows = windows.filter(|(_, (intended, _))| *intended >= WINDOW_ARRIVALS_MIN);
        let windows: Vec<(u64, (u64, u64))> = windows.collect();
        let is_off = |&&(_, (intended, sent)): &&(u64, (u64, u64))| {
            intended.abs_diff(sent) as f64 > WINDOW_OFF_SHARE * intended as f64
        };
        let off = windows.iter().filter(is_off).map(|&(second, _)| second).collect();
        Self { judged: windows.len(), off }
    }

    fn check(&self) -> Check {
        if self.judged == 0 {
            let detail = format!("no second has {WINDOW_ARRIVALS_MIN} arrivals or more");
            return check("sent_rate", CheckLevel::Skipped, detail);
        }
        let share = self.off.len() as f64 / self.judged as f64;
        let level = if share > WINDOWS_OFF_SHARE { CheckLevel::Invalid } else { CheckLevel::Ok };
        let detail = format!(
            "in {} of {} seconds, sent differs from intended by more than {} % (limit {} % of \
             the seconds)",
            self.off.len(),
            self.judged,
            percent(WINDOW_OFF_SHARE),
            percent(WINDOWS_OFF_SHARE),
        );
        check("sent_rate", level, detail)
    }
}

fn reconciliation(run: &Run) -> Check {
    let name = "reconciliation";
    let Some(timeline) = &run.manifest.timeline else {
        let detail = "the run did not end, so nothing says how many arrivals there should be";
        return check(name, CheckLevel::Skipped, detail.to_owned());
    };
    let rows = run.samples.len() as u64;
    if rows != timeline.arrivals {
        let detail = format!(
            "{rows} rows for {} arrivals of the timeline: samples were lost or doubled",
            timeline.arrivals
        );
        return check(name, CheckLevel::Invalid, detail);
    }
    if run.samples.digest().to_string() != timeline.digest {
        let detail = format!("{rows} rows, but they are not the arrivals of the timeline");
        return check(name, CheckLevel::Invalid, detail);
    }
    check(name, CheckLevel::Ok, format!("{rows} rows, one for each arrival of the timeline"))
}

fn clock(run: &Run) -> Check {
    if run.vitals.is_empty() {
        return check("clock", CheckLevel::Skipped, "no monitor.csv".to_owned());
    }
    let step = run.vitals.windows(2).find(|pair| {
        pair[1].t_ns < pair[0].t_ns
            || pair[1].wall_offset_ns < pair[0].wall_offset_ns - CLOCK_STEP_NS
    });
    match step {
        Some(pair) => {
            let detail = format!(
                "the clock stepped back by {:.1} ms near second {}",
                ns_to_ms(pair[0].wall_offset_ns - pair[1].wall_offset_ns),
                second_of(pair[1].t_ns),
            );
            check("clock", CheckLevel::Invalid, detail)
        }
        None => check("clock", CheckLevel::Ok, "no clock stepped backwards".to_owned()),
    }
}

fn generator_cpu(run: &Run) -> Check {
    let name = "generator_cpu";
    let cores = f64::from(run.manifest.host.cores);
    let pairs: Vec<(Vitals, Vitals)> = vitals::pairs(&run.vitals).skip(1).collect();
    let used: Vec<f64> =
        pairs.iter().filter_map(|(before, now)| vitals::cpu_cores(before, now)).collect();
    let busiest: Vec<f64> =
        pairs.iter().filter_map(|(before, now)| vitals::busiest_worker(before, now)).collect();
    if used.is_empty() || cores <= 0.0 {
        let detail = "the generator's processor time was not recorded";
        return check(name, CheckLevel::Skipped, detail.to_owned());
    }
    let all_share = share_above(&used, CPU_SHARE * cores);
    let worker_share = share_above(&busiest, FULL_SHARE);
    let is_busy = all_share.max(worker_share) > CPU_SECONDS_SHARE;
    let detail = format!(
        "a worker's core {} % full in {:.1} % of the seconds, gen above {} % of {cores} cores in \
         {:.1} % (warning above {} %)",
        percent(FULL_SHARE),
        100.0 * worker_share,
        percent(CPU_SHARE),
        100.0 * all_share,
        percent(CPU_SECONDS_SHARE),
    );
    check(name, if is_busy { CheckLevel::Warn } else { CheckLevel::Ok }, detail)
}

/// Share of the values above a limit; 0 when there are none.
fn share_above(values: &[f64], limit: f64) -> f64 {
    let above = values.iter().filter(|&&value| value > limit).count();
    above as f64 / values.len().max(1) as f64
}

/// Why the generator was late, when one of the checks says that it was.
fn late_causes(run: &Run, columns: Columns<'_>, checks: &[Check]) -> Vec<LateCause> {
    let is_bad = |check: &Check| matches!(check.level, CheckLevel::Warn | CheckLevel::Invalid);
    let is_late = |check: &Check| is_bad(check) && LATE_CHECKS.contains(&check.name.as_str());
    if !checks.iter().any(is_late) {
        return Vec::new();
    }
    let mut late: BTreeMap<u64, LateSecond> = BTreeMap::new();
    each_late(columns, LAG_P99_WARN_NS, |intended_ns, lag_ns| {
        let second = late.entry(second_of(intended_ns)).or_default();
        second.arrivals += 1;
        second.lag_max_ns = second.lag_max_ns.max(lag_ns);
    });
    let setting = Setting { workers: run.manifest.workers, cores: run.manifest.host.cores };
    causes(&run.vitals, &late, setting)
}

/// Seconds of intended time in which the generator was late, in order.
fn late_seconds(
    settings: &AnalysisSettings,
    columns: Columns<'_>,
    sent_rate: &SentRate,
) -> Vec<u64> {
    let late_ns = s_to_ns(settings.lag_late_ms / 1e3);
    let mut seconds: BTreeSet<u64> = sent_rate.off.iter().copied().collect();
    each_late(columns, late_ns, |intended_ns, _| {
        seconds.insert(second_of(intended_ns));
    });
    seconds.into_iter().take(LATE_SECONDS_MAX).collect()
}

/// Shows intended start and lag of the measured arrivals that were later than `limit_ns`.
fn each_late(columns: Columns<'_>, limit_ns: i64, mut see: impl FnMut(i64, i64)) {
    let measured = columns.rows(|kind| kind.is_measured);
    for (index, block) in columns.store().blocks().iter().enumerate() {
        // Most blocks say of themselves that none of theirs was.
        if block.lag_bound_ns() <= limit_ns {
            continue;
        }
        let first = index * BLOCK_ROWS;
        let rows = measured.within(first..first + block.len());
        rows.visit(Fields::INTENDED | Fields::LAG, |rows, places| {
            for place in places.iter().filter(|&place| rows.lag_ns[place] > limit_ns) {
                see(rows.intended_ns[place], rows.lag_ns[place]);
            }
        });
    }
}

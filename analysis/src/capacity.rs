//! How much the target can take: the highest rate it sustains among those a run held.
//!
//! A step is a stretch of constant rate of a measured phase, with its first fifth left out; spikes
//! and what comes after them are none. A step is sustainable when at least 99 % of what was
//! offered came back as a success within the objective, when the objectives for response time and
//! errors hold in it, and when its backlog does not grow: the whole 95 % interval of the slope of
//! the backlog (Theil–Sen, block bootstrap) must not lie above 1 % of the rate.
//!
//! The capacity lies between the highest sustainable rate below all that failed and the lowest
//! that failed. The knee (Satopää et al. 2011) moves with the range of rates: on 1/(1 − ρ) up to .90
//! it lies at .69, up to .99 at .90. It is shown, and decides nothing.
//!
//! The universal scalability law (Gunther 1993) is fitted by least squares in its linear form,
//! `N/X = (1 + α(N−1) + βN(N−1))/λ`, weighted for equal relative errors of X; N is the mean number
//! in flight by Little's law.

use openload_contract::summary::{Capacity, CapacityStep, Interval, Scalability};
use openload_contract::{Metric, Objective, PhaseRecord, RateLaw, Role};

use crate::groups::{is_good, scope_of};
use crate::load::Columns;
use crate::numeric::{ns_to_ms, ns_to_s, resampler, s_to_ns};
use crate::parallel;
use crate::quantile::CENSORED;
use crate::rows::Rows;
use crate::run::Run;
use crate::store::Fields;
use crate::survey::{Measure, quantiles};
use crate::trend::{Line, slope_interval};

/// Fewest distinct rates that say something about a capacity.
const RATES_MIN: usize = 3;

/// Fewest steps for the scalability law.
const LAW_STEPS_MIN: usize = 6;

/// Beginning of a step that is left out: the target comes from another rate.
const SETTLE_SHARE: f64 = 0.2;

/// Goodput as a share of what was offered, at least.
const GOODPUT_MIN: f64 = 0.99;

/// Growth of the backlog as a share of the rate, at most.
const GROWTH_MAX: f64 = 0.01;

/// Points at which the backlog of a step is looked at.
const BACKLOG_POINTS: i64 = 40;

const RESAMPLES: usize = 399;

/// Judges the steps of a run; `None` when it held fewer than three rates.
pub fn capacity(run: &Run, limits: &[i64]) -> Option<Capacity> {
    let stretches = stretches(run);
    let mut rates: Vec<f64> = stretches.iter().map(|stretch| stretch.rate).collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates.dedup();
    if rates.len() < RATES_MIN {
        return None;
    }
    let columns = run.samples.columns();
    let ended = Ended::of(columns, &stretches);
    let judge = Judge { run, columns, limits, ended };
    let steps = stretches.iter().enumerate();
    let mut steps: Vec<Judged> =
        steps.filter_map(|(index, stretch)| judge.step(index, stretch)).collect();
    steps.sort_by(|a, b| a.step.offered.total_cmp(&b.step.offered));
    Some(conclude(steps))
}

/// A stretch of constant rate.
struct Stretch<'a> {
    stream: &'a str,
    phase: &'a PhaseRecord,
    start_ns: i64,
    end_ns: i64,
    rate: f64,
}

fn stretches(run: &Run) -> Vec<Stretch<'_>> {
    // Several streams load the target at once: what one of them asked for says little.
    if run.manifest.streams.len() != 1 {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (stream, phase) in run.phases() {
        let is_step =
            phase.role.is_measured() && !matches!(phase.role, Role::Spike | Role::Recovery);
        let mut add = |start_ns: i64, end_ns: i64, rate: f64| {
            let end_ns = end_ns.min(run.end_ns);
            if is_step && rate > 0.0 && start_ns < end_ns {
                found.push(Stretch { stream, phase, start_ns, end_ns, rate });
            }
        };
        match &phase.rate {
            RateLaw::Constant { rate } => add(phase.start_ns, phase.end_ns, *rate),
            RateLaw::Steps { steps } => {
                let mut start_ns = phase.start_ns;
                for (index, step) in steps.iter().enumerate() {
                    let is_last = index + 1 == steps.len();
                    let end_ns = start_ns.saturating_add(s_to_ns(step.duration_s));
                    let end_ns = if is_last { phase.end_ns } else { end_ns.min(phase.end_ns) };
                    add(start_ns, end_ns, step.rate);
                    start_ns = end_ns;
                }
            }
            _ => {}
        }
    }
    found
}

impl Stretch<'_> {
    /// The stretch without its beginning.
    fn judged(&self) -> (i64, i64) {
        let settle_ns = ((self.end_ns - self.start_ns) as f64 * SETTLE_SHARE) as i64;
        (self.start_ns + settle_ns, self.end_ns)
    }

    /// Instants at which its backlog is looked at.
    fn points(&self) -> impl Iterator<Item = i64> {
        let (start_ns, end_ns) = self.judged();
        (0..=BACKLOG_POINTS)
            .map(move |point| start_ns + (end_ns - start_ns) / BACKLOG_POINTS * point)
    }
}

/// How many requests had ended at the instants at which the steps are looked at.
struct Ended {
    /// Instants, ascending.
    points: Vec<i64>,
    /// Requests that ended at or before each.
    ended: Vec<u64>,
    /// Successes that ended inside each step.
    successes: Vec<u64>,
}

impl Ended {
    fn of(columns: Columns<'_>, stretches: &[Stretch<'_>]) -> Self {
        let mut points: Vec<i64> = stretches.iter().flat_map(Stretch::points).collect();
        points.sort_unstable();
        points.dedup();
        let spans: Vec<(i64, i64)> = stretches.iter().map(Stretch::judged).collect();
        let is_ok = columns.mask(|kind| kind.outcome.is_ok());
        let pieces = columns.all().pieces();
        let none = || (vec![0; points.len() + 1], vec![0; spans.len()]);
        let sums = parallel::fold(pieces.len(), none, |(ended, successes), index| {
            pieces[index].visit(Fields::INTENDED | Fields::RESPONSE, |rows, places| {
                for place in places.iter() {
                    let finished_ns = rows.finished_at(place);
                    ended[points.partition_point(|&point| point < finished_ns)] += 1;
                    if is_ok[rows.code(place)] {
                        // What ended in a step began in it or in the overload before.
                        let spans = spans.iter().zip(successes.iter_mut());
                        let inside = spans.filter(|((start_ns, end_ns), _)| {
                            (*start_ns..*end_ns).contains(&finished_ns)
                                && rows.intended_ns[place] < *end_ns
                        });
                        inside.for_each(|(_, count)| *count += 1);
                    }
                }
            });
        });
        let (mut ended, mut successes) = none();
        for (more_ended, more_successes) in sums {
            ended.iter_mut().zip(more_ended).for_each(|(count, more)| *count += more);
            successes.iter_mut().zip(more_successes).for_each(|(count, more)| *count += more);
        }
        let mut before = 0;
        for count in &mut ended {
            before += *count;
            *count = before;
        }
        Self { points, ended, successes }
    }

    /// Requests that had ended at one of the points.
    fn at(&self, point_ns: i64) -> u64 {
        self.ended[self.points.partition_point(|&point| point < point_ns)]
    }
}

/// A step with its throughput.
struct Judged {
    step: CapacityStep,
    /// Successes that ended inside it, per second.
    throughput: f64,
}

struct Judge<'a> {
    run: &'a Run,
    columns: Columns<'a>,
    limits: &'a [i64],
    ended: Ended,
}

/// Arrivals of a step.
#[derive(Debug, Clone, Copy, Default)]
struct StepCounts {
    rows: u64,
    failed: u64,
    good: u64,
    response_s: f64,
}

impl Judge<'_> {
    fn step(&self, index: usize, stretch: &Stretch<'_>) -> Option<Judged> {
        let (start_ns, end_ns) = stretch.judged();
        let length_s = ns_to_s(end_ns - start_ns);
        let rows = self.columns.all().between(start_ns, end_ns);
        let counts = self.counts(&rows);
        if counts.rows == 0 || length_s <= 0.0 {
            return None;
        }
        let count = counts.rows as f64;
        let objectives: Vec<(&Objective, f64)> = self.asked(stretch).collect();
        let mut levels = vec![0.99];
        levels.extend(objectives.iter().map(|(_, level)| level));
        let times = quantiles(&rows, &[Measure::Response], &levels).remove(0);
        let growth = self.growth(stretch);
        let offered = count / length_s;
        let mut step = CapacityStep {
            phase: self.run.phase_key(stretch.stream, &stretch.phase.name),
            start_s: ns_to_s(start_ns),
            end_s: ns_to_s(end_ns),
            offered,
            goodput: counts.good as f64 / length_s,
            goodput_share: counts.good as f64 / count,
            p99: times[0].filter(|&time| time != CENSORED).map(ns_to_ms),
            in_flight: counts.response_s / length_s,
            backlog_slope: growth.slope,
            is_sustainable: true,
            why: None,
        };
        let asked: Vec<Asked<'_>> = objectives
            .iter()
            .zip(&times[1..])
            .map(|(&(objective, level), &value)| Asked { objective, level, value })
            .collect();
        step.why = objection(&step, &asked, counts, growth);
        step.is_sustainable = step.why.is_none();
        Some(Judged { step, throughput: self.ended.successes[index] as f64 / length_s })
    }

    fn counts(&self, rows: &Rows<'_>) -> StepCounts {
        let kinds = self.columns.kinds();
        let mut counts = StepCounts::default();
        rows.visit(Fields::RESPONSE, |rows, places| {
            for place in places.iter() {
                counts.rows += 1;
                counts.failed += u64::from(!kinds[rows.code(place)].outcome.is_ok());
                counts.good += u64::from(is_good(kinds, self.limits, rows, place));
                counts.response_s += ns_to_s(rows.response_ns[place]);
            }
        });
        counts
    }

    /// Objectives for all arrivals of a step, with their levels.
    fn asked(&self, stretch: &Stretch<'_>) -> impl Iterator<Item = (&Objective, f64)> {
        let objectives = self.run.manifest.objectives.iter().filter(|objective| {
            let scope = scope_of(objective);
            let is_whole =
                scope.scenario.is_none() && scope.request.is_none() && scope.tag.is_none();
            is_whole && scope.covers(stretch.stream, stretch.phase)
        });
        objectives.map(|objective| (objective, objective.quantile.unwrap_or(0.99)))
    }

    /// Slope of the number of requests that were due and have not ended.
    fn growth(&self, stretch: &Stretch<'_>) -> Growth {
        let (start_ns, _) = stretch.judged();
        let (mut times, mut backlog) = (Vec::new(), Vec::new());
        for at_ns in stretch.points() {
            let begun = self.columns.store().rows_before(at_ns.saturating_add(1));
            times.push(ns_to_s(at_ns - start_ns));
            backlog.push(begun as f64 - self.ended.at(at_ns) as f64);
        }
        let Some(line) = Line::fit(&times, &backlog) else { return Growth::default() };
        let residuals = line.residuals(&times, &backlog);
        let mut random = resampler(self.run.manifest.seed, "capacity");
        let (low, _) = slope_interval(&times, line, &residuals, RESAMPLES, &mut random);
        Growth { slope: line.slope, low }
    }
}

/// An objective and the quantile of the response time at its level.
struct Asked<'a> {
    objective: &'a Objective,
    level: f64,
    value: Option<i64>,
}

/// Why a step is not sustainable.
fn objection(
    step: &CapacityStep,
    asked: &[Asked<'_>],
    counts: StepCounts,
    growth: Growth,
) -> Option<String> {
    if step.goodput_share < GOODPUT_MIN {
        return Some(format!("goodput is {:.1} % of what was offered", 100.0 * step.goodput_share));
    }
    if let Some(missed) = asked.iter().find_map(|asked| missed(asked, counts)) {
        return Some(missed);
    }
    let allowed = GROWTH_MAX * step.offered;
    (growth.slope > allowed && growth.low > allowed)
        .then(|| format!("the backlog grows by {:.1} requests a second", growth.slope))
}

/// Slope of a backlog, per second, and the lower end of its interval.
#[derive(Debug, Clone, Copy, Default)]
struct Growth {
    slope: f64,
    low: f64,
}

/// How a step misses an objective, if it does.
fn missed(asked: &Asked<'_>, counts: StepCounts) -> Option<String> {
    let Asked { objective, level, value } = *asked;
    match objective.metric {
        Metric::ResponseTime => {
            let name = format!("p{}", level * 100.0);
            if value? == CENSORED {
                return Some(format!("{name} falls among failures"));
            }
            let value_ms = ns_to_ms(value?);
            (!objective.bound.allows(value_ms)).then(|| format!("{name} is {value_ms:.1} ms"))
        }
        Metric::ErrorRate => {
            let share = counts.failed as f64 / counts.rows as f64;
            (!objective.bound.allows(share)).then(|| format!("{:.2} % failed", 100.0 * share))
        }
        _ => None,
    }
}

/// The conclusion from steps in the order of their rate.
fn conclude(judged: Vec<Judged>) -> Capacity {
    let loads: Vec<(f64, f64)> =
        judged.iter().map(|judged| (judged.step.in_flight, judged.throughput)).collect();
    let steps: Vec<CapacityStep> = judged.into_iter().map(|judged| judged.step).collect();
    let failing = steps.iter().find(|step| !step.is_sustainable);
    let below = |step: &&CapacityStep| {
        step.is_sustainable && failing.is_none_or(|failing| step.offered < failing.offered)
    };
    let sustainable = steps.iter().rfind(below);
    let text = match (sustainable, failing) {
        (Some(sustainable), None) => {
            format!("sustains {:.0}/s, the highest rate that was tried", sustainable.offered)
        }
        (Some(sustainable), Some(failing)) => format!(
            "sustains {:.0}/s, not {:.0}/s: {}",
            sustainable.offered,
            failing.offered,
            failing.why.as_deref().unwrap_or_default()
        ),
        (None, Some(failing)) => format!(
            "does not sustain {:.0}/s, the lowest rate that was tried: {}",
            failing.offered,
            failing.why.as_deref().unwrap_or_default()
        ),
        (None, None) => "no step had an arrival".to_owned(),
    };
    let curve: Vec<(f64, f64)> =
        steps.iter().filter_map(|step| Some((step.offered, step.p99?))).collect();
    Capacity {
        sustainable_rps: sustainable.map(|step| step.offered),
        failing_rps: failing.map(|step| step.offered),
        text,
        knee_rps: knee(&curve),
        knee_range: knee_range(&curve),
        scalability: scalability(&loads),
        steps,
    }
}

/// Knee of a rising convex curve: the point furthest below the line from its first point to its
/// last, both axes scaled to 0…1. `None` for fewer than three points or a flat curve.
pub fn knee(curve: &[(f64, f64)]) -> Option<f64> {
    let (first, last) = (curve.first()?, curve.last()?);
    let (low, high) =
        curve.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
            (low.min(point.1), high.max(point.1))
        });
    if curve.len() < 3 || last.0 <= first.0 || high <= low {
        return None;
    }
    let below = |point: &(f64, f64)| {
        (point.0 - first.0) / (last.0 - first.0) - (point.1 - low) / (high - low)
    };
    curve.iter().max_by(|a, b| below(a).total_cmp(&below(b))).map(|point| point.0)
}

/// Least and greatest knee when each point in turn is left out.
fn knee_range(curve: &[(f64, f64)]) -> Interval {
    let knees = (0..curve.len()).filter_map(|left_out| {
        let mut rest = curve.to_vec();
        rest.remove(left_out);
        knee(&rest)
    });
    knees.fold(Interval::default(), |range, found| Interval {
        low: Some(range.low.map_or(found, |low| low.min(found))),
        high: Some(range.high.map_or(found, |high| high.max(found))),
    })
}

/// Fits the universal scalability law to (in flight, throughput) pairs.
pub fn scalability(loads: &[(f64, f64)]) -> Option<Scalability> {
    let loads: Vec<(f64, f64)> =
        loads.iter().copied().filter(|&(n, x)| n > 0.0 && x > 0.0).collect();
    if loads.len() < LAW_STEPS_MIN {
        return None;
    }
    // Neither contention nor coherency is negative: a term that comes out so is left out.
    let all: &[usize] = &[0, 1, 2];
    let fits = [all, &[0, 1], &[0, 2], &[0]];
    let [inverse, contention, coherency] = fits.into_iter().find_map(|terms| {
        least_squares(&loads, terms).filter(|c| c[0] > 0.0 && c[1] >= 0.0 && c[2] >= 0.0)
    })?;
    let (lambda, alpha, beta) = (1.0 / inverse, contention / inverse, coherency / inverse);
    let peak = (beta > 0.0 && alpha < 1.0).then(|| ((1.0 - alpha) / beta).sqrt());
    let throughput = |n: f64| lambda * n / (1.0 + alpha * (n - 1.0) + beta * n * (n - 1.0));
    Some(Scalability { lambda, alpha, beta, peak_in_flight: peak, peak_rps: peak.map(throughput) })
}

/// Coefficients of `N/X` on 1, N − 1 and N(N − 1), of which only `terms` are used, by weighted
/// least squares: an error of N/X counts as its share of N/X.
fn least_squares(loads: &[(f64, f64)], terms: &[usize]) -> Option<[f64; 3]> {
    let mut matrix = vec![vec![0.0; terms.len() + 1]; terms.len()];
    for &(n, x) in loads {
        let row = [1.0, n - 1.0, n * (n - 1.0)];
        let weight = (x / n).powi(2);
        for (line, &i) in matrix.iter_mut().zip(terms) {
            for (cell, &j) in line.iter_mut().zip(terms) {
                *cell += weight * row[i] * row[j];
            }
            line[terms.len()] += weight * row[i] * n / x;
        }
    }
    let solved = solve(matrix)?;
    let mut coefficients = [0.0; 3];
    terms.iter().zip(solved).for_each(|(&term, value)| coefficients[term] = value);
    Some(coefficients)
}

/// Gauss–Jordan elimination with the largest pivot; the last column is the right-hand side.
fn solve(mut matrix: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let size = matrix.len();
    for column in 0..size {
        let pivot = (column..size)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))?;
        matrix.swap(column, pivot);
        let head = matrix[column][column];
        if head.abs() < f64::MIN_POSITIVE {
            return None;
        }
        matrix[column].iter_mut().for_each(|cell| *cell /= head);
        let line = matrix[column].clone();
        for (_, other) in matrix.iter_mut().enumerate().filter(|(row, _)| *row != column) {
            let factor = other[column];
            other.iter_mut().zip(&line).for_each(|(cell, pivot)| *cell -= factor * pivot);
        }
    }
    Some(matrix.iter().map(|line| line[size]).collect())
}

#[cfg(test)]
mod tests {
    use openload_contract::{Bound, Role};

    use super::*;
    use crate::testing::{PhasePlan, Simulated, exponential, objective, open, phase};

    /// One server with μ = 500/s, first come, first served.
    fn stepped(rates: &[(&'static str, f64)]) -> Option<Capacity> {
        let phases: Vec<PhasePlan> =
            rates.iter().map(|&(name, rate)| phase(name, Role::Steady, rate, 30.0)).collect();
        let mut run = Simulated::new(&phases, 0);
        let services: Vec<f64> =
            exponential(5, run.rows.len()).iter().map(|service| service / 500.0).collect();
        run.serve_fifo(&services);
        run.manifest.objectives =
            vec![objective(Metric::ResponseTime, Some(0.99), Bound::Max(400.0))];
        let run = open(&run);
        let limits = crate::groups::good_limits(&run.manifest.objectives, run.samples.columns());
        capacity(&run, &limits)
    }

    #[test]
    fn the_capacity_of_a_queue_lies_between_the_steps_beside_it() {
        let steps =
            [("a", 100.0), ("b", 200.0), ("c", 300.0), ("d", 400.0), ("e", 450.0), ("f", 550.0)];
        let found = stepped(&steps).unwrap();
        assert!((found.sustainable_rps.unwrap() / 450.0 - 1.0).abs() < 0.05, "{found:?}");
        assert!((found.failing_rps.unwrap() / 550.0 - 1.0).abs() < 0.05, "{found:?}");
        let last = found.steps.last().unwrap();
        // The queue takes 500/s of 550/s.
        assert!((last.backlog_slope - 50.0).abs() < 15.0, "{last:?}");
        // Little's law: ρ/(1 − ρ) in flight at ρ = .2.
        assert!((found.steps[0].in_flight - 0.25).abs() < 0.05, "{found:?}");
        assert!(found.text.starts_with("sustains 4"), "{}", found.text);
    }

    #[test]
    fn a_run_of_few_rates_has_no_capacity_and_one_that_never_failed_says_so() {
        assert_eq!(stepped(&[("a", 100.0), ("b", 200.0), ("c", 100.0)]), None);
        let found = stepped(&[("a", 100.0), ("b", 150.0), ("c", 200.0)]).unwrap();
        assert_eq!(found.failing_rps, None);
        assert!(found.text.ends_with("the highest rate that was tried"), "{}", found.text);
    }

    #[test]
    fn the_scalability_law_is_found_again() {
        let throughput = [1000.0, 1958.86, 3752.35, 6849.32, 11_267.61, 15_122.87, 14_967.26];
        let loads: Vec<(f64, f64)> =
            [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0].into_iter().zip(throughput).collect();
        let law = scalability(&loads).unwrap();
        assert!((law.lambda - 1000.0).abs() < 0.01, "{law:?}");
        assert!((law.alpha - 0.02).abs() < 1e-5, "{law:?}");
        assert!((law.beta - 0.0005).abs() < 1e-7, "{law:?}");
        assert!((law.peak_in_flight.unwrap() - 44.27).abs() < 0.01, "{law:?}");
        assert!((law.peak_rps.unwrap() - 15_680.9).abs() < 0.5, "{law:?}");
        assert_eq!(scalability(&loads[..5]), None);
    }

    /// A target without contention: what comes out negative by rounding is left out.
    #[test]
    fn throughput_in_proportion_has_no_peak() {
        let loads: Vec<(f64, f64)> =
            (1..10).map(|n| (f64::from(n), 250.0 * f64::from(n))).collect();
        let law = scalability(&loads).unwrap();
        assert!((law.lambda - 250.0).abs() < 1e-6 && law.alpha.abs() < 1e-9, "{law:?}");
    }

    /// 1/(1 − ρ): the knee moves with the range, which is why it decides nothing.
    #[test]
    fn the_knee_moves_with_the_range() {
        let curve = |to: f64| -> Vec<(f64, f64)> {
            (0..=1000)
                .map(|step| f64::from(step) / 1000.0 * to)
                .map(|load| (load, 1.0 / (1.0 - load)))
                .collect()
        };
        assert!((knee(&curve(0.90)).unwrap() - 0.69).abs() < 0.01);
        assert!((knee(&curve(0.99)).unwrap() - 0.90).abs() < 0.01);
        assert_eq!(knee(&[(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]), None);
    }
}

//! A long row of runs: when did the target become slower?
//!
//! Values of runs one after another are searched for changes by E-divisive (Matteson & James 2014,
//! *A Nonparametric Approach for Multiple Change Point Analysis*). Between two neighbouring
//! stretches X of m and Y of n values lies
//!
//! `Q = mn/(m+n) · ( 2/(mn) Σᵢⱼ |xᵢ − yⱼ| − C(m,2)⁻¹ Σᵢ<ₖ |xᵢ − xₖ| − C(n,2)⁻¹ Σⱼ<ₖ |yⱼ − yₖ| )`
//!
//! and the change is where the greatest Q of all X = z₁…z_τ and Y = z_τ₊₁…z_κ is found. Whether it
//! is one tells a permutation test within the stretches that are known so far; what is found
//! divides its stretch, until no change has a p-value of [`P_MAX`] or less. Nothing is assumed of
//! the law of the values, only that runs do not depend on each other.
//!
//! Durations are taken as logarithms, so that a change is relative.

use openload_contract::SCHEMA_VERSION;
use openload_contract::baseline::{ComparedMetric, RunReading};
use openload_contract::history::{Change, History, MetricHistory};
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::refusal::objections;
use super::{Options, Subject};
use crate::numeric::{median, resampler};

/// Fewest runs that are searched.
pub const RUNS_MIN: usize = 20;
/// Fewest runs between two changes.
pub const STRETCH_MIN: usize = 5;
/// Greatest p-value of a change.
pub const P_MAX: f64 = 0.001;
/// Permutations of a test: the least p-value is 1 / 2,000.
const PERMUTATIONS: usize = 1_999;

/// Runs that make no history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// They are too few.
    #[error(
        "a history has {RUNS_MIN} runs or more, and these are {found}; gen compare BASE… --with \
         RUN… compares fewer"
    )]
    TooFew {
        /// Runs that were given.
        found: usize,
    },
    /// They must not be compared.
    #[error("{}", reasons.join("\n"))]
    Refused {
        /// Why.
        reasons: Vec<String>,
    },
}

/// Searches runs for changes of every metric, in the order in which they were made.
///
/// # Errors
/// When the runs are too few, or must not be compared with each other.
pub fn history(subjects: &[Subject], options: Options) -> Result<History, HistoryError> {
    let found = subjects.len();
    if found < RUNS_MIN {
        return Err(HistoryError::TooFew { found });
    }
    let objections = objections(subjects, &[], options);
    if !objections.reasons.is_empty() {
        return Err(HistoryError::Refused { reasons: objections.reasons });
    }
    let mut runs: Vec<&RunReading> = subjects.iter().map(|subject| &subject.reading).collect();
    runs.sort_by_key(|run| run.start_unix_ns);
    let metrics = runs[0].metrics.iter().map(|first| {
        let value = |run: &&RunReading| {
            let mut same = run.metrics.iter();
            let same = same.find(|one| one.phase == first.phase && one.metric == first.metric);
            same.and_then(|reading| reading.value)
        };
        let values: Vec<Option<f64>> = runs.iter().map(value).collect();
        let changes = if values.iter().all(Option::is_some) {
            let known: Vec<f64> = values.iter().flatten().copied().collect();
            changes(&known, first.metric, &runs)
        } else {
            Vec::new()
        };
        MetricHistory {
            phase: first.phase.clone(),
            metric: first.metric,
            unit: first.metric.unit(),
            values,
            changes,
        }
    });
    Ok(History {
        schema_version: SCHEMA_VERSION.to_owned(),
        p_max: P_MAX,
        warnings: objections.warnings,
        metrics: metrics.collect(),
        runs: runs.iter().map(|&run| run.into()).collect(),
    })
}

fn changes(values: &[f64], metric: ComparedMetric, runs: &[&RunReading]) -> Vec<Change> {
    let is_duration = metric.quantile().is_some();
    // A median of 0 has no logarithm; less than a nanosecond is none.
    let on_scale = |&value: &f64| if is_duration { value.max(1e-6).ln() } else { value };
    let scaled: Vec<f64> = values.iter().map(on_scale).collect();
    let found = e_divisive(&scaled, STRETCH_MIN, P_MAX);
    let mut edges: Vec<usize> = found.iter().map(|&(at, _)| at).collect();
    edges.insert(0, 0);
    edges.push(values.len());
    let middle = |from: usize, to: usize| median(values[from..to].to_vec()).unwrap_or(0.0);
    let change = |(place, &(at, p_value)): (usize, &(usize, f64))| {
        let before = middle(edges[place], at);
        let after = middle(at, edges[place + 2]);
        let change = if is_duration { after / before - 1.0 } else { after - before };
        Change {
            first_run: runs[at].run_id.clone(),
            index: at as u64,
            before,
            after,
            change,
            p_value,
        }
    };
    found.iter().enumerate().map(change).collect()
}

/// Positions at which the law of independent values changes, ascending, each with the p-value it
/// was found with.
///
/// Costs n² for each permutation of n values.
pub fn e_divisive(values: &[f64], stretch_min: usize, p_max: f64) -> Vec<(usize, f64)> {
    let mut random = resampler(values.len() as u64, "history");
    let mut found: Vec<(usize, f64)> = Vec::new();
    loop {
        let mut edges: Vec<usize> = found.iter().map(|&(at, _)| at).collect();
        edges.insert(0, 0);
        edges.push(values.len());
        let stretches: Vec<(usize, usize)> =
            edges.windows(2).map(|edge| (edge[0], edge[1])).collect();
        let Some((q, at)) = best(values, &stretches, stretch_min) else { return found };
        let p_value = p_value(values, &stretches, stretch_min, q, &mut random);
        if p_value > p_max {
            return found;
        }
        found.push((at, p_value));
        found.sort_by_key(|&(at, _)| at);
    }
}

/// Share of permutations within the stretches whose best division is at least as good.
fn p_value(
    values: &[f64],
    stretches: &[(usize, usize)],
    stretch_min: usize,
    q: f64,
    random: &mut Xoshiro256PlusPlus,
) -> f64 {
    let mut shuffled = values.to_vec();
    let mut beyond = 0;
    for _ in 0..PERMUTATIONS {
        for &(from, to) in stretches {
            shuffled[from..to].shuffle(random);
        }
        // Sums in another order differ in their last bits.
        beyond += usize::from(
            best(&shuffled, stretches, stretch_min)
                .is_some_and(|(other, _)| other >= q * (1.0 - 1e-9)),
        );
    }
    (beyond + 1) as f64 / (PERMUTATIONS + 1) as f64
}

/// The best division of any stretch: Q and its position.
fn best(values: &[f64], stretches: &[(usize, usize)], stretch_min: usize) -> Option<(f64, usize)> {
    let each = stretches.iter().filter_map(|&(from, to)| {
        divide(&values[from..to], stretch_min).map(|(q, at)| (q, from + at))
    });
    each.max_by(|a, b| a.0.total_cmp(&b.0))
}

/// The best division of one stretch.
fn divide(values: &[f64], stretch_min: usize) -> Option<(f64, usize)> {
    let count = values.len();
    if count < 2 * stretch_min {
        return None;
    }
    // sums[i][j]: distances between each of the first i and each of the first j values.
    let width = count + 1;
    let mut sums = vec![0.0; width * width];
    for i in 0..count {
        let mut row = 0.0;
        for j in 0..count {
            row += (values[i] - values[j]).abs();
            sums[(i + 1) * width + j + 1] = sums[i * width + j + 1] + row;
        }
    }
    let sum = |i: usize, j: usize| sums[i * width + j];
    let pairs = |count: usize| (count * (count - 1)) as f64 / 2.0;
    let mut found: Option<(f64, usize)> = None;
    for at in stretch_min..=count - stretch_min {
        let inside_x = sum(at, at) / 2.0 / pairs(at);
        for end in at + stretch_min..=count {
            let (m, n) = (at as f64, (end - at) as f64);
            let across = sum(at, end) - sum(at, at);
            let inside_y =
                (sum(end, end) - 2.0 * sum(at, end) + sum(at, at)) / 2.0 / pairs(end - at);
            let energy = 2.0 / (m * n) * across - inside_x - inside_y;
            let q = m * n / (m + n) * energy;
            if found.is_none_or(|(best, _)| q > best) {
                found = Some((q, at));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use openload_contract::Role;

    use super::*;
    use crate::testing::{Simulated, normal, open, phase};

    fn stepped(seed: u64, count: usize, at: usize, step: f64) -> Vec<f64> {
        let noise = normal(seed, count).into_iter().enumerate();
        noise.map(|(index, noise)| noise + if index >= at { step } else { 0.0 }).collect()
    }

    /// The formula of the module's head, term by term.
    fn slow_q(x: &[f64], y: &[f64]) -> f64 {
        let (m, n) = (x.len() as f64, y.len() as f64);
        let inside = |of: &[f64]| {
            let mut sum = 0.0;
            for (index, a) in of.iter().enumerate() {
                sum += of[index + 1..].iter().map(|b| (a - b).abs()).sum::<f64>();
            }
            sum / (of.len() * (of.len() - 1) / 2) as f64
        };
        let across: f64 = x.iter().flat_map(|a| y.iter().map(move |b| (a - b).abs())).sum();
        m * n / (m + n) * (2.0 / (m * n) * across - inside(x) - inside(y))
    }

    #[test]
    fn the_fast_search_is_the_formula() {
        let values = stepped(1, 24, 11, 1.0);
        let mut expected = (f64::MIN, 0);
        for at in 5..=19 {
            for end in at + 5..=24 {
                let q = slow_q(&values[..at], &values[at..end]);
                if q > expected.0 {
                    expected = (q, at);
                }
            }
        }
        let found = divide(&values, 5).unwrap();
        assert!((found.0 - expected.0).abs() < 1e-9 && found.1 == expected.1, "{found:?}");
        assert_eq!(divide(&values[..9], 5), None);
    }

    #[test]
    fn changes_are_found_where_they_are() {
        let found = e_divisive(&stepped(2, 40, 22, 4.0), STRETCH_MIN, P_MAX);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.abs_diff(22) <= 1 && found[0].1 <= P_MAX, "{found:?}");
        let mut twice = stepped(3, 60, 20, 5.0);
        twice.iter_mut().skip(41).for_each(|value| *value -= 5.0);
        let places: Vec<usize> =
            e_divisive(&twice, STRETCH_MIN, P_MAX).iter().map(|&(at, _)| at).collect();
        assert_eq!(places.len(), 2, "{places:?}");
        assert!(places[0].abs_diff(20) <= 1 && places[1].abs_diff(41) <= 1, "{places:?}");
    }

    #[test]
    fn a_slower_target_is_a_relative_change_from_its_first_run_on() {
        let run = Simulated::new(&[phase("hold", Role::Steady, 50.0, 4.0)], 10_000_000);
        let first = Subject::of_run(open(&run)).reading;
        let subjects: Vec<Subject> = normal(4, 24)
            .into_iter()
            .enumerate()
            .map(|(number, noise)| {
                let mut reading = first.clone();
                reading.run_id = format!("run {number}");
                reading.start_unix_ns = number as i64;
                for metric in &mut reading.metrics {
                    let slower = if number >= 13 { 1.3 } else { 1.0 };
                    metric.value = match metric.metric {
                        ComparedMetric::P50 => Some(10.0 * slower * (1.0 + 0.01 * noise)),
                        // Among the failures of one run.
                        ComparedMetric::P99 => Some(20.0).filter(|_| number != 5),
                        _ => Some(0.0),
                    };
                }
                Subject::of_reading(reading)
            })
            .rev()
            .collect();
        let found = history(&subjects, Options::default()).unwrap();
        assert_eq!(found.runs[0].id, "run 0");
        let of = |metric| found.metrics.iter().find(|one| one.metric == metric).unwrap();
        let [change] = &of(ComparedMetric::P50).changes[..] else { panic!("{found:?}") };
        assert_eq!((change.index, change.first_run.as_str()), (13, "run 13"));
        assert!((change.change - 0.3).abs() < 0.02 && change.p_value <= P_MAX, "{change:?}");
        assert!((change.before - 10.0).abs() < 0.1 && (change.after - 13.0).abs() < 0.1);
        assert!(of(ComparedMetric::P99).changes.is_empty());
        assert!(of(ComparedMetric::P99).values[5].is_none());
        assert!(of(ComparedMetric::ErrorShare).changes.is_empty());

        let mut other = subjects;
        other[3].reading.load_sha256 = "another".to_owned();
        let refused = history(&other, Options::default()).unwrap_err().to_string();
        assert!(refused.contains("the profiles differ"), "{refused}");
        let few = history(&other[..19], Options::default());
        assert_eq!(few, Err(HistoryError::TooFew { found: 19 }));
    }

    #[test]
    fn equal_runs_have_no_change() {
        // p-values of equal runs are uniform: the mean of 60 has a standard deviation of .037.
        let p_values: f64 = (0..60)
            .map(|seed| {
                let values = normal(100 + seed, 20);
                let stretches = [(0, values.len())];
                let (q, _) = best(&values, &stretches, STRETCH_MIN).unwrap();
                p_value(&values, &stretches, STRETCH_MIN, q, &mut resampler(seed, "test"))
            })
            .sum();
        assert!((p_values / 60.0 - 0.5).abs() < 0.12, "{}", p_values / 60.0);
        assert!(e_divisive(&normal(9, 30), STRETCH_MIN, P_MAX).is_empty());
        assert!(e_divisive(&[1.0; 30], STRETCH_MIN, P_MAX).is_empty());
    }
}

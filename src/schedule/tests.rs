//! Laws of the arrivals, and the promise that division changes nothing.

use std::collections::BTreeSet;

use openload_contract::{ArrivalKind, RateCurve, RateLaw, ShardId};

use super::{Arrival, LaneSet, Timeline, outline};
use crate::plan::{Plan, StreamPlan};
use crate::simulation::{phase, plan, scenario};

fn laws() -> Vec<RateLaw> {
    vec![
        RateLaw::Constant { rate: 300.0 },
        RateLaw::Ramp { from: 0.0, to: 600.0 },
        RateLaw::Sine { mean: 300.0, amplitude: 300.0, period_s: 7.0, shift: 0.0 },
        RateLaw::Spike { base: 100.0, peak: 1000.0, at_s: 5.0, for_s: 5.0 },
    ]
}

/// Two streams, all laws, all kinds, three scenarios.
fn mixed(seed: u64) -> Plan {
    let kinds = [ArrivalKind::Poisson, ArrivalKind::Constant, ArrivalKind::Uniform];
    let phases = laws().into_iter().zip(kinds.into_iter().cycle()).enumerate();
    let phases = phases.map(|(index, (law, kind))| phase(&format!("phase-{index}"), kind, law, 20));
    let mut plan = plan(seed, phases.collect());
    plan.scenarios = vec![scenario("a", 7.0), scenario("b", 2.0), scenario("c", 1.0)];
    plan.streams[0].scenarios = vec![0, 1, 2];
    let other = phase("other", ArrivalKind::Poisson, RateLaw::Constant { rate: 50.0 }, 70);
    plan.streams.push(StreamPlan {
        name: "background".to_owned(),
        phases: vec![other],
        scenarios: vec![1],
    });
    plan
}

fn arrivals(plan: &Plan, lanes: LaneSet) -> Vec<Arrival> {
    Timeline::new(plan, lanes).collect()
}

#[test]
fn arrivals_come_in_order_inside_their_phase_with_unique_numbers() {
    let plan = mixed(1);
    let all = arrivals(&plan, LaneSet::ALL);
    assert!(all.is_sorted());
    let numbers: BTreeSet<u64> = all.iter().map(|arrival| arrival.seq).collect();
    assert_eq!(numbers.len(), all.len());
    for arrival in &all {
        let stream = &plan.streams[usize::from(arrival.stream)];
        let phase = &stream.phases[usize::from(arrival.phase)];
        assert!((phase.start_ns..phase.end_ns).contains(&arrival.intended_ns));
    }
}

#[test]
fn any_division_into_workers_and_shards_gives_the_same_union() {
    let plan = mixed(2);
    let whole = arrivals(&plan, LaneSet::ALL);
    for (shards, workers) in [(1, 2), (1, 8), (3, 1), (3, 2), (1000, 1)] {
        let mut union = Vec::new();
        for index in 0..shards {
            for worker in 0..workers {
                let shard = ShardId { index, count: shards };
                union.extend(arrivals(&plan, LaneSet::of_worker(shard, worker, workers)));
            }
        }
        union.sort();
        assert_eq!(union, whole, "{shards} shards, {workers} workers");
    }
}

#[test]
fn digests_of_shards_add_up() {
    let plan = mixed(3);
    let whole = outline(&plan, LaneSet::ALL);
    let mut sum = openload_contract::TimelineDigest::default();
    for index in 0..3 {
        let lanes = LaneSet::of_worker(ShardId { index, count: 3 }, 0, 1);
        sum.merge(outline(&plan, lanes).digest);
    }
    assert_eq!(sum, whole.digest);
    assert_ne!(outline(&mixed(4), LaneSet::ALL).digest, whole.digest);
}

#[test]
fn constant_arrivals_are_where_the_rate_puts_them() {
    let law = RateLaw::Constant { rate: 1000.0 };
    let plan = plan(1, vec![phase("steady", ArrivalKind::Constant, law, 3)]);
    let all = arrivals(&plan, LaneSet::ALL);
    assert_eq!(all.len(), 3000);
    for (index, arrival) in all.iter().enumerate() {
        assert_eq!(arrival.intended_ns, index as i64 * 1_000_000);
        assert_eq!(arrival.seq, index as u64);
    }
}

#[test]
fn scenarios_come_in_the_shares_of_their_weights() {
    let plan = mixed(5);
    let main = arrivals(&plan, LaneSet::ALL).into_iter().filter(|arrival| arrival.stream == 0);
    let mut counts = [0.0_f64; 3];
    main.for_each(|arrival| counts[usize::from(arrival.scenario)] += 1.0);
    let total: f64 = counts.iter().sum();
    for (count, share) in counts.into_iter().zip([0.7, 0.2, 0.1]) {
        // Five standard deviations of a binomial share.
        let bound = 5.0 * (share * (1.0 - share) / total).sqrt();
        assert!((count / total - share).abs() < bound, "{counts:?}");
    }
}

/// Kolmogorov–Smirnov distance of `values` from a law, times √n with Stephens' correction.
fn ks_statistic(mut values: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let distances = values.iter().enumerate().map(|(index, &value)| {
        let (below, above) = (index as f64 / n, (index + 1) as f64 / n);
        (cdf(value) - below).max(above - cdf(value))
    });
    let distance = distances.fold(0.0, f64::max);
    distance * (n.sqrt() + 0.12 + 0.11 / n.sqrt())
}

/// The KS statistic's quantile at 1 % (Kolmogorov's limit law).
const KS_1_PERCENT: f64 = 1.628;

/// Rescaled gaps of one phase of `law`, which must be exponential for Poisson arrivals.
fn rescaled_gaps(seed: u64, kind: ArrivalKind, law: &RateLaw) -> Vec<f64> {
    let plan = plan(seed, vec![phase("steady", kind, law.clone(), 60)]);
    let curve = RateCurve::new(law, 60.0);
    let mut before = 0.0;
    Timeline::new(&plan, LaneSet::ALL)
        .map(|arrival| {
            let area = curve.expected(arrival.intended_ns as f64 / 1e9);
            let gap = area - before;
            before = area;
            gap
        })
        .collect()
}

/// Over 200 seeds the test at the 1 % level rejects about 2; above 7 has a probability of
/// 0.1 %. One lane fewer or a doubled one would reject nearly always.
#[test]
fn poisson_gaps_are_exponential_for_every_rate_law() {
    for law in laws() {
        let rejected = (0..200).filter(|&seed| {
            let gaps = rescaled_gaps(seed, ArrivalKind::Poisson, &law);
            ks_statistic(gaps, |gap| 1.0 - (-gap).exp()) > KS_1_PERCENT
        });
        let rejected = rejected.count();
        assert!(rejected <= 7, "{law:?}: rejected {rejected} of 200");
    }
}

#[test]
fn constant_and_uniform_gaps_are_not_exponential() {
    for kind in [ArrivalKind::Constant, ArrivalKind::Uniform] {
        let gaps = rescaled_gaps(1, kind, &RateLaw::Constant { rate: 200.0 });
        assert!(ks_statistic(gaps, |gap| 1.0 - (-gap).exp()) > KS_1_PERCENT);
    }
    let gaps = rescaled_gaps(1, ArrivalKind::Uniform, &RateLaw::Constant { rate: 200.0 });
    assert!(ks_statistic(gaps, |gap| (gap / 2.0).clamp(0.0, 1.0)) < KS_1_PERCENT);
}

/// The counts of a Poisson process have mean and variance Λ(T). Over 400 seeds the mean has
/// a standard deviation of √(Λ/400) and the variance one of about Λ·√(2/400).
#[test]
fn poisson_counts_have_the_mean_and_the_variance_of_their_law() {
    for law in laws() {
        let expected = RateCurve::new(&law, 20.0).total();
        let counts = (0..400).map(|seed| {
            let plan = plan(seed, vec![phase("p", ArrivalKind::Poisson, law.clone(), 20)]);
            Timeline::new(&plan, LaneSet::ALL).count() as f64
        });
        let counts: Vec<f64> = counts.collect();
        let mean = counts.iter().sum::<f64>() / 400.0;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 399.0;
        assert!((mean - expected).abs() < 4.0 * (expected / 400.0).sqrt(), "{law:?}: {mean}");
        assert!((variance / expected - 1.0).abs() < 4.0 * (2.0_f64 / 400.0).sqrt(), "{law:?}");
    }
}

//! Laws of the arrivals, and the promise that division changes nothing.

use std::collections::BTreeSet;

use openload_contract::seeding::{Purpose, generator_seed};
use openload_contract::{
    ArrivalKind, GapFamily, Mmpp, ModulatedCurve, RateCurve, RateLaw, Renewal, ShardId,
};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

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

fn kinds() -> Vec<ArrivalKind> {
    vec![
        ArrivalKind::Poisson,
        ArrivalKind::Constant,
        ArrivalKind::Uniform,
        ArrivalKind::Mmpp(two_states()),
        ArrivalKind::Mmpp(three_states()),
        renewal(2.0, GapFamily::Gamma),
        renewal(0.5, GapFamily::Weibull),
        renewal(3.0, GapFamily::Lognormal),
    ]
}

/// Bursts of a second in which four times the mean rate arrives, every six seconds.
fn two_states() -> Mmpp {
    Mmpp { rates: vec![50.0, 500.0], stays_s: vec![5.0, 1.0] }
}

fn three_states() -> Mmpp {
    Mmpp { rates: vec![1.0, 0.0, 4.0], stays_s: vec![0.5, 0.2, 0.1] }
}

fn renewal(cv: f64, family: GapFamily) -> ArrivalKind {
    ArrivalKind::Renewal(Renewal { cv, family })
}

/// Two streams, all laws, all kinds, three scenarios.
fn mixed(seed: u64) -> Plan {
    let phases = laws().into_iter().cycle().zip(kinds()).enumerate();
    let phases = phases.map(|(index, (law, kind))| phase(&format!("phase-{index}"), kind, law, 20));
    let mut plan = plan(seed, phases.collect());
    plan.scenarios = vec![scenario("a", 7.0), scenario("b", 2.0), scenario("c", 1.0)];
    plan.streams[0].scenarios = vec![0, 1, 2];
    let other = phase("other", ArrivalKind::Poisson, RateLaw::Constant { rate: 50.0 }, 70);
    plan.streams.push(StreamPlan {
        name: "background".to_owned(),
        phases: vec![other],
        scenarios: vec![1],
        trace: None,
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

/// Gaps of great variation round to 0: such arrivals come by number, as when they are sorted.
#[test]
fn arrivals_at_the_same_nanosecond_come_by_number() {
    let clumps = phase("clumps", renewal(30.0, GapFamily::Gamma), laws()[0].clone(), 200);
    let all = arrivals(&plan(2, vec![clumps.clone(), clumps]), LaneSet::ALL);
    let ties = all.windows(2).filter(|pair| pair[0].intended_ns == pair[1].intended_ns).count();
    assert!(ties * 2 > all.len(), "{ties} of {}", all.len());
    assert!(all.is_sorted());
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

/// Rescaled gaps of one phase of `law`, which must be exponential for Poisson arrivals, and
/// for those of an MMPP along the path of its states.
fn rescaled_gaps(seed: u64, kind: ArrivalKind, law: &RateLaw) -> Vec<f64> {
    let plan = plan(seed, vec![phase("steady", kind.clone(), law.clone(), 60)]);
    let curve = RateCurve::new(law, 60.0);
    let mut path = path(seed, &kind, &curve);
    let mut before = 0.0;
    Timeline::new(&plan, LaneSet::ALL)
        .map(|arrival| {
            let instant_s = arrival.intended_ns as f64 / 1e9;
            let area = path.as_mut().map_or(curve.expected(instant_s), |p| p.expected(instant_s));
            let gap = area - before;
            before = area;
            gap
        })
        .collect()
}

/// The intensity along the path of states of the only phase, drawn again from the seed.
fn path(
    seed: u64,
    kind: &ArrivalKind,
    curve: &RateCurve,
) -> Option<ModulatedCurve<impl Iterator<Item = u64>>> {
    let ArrivalKind::Mmpp(mmpp) = kind else { return None };
    let seed = generator_seed(seed, 0, 0, Purpose::Common);
    let words = Xoshiro256PlusPlus::seed_from_u64(seed).random_iter();
    Some(ModulatedCurve::new(curve.clone(), mmpp, words))
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

/// Given its path of states an MMPP is a Poisson process of that intensity; the bound is as
/// for Poisson gaps. With the rate alone nearly every seed is rejected.
#[test]
fn gaps_of_an_mmpp_are_exponential_along_the_path_of_its_states() {
    let exponential = |gap: f64| 1.0 - (-gap).exp();
    let processes = [two_states(), three_states()].into_iter().cycle();
    for (law, mmpp) in laws().into_iter().zip(processes) {
        let kind = ArrivalKind::Mmpp(mmpp);
        let rejected = (0..200).filter(|&seed| {
            ks_statistic(rescaled_gaps(seed, kind.clone(), &law), exponential) > KS_1_PERCENT
        });
        let rejected = rejected.count();
        assert!(rejected <= 7, "{law:?}: rejected {rejected} of 200");
    }
    let law = RateLaw::Constant { rate: 300.0 };
    let curve = RateCurve::new(&law, 60.0);
    let rejected = (0..20).filter(|&seed| {
        let kind = ArrivalKind::Mmpp(two_states());
        let plan = plan(seed, vec![phase("p", kind, law.clone(), 60)]);
        let areas = Timeline::new(&plan, LaneSet::ALL)
            .map(|arrival| curve.expected(arrival.intended_ns as f64 / 1e9));
        let areas: Vec<f64> = areas.collect();
        let gaps = areas.windows(2).map(|pair| pair[1] - pair[0]).collect();
        ks_statistic(gaps, exponential) > KS_1_PERCENT
    });
    assert!(rejected.count() >= 18);
}

/// Numbers of arrivals of a phase of `length_ms` at a constant rate, for many seeds.
fn counts(kind: &ArrivalKind, rate: f64, length_ms: i64, seeds: u64) -> Vec<f64> {
    let counts = (0..seeds).map(|seed| {
        let mut only = phase("p", kind.clone(), RateLaw::Constant { rate }, 1);
        only.end_ns = length_ms * 1_000_000;
        let plan = plan(seed, vec![only]);
        Timeline::new(&plan, LaneSet::ALL).count() as f64
    });
    counts.collect()
}

/// Mean, variance, and the standard errors of both.
fn moments(values: &[f64]) -> [f64; 4] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let power = |k: i32| values.iter().map(|value| (value - mean).powi(k)).sum::<f64>() / n;
    let (variance, fourth) = (power(2), power(4));
    [
        mean,
        variance * n / (n - 1.0),
        (variance / n).sqrt(),
        ((fourth - variance * variance) / n).sqrt(),
    ]
}

/// Index of dispersion of the counts of a two-state MMPP (Fischer and Meier-Hellstern 1993):
/// with leaving rates s₁, s₂, r = s₁ + s₂ and rates λ₁, λ₂ it is
/// `1 + A·(1 − (1 − e^(−rt))/(rt))`, `A = 2 s₁ s₂ (λ₁ − λ₂)² / (r² (λ₁ s₂ + λ₂ s₁))`.
fn mmpp_dispersion(mmpp: &Mmpp, t_s: f64) -> f64 {
    let [s1, s2] = [0, 1].map(|state| 1.0 / mmpp.stays_s[state]);
    let [rate1, rate2] = [0, 1].map(|state| mmpp.rates[state]);
    let r = s1 + s2;
    let a = 2.0 * s1 * s2 * (rate1 - rate2).powi(2) / (r * r * (rate1 * s2 + rate2 * s1));
    1.0 + a * (1.0 - (1.0 - (-r * t_s).exp()) / (r * t_s))
}

#[test]
fn the_closed_form_gives_the_known_dispersions() {
    let known = [(0.01, 3.241), (0.1, 22.626), (1.0, 157.623), (10.0, 344.750), (100.0, 372.875)];
    for (t_s, expected) in known {
        let found = mmpp_dispersion(&two_states(), t_s);
        assert!((found - expected).abs() < 5e-4, "{t_s} s: {found}");
    }
}

/// At a mean rate of 125/s the states have the rates 50/s and 500/s they are written with. A
/// phase is stationary from its beginning, so the closed form holds for phases of any length,
/// also for those far shorter than a stay. Bounds are 4.5 standard errors.
#[test]
fn counts_of_an_mmpp_have_the_mean_and_the_dispersion_of_their_law() {
    let kind = ArrivalKind::Mmpp(two_states());
    for (length_ms, seeds) in
        [(10, 6000), (100, 4000), (1000, 3000), (10_000, 1500), (100_000, 400)]
    {
        let expected = 0.125 * length_ms as f64;
        let [mean, variance, mean_error, variance_error] =
            moments(&counts(&kind, 125.0, length_ms, seeds));
        let dispersion = mmpp_dispersion(&two_states(), length_ms as f64 / 1e3);
        assert!((mean - expected).abs() < 4.5 * mean_error, "{length_ms} ms: {mean}");
        let error = (variance - dispersion * expected).abs();
        assert!(error < 4.5 * variance_error, "{length_ms} ms: {}", variance / expected);
    }
}

/// The long-run mean factor is 1 for more states too, and over a rate that changes.
#[test]
fn counts_of_an_mmpp_have_the_mean_of_the_rate_whatever_its_law() {
    for law in laws() {
        let expected = RateCurve::new(&law, 20.0).total();
        let counts = (0..400).map(|seed| {
            let kind = ArrivalKind::Mmpp(three_states());
            let plan = plan(seed, vec![phase("p", kind, law.clone(), 20)]);
            Timeline::new(&plan, LaneSet::ALL).count() as f64
        });
        let [mean, variance, mean_error, _] = moments(&counts.collect::<Vec<f64>>());
        assert!((mean - expected).abs() < 4.5 * mean_error, "{law:?}: {mean} of {expected}");
        assert!(variance > 3.0 * expected, "{law:?}: {variance}");
    }
}

/// Variance of the counts of an equilibrium renewal process of mean gap 1 and third central
/// moment μ₃ over long stretches: `c² t + 1/6 + c⁴/2 − μ₃/3` (Cox 1962, *Renewal Theory*,
/// chapter 4). Of a gamma law μ₃ is 2c⁴, of a lognormal (e^σ² + 2)(e^σ² − 1)².
#[test]
fn counts_of_a_renewal_process_have_the_mean_and_the_dispersion_of_their_law() {
    for (family, cv) in [
        (GapFamily::Gamma, 0.5),
        (GapFamily::Gamma, 2.0),
        (GapFamily::Weibull, 2.0),
        (GapFamily::Lognormal, 0.5),
        (GapFamily::Lognormal, 2.0),
    ] {
        let square: f64 = cv * cv;
        let third = match family {
            GapFamily::Gamma => 2.0 * square * square,
            GapFamily::Weibull => weibull_third_moment(cv),
            GapFamily::Lognormal => (square + 3.0) * square * square,
        };
        let expected = 2000.0;
        let law = square * expected + 1.0 / 6.0 + square * square / 2.0 - third / 3.0;
        let [mean, variance, mean_error, variance_error] =
            moments(&counts(&renewal(cv, family), 100.0, 20_000, 2000));
        assert!((mean - expected).abs() < 4.5 * mean_error, "{family:?} {cv}: {mean}");
        assert!((variance - law).abs() < 4.5 * variance_error, "{family:?} {cv}: {variance}");
    }
}

fn weibull_third_moment(cv: f64) -> f64 {
    let law = Renewal { cv, family: GapFamily::Weibull }.gap_law();
    let openload_contract::GapLaw::Weibull { shape, scale } = law else { panic!("a Weibull law") };
    let raw = |k: i32| scale.powi(k) * libm::tgamma(1.0 + f64::from(k) / shape);
    raw(3) - 3.0 * raw(2) + 2.0
}

/// A stationary process has the expected number of arrivals from the first instant on: in a
/// tenth of a mean gap a tenth of an arrival, whatever the variation.
#[test]
fn a_renewal_process_is_stationary_from_the_beginning() {
    for family in [GapFamily::Gamma, GapFamily::Weibull, GapFamily::Lognormal] {
        for cv in [0.3, 3.0] {
            let [mean, _, error, _] = moments(&counts(&renewal(cv, family), 1.0, 100, 20_000));
            assert!((mean - 0.1).abs() < 4.5 * error, "{family:?} {cv}: {mean} ± {error}");
        }
    }
}

#[test]
fn gaps_of_cv_0_are_constant_pacing() {
    for law in laws() {
        let of = |kind| arrivals(&plan(1, vec![phase("p", kind, law.clone(), 5)]), LaneSet::ALL);
        assert_eq!(of(renewal(0.0, GapFamily::Weibull)), of(ArrivalKind::Constant));
    }
}

#[test]
fn gamma_gaps_of_cv_1_are_exponential() {
    let law = RateLaw::Sine { mean: 300.0, amplitude: 300.0, period_s: 7.0, shift: 0.0 };
    let rejected = (0..200).filter(|&seed| {
        let gaps = rescaled_gaps(seed, renewal(1.0, GapFamily::Gamma), &law);
        ks_statistic(gaps, |gap| 1.0 - (-gap).exp()) > KS_1_PERCENT
    });
    let rejected = rejected.count();
    assert!(rejected <= 7, "rejected {rejected} of 200");
}

/// With stays of days the whole phase is in one state: half or one and a half times the rate.
#[test]
fn a_phase_shorter_than_a_stay_has_the_rate_of_one_state() {
    let mmpp = Mmpp { rates: vec![1.0, 3.0], stays_s: vec![1e6, 1e6] };
    let counts = counts(&ArrivalKind::Mmpp(mmpp), 10_000.0, 1000, 40);
    let near = |state: f64| counts.iter().filter(|&&count| (count - state).abs() < 600.0).count();
    assert_eq!(near(5_000.0) + near(15_000.0), 40, "{counts:?}");
    // Fewer than 8 of 40 fair coins: one in 20,000.
    assert!(near(5_000.0) >= 8 && near(15_000.0) >= 8, "{counts:?}");
}

/// A state may be silent: the phases after a silent one begin on time all the same.
#[test]
fn a_phase_that_is_silent_throughout_gives_way_to_the_next() {
    let mmpp = Mmpp { rates: vec![0.0, 1.0], stays_s: vec![1e6, 1.0] };
    let law = RateLaw::Constant { rate: 100.0 };
    let plan = plan(
        3,
        vec![
            phase("silent", ArrivalKind::Mmpp(mmpp), law.clone(), 10),
            phase("after", ArrivalKind::Constant, law, 1),
        ],
    );
    let all = arrivals(&plan, LaneSet::ALL);
    assert_eq!(all.len(), 100);
    assert_eq!((all[0].phase, all[0].intended_ns), (1, 10_000_000_000));
}

/// Digests that must never change: with them the timelines of recorded runs would.
#[test]
fn modulated_and_renewal_timelines_are_the_ones_they_always_were() {
    let rate = RateLaw::Sine { mean: 300.0, amplitude: 200.0, period_s: 7.0, shift: 0.0 };
    let digests: Vec<String> = kinds()[3..]
        .iter()
        .map(|kind| {
            let phases = [
                phase("a", kind.clone(), rate.clone(), 20),
                phase("b", kind.clone(), rate.clone(), 10),
            ];
            let outline = outline(&plan(42, phases.to_vec()), LaneSet::ALL);
            format!("{kind}: {} {}", outline.arrivals, outline.digest)
        })
        .collect();
    assert_eq!(digests, GOLDEN);
}

const GOLDEN: [&str; 5] = [
    "mmpp rates 50, 500, stays 5 s, 1 s: 8927 ae635b85b23f33af7709465d68992e74",
    "mmpp rates 1, 0, 4, stays 0.5 s, 0.2 s, 0.1 s: 9574 29393655218a22ebcb0810ba078ebd41",
    "renewal gamma, cv 2: 9463 43cb93e91c29f898e62a1e9a3ce30f28",
    "renewal weibull, cv 0.5: 9539 6035e2b50f4469b35e95b9bd310f442e",
    "renewal lognormal, cv 3: 9939 961c0810910d230bb04ab506a6ec662a",
];

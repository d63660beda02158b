//! How often equal runs are called different, and how often a change is found:
//!
//! ```text
//! cargo run -p openload -p openload-analysis --example aa_study -- PAIRS
//! ```
//!
//! Every pair is two M/M/1 queues with the same arrivals and services of their own: what one
//! timeline meets on two machines, or on one machine twice. `paired` compares batches of the same
//! arrivals, `unpaired` the intervals of the two runs. `differs` is the share of pairs whose 95 %
//! interval leaves out 0, `claimed` the share with three effective samples beyond the quantile, which
//! a comparison asks for; `alarm` the share in which p50 or p99 is claimed and called worse or
//! better beyond its threshold, the family of both taken together.

use std::env;
use std::error::Error;
use std::io::{self, Write};

use openload_analysis::compare::paired::Pairs;
use openload_analysis::compare::{
    Effect, LEVEL, Options, effect::beyond, effect::quantile_of_t, holm, ranks, reading, welch,
};
use openload_analysis::quantile::Distribution;
use openload_contract::baseline::{ComparedMetric, Reading};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const METRICS: [ComparedMetric; 2] = [ComparedMetric::P50, ComparedMetric::P99];
const WAYS: [&str; 2] = ["paired", "unpaired"];
const COUNT: usize = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let pairs = env::args().nth(1).ok_or("usage: aa_study PAIRS")?.parse()?;
    let mut out = io::stdout().lock();
    writeln!(out, "{pairs} pairs each; {COUNT} arrivals a run where nothing else is said\n")?;
    equal_runs(&mut out, pairs)?;
    slower_services(&mut out, pairs)?;
    a_quarter_more(&mut out, pairs)?;
    five_percent_of_p99(&mut out, pairs)?;
    by_rank(&mut out, pairs)
}

/// A queue served by one server at utilisation `load`, response times in ns at μ = 1/ms.
fn queue(arrivals: u64, services: u64, count: usize, load: f64, factor: f64) -> Vec<i64> {
    let mut arrivals = Xoshiro256PlusPlus::seed_from_u64(arrivals);
    let mut services = Xoshiro256PlusPlus::seed_from_u64(services);
    let exponential = |random: &mut Xoshiro256PlusPlus| -(1.0 - random.random::<f64>()).ln();
    // From the stationary law, which is empty with probability 1 − ρ.
    let is_busy = arrivals.random::<f64>() < load;
    let mut wait = if is_busy { exponential(&mut arrivals) / (1.0 - load) } else { 0.0 };
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let response = wait + factor * exponential(&mut services);
        wait = (response - exponential(&mut arrivals) / load).max(0.0);
        times.push((response * 1e6) as i64);
    }
    times
}

/// Two runs of one timeline.
fn pair(seed: u64, count: usize, load: f64, factor: f64) -> [Vec<i64>; 2] {
    let services = [seed.wrapping_mul(3) + 1_000_001, seed.wrapping_mul(3) + 2_000_002];
    [queue(seed, services[0], count, load, 1.0), queue(seed, services[1], count, load, factor)]
}

/// Readings of both runs and the effects on a quantile, paired and unpaired.
struct Compared {
    readings: [Reading; 2],
    effects: [Effect; 2],
}

fn compared(
    runs: &[Vec<i64>; 2],
    metric: ComparedMetric,
    limit: f64,
) -> Result<Compared, Box<dyn Error>> {
    let level = metric.quantile().ok_or("not a quantile")?;
    let read = |times: &Vec<i64>| {
        reading::of_times(&Distribution::new(times.clone()), metric).ok_or("no reading")
    };
    let readings = [read(&runs[0])?, read(&runs[1])?];
    let pairs = Pairs::new(&runs[0], &runs[1], Vec::new());
    let paired = pairs.effect(level, limit).ok_or("no effect")?;
    let unpaired = welch::effect(&[&readings[0]], &[&readings[1]], level, limit);
    Ok(Compared { readings, effects: [paired, unpaired.ok_or("no effect")?] })
}

fn differs(effect: &Effect) -> bool {
    effect.low.is_some_and(|low| low > 0.0) || effect.high.is_some_and(|high| high < 0.0)
}

/// Tells whether a comparison would look at the quantile at all.
fn is_claimed(readings: &[Reading; 2], metric: ComparedMetric) -> bool {
    metric.quantile().is_some_and(|level| beyond_quantile(readings, level) >= 3.0)
}

/// Effective samples beyond the quantile of the run that has fewer.
fn beyond_quantile(readings: &[Reading; 2], level: f64) -> f64 {
    readings.iter().map(|reading| reading.n_eff * (1.0 - level)).fold(f64::INFINITY, f64::min)
}

fn equal_runs(out: &mut impl Write, pairs: u64) -> Result<(), Box<dyn Error>> {
    let thresholds = Options::default().thresholds;
    writeln!(
        out,
        "A/A           n_eff(1-p)  claimed  differs            regression         alarm of both"
    )?;
    writeln!(
        out,
        "load metric   (median)    paired  unpaired   paired  unpaired   paired  unpaired"
    )?;
    for load in [0.5, 0.8, 0.9] {
        let mut alarms = [0_u64; 2];
        let mut lines = Vec::new();
        let mut found: [Vec<Compared>; 2] = [Vec::new(), Vec::new()];
        for seed in 0..pairs {
            let runs = pair(seed, COUNT, load, 1.0);
            for (place, metric) in METRICS.into_iter().enumerate() {
                found[place].push(compared(&runs, metric, thresholds.on_scale(metric))?);
            }
            for (way, alarms) in alarms.iter_mut().enumerate() {
                let claimed = (0..METRICS.len()).filter_map(|place| {
                    let one = &found[place][seed as usize];
                    is_claimed(&one.readings, METRICS[place]).then_some(one.effects[way])
                });
                let claimed: Vec<Effect> = claimed.collect();
                let p_values = |of: fn(&Effect) -> f64| claimed.iter().map(of).collect::<Vec<_>>();
                let worse = holm::holm(&p_values(|effect| effect.p_worse));
                let better = holm::holm(&p_values(|effect| effect.p_better));
                *alarms += u64::from(worse.iter().chain(&better).any(|&p| p <= LEVEL));
            }
        }
        for (place, metric) in METRICS.into_iter().enumerate() {
            let level = metric.quantile().ok_or("not a quantile")?;
            let mut beyond: Vec<f64> =
                found[place].iter().map(|one| beyond_quantile(&one.readings, level)).collect();
            beyond.sort_by(f64::total_cmp);
            let share = |way: usize, holds: &dyn Fn(&Effect) -> bool| {
                let count = found[place].iter().filter(|one| holds(&one.effects[way])).count();
                count as f64 / pairs as f64
            };
            let both = |holds: &dyn Fn(&Effect) -> bool| [0, 1].map(|way| share(way, holds));
            let claimed =
                found[place].iter().filter(|one| is_claimed(&one.readings, metric)).count();
            let different = both(&differs);
            let regressed = both(&|effect| effect.p_worse <= LEVEL);
            lines.push(format!(
                "{load:<4} {:<8} {:>8.1}    {:>6.3}   {:>6.3}  {:>8.3}   {:>6.3}  {:>8.3}",
                metric.name(),
                beyond[beyond.len() / 2],
                claimed as f64 / pairs as f64,
                different[0],
                different[1],
                regressed[0],
                regressed[1],
            ));
            // What the rule for claiming a quantile is there for.
            let few: Vec<&Compared> = found[place]
                .iter()
                .filter(|one| (3.0..10.0).contains(&beyond_quantile(&one.readings, level)))
                .collect();
            if !few.is_empty() {
                let alarms = WAYS.map(|name| {
                    let way = usize::from(name == WAYS[1]);
                    few.iter().filter(|one| differs(&one.effects[way])).count()
                });
                lines.push(format!(
                    "     of which with 3 to 10 effective samples beyond: {} pairs, {} and {} differ",
                    few.len(),
                    alarms[0],
                    alarms[1]
                ));
            }
        }
        for line in &lines {
            writeln!(out, "{line}")?;
        }
        let alarms = alarms.map(|alarms| alarms as f64 / pairs as f64);
        writeln!(out, "{load:<4} both{:>61.3}  {:>8.3}", alarms[0], alarms[1])?;
    }
    Ok(())
}

fn slower_services(out: &mut impl Write, pairs: u64) -> Result<(), Box<dyn Error>> {
    let mut found = [0_u64; 2];
    for seed in 10_000..10_000 + pairs {
        let runs = pair(seed, COUNT, 0.8, 1.03);
        let effects = compared(&runs, ComparedMetric::P50, 0.0)?.effects;
        effects.iter().zip(&mut found).for_each(|(one, found)| *found += u64::from(differs(one)));
    }
    let share = found.map(|found| found as f64 / pairs as f64);
    writeln!(
        out,
        "\nservices 3 % longer at load .8, p50: found {:.3} paired, {:.3} unpaired",
        share[0], share[1]
    )?;
    Ok(())
}

fn a_quarter_more(out: &mut impl Write, pairs: u64) -> Result<(), Box<dyn Error>> {
    let limit = Options::default().thresholds.on_scale(ComparedMetric::P50);
    let mut found = [0_u64; 2];
    for seed in 20_000..20_000 + pairs {
        let mut runs = pair(seed, COUNT, 0.5, 1.0);
        runs[1].iter_mut().for_each(|ns| *ns = *ns * 5 / 4);
        let effects = compared(&runs, ComparedMetric::P50, limit)?.effects;
        let regressed = effects.map(|effect| effect.p_worse <= LEVEL);
        regressed.iter().zip(&mut found).for_each(|(&is, found)| *found += u64::from(is));
    }
    let share = found.map(|found| found as f64 / pairs as f64);
    writeln!(
        out,
        "times 1.25 at load .5, p50: regression in {:.3} paired, {:.3} unpaired",
        share[0], share[1]
    )?;
    Ok(())
}

/// +5 % of every time, p99 tested against a threshold of 0. The stated power is worked out from
/// what each comparison itself says of its standard error.
fn five_percent_of_p99(out: &mut impl Write, pairs: u64) -> Result<(), Box<dyn Error>> {
    writeln!(
        out,
        "\n+5 % of p99, threshold 0          stated power       found             detectable (median)"
    )?;
    writeln!(
        out,
        "load  arrivals                    paired  unpaired   paired  unpaired  paired  unpaired"
    )?;
    for (load, count) in [(0.2, 20_000), (0.2, 100_000), (0.5, 60_000), (0.5, 300_000)] {
        let mut stated = [0.0; 2];
        let mut found = [0_u64; 2];
        let mut detectable = [Vec::new(), Vec::new()];
        for seed in 30_000..30_000 + pairs {
            let mut runs = pair(seed, count, load, 1.0);
            runs[1].iter_mut().for_each(|ns| *ns = *ns * 21 / 20);
            let effects = compared(&runs, ComparedMetric::P99, 0.0)?.effects;
            for (way, effect) in effects.into_iter().enumerate() {
                let (error, freedom) = effect.error.ok_or("no error")?;
                let t = quantile_of_t(1.0 - LEVEL, freedom);
                stated[way] += beyond(t - 1.05_f64.ln() / error, freedom) / pairs as f64;
                found[way] += u64::from(effect.p_worse <= LEVEL);
                detectable[way].extend(effect.detectable(0.0, LEVEL).map(f64::exp_m1));
            }
        }
        let middle = detectable.map(|mut values| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        });
        let share = found.map(|found| found as f64 / pairs as f64);
        writeln!(
            out,
            "{load:<4}  {count:<25}  {:>6.3}  {:>8.3}   {:>6.3}  {:>8.3}  {:>6.3}  {:>8.3}",
            stated[0], stated[1], share[0], share[1], middle[0], middle[1],
        )?;
    }
    Ok(())
}

/// Five runs against five, each with arrivals of its own.
fn by_rank(out: &mut impl Write, pairs: u64) -> Result<(), Box<dyn Error>> {
    writeln!(
        out,
        "\nfive runs against five at load .5, 4,000 arrivals each, by rank, p50 against 5 %"
    )?;
    for (name, factor) in [("equal", 1.0), ("times 1.25", 1.25)] {
        let mut found = [0_u64; 2];
        for seed in 0..pairs {
            let side = |first: u64, factor: f64| -> Vec<f64> {
                let one = |run: u64| {
                    let start = 1_000_000 * (first + 1) + 100 * seed + run;
                    let times = queue(start, start + 500_000_000, 4_000, 0.5, 1.0);
                    let middle = Distribution::new(times).quantile(0.5).unwrap_or(1);
                    (factor * middle as f64).ln()
                };
                (0..5).map(one).collect()
            };
            let effect = ranks::effect(&side(1, 1.0), &side(2, factor), 1.05_f64.ln());
            found[0] += u64::from(differs(&effect));
            found[1] += u64::from(effect.p_worse <= LEVEL);
        }
        let share = found.map(|found| found as f64 / pairs as f64);
        writeln!(out, "{name:<12} differs {:.3}, regression {:.3}", share[0], share[1])?;
    }
    Ok(())
}

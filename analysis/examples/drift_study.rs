//! Power and false alarms of the drift analysis over simulated soaks.
//!
//! ```text
//! cargo run --release -p openload-analysis --example drift_study -- REPLICATIONS
//! ```
//!
//! A soak is 120 windows of 2 min with a response time of 10 ms and AR(1) noise of a standard
//! deviation of 5 %. What is added to it: nothing, a line, a step after two thirds, a saw-tooth, a
//! warm-up. The table counts the conclusions, in % of the replications.

#![expect(clippy::print_stdout, reason = "a table is what this is for")]

use std::env;
use std::thread;

use openload_analysis::drift::{Series, Threshold, drift};
use openload_analysis::numeric::resampler;
use openload_contract::summary::DriftShape;
use rand_distr::{Distribution, StandardNormal};

const WINDOWS: usize = 120;
const WINDOW_S: f64 = 120.0;
const BASE_MS: f64 = 10.0;
const NOISE_SD: f64 = 0.05;
const SHAPES: [DriftShape; 6] = [
    DriftShape::None,
    DriftShape::Drift,
    DriftShape::Step,
    DriftShape::Cycle,
    DriftShape::Settling,
    DriftShape::Insufficient,
];

/// Name and factor by which a response time is larger at a share of the run.
type Course = (&'static str, fn(f64) -> f64);

const COURSES: [Course; 14] = [
    ("none", |_| 1.0),
    ("line +2 % over the run", |at| 1.0 + 0.02 * at),
    ("line +5 %", |at| 1.0 + 0.05 * at),
    ("line +10 %", |at| 1.0 + 0.10 * at),
    ("line +20 %", |at| 1.0 + 0.20 * at),
    ("line +40 %", |at| 1.0 + 0.40 * at),
    ("step +5 %", |at| if at < 2.0 / 3.0 { 1.0 } else { 1.05 }),
    ("step +10 %", |at| if at < 2.0 / 3.0 { 1.0 } else { 1.10 }),
    ("step +20 %", |at| if at < 2.0 / 3.0 { 1.0 } else { 1.20 }),
    ("step +40 %", |at| if at < 2.0 / 3.0 { 1.0 } else { 1.40 }),
    ("saw-tooth of 20 %, period T/6", |at| 1.0 + 0.2 * (at * 6.0).fract()),
    ("saw-tooth of 20 %, period T/2", |at| 1.0 + 0.2 * (at * 2.0).fract()),
    ("saw-tooth of 20 %, period 1.5 T", |at| 1.0 + 0.2 * ((at + 0.4) / 1.5).fract()),
    ("warm-up of +50 %, gone after T/10", |at| 1.0 + 0.5 * (-at * 30.0).exp()),
];

fn main() {
    let replications: u64 = env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100);
    println!("{replications} replications; per cent of them that end as");
    println!("carry | course | none | drift | step | cycle | settling | insufficient");
    for carry in [0.0, 0.6] {
        for (name, course) in COURSES {
            let counts = counts(carry, course, replications);
            let shares = counts.map(|count| 100.0 * count as f64 / replications as f64);
            let cells: Vec<String> = shares.iter().map(|share| format!("{share:.1}")).collect();
            println!("{carry} | {name} | {}", cells.join(" | "));
        }
    }
}

fn counts(carry: f64, course: fn(f64) -> f64, replications: u64) -> [u64; SHAPES.len()] {
    let halves = thread::scope(|scope| {
        let half = |first: u64| {
            scope.spawn(move || {
                let seeds = (first..replications).step_by(2);
                seeds.map(|seed| conclusion(seed, carry, course)).collect::<Vec<_>>()
            })
        };
        let halves = [half(0), half(1)];
        halves.map(|half| half.join().unwrap_or_default())
    });
    let found: Vec<DriftShape> = halves.into_iter().flatten().collect();
    SHAPES.map(|shape| found.iter().filter(|found| **found == shape).count() as u64)
}

fn conclusion(seed: u64, carry: f64, course: fn(f64) -> f64) -> DriftShape {
    let mut random = resampler(seed, "drift study");
    let innovation_sd = NOISE_SD * (1.0 - carry * carry).sqrt();
    let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
    let mut noise = NOISE_SD * normal();
    let values = (0..WINDOWS).map(|window| {
        noise = carry * noise + innovation_sd * normal();
        BASE_MS * (course((window as f64 + 0.5) / WINDOWS as f64) + noise)
    });
    let values: Vec<f64> = values.collect();
    let series = Series {
        times_s: (0..WINDOWS).map(|window| (window as f64 + 0.5) * WINDOW_S).collect(),
        values,
        window_s: WINDOW_S,
        length_s: WINDOWS as f64 * WINDOW_S,
        threshold: Threshold::Relative(0.10),
        by_floor: false,
    };
    drift(&series, &mut resampler(seed, "drift")).shape
}

//! Answers that queueing theory knows, on a real server in real time.

use openload::target::{QueueModel, ServiceLaw, TargetSpec};

use crate::support::{Bench, Run, near, retry, steady};

fn sorted_ms(run: &Run) -> Vec<f64> {
    let mut times: Vec<f64> = run.rows().iter().map(|row| row.response_ns as f64 / 1e6).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// The value below which a share `p` of sorted values lies: the inverse of their distribution.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    sorted[((sorted.len() as f64 * p - 1e-9).ceil() as usize).max(1) - 1]
}

/// The mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// λ = 1000, S = 1 s within T = 20 s, s = 0.1 ms: the response falls linearly from S to 0
/// over S / (1 − ρ), ρ = λ·s.
#[test]
fn a_frozen_target_slows_every_arrival_by_what_was_left_of_the_freeze() {
    let bench = Bench::turn();
    let (rate, length_s, freeze_s, service_s) = (1000.0, 20.0, 1.0, 0.0001);
    let idle = 1.0 - rate * service_s;
    let profile = steady(
        1000,
        "constant",
        20,
        "[target.embedded]\nservers = 1\nservice = { law = \"deterministic\", mean = \"100us\" }\n\
         freeze = { at = \"8s\", for = \"1s\" }\n",
    );
    retry(|attempt| {
        let run = bench.run(&format!("freeze-{attempt}"), &profile, &["--json"]);
        run.expect_exit(0);
        let rows = run.rows();
        assert_eq!(rows.len(), 20_000, "rows = arrivals");
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(row.intended_ns, index as i64 * 1_000_000, "intended starts unchanged");
        }
        let times = sorted_ms(&run);
        let mean_s = service_s + freeze_s * freeze_s / (2.0 * length_s * idle);
        near("mean", mean(&times), mean_s * 1e3, 0.02)?;
        for (name, p) in [("p99", 0.99), ("p99.9", 0.999)] {
            let expected_s = freeze_s - (1.0 - p) * length_s * idle + service_s;
            near(name, quantile(&times, p), expected_s * 1e3, 0.02)?;
        }
        let slow = times.iter().filter(|&&time| time > 100.0).count() as f64;
        near("over 100 ms", slow, rate * (freeze_s - 0.1) / idle, 0.02)?;
        for tenth in 1..10 {
            let (low, high) = (f64::from(tenth) * 100.0, f64::from(tenth + 1) * 100.0);
            let inside = times.iter().filter(|&&time| time > low && time <= high).count();
            near("a tenth of the freeze", inside as f64, rate * 0.1 / idle, 0.05)?;
        }
        Ok(())
    });
}

/// The profile of a single exponential server with μ = 250/s at load 0.7.
fn loaded(arrival: &str) -> String {
    steady(
        175,
        arrival,
        25,
        "[target.embedded]\nservers = 1\nservice = { law = \"exponential\", mean = \"4ms\" }\nseed = 3\n",
    )
}

/// The response times (ms) that theory gives for the very arrivals and services of the run:
/// Lindley's recursion over the intended starts.
fn lindley_ms(run: &Run) -> Vec<f64> {
    let spec = TargetSpec {
        servers: 1,
        service: ServiceLaw::Exponential,
        service_mean_s: 0.004,
        seed: 3,
        ..TargetSpec::default()
    };
    let mut model = QueueModel::new(&spec).unwrap();
    let rows = run.rows();
    rows.iter()
        .map(|row| (model.arrive(row.intended_ns).finish_ns - row.intended_ns) as f64 / 1e6)
        .collect()
}

/// What loopback and HTTP add to a response, at most, in ms (0.04 to 0.2 measured). The closed
/// forms know nothing of it.
const WIRE_MS: f64 = 0.3;

/// Closed forms inside the intervals the analysis reports, and the distribution row by row
/// against Lindley's recursion.
fn check_exponential_answer(name: &str, arrival: &str, rate_per_ms: f64) {
    let bench = Bench::turn();
    retry(|attempt| {
        let run = bench.run(&format!("{name}-{attempt}"), &loaded(arrival), &["--json"]);
        run.expect_exit(0);
        let summary = run.summary();
        let times = &summary["response_time"];
        for (quantile, p) in [("p50", 0.5_f64), ("p99", 0.99)] {
            let expected = -(1.0 - p).ln() / rate_per_ms;
            let interval = &times["ci95"][quantile];
            let low = interval["low"].as_f64().unwrap_or(0.0);
            let high = interval["high"].as_f64().unwrap_or(f64::INFINITY);
            if !(low - WIRE_MS..=high).contains(&expected) {
                return Err(format!("{quantile}: {expected} is not in [{low}, {high}]"));
            }
        }
        let exact = lindley_ms(&run);
        let mut sorted = exact.clone();
        sorted.sort_by(f64::total_cmp);
        let measured = sorted_ms(&run);
        near("mean against Lindley", mean(&measured), mean(&exact), 0.05)?;
        for p in [0.5, 0.9, 0.99] {
            near("quantile against Lindley", quantile(&measured, p), quantile(&sorted, p), 0.06)?;
        }
        // The sample mean of a queue is autocorrelated: 25 % is what 4,400 arrivals allow.
        near("mean", mean(&measured), 1.0 / rate_per_ms, 0.25)
    });
}

#[test]
fn poisson_arrivals_give_the_answer_of_m_m_1() {
    check_exponential_answer("mm1", "poisson", 0.25 - 0.175);
}

/// D/M/1: exponential with rate μ(1−σ), σ = exp(−(1−σ)μ/λ); a mean of about 7.5 ms where
/// M/M/1 has 13.3 ms.
#[test]
fn constant_arrivals_give_the_answer_of_d_m_1() {
    let mut sigma = 0.5_f64;
    for _ in 0..200 {
        sigma = (-(1.0 - sigma) * 0.25 / 0.175).exp();
    }
    let rate_per_ms = 0.25 * (1.0 - sigma);
    assert!(1.0 / rate_per_ms < 0.7 / (0.25 - 0.175), "far enough apart to be told apart");
    check_exponential_answer("dm1", "constant", rate_per_ms);
}

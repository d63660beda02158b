//! The built-in profiles pass against their own target and fail for the right reason.

use crate::support::{Bench, PATIENT, Run, gen_command, retry};

/// Runs a built-in profile.
fn run(bench: &Bench, name: &str, attempt: u32, extra: &[&str]) -> Run {
    let out = bench.out(&format!("{name}-{attempt}"));
    let mut command = gen_command();
    command.args(["--profile", name]).arg("--out").arg(&out).args(PATIENT).args(extra);
    let output = command.output();
    Run::new(out, output.unwrap())
}

fn objectives(run: &Run) -> Vec<(String, bool)> {
    let summary = run.summary();
    let objectives = summary["objectives"].as_array().unwrap().clone();
    objectives
        .iter()
        .map(|objective| {
            let metric = objective["objective"]["metric"].as_str().unwrap().to_owned();
            (metric, objective["met"].as_bool().unwrap())
        })
        .collect()
}

#[track_caller]
fn passes(name: &str, extra: &[&str]) {
    let bench = Bench::shared_turn();
    retry(|attempt| {
        let run = run(&bench, name, attempt, extra);
        if run.exit == 0 { Ok(()) } else { Err(format!("{}\n{}", run.stdout, run.stderr)) }
    });
}

/// Runs a profile whose target was spoiled; `missed` must be among the objectives missed.
/// A run that this machine disturbed is invalid and is made again.
#[track_caller]
fn misses(name: &str, missed: &str, extra: &[&str]) {
    let bench = Bench::shared_turn();
    retry(|attempt| {
        let run = run(&bench, name, attempt, extra);
        if run.exit == 4 {
            return Err(run.stdout);
        }
        run.expect_exit(3);
        let objectives = objectives(&run);
        assert!(objectives.contains(&(missed.to_owned(), false)), "{objectives:?}\n{}", run.stdout);
        Ok(())
    });
}

const SLOW: [&str; 2] = ["--set", "target.embedded.service.mean=1200ms"];
const FAILING: [&str; 2] = ["--set", "target.embedded.error_rate=0.1"];

fn with<'a>(scale: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["--time-scale", scale, "--set", "connection.drain_timeout=2s"];
    arguments.extend(rest);
    arguments
}

/// Shrinks the soak to windows of a second, so that 36 of them fit into a test.
const SHORT_SOAK: [&str; 10] = [
    "--rate-scale",
    "4",
    "--set",
    "target.embedded.servers=16",
    "--set",
    "analysis.drift_window=1s",
    "--set",
    "analysis.drift_window_samples=100",
    "--set",
    "connection.drain_timeout=2s",
];

fn short_soak<'a>(scale: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["--time-scale", scale];
    arguments.extend(SHORT_SOAK);
    arguments.extend(rest);
    arguments
}

#[test]
fn baseline_passes() {
    passes("baseline", &with("0.02", &[]));
}

#[test]
fn baseline_misses_its_objectives_when_its_target_is_slow_or_failing() {
    misses("baseline", "response_time", &with("0.01", &SLOW));
    misses("baseline", "error_rate", &with("0.01", &FAILING));
}

#[test]
fn stress_passes() {
    passes("stress", &with("0.03", &[]));
}

#[test]
fn stress_misses_its_objectives_when_its_target_is_slow_or_failing() {
    misses("stress", "response_time", &with("0.02", &SLOW));
    misses("stress", "availability", &with("0.02", &FAILING));
}

/// A third of the spike's length, with windows and hold that fit into it.
const SHORT_SPIKE: [&str; 4] =
    ["--set", "analysis.recovery_window=250ms", "--set", "analysis.recovery_hold=2s"];

fn short_spike<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = with("0.35", &SHORT_SPIKE);
    arguments.extend(rest);
    arguments
}

#[test]
fn spike_passes() {
    passes("spike", &short_spike(&[]));
}

#[test]
fn spike_misses_its_objectives_when_its_target_is_frozen_or_failing() {
    // From the surge to the end of the run: the target is never seen to recover.
    let freeze = "target.embedded.freeze={ at = \"16s\", for = \"60s\" }";
    misses("spike", "recovery_time", &short_spike(&["--set", freeze]));
    misses("spike", "error_rate", &with("0.1", &FAILING));
}

#[test]
fn soak_passes() {
    passes("soak", &short_soak("0.0025", &[]));
}

#[test]
fn soak_misses_its_objectives_when_its_target_leaks() {
    let leak = "target.embedded.leak={ grow = \"20ms\", per = \"4h\" }";
    misses("soak", "drift", &short_soak("0.0025", &["--set", leak]));
}

#[test]
fn soak_misses_its_objectives_when_its_target_is_slow() {
    misses("soak", "response_time", &short_soak("0.0005", &SLOW));
}

#[test]
fn mixed_passes() {
    passes("mixed", &with("0.015", &[]));
}

#[test]
fn mixed_misses_its_objectives_when_its_target_is_slow_or_failing() {
    misses("mixed", "response_time", &with("0.008", &SLOW));
    misses("mixed", "error_rate", &with("0.008", &FAILING));
}

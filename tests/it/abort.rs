//! Objectives that end a run.

use crate::support::{Bench, steady};

const ABORT: &str = "[[objective]]\nmetric = \"error_rate\"\nmax = \"5%\"\nabort_on_fail = true\n\
                     abort_after = \"1s\"\nabort_min_count = 50\n";

#[test]
fn a_missed_objective_ends_the_run_and_fails_it() {
    let bench = Bench::shared_turn();
    let failing = format!("[target.embedded]\nerror_rate = 0.5\n{ABORT}");
    let run = bench.run("aborted", &steady(100, "poisson", 60, &failing), &[]);
    run.expect_exit(3);
    let manifest = run.manifest();
    assert!(manifest.is_aborted);
    let because = manifest.stopped_because.unwrap();
    assert!(because.contains("abort_on_fail was missed after"), "{because}");
    let summary = run.summary();
    assert_eq!(
        (&summary["verdict"], &summary["run"]["status"]),
        (&"fail".into(), &"interrupted".into())
    );
    assert!(summary["reasons"].to_string().contains("error_rate"), "{}", summary["reasons"]);
    // A few seconds of the minute, each of its arrivals a row.
    let arrivals = manifest.timeline.unwrap().arrivals;
    assert!((100..3_000).contains(&arrivals), "{arrivals}");
    assert_eq!(run.rows().len() as u64, arrivals);
}

#[test]
fn one_that_is_met_lets_the_run_go_on() {
    let bench = Bench::shared_turn();
    let profile = steady(100, "poisson", 4, ABORT);
    let run = bench.run("not-aborted", &profile, &[]);
    run.expect_exit(0);
    assert!(!run.manifest().is_aborted);
}

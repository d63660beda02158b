//! The generator confesses when it was the generator.

use std::time::Duration;

use crate::support::{Bench, Run, retry, signal, steady, unjudged, wait_for_file};

fn reasons(run: &Run) -> String {
    run.summary()["reasons"].to_string()
}

#[test]
fn a_stopped_generator_invalidates_its_run_and_names_the_seconds() {
    let bench = Bench::turn();
    let profile = steady(500, "poisson", 10, "");
    let (out, child) = bench.start("paused", &profile, &[]);
    wait_for_file(&out.join("run.json"));
    std::thread::sleep(Duration::from_millis(4_300));
    signal(&child, "STOP");
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, "CONT");
    let run = Run::new(out, child.wait_with_output().unwrap());
    run.expect_exit(4);
    let summary = run.summary();
    assert_eq!(summary["verdict"], "invalid");
    assert!(reasons(&run).contains("lag"), "{}", reasons(&run));
    let late = summary["validity"]["late_seconds"].as_array().unwrap().clone();
    assert!(late.iter().any(|second| second.as_u64() == Some(4)), "{late:?}");
    // Which one depends on what else this machine does; that there is one does not.
    let causes = summary["validity"]["causes"].as_array().unwrap();
    assert!(!cfg!(target_os = "linux") || !causes.is_empty(), "{}", reasons(&run));
    assert!(run.stdout.contains("INVALID"), "{}", run.stdout);
}

#[test]
fn a_rate_this_machine_cannot_send_is_invalid_and_still_one_row_each() {
    let bench = Bench::turn();
    let profile = steady(
        400_000,
        "poisson",
        2,
        "[target.embedded]\nservers = 64\nservice = { law = \"deterministic\", mean = \"10us\" }\n\
         [connection]\nmax_in_flight = 2000\ndrain_timeout = \"20s\"\n",
    );
    let run = bench.run_once("too-fast", &profile, &["--workers", "1"]);
    run.expect_exit(4);
    assert!(reasons(&run).contains("lag"), "{}", reasons(&run));
    let arrivals = run.manifest().timeline.unwrap().arrivals;
    assert_eq!(run.rows().len() as u64, arrivals);
    assert!(arrivals > 790_000, "the whole timeline was dispatched: {arrivals}");
}

#[test]
fn a_clean_run_is_valid() {
    let bench = Bench::turn();
    retry(|attempt| {
        let run =
            bench.run_once(&format!("clean-{attempt}"), &unjudged(500, "poisson", 5, ""), &[]);
        if run.exit != 0 {
            return Err(run.stdout);
        }
        assert_eq!(run.summary()["validity"]["valid"], true);
        Ok(())
    });
}

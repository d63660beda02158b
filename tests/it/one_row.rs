//! One arrival, one row, whatever the target does.

use std::net::TcpListener;
use std::time::Duration;

use openload::target::{Faults, Target, TargetSpec};

use crate::support::{
    Bench, PATIENT, Run, arrivals, load, row_keys, signal, steady, wait_for_file,
};

/// Asserts that the rows are the arrivals of the profile, each once.
#[track_caller]
fn assert_one_row_each(bench: &Bench, profile: &str, run: &Run) {
    let plan = load(&bench.profile(profile));
    assert_eq!(row_keys(&run.rows()), arrivals(&plan));
    let manifest = run.manifest();
    assert_eq!(manifest.timeline.unwrap().arrivals as usize, arrivals(&plan).len());
    let requests = &run.summary()["requests"];
    assert_eq!(requests["intended"].as_u64().unwrap() as usize, arrivals(&plan).len());
    let sum = requests["ok"].as_u64().unwrap() + requests["failed"].as_u64().unwrap();
    assert_eq!(requests["intended"].as_u64().unwrap(), sum);
}

fn count(run: &Run, outcome: &str) -> usize {
    run.rows().iter().filter(|row| row.outcome == outcome).count()
}

const STRICT: &str = "[[objective]]\nmetric = \"error_rate\"\nmax = \"1%\"\n";

fn against_faults(name: &str, faults: Faults, outcome: &str, rest: &str) -> (Bench, Run) {
    let bench = Bench::shared_turn();
    let spec = TargetSpec { service_mean_s: 0.001, ..TargetSpec::default() };
    let target = Target::new(spec).faults(faults).listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", target.address());
    let profile = steady(200, "poisson", 5, &format!("{rest}{STRICT}"));
    let run = bench.run(name, &profile, &["--target", &url]);
    run.expect_exit(3);
    assert_one_row_each(&bench, &profile, &run);
    let failed = count(&run, outcome) as f64 / run.rows().len() as f64;
    assert!((0.12..0.3).contains(&failed), "{failed} of the rows ended {outcome}");
    assert!(run.stderr.contains(outcome), "{}", run.stderr);
    (bench, run)
}

#[test]
fn responses_that_break_off_in_the_body_are_resets() {
    let faults = Faults { reset_share: 0.2, ..Faults::default() };
    let (_bench, run) = against_faults("reset", faults, "reset", "");
    // The head had arrived, and its status is kept.
    assert!(run.rows().iter().any(|row| row.outcome == "reset" && row.status == Some(200)));
}

#[test]
fn bytes_that_are_not_http_are_protocol_errors() {
    let faults = Faults { garbage_share: 0.2, ..Faults::default() };
    let (_bench, run) = against_faults("garbage", faults, "protocol_error", "");
    assert!(run.stderr.contains("HTTP/1.1"), "says what to do: {}", run.stderr);
}

#[test]
fn a_target_that_never_answers_gives_timeouts() {
    let faults = Faults { never_answer_share: 0.2, ..Faults::default() };
    let connection = "[connection]\nresponse_timeout = \"700ms\"\n";
    let (_bench, run) = against_faults("silent", faults, "timeout", connection);
    assert!(run.stderr.contains("response_timeout"), "says what to do: {}", run.stderr);
    for row in run.rows().iter().filter(|row| row.outcome == "timeout") {
        assert!(row.response_ns >= 700_000_000 && row.status.is_none());
    }
}

#[test]
fn connections_closed_at_random_lose_no_arrival() {
    let bench = Bench::shared_turn();
    let spec = TargetSpec { service_mean_s: 0.001, ..TargetSpec::default() };
    let faults = Faults { close_share: 0.3, ..Faults::default() };
    let target = Target::new(spec).faults(faults).listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", target.address());
    let profile = steady(200, "poisson", 5, "");
    let run = bench.run("close", &profile, &["--target", &url]);
    run.expect_exit(0);
    assert_one_row_each(&bench, &profile, &run);
    // A close that crosses a request on the wire is the target's, and is told; one that was
    // there before is not a failure.
    assert!(count(&run, "ok") as f64 > 0.97 * run.rows().len() as f64);
}

#[test]
fn a_target_that_is_not_there_is_said_once_and_nothing_is_sent() {
    let bench = Bench::shared_turn();
    let port = unused_port();
    let profile = steady(200, "poisson", 2, "");
    let url = format!("http://127.0.0.1:{port}");
    let run = bench.run("refused", &profile, &["--target", &url]);
    run.expect_exit(1);
    assert!(run.stderr.contains(&format!("127.0.0.1:{port}")), "{}", run.stderr);
    assert!(run.stderr.contains("refused") && run.stderr.contains("--target"), "{}", run.stderr);
    assert!(!run.dir.join("samples").exists());
}

#[test]
fn a_refused_connection_is_a_row_when_the_user_insists() {
    let bench = Bench::shared_turn();
    let port = unused_port();
    let profile = steady(200, "poisson", 2, &format!("[connection]\nprobe = false\n{STRICT}"));
    let run = bench.run("insist", &profile, &["--target", &format!("http://127.0.0.1:{port}")]);
    run.expect_exit(3);
    assert_one_row_each(&bench, &profile, &run);
    assert_eq!(count(&run, "connect_error"), run.rows().len());
    assert!(run.stderr.contains("is the target running"), "{}", run.stderr);
}

#[test]
fn an_unresolvable_host_is_said_or_recorded() {
    let bench = Bench::shared_turn();
    let url = "http://no-such-host.invalid:8080";
    let profile = steady(100, "poisson", 2, "");
    let run = bench.run("unresolved", &profile, &["--target", url]);
    run.expect_exit(1);
    assert!(run.stderr.contains("cannot resolve `no-such-host.invalid`"), "{}", run.stderr);
    let profile = steady(100, "poisson", 2, &format!("[connection]\nprobe = false\n{STRICT}"));
    let run = bench.run("unresolved-insist", &profile, &["--target", url]);
    run.expect_exit(3);
    assert_one_row_each(&bench, &profile, &run);
    assert_eq!(count(&run, "connect_error"), run.rows().len());
}

#[test]
fn a_target_that_accepts_and_never_answers_ends_in_time() {
    let bench = Bench::shared_turn();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let profile =
        steady(50, "poisson", 2, &format!("[connection]\nresponse_timeout = \"1s\"\n{STRICT}"));
    let run = bench.run("deaf", &profile, &["--target", &url]);
    run.expect_exit(3);
    assert_one_row_each(&bench, &profile, &run);
    assert_eq!(count(&run, "timeout"), run.rows().len());
    drop(listener);
}

#[test]
fn arrivals_beyond_max_in_flight_are_dropped_rows() {
    let bench = Bench::shared_turn();
    let profile = steady(
        200,
        "constant",
        4,
        &format!(
            "[connection]\nmax_in_flight = 20\n\
             [target.embedded]\nfreeze = {{ at = \"1s\", for = \"1s\" }}\n{STRICT}"
        ),
    );
    let run = bench.run("full", &profile, &[]);
    run.expect_exit(3);
    assert_one_row_each(&bench, &profile, &run);
    let dropped = count(&run, "dropped");
    assert!((150..=200).contains(&dropped), "{dropped}");
    assert!(run.stderr.contains("max_in_flight"), "{}", run.stderr);
    for row in run.rows().iter().filter(|row| row.outcome == "dropped") {
        assert_eq!((row.sent_ns, row.status), (None, None));
    }
}

#[test]
fn ctrl_c_keeps_every_arrival_so_far_and_still_judges() {
    for name in ["INT", "TERM"] {
        let bench = Bench::shared_turn();
        let profile = steady(300, "poisson", 60, "");
        let (out, child) = bench.start("stopped", &profile, &[]);
        wait_for_file(&out.join("run.json"));
        std::thread::sleep(Duration::from_millis(2500));
        signal(&child, name);
        let run = Run::new(out, child.wait_with_output().unwrap());
        run.expect_exit(130);
        let rows = run.rows();
        let plan = load(&bench.profile(&profile));
        let expected = arrivals(&plan);
        assert_eq!(row_keys(&rows), expected[..rows.len()], "no hole before the stop");
        assert!(rows.len() > 500, "{}", rows.len());
        let manifest = run.manifest();
        assert_eq!(manifest.status, openload_contract::RunStatus::Interrupted);
        assert_eq!(manifest.timeline.unwrap().arrivals as usize, rows.len());
        assert_eq!(run.summary()["run"]["status"], "interrupted");
    }
}

#[test]
fn a_target_that_dies_in_the_middle_loses_no_arrival() {
    let bench = Bench::shared_turn();
    let target = Target::new(TargetSpec::default()).listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", target.address());
    let profile = steady(200, "poisson", 4, STRICT);
    let (out, child) = bench.start("dies", &profile, &[&PATIENT[..], &["--target", &url]].concat());
    wait_for_file(&out.join("run.json"));
    std::thread::sleep(Duration::from_millis(2000));
    target.stop();
    let run = Run::new(out, child.wait_with_output().unwrap());
    run.expect_exit(3);
    assert_one_row_each(&bench, &profile, &run);
    assert!(count(&run, "connect_error") > 100);
}

fn unused_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

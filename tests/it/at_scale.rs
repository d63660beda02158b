//! Very many requests in flight: a stall is when they are most needed.

use openload::os;
use openload::target::{Freeze, ServiceLaw, Target, TargetSpec};
use openload_contract::monitor;

use crate::support::{Bench, steady};

/// In flight at the height of the stall, where open files allow it.
const IN_FLIGHT: u64 = 19_000;
/// Open files that this process and the generator need for other things.
const FILES_RESERVED: u64 = 600;
const RATE: u64 = 4_000;
/// What a request in flight may cost the generator.
const BYTES_EACH_MAX: u64 = 8 * 1024;

#[test]
fn a_stall_with_thousands_in_flight_loses_nothing_and_costs_little() {
    let bench = Bench::turn();
    let files = os::raise_open_files_limit().unwrap_or(1_024);
    let in_flight = IN_FLIGHT.min(files - FILES_RESERVED);
    let spec = TargetSpec {
        servers: 1,
        service: ServiceLaw::Deterministic,
        service_mean_s: 0.00002,
        freezes: vec![Freeze { at_s: 1.0, for_s: in_flight as f64 / RATE as f64 }],
        ..TargetSpec::default()
    };
    let target = Target::new(spec).listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let profile = steady(
        RATE as u32,
        "constant",
        2 + (in_flight / RATE) as u32,
        &format!("[connection]\nmax_in_flight = {in_flight}\n"),
    );
    let url = format!("http://{}", target.address());
    let run = bench.run("stall", &profile, &["--target", &url, "--no-analysis", "--workers", "1"]);
    run.expect_exit(0);
    let rows = run.rows();
    let sent = rows.iter().filter(|row| row.outcome == "ok").count();
    // What comes between the bound and the end of the stall is dropped, and little is.
    assert!(sent as f64 > 0.95 * rows.len() as f64, "{sent} of {}: {}", rows.len(), run.stderr);
    let text = std::fs::read_to_string(run.dir.join("monitor.csv")).unwrap();
    let vitals = monitor::read(&text);
    let (before, height) = (vitals[0], vitals.iter().max_by_key(|line| line.in_flight).unwrap());
    let held = height.in_flight.unwrap();
    assert!(held > in_flight * 3 / 4, "{held} in flight");
    let grown = height.rss_bytes.unwrap().saturating_sub(before.rss_bytes.unwrap());
    assert!(grown / held <= BYTES_EACH_MAX, "{grown} bytes for {held} requests");
}

//! What must hold on every way to a target: the timeline, one row for each arrival, a freeze
//! that delays completions alone, and the answer queueing theory knows.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use openload::target::{Faults, Freeze, QueueModel, ServiceLaw, Target, TargetSpec};

use crate::known_answers::{mean, quantile};
use crate::support::{Bench, Row, Run, arrivals, gen_command, load, near, retry, row_keys, steady};
use crate::transports::tls_config;

/// How a target is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    Tcp,
    Tls,
    Unix,
}

/// A way to a target: a socket, and what the profile says of connections.
struct Way<'a> {
    name: &'static str,
    socket: Socket,
    connection: &'a str,
}

const fn way(name: &'static str, socket: Socket, connection: &'static str) -> Way<'static> {
    Way { name, socket, connection }
}

/// Every transport with the policy most people use, and every policy.
const WAYS: [Way<'static>; 13] = [
    way("lean", Socket::Tcp, ""),
    way("hyper", Socket::Tcp, "engine = \"hyper\""),
    way("http2", Socket::Tcp, "protocol = \"http2\""),
    way("tls", Socket::Tls, "tls = { insecure = true }"),
    way("tls-hyper", Socket::Tls, "tls = { insecure = true }\nengine = \"hyper\""),
    way("tls-http2", Socket::Tls, "tls = { insecure = true }\nprotocol = \"auto\""),
    way("unix", Socket::Unix, ""),
    way("unix-http2", Socket::Unix, "protocol = \"http2\""),
    way("per-request", Socket::Tcp, "policy = \"per-request\""),
    way("per-request-tls", Socket::Tls, "policy = \"per-request\"\ntls = { insecure = true }"),
    way("fixed", Socket::Tcp, "policy = \"fixed\"\nmax_connections = 16"),
    way("bounded", Socket::Tcp, "max_connections = 8\nreuse = \"fifo\"\nlifetime = \"500ms\""),
    way(
        "fixed-http2",
        Socket::Tcp,
        "policy = \"fixed\"\nmax_connections = 2\nstreams_per_connection = 4\nprotocol = \"http2\"",
    ),
];

/// Ways tried at the same time: they wait most of it.
const AT_ONCE: usize = 3;

/// Runs `check` for every way, some at a time; each gets a folder of its own.
fn on_every_way(check: impl Fn(&Way<'_>, &Path) + Sync) {
    let bench = Bench::turn();
    for ways in WAYS.chunks(AT_ONCE) {
        thread::scope(|scope| {
            for way in ways {
                let (dir, check) = (bench.out(way.name), &check);
                std::fs::create_dir(&dir).unwrap();
                scope.spawn(move || check(way, &dir));
            }
        });
    }
}

/// Runs a profile over a way against a target, several times if need be, and hands its rows to
/// `judge`.
fn try_way(
    way: &Way<'_>,
    dir: &Path,
    profile: &str,
    target: &Target,
    judge: impl Fn(&[Row]) -> Result<(), String>,
) {
    let profile = format!("{profile}[connection]\n{}\n", way.connection);
    let path = dir.join("profile.toml");
    std::fs::write(&path, profile).unwrap();
    retry(|attempt| {
        let target = target.clone();
        let out = dir.join(format!("run-{attempt}"));
        let any_port = "127.0.0.1:0".parse().unwrap();
        let rows = match way.socket {
            Socket::Tcp => {
                let target = target.listen(any_port).unwrap();
                rows_of_run(&path, &out, &format!("http://{}", target.address()))
            }
            Socket::Tls => {
                let target = target.tls(Arc::new(tls_config().0)).listen(any_port).unwrap();
                rows_of_run(&path, &out, &format!("https://localhost:{}", target.address().port()))
            }
            Socket::Unix => {
                let target = target.listen_unix(dir.join(format!("{attempt}.sock"))).unwrap();
                rows_of_run(&path, &out, &format!("unix:{}", target.address().display()))
            }
        };
        assert_eq!(row_keys(&rows), arrivals(&load(&path)), "{}: the timeline, once", way.name);
        judge(&rows).map_err(|complaint| format!("{}: {complaint}", way.name))
    });
}

fn rows_of_run(profile: &Path, out: &Path, url: &str) -> Vec<Row> {
    let output = gen_command()
        .args(["--no-analysis", "--workers", "1", "--target", url, "--profile"])
        .arg(profile)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    let run = Run::new(out.to_owned(), output);
    run.expect_exit(0);
    run.rows()
}

fn sorted_ms(rows: &[Row]) -> Vec<f64> {
    let mut times: Vec<f64> = rows.iter().map(|row| row.response_ns as f64 / 1e6).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// Takes the time of opening connections, which no closed form knows, off a measured time as
/// far as it lies above the expected one.
fn without_opening(rows: &[Row], measured_ms: f64, expected_ms: f64) -> f64 {
    let opening_ms = |row: &Row| Some((row.connect_ns? - row.pool_wait_ns?) as f64 / 1e6);
    let mut opening: Vec<f64> = rows.iter().filter_map(opening_ms).collect();
    opening.sort_by(f64::total_cmp);
    measured_ms - (measured_ms - expected_ms).clamp(0.0, quantile(&opening, 0.9))
}

/// λ = 500, S = 0.5 s within T = 5 s, s = 0.1 ms: the response falls linearly from S to 0 over
/// S / (1 − ρ), whether the requests wait in the target or in line for a connection.
#[test]
fn a_freeze_delays_completions_and_never_intended_starts() {
    let (rate, length_s, freeze_s, service_s) = (500.0, 5.0, 0.5, 0.0001);
    let spec = TargetSpec {
        servers: 1,
        service: ServiceLaw::Deterministic,
        service_mean_s: service_s,
        freezes: vec![Freeze { at_s: 2.0, for_s: freeze_s }],
        ..TargetSpec::default()
    };
    let idle = 1.0 - rate * service_s;
    let profile = steady(500, "constant", 5, "");
    on_every_way(|way, dir| {
        try_way(way, dir, &profile, &Target::new(spec.clone()), |rows| {
            for (index, row) in rows.iter().enumerate() {
                assert_eq!(row.intended_ns, index as i64 * 2_000_000, "{}", way.name);
                assert_eq!(row.outcome, "ok", "{}", way.name);
            }
            let times = sorted_ms(rows);
            let mean_s = service_s + freeze_s * freeze_s / (2.0 * length_s * idle);
            let mean_ms = without_opening(rows, mean(&times), mean_s * 1e3);
            near("mean", mean_ms, mean_s * 1e3, 0.06)?;
            let p99_s = freeze_s - 0.01 * length_s * idle + service_s;
            near("p99", quantile(&times, 0.99), p99_s * 1e3, 0.03)?;
            let slow = times.iter().filter(|&&time| time > 100.0).count() as f64;
            near("over 100 ms", slow, rate * (freeze_s - 0.1) / idle, 0.04)
        });
    });
}

/// One exponential server at load 0.7, compared with Lindley's recursion over the same
/// arrivals and services. Loopback, HTTP and TLS add up to 0.5 ms.
#[test]
fn poisson_arrivals_give_the_answer_of_a_queue() {
    let spec = TargetSpec {
        servers: 1,
        service: ServiceLaw::Exponential,
        service_mean_s: 0.004,
        seed: 3,
        ..TargetSpec::default()
    };
    let profile = steady(175, "poisson", 6, "");
    on_every_way(|way, dir| {
        try_way(way, dir, &profile, &Target::new(spec.clone()), |rows| {
            let mut model = QueueModel::new(&spec).unwrap();
            let exact = rows.iter().map(|row| {
                (model.arrive(row.intended_ns).finish_ns - row.intended_ns) as f64 / 1e6
            });
            let mut exact: Vec<f64> = exact.collect();
            exact.sort_by(f64::total_cmp);
            let measured = sorted_ms(rows);
            let mean_ms = without_opening(rows, mean(&measured), mean(&exact));
            near("mean", mean_ms, mean(&exact), 0.08)?;
            for p in [0.5, 0.9, 0.99] {
                let exact_ms = quantile(&exact, p);
                let measured_ms = without_opening(rows, quantile(&measured, p), exact_ms);
                near(&format!("p{p}"), measured_ms, exact_ms, 0.10)?;
            }
            Ok(())
        });
    });
}

/// Resets, garbage, silence and unannounced closes: every arrival still is one row, and the
/// failures are told from the successes.
#[test]
fn faults_lose_no_arrival() {
    let faults = Faults {
        reset_share: 0.03,
        never_answer_share: 0.03,
        close_share: 0.03,
        garbage_share: 0.03,
    };
    let spec = TargetSpec { service_mean_s: 0.0005, ..TargetSpec::default() };
    let target = Target::new(spec).faults(faults);
    let profile = steady(200, "poisson", 2, "");
    on_every_way(|way, dir| {
        let way = Way {
            connection: &format!("{}\nresponse_timeout = \"300ms\"", way.connection),
            ..*way
        };
        try_way(&way, dir, &profile, &target, |rows| {
            let ok = rows.iter().filter(|row| row.outcome == "ok").count();
            assert!(ok > rows.len() / 4 && ok < rows.len(), "{}: {ok} of {}", way.name, rows.len());
            Ok(())
        });
    });
}

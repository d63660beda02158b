//! What the command line changes.

use std::net::IpAddr;

use openload_contract::{ArrivalKind, Bound, Mmpp, RateLaw};

use crate::plan::{Plan, Protocol, TargetAddress};
use crate::profile::{Overrides, ProfileError, load, parse};
use crate::target::Freeze;

use super::{MINIMAL, set, snapshot};

fn minimal(overrides: &Overrides) -> Result<Plan, ProfileError> {
    parse("test.toml", MINIMAL, overrides)
}

#[test]
fn keys_are_set_by_name_and_by_position() {
    let overrides = set(&[
        ("phase.0.rate", "500"),
        ("phase.surge.rate", "{ from = 1, to = 2 }"),
        ("phase.after.duration", "1m"),
        ("connection.max_in_flight", "10"),
        ("connection.protocol", "http2"),
        ("connection.lifetime", "1m"),
        ("connection.source_addresses", "[\"127.0.0.2\"]"),
        ("connection.tls.certificate", "client.pem"),
        ("connection.tls.key", "client-key.pem"),
        ("target.url", "http://127.0.0.1:8080"),
        ("target.embedded.service.mean", "1ms"),
        ("objective.1.max", "30s"),
    ]);
    let plan = load("spike", &overrides).unwrap_or_else(|error| panic!("{error}"));
    let phases = &plan.streams[0].phases;
    assert_eq!(phases[0].rate, RateLaw::Constant { rate: 500.0 });
    assert_eq!(phases[1].rate, RateLaw::Ramp { from: 1.0, to: 2.0 });
    assert_eq!(phases[2].end_ns - phases[2].start_ns, 60_000_000_000);
    assert_eq!(plan.connection.max_in_flight, 10);
    assert!(!plan.connection.max_in_flight_is_default);
    assert_eq!(plan.connection.protocol, Protocol::Http2);
    assert_eq!(plan.connection.lifetime_ns, Some(60_000_000_000));
    assert_eq!(plan.connection.source_addresses, [IpAddr::from([127, 0, 0, 2])]);
    assert_eq!(plan.connection.tls.key, Some("client-key.pem".into()));
    assert!(matches!(plan.target, TargetAddress::Tcp { port: 8080, .. }));
    assert_eq!(plan.embedded.service_mean_s, 0.001);
    assert_eq!(plan.objectives[1].bound, Bound::Max(30_000.0));
}

#[test]
fn the_later_setting_wins() {
    let plan = minimal(&set(&[("seed", "2"), ("seed", "3")])).unwrap();
    assert_eq!(plan.seed, 3);
}

#[test]
fn target_and_seed_are_replaced_and_recorded() {
    let overrides = Overrides {
        target: Some("unix:/run/a.sock".to_owned()),
        seed: Some(77),
        ..Overrides::default()
    };
    let plan = minimal(&overrides).unwrap();
    assert_eq!(plan.target, TargetAddress::Unix { path: "/run/a.sock".into() });
    assert_eq!(plan.seed, 77);
    assert_eq!(plan.profile["target"]["url"], "unix:/run/a.sock");
    assert_eq!(plan.profile["seed"], 77);
}

#[test]
fn a_profile_without_a_target_runs_where_it_is_told_to() {
    let text = MINIMAL.replace("[target]\nurl = \"embedded\"\n", "");
    let overrides = Overrides { target: Some("https://a".to_owned()), ..Overrides::default() };
    let plan = parse("test.toml", &text, &overrides).unwrap();
    assert!(matches!(plan.target, TargetAddress::Tcp { tls: true, port: 443, .. }));
}

#[test]
fn rates_are_scaled_and_throughput_with_them() {
    let overrides = Overrides { rate_scale: 0.1, ..Overrides::default() };
    let plan = load("stress", &overrides).unwrap();
    let phases = &plan.streams[0].phases;
    assert_eq!(phases[0].rate, RateLaw::Ramp { from: 0.0, to: 110.0 });
    assert_eq!(phases[1].rate, RateLaw::Constant { rate: 110.0 });
    assert_eq!(plan.objectives[2].bound, Bound::Min(100.0));
    assert_eq!(plan.objectives[0].bound, Bound::Max(500.0));
}

#[test]
fn times_are_scaled_and_timeouts_are_not() {
    let settings = [
        ("phase.steady.rate", "{ base = 1, peak = 2, at = \"4s\", for = \"2s\" }"),
        ("phase.steady.arrival", "{ mmpp = { rates = [1, 2], stays = [\"4s\", \"300ms\"] } }"),
        ("target.embedded.freeze", "[{ at = \"5s\", for = \"1s\" }]"),
        ("target.embedded.leak", "{ grow = \"1ms\", per = \"10s\" }"),
    ];
    let plan = minimal(&Overrides { time_scale: 0.5, ..set(&settings) }).unwrap();
    let phase = &plan.streams[0].phases[0];
    assert_eq!(phase.end_ns, 5_000_000_000);
    assert_eq!(phase.rate, RateLaw::Spike { base: 1.0, peak: 2.0, at_s: 2.0, for_s: 1.0 });
    let stays_s = vec![2.0, 0.15];
    assert_eq!(phase.arrival, ArrivalKind::Mmpp(Mmpp { rates: vec![1.0, 2.0], stays_s }));
    assert_eq!(plan.embedded.freezes, [Freeze { at_s: 2.5, for_s: 0.5 }]);
    assert!((plan.embedded.leak_s_per_s - 0.0002).abs() < 1e-12);
    assert_eq!(plan.connection.connect_timeout_ns, 5_000_000_000);
}

#[test]
fn tags_keep_streams_and_objectives_that_still_have_scenarios() {
    let text = r#"
name = "two"
[target]
url = "embedded"
[[stream]]
name = "readers"
scenarios = ["read"]
phase = [{ name = "a", duration = "100s", rate = 100 }]
[[stream]]
name = "writers"
scenarios = ["write"]
phase = [{ name = "b", duration = "1s", rate = 1 }]
[[scenario]]
name = "read"
tags = ["r"]
[[scenario]]
name = "write"
tags = ["w"]
[[objective]]
metric = "error_rate"
max = 0.1
scenario = "write"
[[objective]]
metric = "error_rate"
max = 0.1
phase = "a"
"#;
    let overrides = Overrides { tags: vec!["r".to_owned()], ..Overrides::default() };
    let plan = parse("test.toml", text, &overrides).unwrap();
    assert_eq!(plan.streams.len(), 1);
    assert_eq!(plan.objectives.len(), 1);
    let expected =
        ["--tag leaves out the stream `writers`", "--tag leaves out an objective on error_rate"];
    assert_eq!(plan.warnings, expected);
}

#[test]
fn what_is_wrong_on_the_command_line_names_the_argument() {
    let cases: Vec<Overrides> = vec![
        set(&[("phase.0.rate", "-5")]),
        set(&[("phase.stedy.rate", "5")]),
        set(&[("phase.7.rate", "5")]),
        set(&[("conection.probe", "true")]),
        set(&[("connection.max_inflight", "5")]),
        set(&[("connection.max_in_flight", "many")]),
        set(&[("seed.x", "5")]),
        set(&[("a..b", "5")]),
        set(&[("", "5")]),
        set(&[("phase.steady.duration", "10\nname = \"x\"")]),
        Overrides { target: Some("localhost:8080".to_owned()), ..Overrides::default() },
        Overrides { rate_scale: f64::NAN, time_scale: 0.0, ..Overrides::default() },
        Overrides { time_scale: 1e-12, ..Overrides::default() },
        Overrides { tags: vec!["read".to_owned()], ..Overrides::default() },
    ];
    let report: Vec<String> =
        cases.iter().map(|overrides| minimal(overrides).unwrap_err().to_string()).collect();
    let tag = Overrides { tags: vec!["reed".to_owned()], ..Overrides::default() };
    let tag = load("mixed", &tag).unwrap_err().to_string();
    snapshot("overrides", &format!("{}\n\n----\n\n{tag}", report.join("\n\n----\n\n")));
}

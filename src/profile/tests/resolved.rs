//! What sound profiles come to.

use openload_contract::rate::Step;
use openload_contract::{AnalysisSettings, ArrivalKind, GapFamily, Mmpp, RateLaw, Renewal};

use crate::plan::{
    ConnectionPlan, ConnectionPolicy, Engine, Expect, Protocol, ReuseOrder, TlsPlan,
};
use crate::profile::{BUILT_IN, Overrides, load, parse};
use crate::target::{Freeze, ServiceLaw, TargetSpec};

use super::{MINIMAL, resolve, snapshot, with};

#[test]
fn a_short_profile_gets_the_defaults() {
    let plan = resolve(MINIMAL).unwrap();
    assert_eq!((plan.name.as_str(), plan.seed), ("test", 1));
    assert_eq!(plan.analysis, AnalysisSettings::default());
    assert_eq!(plan.embedded, TargetSpec::default());
    assert_eq!(plan.connection.policy, ConnectionPolicy::Pool);
    assert_eq!(plan.connection.connect_timeout_ns, 5_000_000_000);
    assert_eq!(plan.connection.response_timeout_ns, 30_000_000_000);
    assert_eq!(plan.connection.drain_timeout_ns, 10_000_000_000);
    assert_eq!((plan.connection.deadline_ns, plan.connection.max_in_flight), (None, 8_000));
    assert!(plan.connection.max_in_flight_is_default);
    assert!(plan.connection.probe);
    assert_eq!(plan.connection.protocol, Protocol::Http1);
    assert_eq!(plan.connection.engine, Engine::Lean);
    assert_eq!(plan.connection.reuse, ReuseOrder::Lifo);
    assert_eq!((plan.connection.max_connections, plan.connection.prewarm), (None, 0));
    assert_eq!((plan.connection.lifetime_ns, plan.connection.dns_ttl_ns), (None, None));
    assert_eq!(plan.connection.streams_per_connection, 100);
    assert!(plan.connection.source_addresses.is_empty());
    assert_eq!(plan.connection.tls, TlsPlan::default());
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    let [stream] = plan.streams.as_slice() else { panic!("one stream") };
    assert_eq!((stream.name.as_str(), stream.scenarios.as_slice()), ("main", [0].as_slice()));
    assert_eq!(stream.phases[0].arrival, ArrivalKind::Poisson);
    let [scenario] = plan.scenarios.as_slice() else { panic!("one scenario") };
    assert_eq!((scenario.name.as_str(), scenario.request.name.as_str()), ("default", "default"));
    assert_eq!(scenario.request.path.as_literal(), Some("/"));
    assert_eq!(scenario.request.expect, Expect::default());
}

#[test]
fn every_form_of_a_rate_is_read() {
    let step = |rate, duration_s| Step { rate, duration_s };
    let known = [
        ("200", RateLaw::Constant { rate: 200.0 }),
        ("0.5", RateLaw::Constant { rate: 0.5 }),
        ("\"200/s\"", RateLaw::Constant { rate: 200.0 }),
        ("\"12000/min\"", RateLaw::Constant { rate: 200.0 }),
        ("{ from = 0, to = \"60/min\" }", RateLaw::Ramp { from: 0.0, to: 1.0 }),
        (
            "{ mean = 100, amplitude = 50, period = \"2s\", shift = 0.25 }",
            RateLaw::Sine { mean: 100.0, amplitude: 50.0, period_s: 2.0, shift: 0.25 },
        ),
        (
            "{ base = 20, peak = 100, at = \"4s\", for = \"1s\" }",
            RateLaw::Spike { base: 20.0, peak: 100.0, at_s: 4.0, for_s: 1.0 },
        ),
        (
            "[{ rate = 10, for = \"4s\" }, { rate = 20, for = \"6s\" }]",
            RateLaw::Steps { steps: vec![step(10.0, 4.0), step(20.0, 6.0)] },
        ),
        ("[10, \"20/s\"]", RateLaw::Steps { steps: vec![step(10.0, 5.0), step(20.0, 5.0)] }),
        ("{ steps = [10, 20] }", RateLaw::Steps { steps: vec![step(10.0, 5.0), step(20.0, 5.0)] }),
    ];
    for (written, expected) in known {
        let text = MINIMAL.replace("rate = 100", &format!("rate = {written}"));
        let plan = resolve(&text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plan.streams[0].phases[0].rate, expected, "{written}");
    }
}

#[test]
fn every_form_of_an_arrival_process_is_read_and_written_again() {
    let mmpp = |rates: &[f64], stays_s: &[f64]| {
        ArrivalKind::Mmpp(Mmpp { rates: rates.to_vec(), stays_s: stays_s.to_vec() })
    };
    let renewal = |cv, family| ArrivalKind::Renewal(Renewal { cv, family });
    let known = [
        ("\"poisson\"", ArrivalKind::Poisson),
        ("\"constant\"", ArrivalKind::Constant),
        ("\"uniform\"", ArrivalKind::Uniform),
        (
            "{ mmpp = { rates = [0.5, 3.0], stays = [\"1.5s\", \"300ms\"] } }",
            mmpp(&[0.5, 3.0], &[1.5, 0.3]),
        ),
        (
            "{ mmpp = { rates = [0, 1, 5], stays = [\"1m\", \"1s\", \"1ms\"] } }",
            mmpp(&[0.0, 1.0, 5.0], &[60.0, 1.0, 0.001]),
        ),
        ("{ renewal = { cv = 2.0 } }", renewal(2.0, GapFamily::Gamma)),
        ("{ renewal = { cv = 0, family = \"gamma\" } }", renewal(0.0, GapFamily::Gamma)),
        ("{ renewal = { cv = 0.5, family = \"weibull\" } }", renewal(0.5, GapFamily::Weibull)),
        (
            "{ renewal = { cv = 100, family = \"lognormal\" } }",
            renewal(100.0, GapFamily::Lognormal),
        ),
    ];
    for (written, expected) in known {
        let text = MINIMAL.replace("rate = 100", &format!("rate = 100\narrival = {written}"));
        let plan = resolve(&text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plan.streams[0].phases[0].arrival, expected, "{written}");
        let again = toml::to_string(&plan.profile).unwrap();
        let again = resolve(&again).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.streams[0].phases[0].arrival, expected, "{written}");
        assert_eq!(again.profile_sha256, plan.profile_sha256, "{written}");
    }
}

/// The default connection limits and the number of workers must hold in a burst.
#[test]
fn the_peak_rate_is_that_of_the_fastest_state() {
    let bursts = "rate = 100\narrival = { mmpp = { rates = [50, 500], stays = [\"5s\", \"1s\"] } }";
    let plan = resolve(&MINIMAL.replace("rate = 100", bursts)).unwrap();
    assert_eq!((plan.peak_rate(), plan.expected_arrivals()), (400.0, 1000.0));
}

#[test]
fn phases_follow_one_another() {
    let plan = with("[[phase]]\nname = \"more\"\nduration = \"1m30s\"\nrate = 1\n").unwrap();
    let phases = &plan.streams[0].phases;
    let bounds: Vec<(i64, i64)> =
        phases.iter().map(|one| (one.start_ns / 1_000_000, one.end_ns / 1_000_000)).collect();
    assert_eq!(bounds, [(0, 10_000), (10_000, 100_000)]);
}

#[test]
fn streams_have_their_own_phases_and_scenarios() {
    let text = r#"
name = "two"
[target]
url = "https://a.example/api"
[[stream]]
name = "readers"
scenarios = ["read"]
phase = [{ name = "a", duration = "1s", rate = 1 }]
[[stream]]
name = "all"
[[stream.phase]]
name = "a"
duration = "2s"
rate = 2
[[scenario]]
name = "write"
[[scenario]]
name = "read"
"#;
    let plan = resolve(text).unwrap();
    let scenarios: Vec<_> = plan.streams.iter().map(|one| one.scenarios.clone()).collect();
    assert_eq!(scenarios, [vec![1], vec![0, 1]]);
}

#[test]
fn the_built_in_target_is_described() {
    let lines = r#"
[target.embedded]
servers = 2
service = { law = "lognormal", mean = "10ms", cv = 2 }
error_rate = "1%"
freeze = { at = "5s", for = "1s" }
leak = { grow = "1s", per = "1000s", bytes = 10 }
body_bytes = 5
seed = 9
"#;
    let expected = TargetSpec {
        servers: 2,
        service: ServiceLaw::Lognormal { cv: 2.0 },
        service_mean_s: 0.01,
        error_rate: 0.01,
        freezes: vec![Freeze { at_s: 5.0, for_s: 1.0 }],
        leak_s_per_s: 0.001,
        leak_bytes: 10,
        body_bytes: 5,
        seed: 9,
    };
    assert_eq!(with(lines).unwrap().embedded, expected);
}

#[test]
fn every_key_of_connections_is_read() {
    let lines = r#"
[connection]
protocol = "auto"
engine = "hyper"
policy = "fixed"
reuse = "fifo"
max_connections = 64
lifetime = "5m"
streams_per_connection = 10
dns = "30s"
source_addresses = ["10.0.0.2", "fd00::2"]
connect_timeout = "1s"
response_timeout = "2s"
deadline = "3s"
drain_timeout = "4s"
max_in_flight = 100
probe = false
[connection.tls]
insecure = true
ca = "ca.pem"
server_name = "api.example"
certificate = "client.pem"
key = "client-key.pem"
"#;
    let text = MINIMAL.replace("embedded", "https://a.example");
    let plan = resolve(&format!("{text}{lines}")).unwrap_or_else(|error| panic!("{error}"));
    let expected = ConnectionPlan {
        protocol: Protocol::Auto,
        engine: Engine::Hyper,
        policy: ConnectionPolicy::Fixed,
        reuse: ReuseOrder::Fifo,
        max_connections: Some(64),
        prewarm: 0,
        lifetime_ns: Some(300_000_000_000),
        streams_per_connection: 10,
        dns_ttl_ns: Some(30_000_000_000),
        source_addresses: vec!["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()],
        connect_timeout_ns: 1_000_000_000,
        response_timeout_ns: 2_000_000_000,
        deadline_ns: Some(3_000_000_000),
        drain_timeout_ns: 4_000_000_000,
        max_in_flight: 100,
        max_in_flight_is_default: false,
        probe: false,
        tls: TlsPlan {
            insecure: true,
            ca: Some("ca.pem".into()),
            server_name: Some("api.example".to_owned()),
            certificate: Some("client.pem".into()),
            key: Some("client-key.pem".into()),
        },
    };
    assert_eq!(plan.connection, expected);
}

#[test]
fn a_byte_order_mark_is_accepted() {
    assert!(resolve(&format!("\u{feff}{MINIMAL}")).is_ok());
}

#[test]
fn windows_line_ends_are_accepted() {
    assert!(resolve(&MINIMAL.replace('\n', "\r\n")).is_ok());
}

#[test]
fn the_recorded_profile_can_be_run_again() {
    let overrides =
        Overrides { rate_scale: 0.3, time_scale: 0.07, seed: Some(5), ..Overrides::default() };
    for (name, _) in BUILT_IN {
        let plan = load(name, &overrides).unwrap();
        let text = toml::to_string(&plan.profile).unwrap();
        let again = parse("again.toml", &text, &Overrides::default()).unwrap();
        assert_eq!(again.profile_sha256, plan.profile_sha256, "{name}");
        assert_eq!(again.profile, plan.profile, "{name}");
        assert_eq!(format!("{:?}", again.streams), format!("{:?}", plan.streams), "{name}");
        assert_eq!(again.objectives, plan.objectives, "{name}");
    }
}

#[test]
fn the_hash_is_the_profiles_and_not_the_seeds() {
    let hash = |seed| {
        let overrides = Overrides { seed: Some(seed), ..Overrides::default() };
        load("spike", &overrides).unwrap().profile_sha256
    };
    assert_eq!(hash(1), hash(2));
    assert_ne!(hash(1), load("soak", &Overrides::default()).unwrap().profile_sha256);
    assert_eq!(hash(1).len(), 64);
}

#[test]
fn a_missing_seed_is_drawn_and_recorded() {
    let unseeded = MINIMAL.replace("seed = 1\n", "");
    let (one, other) = (resolve(&unseeded).unwrap(), resolve(&unseeded).unwrap());
    assert_ne!(one.seed, other.seed);
    assert_eq!(one.profile["seed"], one.seed);
}

#[test]
fn warnings_say_what_cannot_be_decided() {
    let lines = r#"
[[objective]]
metric = "response_time"
quantile = 0.999
max = "1s"
[[objective]]
metric = "recovery_time"
max = "1s"
[[objective]]
metric = "drift"
quantile = 0.5
max = 0.1
"#;
    snapshot("warnings", &with(lines).unwrap().warnings.join("\n"));
}

#[test]
fn warnings_say_which_settings_do_nothing() {
    let warned = |url: &str, lines: &str| {
        let text = MINIMAL.replace("embedded", url);
        let plan = resolve(&format!("{text}[connection]\n{lines}\n"));
        plan.unwrap_or_else(|error| panic!("{error}")).warnings
    };
    let (plain, tls) = ("http://a.example", "https://a.example");
    let found = [
        warned(plain, "protocol = \"http2\"\nengine = \"hyper\""),
        warned(plain, "streams_per_connection = 10"),
        warned(plain, "policy = \"per-request\"\nreuse = \"fifo\""),
        warned(plain, "policy = \"fixed\"\nmax_connections = 10\nprewarm = 5"),
        warned(plain, "max_in_flight = 10\nmax_connections = 11"),
        warned(plain, "max_in_flight = 10\nprewarm = 11"),
        warned(plain, "tls = { insecure = true }"),
        warned(tls, "tls = { insecure = true, ca = \"ca.pem\" }"),
        warned("http://127.0.0.1", "dns = \"30s\""),
    ];
    snapshot("warnings_connection", &found.concat().join("\n"));
    assert!(warned(tls, "dns = \"30s\"\nprotocol = \"auto\"\nengine = \"hyper\"").is_empty());
}

//! The profiles that come with the program.

use openload_contract::{Bound, Metric, Role};

use crate::plan::{Plan, TargetAddress};
use crate::profile::resolve::expected_arrivals;
use crate::profile::{BUILT_IN, Overrides, load};

fn plan(name: &str) -> Plan {
    load(name, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn objectives(plan: &Plan) -> Vec<String> {
    let line = |one: &openload_contract::Objective| {
        let quantile = one.quantile.map(|p| format!(" p{}", p * 100.0)).unwrap_or_default();
        let (side, limit) = match one.bound {
            Bound::Max(limit) => ("<=", limit),
            Bound::Min(limit) => (">=", limit),
        };
        let phase = one.phase.as_ref().map(|phase| format!(" in {phase}")).unwrap_or_default();
        let window = one.window_s.map(|s| format!(" every {s} s")).unwrap_or_default();
        format!("{}{quantile} {side} {limit}{phase}{window}", one.metric.name())
    };
    plan.objectives.iter().map(line).collect()
}

/// Requests per second and seconds of the longest phase.
fn main_phase(plan: &Plan) -> (f64, f64) {
    let phases = plan.streams.iter().flat_map(|stream| &stream.phases);
    let longest = phases.max_by_key(|phase| phase.end_ns - phase.start_ns).unwrap();
    let seconds = (longest.end_ns - longest.start_ns) as f64 / 1e9;
    (expected_arrivals(longest) / seconds, seconds)
}

#[test]
fn all_resolve_without_warnings() {
    for (name, text) in BUILT_IN {
        let plan = plan(name);
        assert_eq!(plan.name, *name);
        assert_eq!(plan.warnings, Vec::<String>::new(), "{name}");
        assert_eq!(plan.target, TargetAddress::Embedded);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("#:schema ./profile.schema.json"));
        assert!(lines.next().is_some_and(|line| line.starts_with("# ") && line.ends_with('?')));
    }
}

#[test]
fn loads_are_those_promised() {
    assert_eq!(main_phase(&plan("baseline")), (550.0, 600.0));
    assert_eq!(main_phase(&plan("stress")), (1100.0, 300.0));
    assert_eq!(main_phase(&plan("soak")), (50.0, 14_400.0));
    assert_eq!(main_phase(&plan("mixed")), (650.0, 900.0));
    let spike = plan("spike");
    let roles: Vec<Role> = spike.streams[0].phases.iter().map(|phase| phase.role).collect();
    assert_eq!(roles, [Role::Baseline, Role::Spike, Role::Recovery]);
    assert_eq!(spike.streams[0].end_ns(), 60_000_000_000);
}

#[test]
fn objectives_are_those_promised() {
    let expected: [(&str, &[&str]); 5] = [
        ("baseline", &["response_time p95 <= 200", "throughput >= 500", "error_rate <= 0.001"]),
        (
            "stress",
            &[
                "response_time p95 <= 500",
                "response_time p99 <= 1000",
                "throughput >= 1000 in hold",
                "error_rate <= 0.01",
                "availability >= 0.999",
            ],
        ),
        (
            "spike",
            &[
                "response_time p95 <= 1000 in surge",
                "recovery_time <= 60000",
                "error_rate <= 0.05 in surge",
            ],
        ),
        (
            "soak",
            &[
                "response_time p95 <= 200 every 300 s",
                "drift p50 <= 0.1",
                "drift p99 <= 0.2",
                "memory_growth <= 0.05",
            ],
        ),
        ("mixed", &["response_time p95 <= 400", "throughput >= 600", "error_rate <= 0.005"]),
    ];
    for (name, lines) in expected {
        assert_eq!(objectives(&plan(name)), lines, "{name}");
    }
}

#[test]
fn the_target_of_each_has_room_for_the_everyday_load() {
    for (name, _) in BUILT_IN {
        let plan = plan(name);
        let (rate, _) = main_phase(&plan);
        let used = rate * plan.embedded.service_mean_s / f64::from(plan.embedded.servers);
        assert!((0.15..=0.6).contains(&used), "{name}: {used}");
    }
}

#[test]
fn the_surge_is_five_times_the_base_and_nearly_what_the_target_can_do() {
    let plan = plan("spike");
    let totals: Vec<f64> = plan.streams[0].phases.iter().map(expected_arrivals).collect();
    assert_eq!(totals, [3000.0, 5000.0, 8000.0]);
    let capacity = f64::from(plan.embedded.servers) / plan.embedded.service_mean_s;
    assert!((0.8..0.9).contains(&(1000.0 / capacity)), "{capacity}");
}

#[test]
fn short_runs_warn_only_of_what_is_too_short() {
    let overrides = Overrides { time_scale: 0.03, ..Overrides::default() };
    for name in ["baseline", "stress", "soak", "mixed"] {
        assert_eq!(load(name, &overrides).unwrap().warnings, Vec::<String>::new(), "{name}");
    }
    let warnings = load("spike", &overrides).unwrap().warnings;
    assert!(warnings.iter().any(|line| line.contains("too short to decide")), "{warnings:?}");
}

#[test]
fn mixed_is_a_mix_of_readers_and_writers() {
    let count = |tags: &[&str]| {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        load("mixed", &Overrides { tags, ..Overrides::default() }).unwrap().scenarios.len()
    };
    assert_eq!((count(&["read"]), count(&["write"]), count(&["read", "write"])), (3, 2, 5));
}

#[test]
fn memory_is_an_objective_only_where_it_can_be_read() {
    let overrides =
        Overrides { target: Some("http://localhost:1".to_owned()), ..Overrides::default() };
    let plan = load("soak", &overrides).unwrap();
    assert!(plan.objectives.iter().any(|one| one.metric == Metric::MemoryGrowth));
    assert_eq!(plan.warnings, ["memory_growth: name the process to watch with `target.pid`"]);
}

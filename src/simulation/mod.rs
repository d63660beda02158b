//! Whole runs in simulated time, for tests.
//!
//! The worker, the jobs and the recorder are the real ones; the clock jumps from one due
//! instant to the next and the transport stands in front of the queueing model of the
//! built-in target. Hours pass in milliseconds and every figure is repeatable.

mod clock;
mod runs;
mod transport;

use openload_contract::{AnalysisSettings, ArrivalKind, PhaseRecord, RateLaw, Role};

use crate::plan::{
    ConnectionPlan, ConnectionPolicy, Engine, Expect, Plan, Protocol, RequestPlan, ReuseOrder,
    ScenarioPlan, StreamPlan, TargetAddress, TlsPlan,
};
use crate::target::TargetSpec;
use crate::template::Template;

/// Nanoseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// A phase of a steady rate.
pub(crate) fn phase(name: &str, arrival: ArrivalKind, rate: RateLaw, length_s: i64) -> PhaseRecord {
    PhaseRecord {
        name: name.to_owned(),
        role: Role::Steady,
        arrival,
        rate,
        start_ns: 0,
        end_ns: length_s * SECOND,
    }
}

/// A plan with one stream of the given phases, one after another, and one scenario.
pub(crate) fn plan(seed: u64, phases: Vec<PhaseRecord>) -> Plan {
    Plan {
        name: "test".to_owned(),
        seed,
        target: TargetAddress::Embedded,
        embedded: TargetSpec::default(),
        target_pid: None,
        connection: ConnectionPlan {
            protocol: Protocol::Http1,
            engine: Engine::Lean,
            policy: ConnectionPolicy::Pool,
            reuse: ReuseOrder::Lifo,
            max_connections: None,
            prewarm: 0,
            lifetime_ns: None,
            streams_per_connection: 100,
            dns_ttl_ns: None,
            source_addresses: Vec::new(),
            connect_timeout_ns: 5 * SECOND,
            response_timeout_ns: 30 * SECOND,
            deadline_ns: None,
            drain_timeout_ns: 60 * SECOND,
            max_in_flight: 100_000,
            max_in_flight_is_default: true,
            probe: true,
            tls: TlsPlan::default(),
        },
        streams: vec![StreamPlan {
            name: "main".to_owned(),
            phases: one_after_another(phases),
            scenarios: vec![0],
        }],
        scenarios: vec![scenario("default", 1.0)],
        objectives: Vec::new(),
        analysis: AnalysisSettings::default(),
        profile: serde_json::Value::Null,
        profile_sha256: String::new(),
        warnings: Vec::new(),
    }
}

/// A plan of one phase of constant arrivals.
pub(crate) fn constant_plan(rate: f64, length_s: i64) -> Plan {
    plan(7, vec![phase("steady", ArrivalKind::Constant, RateLaw::Constant { rate }, length_s)])
}

/// A scenario of one GET.
pub(crate) fn scenario(name: &str, weight: f64) -> ScenarioPlan {
    ScenarioPlan {
        name: name.to_owned(),
        weight,
        tags: Vec::new(),
        request: RequestPlan {
            name: name.to_owned(),
            method: http::Method::GET,
            path: Template::parse("/items/{{uniform(1, 1000)}}").unwrap(),
            headers: Vec::new(),
            body: None,
            expect: Expect::default(),
        },
    }
}

fn one_after_another(mut phases: Vec<PhaseRecord>) -> Vec<PhaseRecord> {
    let mut start_ns = 0;
    for phase in &mut phases {
        let length_ns = phase.end_ns - phase.start_ns;
        (phase.start_ns, phase.end_ns) = (start_ns, start_ns + length_ns);
        start_ns = phase.end_ns;
    }
    phases
}

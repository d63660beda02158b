//! Whole runs in simulated time, for tests.
//!
//! The worker, the jobs and the recorder are the real ones; the clock jumps from one due
//! instant to the next and the transport stands in front of the queueing model of the
//! built-in target. Hours pass in milliseconds and every figure is repeatable.

mod clock;
mod runs;
mod transport;

use std::path::Path;

use openload_contract::digest::mix;
use openload_contract::{AnalysisSettings, ArrivalKind, PhaseRecord, RateLaw, Role};
use openload_traces::canonical::{Metadata, TRACE_VERSION, TraceWriter};
use openload_traces::event::Event;
use openload_traces::report::ImportReport;

use crate::plan::{
    ConnectionPlan, ConnectionPolicy, Engine, Expect, Plan, Protocol, RequestPlan, ReuseOrder,
    ScenarioPlan, StreamPlan, TargetAddress, TlsPlan,
};
use crate::profile::{self, Overrides};
use crate::replay;
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
            trace: None,
        }],
        scenarios: vec![scenario("default", 1.0)],
        objectives: Vec::new(),
        analysis: AnalysisSettings::default(),
        profile: serde_json::Value::Null,
        profile_sha256: String::new(),
        warnings: Vec::new(),
        stretch: 1.0,
    }
}

/// A plan of one phase of constant arrivals.
pub(crate) fn constant_plan(rate: f64, length_s: i64) -> Plan {
    plan(7, vec![phase("steady", ArrivalKind::Constant, RateLaw::Constant { rate }, length_s)])
}

/// A plan that replays a trace of `events` events over some 20 s, 40 sessions, one POST in ten;
/// `keys` are those of `[trace]`. The file is made in `dir`.
pub(crate) fn trace_plan(dir: &Path, events: u64, keys: &str) -> Plan {
    let path = dir.join("trace.parquet");
    let mut writer = TraceWriter::create(&path).unwrap();
    let (mut t_ns, mut span_ns) = (0, 0);
    for number in 0..events {
        let chance = mix(number);
        writer
            .push(&Event {
                t_ns,
                t_src_ns: t_ns,
                seq: number + 1,
                session: 1 + chance % 40,
                method: if number % 10 == 9 { b"POST".to_vec() } else { b"GET".to_vec() },
                target: format!("/items/{number}").into_bytes(),
                ..Event::default()
            })
            .unwrap();
        span_ns = t_ns;
        t_ns += (chance >> 24) as i64 % (40 * SECOND / events as i64);
    }
    let report = ImportReport { events, span_ns, ..ImportReport::default() };
    let metadata = Metadata {
        version: TRACE_VERSION.to_owned(),
        importer: "test".to_owned(),
        format: "test".to_owned(),
        seed: 1,
        options: serde_json::Value::Null,
        report,
    };
    writer.finish(&metadata).unwrap();
    let text = format!(
        "name = \"trace\"\nseed = 3\n[target]\nurl = \"embedded\"\n[trace]\nfile = {path:?}\n\
         methods = [\"GET\", \"POST\"]\n{keys}\n"
    );
    let mut plan = profile::parse("test", &text, &Overrides::default()).unwrap();
    replay::prepare(&mut plan).unwrap();
    plan.connection = constant_plan(1.0, 1).connection;
    plan
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

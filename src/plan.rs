//! What runs: a profile with nothing left open.
//!
//! A profile is what a user wrote: units, defaults, names and shorthand. A [`Plan`] is what
//! it comes to: times in nanoseconds, names resolved to positions, overrides applied,
//! everything checked. The border is `profile::resolve`; behind it no value can be out of
//! range and nothing is looked up by name.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderName, Method};
use openload_contract::{AnalysisSettings, Objective, PhaseRecord, RateCurve};
use openload_traces::transform::ReplaySpec;
use regex::bytes::Regex;

use crate::replay::Survey;
use crate::target::TargetSpec;
use crate::template::Template;

/// A run, completely determined.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of the profile.
    pub name: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Where the requests go.
    pub target: TargetAddress,
    /// What the built-in target does, when it is the target.
    pub embedded: TargetSpec,
    /// Process whose memory is watched, when the user named one.
    pub target_pid: Option<u32>,
    /// How connections are made, kept and given up.
    pub connection: ConnectionPlan,
    /// Streams, running at once.
    pub streams: Vec<StreamPlan>,
    /// Scenarios of all streams.
    pub scenarios: Vec<ScenarioPlan>,
    /// Pass/fail lines.
    pub objectives: Vec<Objective>,
    /// Constants of the analysis.
    pub analysis: AnalysisSettings,
    /// The profile with all overrides, for the manifest.
    pub profile: serde_json::Value,
    /// SHA-256 of that profile, in hexadecimal.
    pub profile_sha256: String,
    /// What is allowed but probably not meant, in words.
    pub warnings: Vec<String>,
    /// How many times longer the timeline would have to be for every objective to be decided;
    /// 1 when it is long enough. Recorded arrivals are taken as they are.
    pub stretch: f64,
}

impl Plan {
    /// End of the last phase, ns since the run's start.
    pub fn end_ns(&self) -> i64 {
        self.streams.iter().map(StreamPlan::end_ns).max().unwrap_or(0)
    }

    /// Expected number of arrivals.
    pub fn expected_arrivals(&self) -> f64 {
        self.streams.iter().flat_map(StreamPlan::curves).map(|curve| curve.total()).sum()
    }

    /// Greatest rate: the peaks of all streams together, in arrivals per second.
    pub fn peak_rate(&self) -> f64 {
        self.streams.iter().map(StreamPlan::peak_rate).sum()
    }
}

/// One timeline with its scenario mix.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// Name, unique in the run.
    pub name: String,
    /// Phases in order, without gaps; the first begins at 0.
    pub phases: Vec<PhaseRecord>,
    /// Positions in [`Plan::scenarios`]; never empty.
    pub scenarios: Vec<usize>,
    /// Recorded arrivals in place of an arrival process; the stream then has one phase.
    pub trace: Option<TracePlan>,
}

impl StreamPlan {
    /// End of the last phase, ns since the run's start.
    pub fn end_ns(&self) -> i64 {
        self.phases.last().map_or(0, |phase| phase.end_ns)
    }

    /// Rate of each phase over its own length.
    pub fn curves(&self) -> impl Iterator<Item = RateCurve> + '_ {
        self.phases.iter().map(|phase| {
            let length_s = (phase.end_ns - phase.start_ns) as f64 / 1e9;
            RateCurve::new(&phase.rate, length_s)
        })
    }

    /// Greatest rate of any phase, in an MMPP that of its fastest state.
    fn peak_rate(&self) -> f64 {
        let peaks = self.curves().zip(&self.phases);
        peaks.map(|(curve, phase)| curve.peak() * phase.arrival.peak_factor()).fold(0.0, f64::max)
    }
}

/// Recorded arrivals, and what becomes of them.
#[derive(Debug, Clone)]
pub struct TracePlan {
    /// The canonical timeline.
    pub file: PathBuf,
    /// Where the replayed part begins; the first event when absent.
    pub from: Option<TraceInstant>,
    /// Where it ends (exclusive); behind the last event when absent.
    pub to: Option<TraceInstant>,
    /// What is done to the timeline; its slice is in `from` and `to`.
    pub spec: ReplaySpec,
    /// Pause between two rounds, ns; the mean gap of the trace when absent.
    pub seam_ns: Option<i64>,
    /// Methods that are sent. Events with another are left out of the timeline, and counted.
    pub methods: Vec<Method>,
    /// How an event becomes a request.
    pub request: EventRequest,
    /// Scenario of the requests made from events, as a position in [`Plan::scenarios`]. Events
    /// that do not say what was asked for send the scenarios of the stream.
    pub scenario: usize,
    /// What the timeline comes to, once the file was read.
    pub survey: Option<Arc<Survey>>,
}

/// An instant of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceInstant {
    /// Ns since the trace's first event.
    SinceStart(i64),
    /// Ns since 1970-01-01 UTC.
    Unix(i64),
}

/// How an event of a trace becomes a request.
#[derive(Debug, Clone, Default)]
pub struct EventRequest {
    /// Whom the request says it is for. It goes to the plan's target in any case.
    pub host: HostRule,
    /// Recorded headers that are left out.
    pub remove: Vec<HeaderName>,
    /// Recorded headers that get another name.
    pub rename: Vec<(HeaderName, HeaderName)>,
    /// Headers that are added, in place of recorded ones of their name.
    pub set: Vec<(HeaderName, Template)>,
    /// Replacements in path and query, one after another.
    pub rewrite: Vec<(Regex, Vec<u8>)>,
    /// What is sent as body.
    pub body: BodyRule,
    /// Whether each request says in a header that it is a replay.
    pub is_marked: bool,
}

/// What the `host` header of a replayed request says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostRule {
    /// The plan's target.
    #[default]
    Target,
    /// The recorded host, where there is one. Nothing is sent to it.
    Keep,
    /// This one.
    Named(String),
}

/// What a replayed request carries as body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyRule {
    /// The recorded body; where only its length was recorded, as many filling bytes.
    #[default]
    Recorded,
    /// None.
    Empty,
}

/// A weighted, tagged unit of work.
#[derive(Debug, Clone)]
pub struct ScenarioPlan {
    /// Name, unique in the run.
    pub name: String,
    /// Share relative to the other scenarios of its stream; above 0.
    pub weight: f64,
    /// Tags, for `--tag`.
    pub tags: Vec<String>,
    /// The request an arrival sends.
    pub request: RequestPlan,
}

/// One request, ready to be filled in.
#[derive(Debug, Clone)]
pub struct RequestPlan {
    /// Name, unique in the run.
    pub name: String,
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: Template,
    /// Headers beyond those the protocol needs.
    pub headers: Vec<(HeaderName, Template)>,
    /// Body, when there is one.
    pub body: Option<Template>,
    /// What a good response is.
    pub expect: Expect,
}

/// What a good response is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// Statuses that are a success; empty means 200–399.
    pub status: Vec<u16>,
}

impl Expect {
    /// Tells whether a response of `status` is a success.
    pub fn accepts(&self, status: u16) -> bool {
        if self.status.is_empty() {
            (200..400).contains(&status)
        } else {
            self.status.contains(&status)
        }
    }
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetAddress {
    /// The built-in target, started in this process.
    Embedded,
    /// A server reached over TCP.
    Tcp {
        /// Whether to speak TLS.
        tls: bool,
        /// Host name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
        /// Prefix of every path, without a slash at its end.
        base_path: String,
    },
    /// A server reached over a Unix socket.
    Unix {
        /// Path of the socket.
        path: PathBuf,
    },
}

/// Which version of HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2; without TLS by prior knowledge.
    Http2,
    /// Over TLS what the server chooses of the two, else HTTP/1.1.
    Auto,
}

/// Which implementation speaks HTTP/1.1. HTTP/2 is always hyper's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// The lean one, made for load.
    #[default]
    Lean,
    /// hyper: for odd HTTP, and to check the lean one against.
    Hyper,
}

/// When connections are opened and reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectionPolicy {
    /// Take an idle connection, else open one.
    #[default]
    Pool,
    /// Open one for every request.
    PerRequest,
    /// Open [`ConnectionPlan::max_connections`] before the run and keep them; a request waits
    /// for its turn.
    Fixed,
}

/// Which idle connection is used next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReuseOrder {
    /// The one used last: few connections carry most of the load, the others may age.
    #[default]
    Lifo,
    /// The one unused for longest: all carry the same.
    Fifo,
}

/// How connections are made, kept and given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionPlan {
    /// Which version of HTTP is spoken.
    pub protocol: Protocol,
    /// Which implementation speaks HTTP/1.1.
    pub engine: Engine,
    /// When connections are opened and reused.
    pub policy: ConnectionPolicy,
    /// Which idle connection is used next.
    pub reuse: ReuseOrder,
    /// Most connections at once, over all workers; always there with
    /// [`ConnectionPolicy::Fixed`].
    pub max_connections: Option<u32>,
    /// Connections opened before the start, over all workers.
    pub prewarm: u32,
    /// Age at which a connection takes no further request, if any.
    pub lifetime_ns: Option<i64>,
    /// Most requests at once on one HTTP/2 connection.
    pub streams_per_connection: u32,
    /// Time after which the target's name is looked up again; `None` looks it up once.
    pub dns_ttl_ns: Option<i64>,
    /// Addresses connections are made from, in turn; empty leaves it to the system.
    pub source_addresses: Vec<IpAddr>,
    /// Longest time to make a connection, TLS included.
    pub connect_timeout_ns: i64,
    /// Longest time from the bytes sent to the response complete.
    pub response_timeout_ns: i64,
    /// Longest time from the intended start to the response complete, if any.
    pub deadline_ns: Option<i64>,
    /// Longest time to wait for responses after the last intended start or a stop.
    pub drain_timeout_ns: i64,
    /// Most requests in flight at once, over all workers; the rest are dropped.
    pub max_in_flight: u32,
    /// Whether nobody wrote that bound, so that it may be lowered to what the system allows.
    pub max_in_flight_is_default: bool,
    /// Whether to try one connection before the run and to refuse to start when it fails.
    pub probe: bool,
    /// TLS options.
    pub tls: TlsPlan,
}

/// TLS options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsPlan {
    /// Accept any certificate.
    pub insecure: bool,
    /// PEM file of additional roots.
    pub ca: Option<PathBuf>,
    /// Name to ask for and to check, instead of the target's host.
    pub server_name: Option<String>,
    /// PEM file of the certificate to show, with its chain; there exactly when `key` is.
    pub certificate: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    pub key: Option<PathBuf>,
}

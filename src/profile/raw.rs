//! What a user writes: the types behind a profile's TOML.
//!
//! Nothing here is checked beyond its shape. Units are still text, names are still names,
//! and every value that a later check may refuse remembers its place. What the profile comes
//! to is a [`Plan`](crate::plan::Plan); the border between the two is
//! [`resolve`](super::resolve).
//!
//! The documentation of a field is also what an editor shows for its key: it goes into the
//! JSON Schema. Serializing gives a profile that can be run again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use openload_contract::{Metric, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::analysis::RawAnalysis;
use super::arrival::RawArrival;
use super::embedded::RawEmbedded;
use super::located::Located;
use super::quantity::{Limit, Lookup, Time, Written};
use super::rate::RawRate;
use super::trace::RawTrace;

/// A load profile: what is sent where, when, and what the target is held to.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Profile", rename = "Profile")]
pub struct RawProfile {
    /// Name of the profile; run directories are named after it.
    pub name: Located<String>,
    /// What the profile is for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Seed of everything random; drawn and recorded when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Where the requests go.
    pub target: RawTarget,
    /// How connections are made, kept and given up.
    #[serde(default)]
    pub connection: RawConnection,
    /// The phases of a profile with one stream, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phase: Vec<RawPhase>,
    /// Streams that run at once, each with its own phases; in place of `phase`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stream: Vec<RawStream>,
    /// Recorded arrivals, in place of `phase`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<RawTrace>,
    /// Units of work; one GET of `/` when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenario: Vec<RawScenario>,
    /// The pass/fail lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objective: Vec<RawObjective>,
    /// Constants of the analysis.
    #[serde(default)]
    pub analysis: RawAnalysis,
}

impl RawProfile {
    /// Adds the scenario of a profile that has none.
    pub(super) fn fill_in(&mut self) {
        if self.scenario.is_empty() {
            self.scenario.push(RawScenario {
                name: "default".to_owned().into(),
                weight: one(),
                tags: Vec::new(),
                request: RawRequest::default(),
            });
        }
    }
}

/// Where the requests go.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Target")]
pub struct RawTarget {
    /// `http://host:port`, `https://…`, `unix:/path`, or `embedded` for the built-in target.
    pub url: Located<String>,
    /// Process whose memory is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// What the built-in target does.
    #[serde(default)]
    pub embedded: RawEmbedded,
}

/// How connections are made, kept and given up.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Connection")]
pub struct RawConnection {
    /// Which version of HTTP is spoken.
    pub protocol: RawProtocol,
    /// Which implementation speaks HTTP/1.1.
    pub engine: RawEngine,
    /// When connections are opened and reused.
    pub policy: Located<RawPolicy>,
    /// Which idle connection is used next.
    pub reuse: RawReuse,
    /// Most connections at once; no bound but `max_in_flight` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<Located<u32>>,
    /// Connections opened before the start.
    pub prewarm: Located<u32>,
    /// Age at which a connection takes no further request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Located<Written<Time>>>,
    /// Most requests at once on one HTTP/2 connection.
    pub streams_per_connection: Located<u32>,
    /// When the target's name is looked up: `once`, or again after this time.
    pub dns: Located<Written<Lookup>>,
    /// Addresses of this machine that connections are made from, in turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_addresses: Vec<Located<String>>,
    /// Longest time to make a connection, TLS included.
    pub connect_timeout: Located<Written<Time>>,
    /// Longest time from the request sent to the response complete.
    pub response_timeout: Located<Written<Time>>,
    /// Longest time from the intended start to the response complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Located<Written<Time>>>,
    /// Longest wait for responses after the last intended start.
    pub drain_timeout: Located<Written<Time>>,
    /// Most requests in flight at once; arrivals beyond are dropped, and recorded.
    pub max_in_flight: Located<u32>,
    /// Whether to try one connection first and to refuse to start when it fails.
    pub probe: bool,
    /// TLS options.
    pub tls: RawTls,
}

impl Default for RawConnection {
    fn default() -> Self {
        Self {
            protocol: RawProtocol::Http1,
            engine: RawEngine::Lean,
            policy: RawPolicy::Pool.into(),
            reuse: RawReuse::Lifo,
            max_connections: None,
            prewarm: 0.into(),
            lifetime: None,
            streams_per_connection: 100.into(),
            dns: Written::once().into(),
            source_addresses: Vec::new(),
            connect_timeout: Written::from_seconds(5.0).into(),
            response_timeout: Written::from_seconds(30.0).into(),
            deadline: None,
            drain_timeout: Written::from_seconds(10.0).into(),
            max_in_flight: 8_000.into(),
            probe: true,
            tls: RawTls::default(),
        }
    }
}

/// Which version of HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Protocol")]
pub enum RawProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS by prior knowledge.
    Http2,
    /// Over TLS what the server chooses of the two, else HTTP/1.1.
    Auto,
}

/// Which implementation speaks HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Engine")]
pub enum RawEngine {
    /// The lean one, made for load.
    Lean,
    /// The hyper library: for odd HTTP, and to check the lean one against.
    Hyper,
}

/// When connections are opened and reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Policy")]
pub enum RawPolicy {
    /// Take an idle connection, else open one.
    Pool,
    /// Open one for every request.
    PerRequest,
    /// Open `max_connections` before the run and keep them; a request waits for its turn.
    Fixed,
}

/// Which idle connection is used next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Reuse")]
pub enum RawReuse {
    /// The one used last.
    Lifo,
    /// The one unused for longest.
    Fifo,
}

/// TLS options.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Tls")]
pub struct RawTls {
    /// Accept any certificate.
    pub insecure: bool,
    /// PEM file of additional roots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Name to ask for and to check, instead of the target's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<Located<String>>,
    /// PEM file of the certificate to show, with its chain; needs `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Located<PathBuf>>,
    /// PEM file of the certificate's private key; needs `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Located<PathBuf>>,
}

/// A stretch of a stream with one rate law.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Phase")]
pub struct RawPhase {
    /// Name, unique in its stream.
    pub name: Located<String>,
    /// What the phase is for.
    #[serde(default)]
    pub role: Role,
    /// How long it lasts.
    pub duration: Located<Written<Time>>,
    /// Arrivals per second.
    pub rate: Located<RawRate>,
    /// Law of the instants at which requests start.
    #[serde(default)]
    pub arrival: Located<RawArrival>,
}

/// One timeline with its scenario mix.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stream")]
pub struct RawStream {
    /// Name, unique in the profile.
    pub name: Located<String>,
    /// The phases, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phase: Vec<RawPhase>,
    /// Recorded arrivals, in place of `phase`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<RawTrace>,
    /// Names of its scenarios; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenarios: Option<Located<Vec<Located<String>>>>,
}

/// A weighted, tagged unit of work.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Scenario")]
pub struct RawScenario {
    /// Name, unique in the profile.
    pub name: Located<String>,
    /// Share relative to the other scenarios of its stream.
    #[serde(default = "one")]
    pub weight: Located<f64>,
    /// Tags, for `--tag`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The request an arrival sends.
    #[serde(default)]
    pub request: RawRequest,
}

fn one() -> Located<f64> {
    1.0.into()
}

/// One request. Path, headers and body may hold places such as `{{uniform(1, 1000)}}`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Request")]
pub struct RawRequest {
    /// Name, unique in the profile; the scenario's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Located<String>>,
    /// Method.
    pub method: Located<String>,
    /// Path and query.
    pub path: Located<String>,
    /// Headers beyond those the protocol needs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Located<String>>,
    /// Body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Located<String>>,
    /// What a good response is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<RawExpect>,
}

impl Default for RawRequest {
    fn default() -> Self {
        Self {
            name: None,
            method: "GET".to_owned().into(),
            path: "/".to_owned().into(),
            headers: BTreeMap::new(),
            body: None,
            expect: None,
        }
    }
}

/// What a good response is.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Expect")]
pub struct RawExpect {
    /// Statuses that are a success; 200 to 399 when empty.
    pub status: Vec<Located<u16>>,
}

/// One pass/fail line.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Objective")]
pub struct RawObjective {
    /// What is measured.
    pub metric: Located<Metric>,
    /// Which quantile, for metrics that have one: 0.95.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantile: Option<Located<f64>>,
    /// The value must not be above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Located<Written<Limit>>>,
    /// The value must not be below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Located<Written<Limit>>>,
    /// Only arrivals of this stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<Located<String>>,
    /// Only arrivals of this phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Located<String>>,
    /// Only arrivals of this scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Located<String>>,
    /// Only arrivals of this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Located<String>>,
    /// Only arrivals of scenarios with this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Located<String>>,
    /// Hold in every window of this length, not only over the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Located<Written<Time>>>,
    /// Ask that the whole confidence interval lies on the right side.
    #[serde(default)]
    pub strict: bool,
    /// End the run when the objective is missed on the way.
    #[serde(default)]
    pub abort_on_fail: Located<bool>,
    /// Not before its arrivals span this long; 10 s unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_after: Option<Located<Written<Time>>>,
    /// Not before there are this many of them; 100 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_min_count: Option<Located<u64>>,
}

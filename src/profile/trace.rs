//! The `[trace]` of a profile: recorded arrivals in place of phases.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::located::Located;
use super::quantity::{Share, Time, Written};
use super::raw::RawExpect;

/// Recorded arrivals in place of phases, and what becomes of them. What is written here is done in
/// this order: `from` and `to`, `methods`, `include`, `exclude` and `status`, `thin`, `max_gap`,
/// `overlap`, `copies`, `speed`, `repeat`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Trace")]
pub struct RawTrace {
    /// The timeline, as `gen trace import` writes it.
    pub file: Located<PathBuf>,
    /// Where to begin: a time since the trace's first event, or a date and time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Located<String>>,
    /// Where to end, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Located<String>>,
    /// Divides every time: 2 plays twice as fast.
    #[serde(default = "one")]
    pub speed: Located<f64>,
    /// Send each event several times, at slightly different times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<RawCopies>,
    /// Play the trace several times at once, shifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<RawOverlap>,
    /// Send only a share of the events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thin: Option<RawThin>,
    /// Play it several times, one after another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<RawRepeat>,
    /// Shorten longer stretches without events to this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gap: Option<Located<Written<Time>>>,
    /// What copies keep in order.
    #[serde(default)]
    pub order: RawOrder,
    /// Methods that are sent; events with another are left out.
    #[serde(default = "safe_methods")]
    pub methods: Located<Vec<Located<String>>>,
    /// Regular expressions of which the path must match one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Located<String>>,
    /// Regular expressions of which the path must match none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Located<String>>,
    /// Recorded statuses that are kept: single ones and ranges such as "200-399".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<Located<String>>,
    /// How an event becomes a request.
    #[serde(default)]
    pub request: RawEventRequest,
}

/// Send each event several times, at slightly different times.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Copies")]
pub struct RawCopies {
    /// How many times.
    pub n: Located<u32>,
    /// Greatest distance of a copy from its event.
    pub jitter: Located<Written<Time>>,
}

/// Play the trace several times at once, shifted.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Overlap")]
pub struct RawOverlap {
    /// How many times.
    pub n: Located<u32>,
    /// By how much each is ahead of the one before; what goes over the end comes in at the
    /// beginning.
    pub shift: Located<Written<Time>>,
}

/// Send only a share of the events.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Thin")]
pub struct RawThin {
    /// The share, above 0 and at most 1.
    pub p: Located<Written<Share>>,
    /// What is kept or left out as a whole.
    #[serde(default)]
    pub by: RawThinBy,
}

/// What is kept or left out as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ThinBy")]
pub enum RawThinBy {
    /// Each event by itself.
    #[default]
    Event,
    /// All events of a client or session.
    Session,
}

/// Play it several times, one after another.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Repeat")]
pub struct RawRepeat {
    /// How many times.
    pub times: Located<u32>,
    /// Time between the end of one round and the beginning of the next; the mean gap between
    /// events when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seam: Option<Located<Written<Time>>>,
}

/// What copies keep in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Order")]
pub enum RawOrder {
    /// Nothing: each copy is moved by itself.
    #[default]
    None,
    /// The events of a session: its copy is moved as a whole.
    Session,
}

/// How an event becomes a request.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "EventRequest")]
pub struct RawEventRequest {
    /// What the `host` header says: `target`, `keep` for the recorded host, or a name. Requests
    /// go to the target in any case.
    pub host: Located<String>,
    /// Recorded headers that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Located<String>>,
    /// Recorded headers that get another name: `{ old = "new" }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, Located<String>>,
    /// Headers that are added, in place of recorded ones of their name; values may hold places.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Located<String>>,
    /// Replacements in path and query, one after another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rewrite: Vec<RawRewrite>,
    /// What is sent as body.
    pub body: RawBody,
    /// Say in the header `x-replayed-by` that the request is a replay.
    pub mark: bool,
    /// What a good response is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<RawExpect>,
}

impl Default for RawEventRequest {
    fn default() -> Self {
        Self {
            host: "target".to_owned().into(),
            remove: Vec::new(),
            rename: BTreeMap::new(),
            set: BTreeMap::new(),
            rewrite: Vec::new(),
            body: RawBody::default(),
            mark: true,
            expect: None,
        }
    }
}

/// A replacement in path and query.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rewrite")]
pub struct RawRewrite {
    /// Regular expression.
    #[serde(rename = "match")]
    pub pattern: Located<String>,
    /// What each match becomes; `$1` stands for the first group.
    pub replace: Located<String>,
}

/// What is sent as body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "EventBody")]
pub enum RawBody {
    /// The recorded body, or as many bytes as were recorded.
    #[default]
    Recorded,
    /// Nothing.
    None,
}

fn one() -> Located<f64> {
    1.0.into()
}

fn safe_methods() -> Located<Vec<Located<String>>> {
    let safe = ["GET", "HEAD", "OPTIONS"].map(|method| method.to_owned().into());
    safe.to_vec().into()
}

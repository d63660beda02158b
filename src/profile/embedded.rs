//! The knobs of the built-in target, as a profile writes them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::target::{ServiceLaw, TargetSpec};

use super::located::Located;
use super::quantity::{Scalar, Share, Time, Written};

/// What the built-in target does, when it is the target.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Embedded")]
pub struct RawEmbedded {
    /// Servers behind one first-in first-out queue.
    pub servers: Located<u32>,
    /// Law of the service times.
    pub service: RawService,
    /// Share of requests answered with status 503.
    pub error_rate: Located<Written<Share>>,
    /// Stretches in which no server works: one table or a list of them.
    #[serde(skip_serializing_if = "FreezeList::is_empty")]
    pub freeze: FreezeList,
    /// What gets worse with time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leak: Option<RawLeak>,
    /// Body bytes of a response.
    pub body_bytes: u32,
    /// Seed of service times and errors.
    pub seed: u64,
}

impl Default for RawEmbedded {
    fn default() -> Self {
        let spec = TargetSpec::default();
        Self {
            servers: spec.servers.into(),
            service: RawService::default(),
            error_rate: Written::from(Scalar::Number(spec.error_rate)).into(),
            freeze: FreezeList::default(),
            leak: None,
            body_bytes: spec.body_bytes,
            seed: spec.seed,
        }
    }
}

/// Law of the service times.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Service")]
pub struct RawService {
    /// Shape of the distribution.
    pub law: Located<RawServiceLaw>,
    /// Mean.
    pub mean: Located<Written<Time>>,
    /// Standard deviation over mean; only for `lognormal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cv: Option<Located<f64>>,
}

impl Default for RawService {
    fn default() -> Self {
        let spec = TargetSpec::default();
        let (law, cv) = match spec.service {
            ServiceLaw::Deterministic => (RawServiceLaw::Deterministic, None),
            ServiceLaw::Exponential => (RawServiceLaw::Exponential, None),
            ServiceLaw::Lognormal { cv } => (RawServiceLaw::Lognormal, Some(cv.into())),
        };
        Self { law: law.into(), mean: Written::from_seconds(spec.service_mean_s).into(), cv }
    }
}

/// Shape of the service times' distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ServiceLaw")]
pub enum RawServiceLaw {
    /// Always the mean.
    Deterministic,
    /// Exponential.
    Exponential,
    /// Lognormal with a coefficient of variation.
    Lognormal,
}

/// A stretch in which no server works.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Freeze")]
pub struct RawFreeze {
    /// Beginning, since the target's start.
    pub at: Located<Written<Time>>,
    /// Length.
    #[serde(rename = "for")]
    pub length: Located<Written<Time>>,
}

/// What gets worse with time.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Leak")]
pub struct RawLeak {
    /// Growth of the mean service time …
    pub grow: Located<Written<Time>>,
    /// … in this time.
    pub per: Located<Written<Time>>,
    /// Bytes of memory kept for good per request.
    pub bytes: u64,
}

impl Default for RawLeak {
    fn default() -> Self {
        Self {
            grow: Written::from_seconds(0.0).into(),
            per: Written::from_seconds(3600.0).into(),
            bytes: 0,
        }
    }
}

/// Freezes: one table or a list of tables.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct FreezeList(pub Vec<RawFreeze>);

impl FreezeList {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

struct FreezeVisitor;

impl<'de> Visitor<'de> for FreezeVisitor {
    type Value = FreezeList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a freeze { at = \"5s\", for = \"1s\" } or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FreezeList, A::Error> {
        let freeze = RawFreeze::deserialize(MapAccessDeserializer::new(map))?;
        Ok(FreezeList(vec![freeze]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<FreezeList, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(FreezeList)
    }
}

impl<'de> Deserialize<'de> for FreezeList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FreezeVisitor)
    }
}

impl JsonSchema for FreezeList {
    fn schema_name() -> Cow<'static, str> {
        "FreezeList".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let freeze = generator.subschema_for::<RawFreeze>();
        json_schema!({ "anyOf": [freeze, { "type": "array", "items": freeze }] })
    }
}

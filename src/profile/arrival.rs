//! The forms in which an arrival process may be written.
//!
//! A process without parameters is a word, one with parameters a table under its word:
//! `arrival = "poisson"`, `arrival = { renewal = { cv = 2.0 } }`. One visitor takes both.
//! The words of the tables are no words of their own; who writes only `"mmpp"` is shown the
//! table by the check of the structure.

use std::borrow::Cow;
use std::fmt;

use openload_contract::GapFamily;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::located::Located;
use super::quantity::{Time, Written};
use super::structure::FORM_KEY;

/// The forms of an arrival process, for messages.
pub(super) const FORMS: &str = "an arrival process is \"poisson\", \"constant\", \"uniform\", \
    { mmpp = { rates = [0.5, 3.0], stays = [\"1.5s\", \"300ms\"] } } or { renewal = { cv = 2.0 } }";

/// How the table of an MMPP is written.
const MMPP_FORM: &str = "{ mmpp = { rates = [0.5, 3.0], stays = [\"1.5s\", \"300ms\"] } }";

/// How the table of a renewal process is written.
const RENEWAL_FORM: &str = "{ renewal = { cv = 2.0 } }";

/// An arrival process as it was written.
#[derive(Debug, Clone)]
pub enum RawArrival {
    /// A process without parameters.
    Named(RawArrivalName),
    /// A process with parameters.
    Table(Box<RawArrivalTable>),
}

/// A process without parameters.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ArrivalName")]
pub enum RawArrivalName {
    /// Poisson arrivals; with a rate that changes, a non-homogeneous Poisson process.
    Poisson,
    /// Arrival k at the instant when the integral of the rate reaches k.
    Constant,
    /// A renewal process in rescaled time with gaps uniform between 0 and 2.
    Uniform,
}

/// A process with parameters; which one is there tells which process it is.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawArrivalTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mmpp: Option<Located<RawMmpp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) renewal: Option<Located<RawRenewal>>,
}

/// Poisson arrivals whose rate is multiplied by a factor that changes by chance.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Mmpp")]
pub struct RawMmpp {
    /// Rates of the states relative to each other; the phase's `rate` stays the mean.
    pub rates: Located<Vec<Located<f64>>>,
    /// Mean stay in each state; stays are exponential.
    pub stays: Located<Vec<Located<Written<Time>>>>,
}

/// A renewal process: independent gaps with a chosen variation.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Renewal")]
pub struct RawRenewal {
    /// Coefficient of variation of the gaps: 0 is constant pacing, 1 as Poisson, above clumped.
    pub cv: Located<f64>,
    /// Family of the gaps' distributions.
    #[serde(default)]
    pub family: GapFamily,
}

impl Default for RawArrival {
    fn default() -> Self {
        Self::Named(RawArrivalName::Poisson)
    }
}

impl RawArrival {
    /// Multiplies every duration.
    pub fn scale_time(&mut self, factor: f64) {
        let Self::Table(table) = self else { return };
        let stays = table.mmpp.iter_mut().flat_map(|mmpp| mmpp.get_mut().stays.get_mut());
        stays.for_each(|stay| stay.get_mut().scale(factor));
    }
}

struct ArrivalVisitor;

impl<'de> Visitor<'de> for ArrivalVisitor {
    type Value = RawArrival;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<RawArrival, E> {
        RawArrivalName::deserialize(StrDeserializer::new(word)).map(RawArrival::Named)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawArrival, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(map)).map(RawArrival::Table)
    }
}

impl<'de> Deserialize<'de> for RawArrival {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArrivalVisitor)
    }
}

impl Serialize for RawArrival {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(name) => name.serialize(serializer),
            Self::Table(table) => table.serialize(serializer),
        }
    }
}

impl JsonSchema for RawArrival {
    fn schema_name() -> Cow<'static, str> {
        "Arrival".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<RawArrivalName>();
        let mmpp = generator.subschema_for::<RawMmpp>();
        let renewal = generator.subschema_for::<RawRenewal>();
        json_schema!({
            "description": FORMS,
            "anyOf": [
                name,
                table("mmpp", &mmpp, MMPP_FORM),
                table("renewal", &renewal, RENEWAL_FORM),
            ],
        })
    }
}

/// Describes a table with one key.
fn table(key: &str, inner: &Schema, form: &str) -> Schema {
    json_schema!({
        "type": "object",
        "properties": { key: inner },
        "required": [key],
        "additionalProperties": false,
        FORM_KEY: form,
    })
}

//! The forms in which a rate may be written.
//!
//! A rate is a number, a text with a unit, a table of one of four kinds, or a list of steps.
//! One visitor takes them all. Which law a table is follows from its keys and is decided
//! when the profile is resolved, so that a wrong one is reported together with all else.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::located::Located;
use super::quantity::{Frequency, Scalar, Time, Written};

/// The forms of a rate, for messages.
pub(super) const FORMS: &str = "a rate is a number (200), a text (\"200/s\", \"12000/min\"), \
    a ramp { from, to }, a sine { mean, amplitude, period, shift }, a spike { base, peak, at, for }, \
    or steps [{ rate, for }, …] or [100, 200, 300]";

/// A rate as it was written.
#[derive(Debug, Clone)]
pub enum RawRate {
    /// The same rate throughout.
    Constant(Written<Frequency>),
    /// Stretches one after another.
    Steps(Vec<Located<RawStep>>),
    /// A law with named parts.
    Law(Box<RawLaw>),
}

/// The parts of all rate laws; which of them are there tells which law it is.
#[derive(Debug, Clone, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawLaw {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Located<Written<Frequency>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Located<Written<Frequency>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mean: Option<Located<Written<Frequency>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amplitude: Option<Located<Written<Frequency>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) period: Option<Located<Written<Time>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shift: Option<Located<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<Located<Written<Frequency>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peak: Option<Located<Written<Frequency>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Located<Written<Time>>>,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub(super) length: Option<Located<Written<Time>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) steps: Option<Vec<Located<RawStep>>>,
}

/// One stretch of a step list: a rate, or a rate and how long it lasts.
#[derive(Debug, Clone)]
pub enum RawStep {
    /// A rate; all stretches of the list are equally long.
    Equal(Written<Frequency>),
    /// A rate and the length of its stretch.
    Timed(Box<TimedStep>),
}

/// A rate and how long it lasts.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct TimedStep {
    pub(super) rate: Located<Written<Frequency>>,
    #[serde(rename = "for")]
    pub(super) length: Located<Written<Time>>,
}

impl RawRate {
    /// Multiplies every rate.
    pub fn scale_rate(&mut self, factor: f64) {
        match self {
            Self::Constant(rate) => rate.scale(factor),
            Self::Steps(steps) => {
                steps.iter_mut().for_each(|step| step.get_mut().scale_rate(factor))
            }
            Self::Law(law) => law.scale_rate(factor),
        }
    }

    /// Multiplies every duration.
    pub fn scale_time(&mut self, factor: f64) {
        match self {
            Self::Constant(_) => {}
            Self::Steps(steps) => {
                steps.iter_mut().for_each(|step| step.get_mut().scale_time(factor))
            }
            Self::Law(law) => law.scale_time(factor),
        }
    }
}

impl RawLaw {
    fn scale_rate(&mut self, factor: f64) {
        let Self { from, to, mean, amplitude, base, peak, steps, .. } = self;
        for rate in [from, to, mean, amplitude, base, peak].into_iter().flatten() {
            rate.get_mut().scale(factor);
        }
        for step in steps.iter_mut().flatten() {
            step.get_mut().scale_rate(factor);
        }
    }

    fn scale_time(&mut self, factor: f64) {
        let Self { period, at, length, steps, .. } = self;
        for time in [period, at, length].into_iter().flatten() {
            time.get_mut().scale(factor);
        }
        for step in steps.iter_mut().flatten() {
            step.get_mut().scale_time(factor);
        }
    }

    /// Names the keys that are there.
    pub(super) fn keys(&self) -> Vec<&'static str> {
        let keys = [
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("mean", self.mean.is_some()),
            ("amplitude", self.amplitude.is_some()),
            ("period", self.period.is_some()),
            ("shift", self.shift.is_some()),
            ("base", self.base.is_some()),
            ("peak", self.peak.is_some()),
            ("at", self.at.is_some()),
            ("for", self.length.is_some()),
            ("steps", self.steps.is_some()),
        ];
        keys.into_iter().filter(|(_, is_there)| *is_there).map(|(key, _)| key).collect()
    }
}

impl RawStep {
    fn scale_rate(&mut self, factor: f64) {
        match self {
            Self::Equal(rate) => rate.scale(factor),
            Self::Timed(timed) => timed.rate.get_mut().scale(factor),
        }
    }

    fn scale_time(&mut self, factor: f64) {
        if let Self::Timed(timed) = self {
            timed.length.get_mut().scale(factor);
        }
    }
}

struct RateVisitor;

impl<'de> Visitor<'de> for RateVisitor {
    type Value = RawRate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RawRate, E> {
        Ok(RawRate::Constant(Scalar::Text(text.to_owned()).into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<RawRate, E> {
        Ok(RawRate::Constant(Scalar::Number(number).into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<RawRate, E> {
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<RawRate, E> {
        self.visit_f64(number as f64)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RawRate, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(RawRate::Steps)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawRate, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(map)).map(RawRate::Law)
    }
}

impl<'de> Deserialize<'de> for RawRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RateVisitor)
    }
}

impl Serialize for RawRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Constant(rate) => rate.serialize(serializer),
            Self::Steps(steps) => steps.serialize(serializer),
            Self::Law(law) => law.serialize(serializer),
        }
    }
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = RawStep;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate such as 200, or a step { rate = 200, for = \"10s\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RawStep, E> {
        Ok(RawStep::Equal(Scalar::Text(text.to_owned()).into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<RawStep, E> {
        Ok(RawStep::Equal(Scalar::Number(number).into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<RawStep, E> {
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<RawStep, E> {
        self.visit_f64(number as f64)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawStep, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(map)).map(RawStep::Timed)
    }
}

impl<'de> Deserialize<'de> for RawStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor)
    }
}

impl Serialize for RawStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Equal(rate) => rate.serialize(serializer),
            Self::Timed(timed) => timed.serialize(serializer),
        }
    }
}

impl JsonSchema for RawRate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rate = generator.subschema_for::<Written<Frequency>>();
        let time = generator.subschema_for::<Written<Time>>();
        let timed = law(&[("rate", &rate), ("for", &time)], 2);
        let steps =
            json_schema!({ "type": "array", "items": { "anyOf": [rate, timed] }, "minItems": 1 });
        let shift = json_schema!({ "type": "number" });
        let sine = [("mean", &rate), ("amplitude", &rate), ("period", &time), ("shift", &shift)];
        json_schema!({
            "description": FORMS,
            "anyOf": [
                rate,
                steps,
                law(&[("from", &rate), ("to", &rate)], 2),
                law(&sine, 3),
                law(&[("base", &rate), ("peak", &rate), ("at", &time), ("for", &time)], 4),
                law(&[("steps", &steps)], 1),
            ],
        })
    }
}

/// Describes a table of which the first `required` keys must be there.
fn law(keys: &[(&str, &Schema)], required: usize) -> Schema {
    let properties: serde_json::Map<String, serde_json::Value> =
        keys.iter().map(|(key, schema)| ((*key).to_owned(), schema.as_value().clone())).collect();
    let required: Vec<&str> = keys.iter().take(required).map(|(key, _)| *key).collect();
    json_schema!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

//! Numbers with units, as they are written in a profile.
//!
//! A [`Written`] value is a number or a text that nobody has looked into yet; its kind says
//! what it is meant to be and appears in the JSON Schema. Reading it is a check like any
//! other, so that all wrong units of a profile are reported at once and none hides the next.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use super::diagnostic::Fault;

/// Key of the JSON Schema by which the check of the structure knows a quantity.
pub(super) const QUANTITY_KEY: &str = "x-quantity";

const TIME_FORMS: &str = "numbers with units, the larger unit first: \"15s\", \"1m30s\", \
    \"500ms\", \"4h\"; units are ns, us, ms, s, m, h, d";

/// A [`Lookup`] that is never repeated.
const ONCE: &str = "once";

/// Longest duration in seconds: what fits into 63 bits of nanoseconds, 292 years.
const SECONDS_MAX: f64 = 9.2e9;

/// A number or a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A number without a unit.
    Number(f64),
    /// A text, most likely a number with a unit.
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// What a quantity is meant to be.
pub trait Kind {
    /// Name, for schema and messages: "a duration such as …".
    const WHAT: &'static str;
    /// Regular expression of the texts; none where numbers alone will do.
    const PATTERN: &'static str;
    /// Whether a number without a unit is allowed.
    const TAKES_NUMBER: bool;
}

macro_rules! kinds {
    ($($(#[$about:meta])* $kind:ident: $what:literal, $pattern:literal, $number:literal;)*) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy)]
        pub struct $kind;

        impl Kind for $kind {
            const WHAT: &'static str = $what;
            const PATTERN: &'static str = $pattern;
            const TAKES_NUMBER: bool = $number;
        }
    )*};
}

kinds! {
    /// A length of time.
    Time: "a duration such as \"15s\", \"1m30s\" or \"500ms\"",
        r"^\s*([0-9.]+\s*(ns|us|µs|ms|s|m|min|h|d)\s*)+$", false;
    /// Arrivals per second.
    Frequency: "a rate such as 200, \"200/s\" or \"12000/min\"",
        r"^\s*[0-9.]+\s*/\s*(s|min|h)\s*$", true;
    /// A share of a whole.
    Share: "a ratio such as \"0.1%\" or 0.001", r"^\s*[0-9.]+\s*%\s*$", true;
    /// When a name is looked up.
    Lookup: "\"once\" or a duration such as \"30s\"",
        r"^\s*(once|([0-9.]+\s*(ns|us|µs|ms|s|m|min|h|d)\s*)+)\s*$", false;
    /// The limit of an objective, in the unit of its metric.
    Limit: "a limit in the metric's unit: \"200ms\", \"500/s\" or \"0.1%\"",
        r"^\s*[0-9.]+.*$", true;
}

/// A quantity as it was written.
#[derive(Debug, Clone)]
pub struct Written<K> {
    scalar: Scalar,
    kind: PhantomData<K>,
}

impl<K> Written<K> {
    /// Returns what was written.
    pub fn scalar(&self) -> &Scalar {
        &self.scalar
    }
}

impl<K> From<Scalar> for Written<K> {
    fn from(scalar: Scalar) -> Self {
        Self { scalar, kind: PhantomData }
    }
}

impl Written<Time> {
    /// Writes a number of seconds.
    pub fn from_seconds(seconds: f64) -> Self {
        let text =
            if seconds >= 1.0 { format!("{seconds}s") } else { format!("{}ms", seconds * 1e3) };
        Scalar::Text(text).into()
    }

    /// Multiplies the duration; what is no duration stays and is reported later.
    pub fn scale(&mut self, factor: f64) {
        if let Ok(seconds) = seconds(&self.scalar) {
            *self = Self::from_seconds(seconds * factor);
        }
    }
}

impl Written<Lookup> {
    /// Writes that the first look-up is the only one.
    pub fn once() -> Self {
        Scalar::Text(ONCE.to_owned()).into()
    }

    /// Tells whether the first look-up is the only one.
    pub fn is_once(&self) -> bool {
        matches!(&self.scalar, Scalar::Text(text) if text.trim() == ONCE)
    }
}

impl Written<Frequency> {
    /// Multiplies the rate; what is no rate stays and is reported later.
    pub fn scale(&mut self, factor: f64) {
        scale_rate(&mut self.scalar, factor);
    }
}

impl Written<Limit> {
    /// Multiplies a limit that is a rate.
    pub fn scale_rate(&mut self, factor: f64) {
        scale_rate(&mut self.scalar, factor);
    }
}

fn scale_rate(scalar: &mut Scalar, factor: f64) {
    if let Ok(rate) = per_second(scalar) {
        *scalar = Scalar::Number(rate * factor);
    }
}

/// Reads a length of time in seconds, as it would be written in a profile.
///
/// # Errors
/// Says what was found and what is allowed.
pub fn parse_duration_s(text: &str) -> Result<f64, String> {
    seconds(&Scalar::Text(text.to_owned())).map_err(Fault::into_text)
}

/// Reads a length of time in seconds; 0 is allowed.
pub(super) fn seconds(scalar: &Scalar) -> Result<f64, Fault> {
    let text = match scalar {
        Scalar::Text(text) => text.trim(),
        Scalar::Number(number) => {
            return Err(Fault::new(format!("`{number}` has no unit"))
                .label(format!("did you mean \"{number}s\"?"))
                .help(format!("write {}", Time::WHAT)));
        }
    };
    let wrong =
        |why: &str| Fault::new(format!("`{text}` is no duration")).label(why).help(TIME_FORMS);
    if text.starts_with('-') {
        return Err(wrong("it is negative"));
    }
    let mut total = 0.0;
    let mut last_unit = f64::INFINITY;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or_else(|| wrong("a number is missing"))?;
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (scale, divisor) = time_unit(unit).ok_or_else(|| match unit {
            "" => wrong("a unit is missing"),
            _ => wrong("there is no such unit"),
        })?;
        let unit_s = scale / divisor;
        if unit_s >= last_unit {
            return Err(wrong("the larger unit comes first, each once"));
        }
        (last_unit, rest) = (unit_s, after.trim_start());
        total += number * scale / divisor;
    }
    match total {
        _ if text.is_empty() => Err(wrong("a number is missing")),
        total if total > SECONDS_MAX => Err(wrong("longer than 292 years")),
        total => Ok(total),
    }
}

/// A unit as factor and divisor, so that 500 ms are 0.5 s to the last bit.
fn time_unit(unit: &str) -> Option<(f64, f64)> {
    Some(match unit {
        "ns" => (1.0, 1e9),
        "us" | "µs" | "μs" => (1.0, 1e6),
        "ms" => (1.0, 1e3),
        "s" | "sec" => (1.0, 1.0),
        "m" | "min" => (60.0, 1.0),
        "h" => (3600.0, 1.0),
        "d" => (86_400.0, 1.0),
        _ => return None,
    })
}

/// Reads arrivals per second; 0 is allowed.
pub(super) fn per_second(scalar: &Scalar) -> Result<f64, Fault> {
    match scalar {
        Scalar::Number(number) => not_negative(*number, Frequency::WHAT),
        Scalar::Text(text) => {
            let wrong = |why: &str| {
                Fault::new(format!("`{text}` is no rate"))
                    .label(why)
                    .help(format!("write {}", Frequency::WHAT))
            };
            if text.trim_start().starts_with('-') {
                return Err(wrong("it is negative"));
            }
            let (number, unit) =
                split_number(text.trim()).ok_or_else(|| wrong("a number is missing"))?;
            let unit = unit.strip_prefix('/').map(str::trim);
            let seconds = match unit.and_then(time_unit) {
                Some((scale, 1.0)) => scale,
                _ => return Err(wrong("the unit is `/s`, `/min` or `/h`")),
            };
            not_negative(number / seconds, Frequency::WHAT)
        }
    }
}

/// Reads a share; anything from 0 up is allowed.
pub(super) fn share(scalar: &Scalar) -> Result<f64, Fault> {
    match scalar {
        Scalar::Number(number) => not_negative(*number, Share::WHAT),
        Scalar::Text(text) => {
            match split_number(text.trim()) {
                Some((number, "%")) => not_negative(percent(number), Share::WHAT),
                _ => Err(Fault::new(format!("`{text}` is no ratio"))
                    .help(format!("write {}", Share::WHAT))),
            }
        }
    }
}

/// Moves the point instead of dividing, so that 99.9 % is 0.999 to the last bit.
fn percent(number: f64) -> f64 {
    format!("{number}e-2").parse().unwrap_or(number / 100.0)
}

/// Refuses negative numbers, NaN and infinity.
pub(super) fn not_negative(number: f64, what: &str) -> Result<f64, Fault> {
    let wrong = match number {
        number if number.is_nan() => "is not a number",
        number if number.is_infinite() => "is not finite",
        number if number < 0.0 => "is negative",
        // Adding 0 makes −0 an ordinary 0.
        number => return Ok(number + 0.0),
    };
    Err(Fault::new(format!("`{number}` {wrong}")).help(format!("write {what}")))
}

/// Splits a decimal number from what follows it.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '+')));
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    let number: f64 = number.replace('_', "").parse().ok()?;
    (number.is_finite() && number.is_sign_positive()).then_some((number, rest.trim_start()))
}

struct ScalarVisitor(&'static str);

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number as f64))
    }
}

impl<'de, K: Kind> Deserialize<'de> for Written<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(deserializer.deserialize_any(ScalarVisitor(K::WHAT))?.into())
    }
}

impl<K> Serialize for Written<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.scalar {
            Scalar::Text(text) => serializer.serialize_str(text),
            // Whole numbers are written without a fraction, as a person would.
            Scalar::Number(number) if number.fract() == 0.0 && number.abs() < 2f64.powi(53) => {
                serializer.serialize_i64(*number as i64)
            }
            Scalar::Number(number) => serializer.serialize_f64(*number),
        }
    }
}

impl<K: Kind> JsonSchema for Written<K> {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let kinds: &[&str] = if K::TAKES_NUMBER { &["string", "number"] } else { &["string"] };
        json_schema!({ "type": kinds, "pattern": K::PATTERN, QUANTITY_KEY: K::WHAT })
    }
}

#[cfg(test)]
mod tests {
    use super::{Scalar, Time, Written, per_second, seconds, share};

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    #[test]
    fn durations_are_read() {
        let known = [
            ("15s", 15.0),
            ("1m30s", 90.0),
            ("1m 30s", 90.0),
            ("500ms", 0.5),
            ("4h", 14_400.0),
            ("1.5s", 1.5),
            ("0s", 0.0),
            ("250us", 0.000_25),
            ("1d", 86_400.0),
        ];
        for (written, expected) in known {
            assert_eq!(seconds(&text(written)), Ok(expected), "{written}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for written in
            ["", "s", "15", "-1s", "1s1m", "1s2s", "1x", "NaN s", "infs", "300000d", "1..5s"]
        {
            assert!(seconds(&text(written)).is_err(), "{written}");
        }
        assert!(seconds(&Scalar::Number(15.0)).is_err());
    }

    #[test]
    fn rates_are_read() {
        for (written, expected) in [("200/s", 200.0), ("12000/min", 200.0), ("36 / h", 0.01)] {
            assert_eq!(per_second(&text(written)), Ok(expected), "{written}");
        }
        assert_eq!(per_second(&Scalar::Number(5.0)), Ok(5.0));
        for written in ["200", "/s", "-1/s", "200/ms", "200 s", "x/s"] {
            assert!(per_second(&text(written)).is_err(), "{written}");
        }
        for number in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(per_second(&Scalar::Number(number)).is_err());
        }
    }

    #[test]
    fn ratios_are_read() {
        assert_eq!(share(&text("0.1%")), Ok(0.001));
        assert_eq!(share(&text("99.9%")), Ok(0.999));
        assert_eq!(share(&Scalar::Number(0.001)), Ok(0.001));
        for written in ["1", "1 percent", "%", "-1%"] {
            assert!(share(&text(written)).is_err(), "{written}");
        }
    }

    #[test]
    fn written_seconds_are_read_back() {
        for value in [0.0, 0.0003, 0.5, 1.0, 7.2, 432.0, 14_400.0] {
            let written = Written::<Time>::from_seconds(value);
            let back = seconds(written.scalar()).unwrap();
            assert!((back - value).abs() <= value * 1e-15, "{value} {back}");
        }
    }
}

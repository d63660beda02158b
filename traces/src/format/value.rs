//! Numbers, times and requests as the record formats write them.
//!
//! Everything is read from the text of the number, never through a float: an epoch in seconds
//! with nine digits after the point has more digits than a float holds. `-`, an empty text and
//! `null` are values that were not recorded, and negative sizes and durations are the way several
//! formats say the same. What a text cannot be is refused with the [`Skip`] that names it.

use std::str::FromStr;

use crate::record::{SECOND_NS, Skip};
use crate::time::{parse_clf, parse_date, parse_decimal, parse_rfc3339};

/// Unit of a number that is a time or a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl Unit {
    /// Nanoseconds in the unit.
    pub fn ns(self) -> i64 {
        match self {
            Self::Seconds => SECOND_NS,
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1,
        }
    }
}

/// A name that is not known where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no {what}: use one of {allowed}")]
pub struct UnknownName {
    /// What was found.
    pub found: String,
    /// What it should have named.
    pub what: &'static str,
    /// The names there are.
    pub allowed: String,
}

impl UnknownName {
    pub(crate) fn new(found: &str, what: &'static str, allowed: &[&str]) -> Self {
        Self { found: found.to_owned(), what, allowed: allowed.join(", ") }
    }
}

impl FromStr for Unit {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "s" => Ok(Self::Seconds),
            "ms" => Ok(Self::Milliseconds),
            "us" => Ok(Self::Microseconds),
            "ns" => Ok(Self::Nanoseconds),
            _ => Err(UnknownName::new(name, "unit", &["s", "ms", "us", "ns"])),
        }
    }
}

/// How a format writes instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// A number of units since 1970 UTC or since the trace's own zero.
    Number(Unit),
    /// `2023-11-16T18:17:03.97996Z`, and what is near it.
    Rfc3339,
    /// `01/Jul/1995:00:00:01 -0400`.
    Clf,
}

impl FromStr for TimeForm {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "rfc3339" => Ok(Self::Rfc3339),
            "clf" => Ok(Self::Clf),
            _ => name.parse().map(Self::Number).map_err(|_| {
                UnknownName::new(name, "time unit", &["s", "ms", "us", "ns", "rfc3339", "clf"])
            }),
        }
    }
}

/// Reads the instants of one source and keeps the finest step it has seen: formats that leave
/// trailing zeros away do not show their step in every line.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    form: TimeForm,
    fixed_ns: Option<i64>,
    finest_ns: i64,
}

impl Clock {
    /// Reads instants of `form`; `fixed_ns` is the step, where the format fixes it.
    pub fn new(form: TimeForm, fixed_ns: Option<i64>) -> Self {
        let unit = match form {
            TimeForm::Number(unit) => unit,
            TimeForm::Rfc3339 | TimeForm::Clf => Unit::Seconds,
        };
        Self { form, fixed_ns, finest_ns: unit.ns() }
    }

    /// Reads an instant in ns.
    pub fn read(&mut self, text: &[u8]) -> Option<i64> {
        let (time_ns, unit_ns) = match self.form {
            TimeForm::Number(unit) => match number_ns(text, unit.ns()) {
                Some(time_ns) => (time_ns, unit.ns()),
                // Several loggers have a switch from numbers to dates.
                None => (date_time(text)?, SECOND_NS),
            },
            TimeForm::Rfc3339 => (date_time(text)?, SECOND_NS),
            TimeForm::Clf => (clf(text)?, SECOND_NS),
        };
        self.finest_ns = self.finest_ns.min(step_ns(text, unit_ns));
        Some(time_ns)
    }

    /// Takes note of the digits of a time of day.
    pub fn see(&mut self, time_of_day: &[u8]) {
        self.finest_ns = self.finest_ns.min(step_ns(time_of_day, SECOND_NS));
    }

    /// Step of the instants read so far.
    pub fn resolution_ns(&self) -> i64 {
        self.fixed_ns.unwrap_or(self.finest_ns)
    }
}

/// Even spacing, for requests that were listed and not recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spacing {
    per_second: f64,
}

impl Spacing {
    /// Spaces requests so that there are `per_second` in a second, the first at 0; `None` unless
    /// that is a positive number.
    pub fn rate(per_second: f64) -> Option<Self> {
        (per_second.is_finite() && per_second > 0.0).then_some(Self { per_second })
    }

    /// Instant of the request at `position`, to the ns; `None` beyond 292 years.
    pub(crate) fn time_ns(self, position: u64) -> Option<i64> {
        // Whole seconds apart, so that a long list keeps its nanoseconds.
        let seconds = (position as f64 / self.per_second).floor();
        let rest = (position as f64 - seconds * self.per_second) / self.per_second;
        let whole_ns = (seconds < 9.0e9).then_some(seconds as i64)?.checked_mul(SECOND_NS)?;
        whole_ns.checked_add((rest * SECOND_NS as f64).round() as i64)
    }
}

/// Step that the digits of `text` show, in whole thousandths of the unit.
fn step_ns(text: &[u8], unit_ns: i64) -> i64 {
    if text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'e')) && number_ns(text, 1).is_some() {
        return 1;
    }
    let Some(point) = text.iter().rposition(|&byte| byte == b'.' || byte == b',') else {
        return unit_ns;
    };
    let digits = text[point + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    (0..digits.div_ceil(3)).fold(unit_ns, |step_ns, _| (step_ns / 1000).max(1))
}

/// Tells whether nanoseconds since 1970 in 64 bits hold every instant of the year.
fn is_year_in_range(year: Option<&[u8]>) -> bool {
    year.and_then(|year| std::str::from_utf8(year).ok()?.parse::<u16>().ok())
        .is_some_and(|year| (1678..=2261).contains(&year))
}

pub(crate) fn date_time(text: &[u8]) -> Option<i64> {
    is_year_in_range(text.get(..4)).then(|| parse_rfc3339(text))?
}

pub(crate) fn date(text: &[u8]) -> Option<i64> {
    is_year_in_range(text.get(..4)).then(|| parse_date(text))?
}

pub(crate) fn clf(text: &[u8]) -> Option<i64> {
    let text = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).unwrap_or(text);
    is_year_in_range(text.get(7..11)).then(|| parse_clf(text))?
}

/// Reads a number of units as ns, exactly and with an exponent if there is one: tables written by
/// programs hold `1.5e-07`. Digits beyond a nanosecond are cut off.
pub(crate) fn number_ns(text: &[u8], unit_ns: i64) -> Option<i64> {
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let exponent_at = text.iter().position(|byte| byte.eq_ignore_ascii_case(&b'e'));
    let Some(exponent_at) = exponent_at else { return parse_decimal(text, unit_ns) };
    let exponent = std::str::from_utf8(&text[exponent_at + 1..]).ok()?.parse::<i32>().ok()?;
    let (is_negative, digits) = match &text[..exponent_at] {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let fraction = digits.get(point + 1..).unwrap_or_default();
    let mut mantissa = 0_i128;
    for &digit in digits[..point].iter().chain(fraction) {
        let digit = digit.is_ascii_digit().then(|| i128::from(digit - b'0'))?;
        mantissa = mantissa.checked_mul(10)?.checked_add(digit)?;
    }
    if point + fraction.len() == 0 {
        return None;
    }
    let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let units = mantissa.checked_mul(i128::from(unit_ns))?;
    // Beyond the range of 128 bits a power of ten is out of every range, or nothing.
    let power = 10_i128.checked_pow(shift.unsigned_abs());
    let total_ns = match (shift >= 0, power) {
        _ if units == 0 => 0,
        (true, power) => units.checked_mul(power?)?,
        (false, Some(power)) => units / power,
        (false, None) => 0,
    };
    let total_ns = i64::try_from(total_ns).ok()?;
    Some(if is_negative { -total_ns } else { total_ns })
}

/// The text of a value that was recorded; `None` for the ways of saying that it was not.
pub(crate) fn recorded(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii();
    (!matches!(text, b"" | b"-" | b"null")).then_some(text)
}

/// Reads a duration: a number of units, or one that names its units as Go writes it (`1.5ms`).
/// A negative one was not measured.
pub(crate) fn duration_ns(text: &[u8], unit: Unit) -> Result<Option<i64>, Skip> {
    let Some(text) = recorded(text) else { return Ok(None) };
    let duration_ns =
        number_ns(text, unit.ns()).or_else(|| go_duration_ns(text)).ok_or(Skip::BadNumber)?;
    Ok((duration_ns >= 0 && !text.starts_with(b"-")).then_some(duration_ns))
}

fn go_duration_ns(text: &[u8]) -> Option<i64> {
    const UNITS: [(&[u8], i64); 8] = [
        (b"ns", 1),
        (b"us", 1_000),
        ("µs".as_bytes(), 1_000),
        ("μs".as_bytes(), 1_000),
        (b"ms", 1_000_000),
        (b"s", SECOND_NS),
        (b"m", 60 * SECOND_NS),
        (b"h", 3600 * SECOND_NS),
    ];
    let mut rest = text;
    let mut total_ns = 0_i64;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|&&byte| byte.is_ascii_digit() || byte == b'.').count();
        let (number, tail) = rest.split_at(digits);
        let (name, unit_ns) = UNITS.iter().find(|(name, _)| tail.starts_with(name))?;
        total_ns = total_ns.checked_add(parse_decimal(number, *unit_ns)?)?;
        rest = &tail[name.len()..];
    }
    Some(total_ns)
}

/// Reads a whole number that is not negative; `80251.0` is one. A negative one is not known.
pub(crate) fn whole(text: &[u8]) -> Result<Option<u64>, Skip> {
    let Some(text) = recorded(text) else { return Ok(None) };
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let fraction = digits.get(point + 1..).unwrap_or_default();
    if point == 0 || fraction.iter().any(|&byte| byte != b'0') {
        return Err(Skip::BadNumber);
    }
    let number = digits[..point].iter().try_fold(0_u64, |total, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        total.checked_mul(10)?.checked_add(digit)
    });
    let number = number.ok_or(Skip::BadNumber)?;
    Ok((!is_negative).then_some(number))
}

/// Reads a status.
pub(crate) fn status(text: &[u8]) -> Result<Option<u16>, Skip> {
    whole(text)?.map(|status| u16::try_from(status).map_err(|_| Skip::BadNumber)).transpose()
}

/// Tells whether `name` is a token of HTTP, as methods and names of headers are.
pub(crate) fn is_token(name: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_allowed)
}

/// Refuses what is recorded as a method and is none, or asks for a tunnel.
pub(crate) fn check_method(method: &[u8]) -> Result<(), Skip> {
    match method {
        b"" => Ok(()),
        b"CONNECT" => Err(Skip::NotHttp),
        method if is_token(method) => Ok(()),
        _ => Err(Skip::BadRequest),
    }
}

/// Takes a request line apart, from both ends: the target of a scanner holds anything. A line of
/// HTTP/0.9 has no protocol.
pub(crate) fn request_line(line: &[u8]) -> Result<(&[u8], &[u8]), Skip> {
    let blank = line.iter().position(|&byte| byte == b' ').ok_or(Skip::BadRequest)?;
    let (method, rest) = (&line[..blank], &line[blank + 1..]);
    check_method(method)?;
    let target = match rest.iter().rposition(|&byte| byte == b' ') {
        Some(last) if rest[last + 1..].starts_with(b"HTTP/") => &rest[..last],
        _ => rest,
    };
    if target.is_empty() { Err(Skip::BadRequest) } else { Ok((method, target)) }
}

/// Takes an absolute `http` or `https` URL apart into host and target; `None` for anything else.
/// Name and password before the host, and the fragment, were never sent.
pub(crate) fn split_url(url: &[u8]) -> Option<(&[u8], &[u8])> {
    let scheme = url.windows(3).position(|part| part == b"://")?;
    if !url[..scheme].eq_ignore_ascii_case(b"http") && !url[..scheme].eq_ignore_ascii_case(b"https")
    {
        return None;
    }
    let rest = &url[scheme + 3..];
    let rest = &rest[..rest.iter().position(|&byte| byte == b'#').unwrap_or(rest.len())];
    let end = rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let host = authority.iter().rposition(|&byte| byte == b'@').map_or(0, |at| at + 1);
    Some((&authority[host..], if target.is_empty() { b"/" } else { target }))
}

/// Headers that belong to one connection or are made anew with every request.
const NOT_REPLAYED: [&[u8]; 12] = [
    b"connection",
    b"content-length",
    b"host",
    b"http2-settings",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

/// Appends a header. Left out are pseudo headers, those of [`NOT_REPLAYED`], and any whose bytes
/// would end the line early and begin another header.
pub(crate) fn push_header(headers: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let is_replayed = is_token(name)
        && !NOT_REPLAYED.iter().any(|known| known.eq_ignore_ascii_case(name))
        && !value.iter().any(|byte| b"\r\n\0".contains(byte));
    if is_replayed {
        for part in [name, b": ", value.trim_ascii(), b"\r\n"] {
            headers.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn numbers_with_exponents_are_exact() {
        for (text, unit_ns, expected) in [
            ("1.7000000001234567e9", SECOND_NS, 1_700_000_000_123_456_700),
            ("1.5e-07", SECOND_NS, 150),
            ("-2E3", 1, -2000),
            ("1e-400", SECOND_NS, 0),
            ("0e400", SECOND_NS, 0),
            ("+7", 1, 7),
        ] {
            assert_eq!(number_ns(text.as_bytes(), unit_ns), Some(expected), "{text}");
        }
        for wrong in ["e5", ".e5", "1e", "1e400", "1e99999999999", "1.2.3e1", "1x", "--1"] {
            assert_eq!(number_ns(wrong.as_bytes(), SECOND_NS), None, "{wrong}");
        }
    }

    #[test]
    fn years_beyond_64_bits_of_nanoseconds_are_refused() {
        assert_eq!(date_time(b"9999-12-31T00:00:00Z"), None);
        assert_eq!(date(b"0001-01-01"), None);
        assert_eq!(clf(b"01/Jul/2300:00:00:01 -0400"), None);
        assert!(date_time(b"2261-12-31T23:59:59.999999999Z").is_some());
        assert!(date_time(b"1678-01-01T00:00:00+23:59").is_some());
    }

    #[test]
    fn durations_are_numbers_or_name_their_units() {
        assert_eq!(duration_ns(b"0.25", Unit::Seconds), Ok(Some(250_000_000)));
        assert_eq!(duration_ns(b"1m2.5s", Unit::Seconds), Ok(Some(62_500_000_000)));
        assert_eq!(duration_ns("12.5µs".as_bytes(), Unit::Seconds), Ok(Some(12_500)));
        for unknown in ["-", "", "null", "-1", "-0.0000000001"] {
            assert_eq!(duration_ns(unknown.as_bytes(), Unit::Seconds), Ok(None), "{unknown}");
        }
        for wrong in ["fast", "1.5x", "ms", "1 ms"] {
            assert_eq!(duration_ns(wrong.as_bytes(), Unit::Seconds), Err(Skip::BadNumber));
        }
    }

    #[test]
    fn whole_numbers_may_end_in_a_zero_fraction() {
        assert_eq!(whole(b"80251.0"), Ok(Some(80_251)));
        assert_eq!(whole(b"-1"), Ok(None));
        assert_eq!(status(b"0.0"), Ok(Some(0)));
        for wrong in ["1.5", "x", ".0", "99999999999999999999"] {
            assert_eq!(whole(wrong.as_bytes()), Err(Skip::BadNumber), "{wrong}");
        }
        assert_eq!(status(b"70000"), Err(Skip::BadNumber));
    }

    #[test]
    fn the_step_is_the_finest_that_was_seen() {
        let mut clock = Clock::new(TimeForm::Number(Unit::Seconds), None);
        assert_eq!(clock.read(b"1700000000"), Some(1_700_000_000_000_000_000));
        assert_eq!(clock.resolution_ns(), SECOND_NS);
        assert_eq!(clock.read(b"1700000000.1"), Some(1_700_000_000_100_000_000));
        assert_eq!(clock.resolution_ns(), 1_000_000);
        clock.read(b"1700000002");
        assert_eq!(clock.resolution_ns(), 1_000_000);
        assert_eq!(clock.read(b"2023-11-14T22:13:20.5Z"), Some(1_700_000_000_500_000_000));
        let mut clock = Clock::new(TimeForm::Rfc3339, None);
        clock.read(b"2023-11-16 18:15:46.6805900");
        assert_eq!(clock.resolution_ns(), 1);
    }

    #[test]
    fn spacing_is_even_to_the_nanosecond() {
        let spacing = Spacing::rate(3.0).unwrap();
        assert_eq!(spacing.time_ns(0), Some(0));
        assert_eq!(spacing.time_ns(1), Some(333_333_333));
        assert_eq!(spacing.time_ns(3_000_000_001), Some(1_000_000_000_333_333_333));
        assert_eq!(spacing.time_ns(u64::MAX), None);
        assert_eq!([0.0, -1.0, f64::NAN, f64::INFINITY].map(Spacing::rate), [None; 4]);
    }

    #[test]
    fn urls_give_host_and_target() {
        assert_eq!(
            split_url(b"https://a.example:8443/x?y#z"),
            Some((&b"a.example:8443"[..], &b"/x?y"[..]))
        );
        assert_eq!(split_url(b"HTTP://u:p@a.example"), Some((&b"a.example"[..], &b"/"[..])));
        assert_eq!(split_url(b"http://a?q=1"), Some((&b"a"[..], &b"?q=1"[..])));
        assert_eq!(split_url(b"ws://a/"), None);
        assert_eq!(split_url(b"/x?u=http://a"), None);
    }

    #[test]
    fn a_header_cannot_begin_another() {
        let mut headers = Vec::new();
        push_header(&mut headers, b"X-A", b"1\r\nX-Evil: 1");
        push_header(&mut headers, b":authority", b"a");
        push_header(&mut headers, b"Transfer-Encoding", b"chunked");
        push_header(&mut headers, b"X B", b"1");
        push_header(&mut headers, b"Accept", b" */* ");
        assert_eq!(headers, b"Accept: */*\r\n");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), text in "[0-9eE+.,:TZ-]{0,30}") {
            for text in [&bytes[..], text.as_bytes()] {
                for unit in [Unit::Seconds, Unit::Nanoseconds] {
                    let _ = (duration_ns(text, unit), Clock::new(TimeForm::Number(unit), None).read(text));
                }
                let _ = (date(text), clf(text), whole(text), status(text), request_line(text), split_url(text));
            }
        }
    }
}

//! Times as logs write them. All functions take bytes and never panic.

use crate::record::SECOND_NS;

/// Reads `01/Jul/1995:00:00:01 -0400`, with an optional fraction after the seconds, as ns since
/// 1970 UTC. The offset belongs to the line, so a change of zone inside a log is read right.
pub fn parse_clf(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(20)?;
    let [d1, d2, b'/', m1, m2, m3, b'/', y1, y2, y3, y4, b':', h1, h2, b':', i1, i2, b':', s1, s2] =
        *date
    else {
        return None;
    };
    let month = month([m1, m2, m3])?;
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let days = days(year, month, two(d1, d2)?)?;
    let seconds = time_of_day(two(h1, h2)?, two(i1, i2)?, two(s1, s2)?)?;
    let (fraction_ns, rest) = fraction(rest)?;
    let offset_s = match rest {
        [b' ', sign @ (b'+' | b'-'), h1, h2, i1, i2] => {
            let offset = two(*h1, *h2)? * 3600 + two(*i1, *i2)? * 60;
            if *sign == b'-' { -offset } else { offset }
        }
        b"" => 0,
        _ => return None,
    };
    nanoseconds(days * 86_400 + seconds - offset_s, fraction_ns)
}

/// Reads `2023-11-16T18:17:03.9799600Z`, RFC 3339 with `T` or a blank, any number of digits after
/// the point (or comma), and `Z`, an offset with or without colon, or nothing, which is UTC.
pub fn parse_rfc3339(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(19)?;
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T' | b't' | b' ',
        h1,
        h2,
        b':',
        i1,
        i2,
        b':',
        s1,
        s2,
    ] = *date
    else {
        return None;
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let days = days(year, two(m1, m2)?, two(d1, d2)?)?;
    let seconds = time_of_day(two(h1, h2)?, two(i1, i2)?, two(s1, s2)?)?;
    let (fraction_ns, rest) = fraction(rest)?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let offset_s = match rest {
        b"" | b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', i1, i2] | [sign @ (b'+' | b'-'), h1, h2, i1, i2] => {
            let offset = two(*h1, *h2)? * 3600 + two(*i1, *i2)? * 60;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    nanoseconds(days * 86_400 + seconds - offset_s, fraction_ns)
}

/// Reads a date of the form `2017-06-30` as ns since 1970 UTC.
pub fn parse_date(text: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    nanoseconds(days(year, two(m1, m2)?, two(d1, d2)?)? * 86_400, 0)
}

/// Reads a time of day of the form `23:59:59`, with an optional fraction, as ns since midnight.
pub fn parse_time_of_day(text: &[u8]) -> Option<i64> {
    let (time, rest) = text.split_at_checked(8)?;
    let [h1, h2, b':', i1, i2, b':', s1, s2] = *time else { return None };
    let seconds = time_of_day(two(h1, h2)?, two(i1, i2)?, two(s1, s2)?)?;
    let (fraction_ns, rest) = fraction(rest)?;
    rest.is_empty().then_some(seconds * SECOND_NS + fraction_ns)
}

/// Reads a decimal number of units, exactly: `1700000000.123` in seconds is
/// `parse_decimal(b"1700000000.123", SECOND_NS)`. `None` for anything else, more than 2^63 ns
/// included. Digits beyond a nanosecond are cut off.
pub fn parse_decimal(text: &[u8], unit_ns: i64) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let (whole, rest) = digits.split_at(point);
    if whole.is_empty() && rest.len() < 2 {
        return None;
    }
    let mut total_ns = integer(whole)?.checked_mul(unit_ns)?;
    let mut step_ns = unit_ns;
    for &byte in rest.iter().skip(1) {
        let digit = digit(byte)?;
        // A unit has the factors 2, 3 and 5: below the last power of ten the rest is divided.
        if step_ns % 10 == 0 {
            step_ns /= 10;
            total_ns = total_ns.checked_add(digit * step_ns)?;
        }
    }
    Some(if is_negative { -total_ns } else { total_ns })
}

/// Reads an unsigned integer; an empty text is 0.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0_i64, |total, &byte| total.checked_mul(10)?.checked_add(digit(byte)?))
}

/// Puts seconds and a fraction together; `None` beyond the years 1677 to 2262.
fn nanoseconds(seconds: i64, fraction_ns: i64) -> Option<i64> {
    seconds.checked_mul(SECOND_NS)?.checked_add(fraction_ns)
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// Reads an optional fraction of a second; returns ns and what follows.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let (Some(b'.' | b','), digits) = (text.first(), text.get(1..).unwrap_or_default()) else {
        return Some((0, text));
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at(count);
    let read = |place: usize| digits.get(place).map_or(0, |byte| i64::from(byte - b'0'));
    (count > 0).then(|| ((0..9).fold(0, |total, place| total * 10 + read(place)), rest))
}

fn month(name: [u8; 3]) -> Option<i64> {
    const NAMES: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let position = NAMES.iter().position(|known| known.eq_ignore_ascii_case(&name))?;
    Some(position as i64 + 1)
}

/// Seconds since midnight; a leap second is the first of the next minute.
fn time_of_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; `None` when there is no such day.
/// Howard Hinnant's `days_from_civil`: years begin in March, so that the leap day is their last.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::{any, proptest};

    use super::*;

    fn known(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_nanosecond() as i64
    }

    #[test]
    fn times_of_logs_are_those_of_the_calendar() {
        for (clf, known_as) in [
            ("01/Jul/1995:00:00:01 -0400", "1995-07-01T04:00:01Z"),
            ("29/Feb/2024:23:59:59 +0000", "2024-02-29T23:59:59Z"),
            ("31/Dec/1969:23:59:59 +0530", "1969-12-31T18:29:59Z"),
            ("17/May/2015:10:05:03.123456 +0000", "2015-05-17T10:05:03.123456Z"),
        ] {
            assert_eq!(parse_clf(clf.as_bytes()), Some(known(known_as)), "{clf}");
        }
        for wrong in [
            "29/Feb/2023:00:00:00 +0000",
            "01/Foo/2023:00:00:00 +0000",
            "",
            "-",
            "01/Jan/2023:24:00:00 +0000",
            "01/Jan/2023:00:00:00 UTC",
            "1/Jan/2023:00:00:00 +0000",
        ] {
            assert_eq!(parse_clf(wrong.as_bytes()), None, "{wrong}");
        }
        for (text, known_as) in [
            ("2023-11-16 18:17:03.9799600", "2023-11-16T18:17:03.97996Z"),
            ("2023-11-16T18:17:03+02:00", "2023-11-16T16:17:03Z"),
            ("2023-11-16T18:17:03.5-0130", "2023-11-16T19:47:03.5Z"),
            ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"),
        ] {
            assert_eq!(parse_rfc3339(text.as_bytes()), Some(known(known_as)), "{text}");
        }
        assert_eq!(parse_rfc3339(b"1900-02-29T00:00:00Z"), None);
        assert_eq!(parse_date(b"2017-06-30"), Some(known("2017-06-30T00:00:00Z")));
        assert_eq!(parse_time_of_day(b"00:00:01.5"), Some(1_500_000_000));
    }

    #[test]
    fn a_year_too_far_away_is_no_time() {
        assert_eq!(parse_clf(b"01/Jul/9995:00:00:01 -0400"), None);
        assert_eq!(parse_rfc3339(b"0000-01-01T00:00:00Z"), None);
        assert_eq!(parse_date(b"2263-01-01"), None);
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(parse_decimal(b"1700000000.123", SECOND_NS), Some(1_700_000_000_123_000_000));
        assert_eq!(parse_decimal(b"0.0000000019", SECOND_NS), Some(1));
        assert_eq!(parse_decimal(b"-1.5", 1_000_000), Some(-1_500_000));
        assert_eq!(parse_decimal(b"7", 1), Some(7));
        for wrong in ["", "-", ".", "1.2.3", "1e9", "99999999999999", " 1"] {
            assert_eq!(parse_decimal(wrong.as_bytes(), SECOND_NS), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_is_read_back(ns in 0_i64..4_000_000_000_000_000_000) {
            let text = Timestamp::from_nanosecond(ns.into()).unwrap().to_string();
            assert_eq!(parse_rfc3339(text.as_bytes()), Some(ns));
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = (parse_clf(&bytes), parse_rfc3339(&bytes), parse_decimal(&bytes, SECOND_NS));
            let _ = (parse_date(&bytes), parse_time_of_day(&bytes));
        }
    }
}

//! Numbers as people read them.
//!
//! Three significant digits say all that a load test can repeat, so every number for people
//! is cut to three; counts are exact and get thousands separators. Files for machines do
//! not come here: they hold the full value.

/// Renders a count with thousands separators.
pub fn count(value: u64) -> String {
    separated(&value.to_string())
}

/// Renders a number with three significant digits, or all of them above a thousand.
pub fn decimal(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let size = value.abs();
    let sign = if value < 0.0 { "-" } else { "" };
    let digits = match size {
        0.0 => return "0".to_owned(),
        _ if size < 1e-6 => return format!("{value:.1e}"),
        _ if size < 0.9995 => leading_zeros(size) + 3,
        _ if size < 9.995 => 2,
        _ if size < 99.95 => 1,
        _ => 0,
    };
    format!("{sign}{}", separated(&format!("{size:.digits$}")))
}

/// Renders a number with as few digits as identify it, so that 0.999 · 100 is 99.9.
pub fn shortest(value: f64) -> String {
    format!("{}", (value * 1e6).round() / 1e6)
}

/// Renders a rate per second.
pub fn per_second(value: f64) -> String {
    format!("{}/s", decimal(value))
}

/// Renders a share as a percentage; only a whole is ever called 100 %.
pub fn percent(share: f64) -> String {
    if share < 1.0 && share > 0.9995 {
        // Cut, not rounded: 99.996 % must not look like everything.
        return format!("{:.3} %", (share * 1e5).floor() / 1e3);
    }
    format!("{} %", decimal(share * 100.0))
}

/// Renders a duration given in milliseconds in the unit that suits it.
pub fn duration_ms(value_ms: f64) -> String {
    let size = value_ms.abs();
    if size != 0.0 && size < 0.9995 {
        format!("{} µs", decimal(value_ms * 1e3))
    } else if size < 9_999.5 {
        format!("{} ms", decimal(value_ms))
    } else {
        duration_s(value_ms / 1e3)
    }
}

/// Renders a duration given in seconds.
pub fn duration_s(value_s: f64) -> String {
    let minutes = value_s / 60.0;
    if minutes.abs() < 10.0 {
        format!("{} s", decimal(value_s))
    } else if minutes.abs() < 600.0 {
        format!("{} min", decimal(minutes))
    } else {
        format!("{} h", decimal(minutes / 60.0))
    }
}

/// Renders a value that may be absent.
pub fn or_dash(value: Option<f64>, render: fn(f64) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), render)
}

/// Divides, with nothing over nothing being nothing.
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Counts the zeros between the point and the first digit of a number below one.
fn leading_zeros(size: f64) -> usize {
    let mut zeros = 0;
    let mut scaled = size * 10.0;
    while scaled < 0.9995 {
        scaled *= 10.0;
        zeros += 1;
    }
    zeros
}

/// Puts thousands separators into the whole part of a plain, unsigned number.
fn separated(digits: &str) -> String {
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut text = String::with_capacity(digits.len() + whole.len() / 3);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::{count, decimal, duration_ms, duration_s, or_dash, percent, share};

    #[test]
    fn counts_get_separators() {
        assert_eq!(
            [0, 999, 1_000, 40_112, 1_234_567].map(count).join(" "),
            "0 999 1,000 40,112 1,234,567"
        );
    }

    #[test]
    fn numbers_keep_three_digits_also_where_rounding_adds_one() {
        let values = [
            0.0, 0.000_412, 0.0412, 0.9996, 1.0, 9.994, 9.996, 48.3, 99.96, 188.4, 999.6, 12_345.6,
        ];
        let texts = values.map(decimal).join(" ");
        assert_eq!(texts, "0 0.000412 0.0412 1.00 1.00 9.99 10.0 48.3 100 188 1,000 12,346");
        assert_eq!(decimal(-12.34), "-12.3");
        assert_eq!(decimal(f64::NAN), "-");
        assert_eq!(decimal(4e-9), "4.0e-9");
    }

    #[test]
    fn durations_choose_their_unit() {
        let texts =
            [0.0, 0.0213, 0.99, 12.1, 640.0, 6_500.0, 12_500.0].map(duration_ms).join(" | ");
        assert_eq!(texts, "0 ms | 21.3 µs | 990 µs | 12.1 ms | 640 ms | 6,500 ms | 12.5 s");
        assert_eq!(
            [59.0, 600.0, 36_000.0].map(duration_s).join(" | "),
            "59.0 s | 10.0 min | 10.0 h"
        );
    }

    #[test]
    fn only_a_whole_is_100_percent() {
        let texts = [0.0, 0.006, 0.5, 0.999_96, 0.999_999_9, 1.0].map(percent).join(" | ");
        assert_eq!(texts, "0 % | 0.600 % | 50.0 % | 99.996 % | 99.999 % | 100 %");
    }

    #[test]
    fn nothing_is_a_dash_and_never_a_division_by_zero() {
        assert_eq!(or_dash(None, decimal), "-");
        assert_eq!(share(0, 0).to_string(), "0");
    }
}

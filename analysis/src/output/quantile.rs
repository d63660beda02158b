//! Quantiles as people read them, with what must be said about each.
//!
//! A quantile can be a number, a number that rests on few samples (`~640`), a lower limit
//! because it falls among failures (`>= 812`), or nothing because too few samples lie
//! beyond it (`-`). The terminal and the report both show it through here, so that neither
//! can forget to say so.

use openload_contract::summary::{Interval, QuantileNote, Quantiles};

use super::number;

/// Name under which the greatest value stands beside the quantiles.
pub const MAX: &str = "max";

/// Renders the name of a quantile for people: `p999` becomes `p99.9`.
pub fn label(name: &str) -> &str {
    if name == "p999" { "p99.9" } else { name }
}

/// Returns a quantile or the greatest value by its name.
pub fn value(quantiles: &Quantiles, name: &str) -> Option<f64> {
    if name == MAX { quantiles.max } else { quantiles.value(name) }
}

/// Renders a quantile in ms, without the unit.
pub fn cell(quantiles: &Quantiles, name: &str) -> String {
    let plain = number::or_dash(value(quantiles, name), number::decimal);
    match quantiles.notes.get(name) {
        None => plain,
        Some(QuantileNote::LowConfidence) => format!("~{plain}"),
        Some(QuantileNote::NeedsSamples { .. }) => "-".to_owned(),
        Some(QuantileNote::Censored { at_least: Some(limit) }) => {
            format!(">= {}", number::decimal(*limit))
        }
        Some(QuantileNote::Censored { at_least: None }) => "failed".to_owned(),
    }
}

/// Renders a quantile with its unit where it is a number.
pub fn cell_with_unit(quantiles: &Quantiles, name: &str) -> String {
    let text = cell(quantiles, name);
    if text.ends_with(|last: char| last.is_ascii_digit()) { format!("{text} ms") } else { text }
}

/// Renders a confidence interval: `298–327`, with ∞ for an end that is not bounded.
pub fn interval(interval: Interval) -> String {
    interval_of(interval, number::decimal)
}

/// Renders an interval with its numbers rendered by `render`; `-` where nothing is bounded.
pub fn interval_of(interval: Interval, render: fn(f64) -> String) -> String {
    match (interval.low, interval.high) {
        (None, None) => "-".to_owned(),
        (Some(low), Some(high)) => {
            let (low, high) = (render(low), render(high));
            format!("{}–{high}", without_unit_of(&low, &high))
        }
        (Some(low), None) => format!("{}–∞", render(low)),
        (None, Some(high)) => format!("−∞–{}", render(high)),
    }
}

/// Cuts the unit off `low` when `high` repeats it.
fn without_unit_of<'a>(low: &'a str, high: &str) -> &'a str {
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => number,
        _ => low,
    }
}

/// Renders the confidence interval of a quantile in ms, without the unit.
pub fn interval_cell(quantiles: &Quantiles, name: &str) -> String {
    quantiles.ci95.get(name).copied().map_or_else(|| "-".to_owned(), interval)
}

/// Says in words what the cells of `names` only hint at, one sentence a kind of hint.
pub fn remarks(quantiles: &Quantiles, names: &[&str]) -> Vec<String> {
    let noted = |wanted: fn(&QuantileNote) -> bool| -> Vec<&str> {
        let is_noted = |name: &&&str| quantiles.notes.get(**name).is_some_and(wanted);
        names.iter().filter(is_noted).map(|name| label(name)).collect()
    };
    let mut remarks: Vec<String> = names
        .iter()
        .filter_map(|name| match quantiles.notes.get(*name) {
            Some(QuantileNote::NeedsSamples { about }) => Some(format!(
                "{} needs about {} samples; there are {}",
                label(name),
                number::count(*about),
                number::count(quantiles.count)
            )),
            _ => None,
        })
        .collect();
    let censored = noted(|note| matches!(note, QuantileNote::Censored { .. }));
    if !censored.is_empty() {
        remarks.push(format!(
            "{}: failed arrivals rank as infinitely slow, and {} of {} failed",
            censored.join(", "),
            number::count(quantiles.censored_count),
            number::count(quantiles.count)
        ));
    }
    let few = noted(|note| matches!(note, QuantileNote::LowConfidence));
    if !few.is_empty() {
        remarks.push(format!("~ {}: fewer than 10 effective samples beyond it", few.join(", ")));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use openload_contract::summary::{Interval, QuantileNote, Quantiles};

    use super::super::number;
    use super::{cell, cell_with_unit, interval, interval_of, remarks};

    fn noted(note: QuantileNote) -> Quantiles {
        let notes = [("p99".to_owned(), note)].into();
        Quantiles { count: 300, censored_count: 9, p99: Some(812.0), notes, ..Quantiles::default() }
    }

    #[test]
    fn every_note_changes_the_cell_and_is_put_in_words() {
        let low = noted(QuantileNote::LowConfidence);
        let needs = noted(QuantileNote::NeedsSamples { about: 12_000 });
        let censored = noted(QuantileNote::Censored { at_least: Some(640.0) });
        let hopeless = noted(QuantileNote::Censored { at_least: None });
        let cells = [&low, &needs, &censored, &hopeless].map(|q| cell_with_unit(q, "p99"));
        assert_eq!(cells, ["~812 ms", "-", ">= 640 ms", "failed"]);
        assert_eq!(remarks(&needs, &["p99"]), ["p99 needs about 12,000 samples; there are 300"]);
        assert_eq!(remarks(&low, &["p50"]), [""; 0]);
        assert!(remarks(&hopeless, &["p99"])[0].ends_with("9 of 300 failed"));
        assert_eq!(cell(&Quantiles::default(), "p50"), "-");
    }

    #[test]
    fn an_open_end_is_infinite() {
        let open = Interval { low: Some(1.0), high: None };
        assert_eq!(interval(open), "1.00–∞");
        assert_eq!(interval(Interval::default()), "-");
        let shared = Interval { low: Some(0.006), high: Some(0.02) };
        assert_eq!(interval_of(shared, number::percent), "0.600–2.00 %");
        let mixed = Interval { low: Some(0.5), high: Some(2.0) };
        assert_eq!(interval_of(mixed, number::duration_ms), "500 µs–2.00 ms");
    }
}

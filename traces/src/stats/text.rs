//! What is said about a timeline, as text.

use std::fmt::Write;

use jiff::Timestamp;

use crate::record::SECOND_NS;

use super::histogram::Quantiles;
use super::info::TraceInfo;
use super::rate::Rates;
use super::top::TopEntry;

/// Rows of the rate chart.
const CHART_ROWS: usize = 6;

/// Eighths of a row, from none to all.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns left of the chart, for its scale.
const SCALE_COLUMNS: usize = 10;

/// Narrowest and widest chart.
const CHART_COLUMNS: (usize, usize) = (20, 400);

/// Longest name that is shown in full.
const NAME_CHARS_MAX: usize = 60;

/// Years that a stamp must lie in to be shown as a date and not as an offset.
const DATES_NS: std::ops::Range<i64> = 300_000_000 * SECOND_NS..4_000_000_000 * SECOND_NS;

impl TraceInfo {
    /// Writes everything as text of about this many columns.
    pub fn to_text(&self, columns: usize) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text, columns);
        text
    }

    fn write(&self, text: &mut String, columns: usize) -> std::fmt::Result {
        if self.events == 0 {
            return writeln!(text, "no events in {}", duration(self.span_ns));
        }
        let events = if self.events == 1 { "event" } else { "events" };
        writeln!(text, "{} {events} in {}", grouped(self.events), duration(self.span_ns))?;
        if let Some((first, last)) = self.recorded_ns
            && DATES_NS.contains(&first)
            && DATES_NS.contains(&last)
        {
            writeln!(text, "recorded   {} to {}", date(first), date(last))?;
        }
        let kinds = self.kinds.iter().map(|(name, &count)| format!("{name} {}", self.share(count)));
        writeln!(text, "starts     {}", kinds.collect::<Vec<_>>().join(", "))?;
        self.write_clock(text)?;
        let (mean, peak) = (self.burstiness.mean_per_s, self.burstiness.peak_per_s);
        writeln!(
            text,
            "rate       {mean:.2}/s on average, {} in the fullest second",
            grouped(peak)
        )?;
        text.push('\n');
        text.push_str(&chart(&self.rates, columns));
        text.push('\n');
        self.write_burstiness(text)?;
        self.write_requests(text)?;
        self.write_sessions(text)?;
        self.write_holes(text)
    }

    fn write_clock(&self, text: &mut String) -> std::fmt::Result {
        let step = duration(self.clock.step_ns);
        match self.clock.detected {
            Some(found) if found.step_ns == self.clock.step_ns => {
                let share = 100.0 * found.share;
                writeln!(
                    text,
                    "clock      steps of {step}, which explain {share:.1} % of the stamps"
                )
            }
            _ => writeln!(text, "clock      steps of {step}, as the importer says"),
        }
    }

    fn write_burstiness(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "burstiness: variance over mean of counts (Poisson: 1)")?;
        for window in &self.burstiness.dispersion {
            let length = duration(window.window_ns);
            match window.index {
                Some(index) => {
                    let windows = grouped(window.windows);
                    writeln!(text, "  {length:>8}  {index:>8.2}   in {windows} windows")?;
                }
                None if window.window_ns < self.clock.step_ns => {
                    writeln!(text, "  {length:>8}         -   finer than the clock")?;
                }
                None => writeln!(text, "  {length:>8}         -   too few whole windows")?,
            }
        }
        if let Some(cv2) = self.burstiness.gap_cv2 {
            writeln!(text, "  gaps: squared coefficient of variation {cv2:.2} (Poisson: 1)")?;
        }
        Ok(())
    }

    fn write_requests(&self, text: &mut String) -> std::fmt::Result {
        if !self.methods.is_empty() {
            writeln!(text, "methods    {}", self.shares(&self.methods))?;
        }
        if !self.statuses.is_empty() {
            let statuses = self.statuses.iter();
            let statuses =
                statuses.map(|(status, &count)| format!("{status} {}", self.share(count)));
            writeln!(text, "statuses   {}", statuses.collect::<Vec<_>>().join(", "))?;
        }
        if let Some(quantiles) = &self.duration_ns {
            writeln!(text, "durations  {}", shown(quantiles, |ns| duration(ns.cast_signed())))?;
        }
        if let Some(quantiles) = &self.response_bytes {
            writeln!(text, "bytes      {}", shown(quantiles, grouped))?;
        }
        if let Some((input, output)) = &self.tokens {
            writeln!(text, "tokens in  {}", shown(input, grouped))?;
            writeln!(text, "tokens out {}", shown(output, grouped))?;
        }
        if !self.paths.is_empty() {
            writeln!(text, "paths")?;
            for path in &self.paths {
                let at_most = if path.error_max > 0 { " at most" } else { "" };
                let share = self.share(path.count);
                writeln!(text, "  {share:>8}{at_most}  {}", short(&path.name))?;
            }
        }
        Ok(())
    }

    fn write_sessions(&self, text: &mut String) -> std::fmt::Result {
        let sessions = &self.sessions;
        let (Some(events), count) = (&sessions.events_per_session, grouped(sessions.sessions))
        else {
            return Ok(());
        };
        let about = if sessions.is_exact { "" } else { "about " };
        writeln!(text, "sessions   {about}{count} sessions")?;
        writeln!(text, "  events   {}", shown(events, grouped))?;
        if let Some(gaps) = &sessions.gap_ns {
            writeln!(text, "  gaps     {}", shown(gaps, |ns| duration(ns.cast_signed())))?;
        }
        Ok(())
    }

    fn write_holes(&self, text: &mut String) -> std::fmt::Result {
        if self.holes.is_empty() {
            return Ok(());
        }
        let by_chance = duration(self.hole_by_chance_ns);
        writeln!(text, "longest silences (about {by_chance} by chance alone)")?;
        for hole in &self.holes {
            let (length, from) = (duration(hole.length_ns), duration(hole.from_ns));
            writeln!(text, "  {length:>10} from {from}")?;
        }
        Ok(())
    }

    fn shares(&self, entries: &[TopEntry]) -> String {
        let entry =
            |entry: &TopEntry| format!("{} {}", short(&entry.name), self.share(entry.count));
        entries.iter().map(entry).collect::<Vec<_>>().join(", ")
    }

    fn share(&self, count: u64) -> String {
        format!("{:.1} %", 100.0 * count as f64 / self.events.max(1) as f64)
    }
}

/// Draws the rate over time in block characters.
fn chart(rates: &Rates, columns: usize) -> String {
    let (narrowest, widest) = CHART_COLUMNS;
    let columns = columns.saturating_sub(SCALE_COLUMNS + 1).clamp(narrowest, widest);
    let coarse = rates.coarser(columns);
    let per_s = coarse.per_s();
    let top = per_s.iter().copied().fold(0.0, f64::max);
    let mut text = String::new();
    for row in (0..CHART_ROWS).rev() {
        let scale = match row {
            0 => "0".to_owned(),
            row if row + 1 == CHART_ROWS => format!("{top:.1}/s"),
            _ => String::new(),
        };
        let cell = |&rate: &f64| {
            let filled = if top > 0.0 { rate / top * CHART_ROWS as f64 - row as f64 } else { 0.0 };
            // What is not nothing shows.
            let least = if row == 0 && rate > 0.0 { 1.0 } else { 0.0 };
            EIGHTHS[(filled * 8.0).round().clamp(least, 8.0) as usize]
        };
        let line: String = per_s.iter().map(cell).collect();
        let line = format!("{scale:>SCALE_COLUMNS$} {line}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let bin = duration(coarse.bin_ns);
    text.push_str(&format!("{:>SCALE_COLUMNS$} each column {bin}\n", ""));
    text
}

fn shown(quantiles: &Quantiles, show: impl Fn(u64) -> String) -> String {
    let Quantiles { p50, p90, p99, max } = *quantiles;
    format!("p50 {}, p90 {}, p99 {}, max {}", show(p50), show(p90), show(p99), show(max))
}

/// A length of time in its two greatest units: `1h 5m`, `2.5 s`, `300 ms`.
pub(super) fn duration(ns: i64) -> String {
    let seconds = ns.unsigned_abs() / SECOND_NS.unsigned_abs();
    let sign = if ns < 0 { "-" } else { "" };
    let two = |greater: u64, unit: &str, less: u64, less_unit: &str| match less {
        0 => format!("{sign}{greater}{unit}"),
        less => format!("{sign}{greater}{unit} {less}{less_unit}"),
    };
    match seconds {
        86_400.. => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
        3_600.. => two(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        60.. => two(seconds / 60, "m", seconds % 60, "s"),
        1.. => decimal(ns, SECOND_NS, "s"),
        0 => match ns.unsigned_abs() {
            1_000_000.. => decimal(ns, 1_000_000, "ms"),
            1_000.. => decimal(ns, 1_000, "µs"),
            _ => format!("{ns} ns"),
        },
    }
}

fn decimal(ns: i64, unit_ns: i64, unit: &str) -> String {
    let number = format!("{:.2}", ns as f64 / unit_ns as f64);
    let number = number.trim_end_matches('0').trim_end_matches('.');
    format!("{number} {unit}")
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn date(ns: i64) -> String {
    let seconds = ns.div_euclid(SECOND_NS);
    Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s"), |at| at.to_string())
}

/// A name that neither fills the screen nor does anything to it.
fn short(name: &str) -> String {
    let mut shown: String = name
        .chars()
        .take(NAME_CHARS_MAX)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect();
    if name.chars().nth(NAME_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_at_a_glance() {
        let known = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_500, "1.5 µs"),
            (20_000_000, "20 ms"),
            (3 * SECOND_NS, "3 s"),
            (90 * SECOND_NS, "1m 30s"),
            (7_200 * SECOND_NS, "2h"),
            (90_000 * SECOND_NS, "1d 1h"),
            (-90 * SECOND_NS, "-1m 30s"),
        ];
        for (ns, text) in known {
            assert_eq!(duration(ns), text);
        }
        assert_eq!(
            (grouped(0), grouped(999), grouped(1_234_567)),
            ("0".into(), "999".into(), "1,234,567".into())
        );
        assert!(duration(i64::MIN).starts_with('-'));
    }

    #[test]
    fn the_chart_shows_the_curve() {
        let rates =
            Rates { bin_ns: SECOND_NS, end_ns: 6 * SECOND_NS, counts: vec![0, 1, 12, 6, 3, 12] };
        let known = "\
\u{20}   12.0/s   █  █
             █  █
             █  █
             ██ █
             ██▄█
         0  ▄████
           each column 1 s
";
        assert_eq!(chart(&rates, 40), known);
        let none = Rates { bin_ns: 1, end_ns: 0, counts: Vec::new() };
        assert_eq!(chart(&none, 40).lines().count(), CHART_ROWS + 1);
    }

    #[test]
    fn a_name_cannot_disturb_the_screen() {
        assert_eq!(short("/a\u{1b}[2J"), "/a\u{fffd}[2J");
        assert_eq!(short(&"x".repeat(100)).chars().count(), 61);
    }
}

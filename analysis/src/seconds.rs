//! The run second by second.
//!
//! Arrivals are counted in the second of their intended start, so a slow second shows where
//! it began; what was sent and completed is counted in the second in which it happened. One
//! grouping of the frame gives counts and quantiles by intended second; the quantile is
//! `Equiprobable`, the inverse of the distribution that [`crate::quantile`] defines.

use openload_contract::Outcome;
use openload_contract::summary::SecondRow;
use polars::prelude::*;

use crate::Error;
use crate::load::{Columns, second_of};
use crate::numeric::SECOND_NS;
use crate::run::Run;

/// How far the series goes beyond the end of the timeline. A row that claims to have ended
/// later is damaged, and would ask for a series without end.
const DRAIN_MAX_NS: i64 = 3_600 * SECOND_NS;

/// Builds the series from second 0 to the last completion.
///
/// # Errors
/// When the frame cannot be queried.
pub fn seconds(run: &Run) -> Result<Vec<SecondRow>, Error> {
    let columns = run.samples.columns()?;
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let last_ns = (0..columns.len()).map(|row| columns.finished_at(row)).max().unwrap_or(0);
    let last_ns = last_ns.clamp(run.end_ns - 1, run.end_ns + DRAIN_MAX_NS);
    let count = second_of(last_ns) + 1;
    let mut series: Vec<SecondRow> =
        (0..count).map(|t_s| SecondRow { t_s, ..SecondRow::default() }).collect();
    fill_intended(run, &mut series)?;
    fill_failures(columns, &mut series);
    fill_happened(columns, &mut series);
    fill_phases(run, &mut series);
    fill_vitals(run, &mut series);
    Ok(series)
}

/// Fills everything that belongs to the second of the intended start.
fn fill_intended(run: &Run, series: &mut [SecondRow]) -> Result<(), Error> {
    let table = by_second(run)?;
    let count = |name: &str| table.column(name)?.u32();
    let time = |name: &str| table.column(name)?.i64();
    let t_s = time("t_s")?;
    let (offered, ok, dropped) = (count("offered")?, count("ok")?, count("dropped")?);
    let times = TIMES.map(|(name, ..)| time(name));
    for index in 0..table.height() {
        let second = t_s.get(index).and_then(|second| usize::try_from(second).ok());
        let Some(row) = second.and_then(|second| series.get_mut(second)) else { continue };
        row.offered = u64::from(offered.get(index).unwrap_or(0));
        row.ok = u64::from(ok.get(index).unwrap_or(0));
        row.dropped = u64::from(dropped.get(index).unwrap_or(0));
        row.failed = row.offered - row.ok;
        for ((.., unit_ns, slot), column) in TIMES.iter().zip(&times) {
            if let Ok(column) = column {
                *slot(row) = column.get(index).map(|ns| ns as f64 / unit_ns);
            }
        }
    }
    Ok(())
}

/// A quantile of the series: name, column, level (1 is the maximum), unit in ns, place.
type Time = (&'static str, &'static str, f64, f64, fn(&mut SecondRow) -> &mut Option<f64>);

const TIMES: [Time; 10] = [
    ("response_p50", "response", 0.5, 1e6, |row| &mut row.response_p50_ms),
    ("response_p90", "response", 0.9, 1e6, |row| &mut row.response_p90_ms),
    ("response_p95", "response", 0.95, 1e6, |row| &mut row.response_p95_ms),
    ("response_p99", "response", 0.99, 1e6, |row| &mut row.response_p99_ms),
    ("response_max", "response", 1.0, 1e6, |row| &mut row.response_max_ms),
    ("service_p50", "service", 0.5, 1e6, |row| &mut row.service_p50_ms),
    ("service_p99", "service", 0.99, 1e6, |row| &mut row.service_p99_ms),
    ("lag_p50", "lag", 0.5, 1e3, |row| &mut row.lag_p50_us),
    ("lag_p99", "lag", 0.99, 1e3, |row| &mut row.lag_p99_us),
    ("lag_max", "lag", 1.0, 1e3, |row| &mut row.lag_max_us),
];

/// Groups the arrivals by the second of their intended start.
fn by_second(run: &Run) -> Result<DataFrame, Error> {
    let is_ok = || outcome_is(run, Outcome::is_ok);
    let source = |column: &str| match column {
        "response" => col("response_ns").filter(is_ok()),
        "service" => (col("response_ns") - col("sent_ns")).filter(is_ok()),
        _ => col("lag_ns"),
    };
    let mut wanted = vec![
        len().alias("offered"),
        is_ok().sum().alias("ok"),
        outcome_is(run, |outcome| outcome == Outcome::Dropped).sum().alias("dropped"),
    ];
    for (name, column, level, ..) in TIMES {
        let values = source(column);
        let value = if level < 1.0 {
            values.quantile(lit(level), QuantileMethod::Equiprobable)
        } else {
            values.max()
        };
        // Quantiles come as f64, which holds every duration below 104 days to the nanosecond.
        wanted.push(value.cast(DataType::Int64).alias(name));
    }
    let intended_ns = run.samples.columns()?.intended_ns;
    let seconds = intended_ns.iter().map(|&intended_ns| intended_ns / SECOND_NS).collect();
    let mut frame = run.samples.frame().clone();
    frame.with_column(Int64Chunked::from_vec("t_s".into(), seconds).into_column())?;
    Ok(frame.lazy().group_by([col("t_s")]).agg(wanted).collect()?)
}

/// True for rows whose outcome passes `holds`, as an expression over the codes of kinds.
fn outcome_is(run: &Run, holds: impl Fn(Outcome) -> bool) -> Expr {
    // Codes are dense and few: the test is a chain of ranges, most often of one.
    let kinds = (0_u32..).zip(run.samples.kinds());
    let codes: Vec<u32> =
        kinds.filter(|(_, kind)| holds(kind.outcome)).map(|(code, _)| code).collect();
    let ranges = codes.chunk_by(|a, b| a + 1 == *b).filter_map(|range| {
        let (&first, &last) = (range.first()?, range.last()?);
        Some(col("kind").gt_eq(lit(first)).and(col("kind").lt_eq(lit(last))))
    });
    ranges.reduce(Expr::or).unwrap_or_else(|| lit(false).and(col("kind").is_not_null()))
}

/// Fills how the arrivals of each second failed.
fn fill_failures(columns: Columns<'_>, series: &mut [SecondRow]) {
    for row in 0..columns.len() {
        let outcome = columns.kind(row).outcome;
        let second = series.get_mut(second_of(columns.intended_ns[row]) as usize);
        let Some(second) = second.filter(|_| !outcome.is_ok()) else { continue };
        *match outcome {
            // Counted with those of the second already.
            Outcome::Ok | Outcome::Dropped => continue,
            Outcome::HttpError => &mut second.http_error,
            Outcome::CheckFailed => &mut second.check_failed,
            Outcome::Timeout => &mut second.timeout,
            Outcome::ConnectError => &mut second.connect_error,
            Outcome::Reset => &mut second.reset,
            Outcome::ProtocolError => &mut second.protocol_error,
            Outcome::Cancelled => &mut second.cancelled,
        } += 1;
    }
}

/// Fills what is counted when it happened: sent, completed, in flight.
fn fill_happened(columns: Columns<'_>, series: &mut [SecondRow]) {
    let mut ended = vec![0_u64; series.len()];
    for row in 0..columns.len() {
        let Some(sent_at) = columns.sent_at(row) else { continue };
        let end = second_of(columns.finished_at(row)) as usize;
        if let Some(second) = series.get_mut(second_of(sent_at) as usize) {
            second.sent += 1;
        }
        if let (Some(second), Some(ended)) = (series.get_mut(end), ended.get_mut(end)) {
            second.completed += u64::from(columns.kind(row).outcome.is_completed());
            *ended += 1;
        }
    }
    let mut in_flight = 0_u64;
    for (second, ended) in series.iter_mut().zip(ended) {
        in_flight = (in_flight + second.sent).saturating_sub(ended);
        second.in_flight = in_flight;
    }
}

fn fill_phases(run: &Run, series: &mut [SecondRow]) {
    let Some(stream) = run.manifest.streams.first() else { return };
    for row in series {
        let now_ns = row.t_s as i64 * SECOND_NS;
        let phase = stream.phases.iter().find(|phase| now_ns < phase.end_ns);
        row.phase = phase.map(|phase| phase.name.clone()).unwrap_or_default();
    }
}

fn fill_vitals(run: &Run, series: &mut [SecondRow]) {
    for (before, now) in crate::vitals::pairs(&run.vitals) {
        // The line of second k is written at its end, a little early or late.
        let Some(row) = series.get_mut(second_of(now.t_ns - SECOND_NS / 2) as usize) else {
            continue;
        };
        row.cpu_cores = crate::vitals::cpu_cores(&before, &now);
        row.rss_bytes = now.rss_bytes;
        row.target_rss_bytes = now.target_rss_bytes;
    }
}

//! The run second by second.
//!
//! Arrivals are counted in the second of their intended start, so a slow second shows where
//! it began; what was sent and completed is counted in the second in which it happened.
//!
//! The rows of one second lie together, so a second's times are copied and its quantiles selected
//! before the next one begins. Frames of whole seconds, grouped by polars, say the same, and a test
//! asks for them; with a million rows to a frame they took 54 ns of processor time a row, before
//! the frame was made, where all of this takes 21.

use openload_contract::Outcome;
use openload_contract::summary::SecondRow;

use crate::load::{Columns, second_of};
use crate::numeric::SECOND_NS;
use crate::parallel;
use crate::quantile::rank;
use crate::rows::Rows;
use crate::run::Run;
use crate::store::{Decoded, Fields};

/// How far the series goes beyond the end of the timeline. A row that claims to have ended
/// later is damaged, and would ask for a series without end.
const DRAIN_MAX_NS: i64 = 3_600 * SECOND_NS;

/// Blocks that a thread takes at a time, and whatever its last second needs beyond them.
const PIECE_BLOCKS: usize = 64;

/// Builds the series from second 0 to the last completion.
pub fn seconds(run: &Run) -> Vec<SecondRow> {
    let columns = run.samples.columns();
    if columns.is_empty() {
        return Vec::new();
    }
    let last_ns = columns.last_finish_ns().unwrap_or(0);
    let last_ns = last_ns.clamp(run.end_ns - 1, run.end_ns + DRAIN_MAX_NS);
    let count = second_of(last_ns) + 1;
    let mut series: Vec<SecondRow> =
        (0..count).map(|t_s| SecondRow { t_s, ..SecondRow::default() }).collect();
    fill(columns, &mut series);
    fill_phases(run, &mut series);
    fill_vitals(run, &mut series);
    series
}

/// Fills what the rows say: what belongs to the second of the intended start, and what is counted
/// when it happened.
fn fill(columns: Columns<'_>, series: &mut [SecondRow]) {
    let pieces = columns.all().cut_at(&whole_seconds(columns));
    let length = series.len();
    let parts = parallel::fold(
        pieces.len(),
        || (Vec::new(), Happened::new(length)),
        |(intended, happened), index| fill_piece(&pieces[index], intended, happened),
    );
    let mut sum = Happened::new(length);
    for (intended, happened) in parts {
        for row in intended {
            let second = usize::try_from(row.t_s).ok().and_then(|second| series.get_mut(second));
            if let Some(second) = second {
                *second = row;
            }
        }
        sum.add(&happened);
    }
    sum.fill(series);
}

/// Seconds at which the rows are cut into pieces.
fn whole_seconds(columns: Columns<'_>) -> Vec<i64> {
    let firsts = columns.store().blocks().iter().step_by(PIECE_BLOCKS).skip(1);
    let seconds = firsts.map(|block| block.first_ns().div_euclid(SECOND_NS).max(0) + 1);
    let mut seconds: Vec<i64> = seconds.collect();
    seconds.dedup();
    seconds.into_iter().map(|second| second.saturating_mul(SECOND_NS)).collect()
}

fn fill_piece(rows: &Rows<'_>, intended: &mut Vec<SecondRow>, happened: &mut Happened) {
    let kinds = rows.columns().kinds();
    let outcomes: Vec<Outcome> = kinds.iter().map(|kind| kind.outcome).collect();
    let mut open: Option<Second> = None;
    rows.visit(Fields::INTENDED | Fields::RESPONSE | Fields::SENT, |rows, places| {
        for place in places.iter() {
            let outcome = outcomes[rows.code(place)];
            happened.take(rows, place, outcome);
            let second = rows.intended_ns[place] / SECOND_NS;
            if open.as_ref().is_none_or(|open| open.second != second) {
                let next = Second {
                    second,
                    ..open.take().map_or_else(Second::default, |ended| ended.close(intended))
                };
                open = Some(next);
            }
            if let Some(open) = &mut open {
                open.take(rows, place, outcome);
            }
        }
    });
    open.map(|open| open.close(intended));
}

/// The arrivals of one second.
#[derive(Debug, Default)]
struct Second {
    second: i64,
    offered: u64,
    /// Arrivals by the code of their outcome.
    by_outcome: [u64; Outcome::ALL.len()],
    /// Response and service times of the successes.
    response_ns: Vec<i64>,
    service_ns: Vec<i64>,
    lag_ns: Vec<i64>,
}

impl Second {
    fn take(&mut self, rows: &Decoded, place: usize, outcome: Outcome) {
        self.offered += 1;
        self.by_outcome[outcome as usize] += 1;
        self.lag_ns.push(rows.lag_ns[place]);
        if outcome.is_ok() {
            self.response_ns.push(rows.response_ns[place]);
            self.service_ns.extend(rows.service_ns(place));
        }
    }

    /// Makes the row of the series, and room for the next second.
    fn close(mut self, rows: &mut Vec<SecondRow>) -> Self {
        let millis = |ns: Option<i64>| ns.map(|ns| ns as f64 / 1e6);
        let micros = |ns: Option<i64>| ns.map(|ns| ns as f64 / 1e3);
        let of = |outcome: Outcome| self.by_outcome[outcome as usize];
        let ok = of(Outcome::Ok);
        let mut response = Selected::new(&mut self.response_ns);
        let [p50, p90, p95, p99] = [0.5, 0.9, 0.95, 0.99].map(|level| response.at(level));
        let response_max = response.at(1.0);
        let mut service = Selected::new(&mut self.service_ns);
        let [service_p50, service_p99] = [0.5, 0.99].map(|level| service.at(level));
        let mut lag = Selected::new(&mut self.lag_ns);
        let [lag_p50, lag_p99, lag_max] = [0.5, 0.99, 1.0].map(|level| lag.at(level));
        if let Ok(t_s) = u64::try_from(self.second) {
            rows.push(SecondRow {
                t_s,
                offered: self.offered,
                ok,
                failed: self.offered - ok,
                dropped: of(Outcome::Dropped),
                http_error: of(Outcome::HttpError),
                check_failed: of(Outcome::CheckFailed),
                timeout: of(Outcome::Timeout),
                connect_error: of(Outcome::ConnectError),
                reset: of(Outcome::Reset),
                protocol_error: of(Outcome::ProtocolError),
                cancelled: of(Outcome::Cancelled),
                response_p50_ms: millis(p50),
                response_p90_ms: millis(p90),
                response_p95_ms: millis(p95),
                response_p99_ms: millis(p99),
                response_max_ms: millis(response_max),
                service_p50_ms: millis(service_p50),
                service_p99_ms: millis(service_p99),
                lag_p50_us: micros(lag_p50),
                lag_p99_us: micros(lag_p99),
                lag_max_us: micros(lag_max),
                ..SecondRow::default()
            });
        }
        self.response_ns.clear();
        self.service_ns.clear();
        self.lag_ns.clear();
        Self { second: 0, offered: 0, by_outcome: [0; Outcome::ALL.len()], ..self }
    }
}

/// Quantiles of values in any order, asked for in ascending order: each is selected among what is
/// above the one before.
struct Selected<'a> {
    values: &'a mut [i64],
    /// Values that are in their place.
    settled: usize,
}

impl<'a> Selected<'a> {
    fn new(values: &'a mut [i64]) -> Self {
        // Equal values are in their place.
        let are_equal = values.iter().all(|value| *value == values[0]);
        let settled = if are_equal { values.len() } else { 0 };
        Self { values, settled }
    }

    fn at(&mut self, level: f64) -> Option<i64> {
        let place = rank(self.values.len(), level) - 1;
        if place >= self.settled && place < self.values.len() {
            self.values[self.settled..].select_nth_unstable(place - self.settled);
            self.settled = place + 1;
        }
        self.values.get(place).copied()
    }
}

/// What is counted when it happened, by second.
struct Happened {
    sent: Vec<u64>,
    completed: Vec<u64>,
    ended: Vec<u64>,
}

impl Happened {
    fn new(seconds: usize) -> Self {
        let none = || vec![0; seconds];
        Self { sent: none(), completed: none(), ended: none() }
    }

    fn take(&mut self, rows: &Decoded, place: usize, outcome: Outcome) {
        let Some(sent_at) = rows.sent_at(place) else { return };
        if let Some(sent) = self.sent.get_mut(second_of(sent_at) as usize) {
            *sent += 1;
        }
        let end = second_of(rows.finished_at(place)) as usize;
        if let (Some(completed), Some(ended)) =
            (self.completed.get_mut(end), self.ended.get_mut(end))
        {
            *completed += u64::from(outcome.is_completed());
            *ended += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.sent, &other.sent),
            (&mut self.completed, &other.completed),
            (&mut self.ended, &other.ended),
        ];
        for (counts, more) in pairs {
            counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
        }
    }

    /// Fills in what was sent, completed and in flight.
    fn fill(&self, series: &mut [SecondRow]) {
        let mut in_flight = 0_u64;
        let counts = self.sent.iter().zip(&self.completed).zip(&self.ended);
        for (second, ((sent, completed), ended)) in series.iter_mut().zip(counts) {
            second.sent = *sent;
            second.completed = *completed;
            in_flight = (in_flight + sent).saturating_sub(*ended);
            second.in_flight = in_flight;
        }
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

#[cfg(test)]
mod tests {
    use openload_contract::Role;
    use polars::prelude::*;

    use super::{Selected, seconds};
    use crate::run::Run;
    use crate::store::Fields;
    use crate::testing::{Simulated, exponential, fail, open, phase};

    /// All rows as a data frame: second, whether ok and dropped, response, service, lag.
    fn frame(run: &Run) -> DataFrame {
        let kinds = run.samples.kinds();
        let (mut t_s, mut ok, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
        let (mut response, mut service, mut lag) = (Vec::new(), Vec::new(), Vec::new());
        run.samples.columns().all().visit(Fields::ALL, |rows, places| {
            for place in places.iter() {
                let outcome = kinds[rows.code(place)].outcome;
                t_s.push(rows.intended_ns[place] / 1_000_000_000);
                ok.push(outcome.is_ok());
                dropped.push(outcome == openload_contract::Outcome::Dropped);
                response.push(outcome.is_ok().then_some(rows.response_ns[place]));
                service.push(rows.service_ns(place).filter(|_| outcome.is_ok()));
                lag.push(rows.lag_ns[place]);
            }
        });
        let columns = vec![
            Column::new("t_s".into(), t_s),
            Column::new("is_ok".into(), ok),
            Column::new("is_dropped".into(), dropped),
            Column::new("response".into(), response),
            Column::new("service".into(), service),
            Column::new("lag".into(), lag),
        ];
        DataFrame::new(columns[0].len(), columns).unwrap()
    }

    const TIMES: [(&str, f64); 9] = [
        ("response", 0.5),
        ("response", 0.9),
        ("response", 0.95),
        ("response", 0.99),
        ("service", 0.5),
        ("service", 0.99),
        ("lag", 0.5),
        ("lag", 0.99),
        ("lag", 1.0),
    ];

    #[test]
    fn the_series_is_that_of_a_data_frame_grouped_by_second() {
        let mut run = Simulated::new(&[phase("hold", Role::Steady, 40_000.0, 6.5)], 1_000_000);
        let noise = exponential(8, run.rows.len());
        for (row, noise) in run.rows.iter_mut().zip(noise) {
            row.response_ns = 60_000 + (noise * 4e6) as i64;
            row.lag_ns = (noise * noise * 1e4) as i64;
            match row.seq % 31 {
                3 => fail(row, openload_contract::Outcome::Dropped),
                4 => fail(row, openload_contract::Outcome::Timeout),
                _ => {}
            }
        }
        let run = open(&run);
        let mut wanted = vec![len().alias("offered"), col("is_ok").sum(), col("is_dropped").sum()];
        wanted.extend(TIMES.iter().enumerate().map(|(index, (name, level))| {
            let value = col(*name).quantile(lit(*level), QuantileMethod::Equiprobable);
            value.cast(DataType::Int64).alias(format!("time_{index}"))
        }));
        let grouped = frame(&run).lazy().group_by([col("t_s")]).agg(wanted);
        let grouped = grouped.sort(["t_s"], SortMultipleOptions::default()).collect().unwrap();
        let series = seconds(&run);
        assert!(series.len() >= grouped.height() && grouped.height() == 7);
        let count = |name: &str, row: usize| {
            let column = grouped.column(name).unwrap().cast(&DataType::Int64).unwrap();
            column.i64().unwrap().get(row)
        };
        for (row, found) in series.iter().take(grouped.height()).enumerate() {
            assert_eq!(count("t_s", row), Some(found.t_s as i64));
            assert_eq!(count("offered", row), Some(found.offered as i64));
            assert_eq!(count("is_ok", row), Some(found.ok as i64));
            assert_eq!(count("is_dropped", row), Some(found.dropped as i64));
            let times = [
                found.response_p50_ms,
                found.response_p90_ms,
                found.response_p95_ms,
                found.response_p99_ms,
                found.service_p50_ms,
                found.service_p99_ms,
                found.lag_p50_us,
                found.lag_p99_us,
                found.lag_max_us,
            ];
            for (index, time) in times.into_iter().enumerate() {
                let unit_ns = if TIMES[index].0 == "lag" { 1e3 } else { 1e6 };
                let expected = count(&format!("time_{index}"), row).map(|ns| ns as f64 / unit_ns);
                assert_eq!(time, expected, "{row} {:?}", TIMES[index]);
            }
        }
    }

    #[test]
    fn quantiles_are_selected_one_above_the_other() {
        let mut values: Vec<i64> = (1..=1_000).rev().collect();
        let mut selected = Selected::new(&mut values);
        let found = [0.0005, 0.5, 0.9, 0.9, 0.99, 1.0].map(|level| selected.at(level));
        assert_eq!(found, [1, 500, 900, 900, 990, 1_000].map(Some));
        assert_eq!(Selected::new(&mut []).at(0.5), None);
    }
}

//! The run second by second: the columns of `timeseries.csv` and of the report's charts.
//!
//! One table names every numeric column, so that the file and the charts cannot differ.
//! A long run has more seconds than a chart has pixels: [`thin`] joins neighbours into
//! steps. Counts may be averaged over a step. Percentiles may not: a step shows its worst
//! second, and whoever draws it must say so.

use openload_contract::summary::SecondRow;

/// How several seconds become one step of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Mean per second: for counts.
    Mean,
    /// The greatest second: for percentiles and levels.
    Worst,
}

/// One numeric column.
pub struct Field {
    /// Name, as in [`SecondRow`].
    pub name: &'static str,
    /// How several seconds become one.
    pub join: Join,
    /// Reads the value of a second.
    pub get: fn(&SecondRow) -> Option<f64>,
}

const fn field(name: &'static str, join: Join, get: fn(&SecondRow) -> Option<f64>) -> Field {
    Field { name, join, get }
}

/// Every numeric column after `t_s` and `phase`, in file order.
pub const FIELDS: [Field; 27] = [
    field("offered", Join::Mean, |row| Some(row.offered as f64)),
    field("sent", Join::Mean, |row| Some(row.sent as f64)),
    field("completed", Join::Mean, |row| Some(row.completed as f64)),
    field("ok", Join::Mean, |row| Some(row.ok as f64)),
    field("failed", Join::Mean, |row| Some(row.failed as f64)),
    field("dropped", Join::Mean, |row| Some(row.dropped as f64)),
    field("http_error", Join::Mean, |row| Some(row.http_error as f64)),
    field("check_failed", Join::Mean, |row| Some(row.check_failed as f64)),
    field("timeout", Join::Mean, |row| Some(row.timeout as f64)),
    field("connect_error", Join::Mean, |row| Some(row.connect_error as f64)),
    field("reset", Join::Mean, |row| Some(row.reset as f64)),
    field("protocol_error", Join::Mean, |row| Some(row.protocol_error as f64)),
    field("cancelled", Join::Mean, |row| Some(row.cancelled as f64)),
    field("in_flight", Join::Worst, |row| Some(row.in_flight as f64)),
    field("response_p50_ms", Join::Worst, |row| row.response_p50_ms),
    field("response_p90_ms", Join::Worst, |row| row.response_p90_ms),
    field("response_p95_ms", Join::Worst, |row| row.response_p95_ms),
    field("response_p99_ms", Join::Worst, |row| row.response_p99_ms),
    field("response_max_ms", Join::Worst, |row| row.response_max_ms),
    field("service_p50_ms", Join::Worst, |row| row.service_p50_ms),
    field("service_p99_ms", Join::Worst, |row| row.service_p99_ms),
    field("lag_p50_us", Join::Worst, |row| row.lag_p50_us),
    field("lag_p99_us", Join::Worst, |row| row.lag_p99_us),
    field("lag_max_us", Join::Worst, |row| row.lag_max_us),
    field("cpu_cores", Join::Worst, |row| row.cpu_cores),
    field("rss_bytes", Join::Worst, |row| row.rss_bytes.map(|bytes| bytes as f64)),
    field("target_rss_bytes", Join::Worst, |row| row.target_rss_bytes.map(|bytes| bytes as f64)),
];

/// Finds a column by its name.
pub fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// Seconds joined into steps of equal length.
pub struct Steps<'a> {
    /// Seconds in a step; the last one may hold fewer.
    pub width: usize,
    rows: &'a [SecondRow],
}

/// Joins seconds so that at most `limit` steps are left.
pub fn thin(rows: &[SecondRow], limit: usize) -> Steps<'_> {
    Steps { width: rows.len().div_ceil(limit).max(1), rows }
}

impl Steps<'_> {
    /// Returns the second in which each step begins.
    pub fn starts(&self) -> Vec<u64> {
        self.rows.chunks(self.width).map(|step| step[0].t_s).collect()
    }

    /// Returns a column, one value a step.
    pub fn column(&self, field: &Field) -> Vec<Option<f64>> {
        self.rows.chunks(self.width).map(|step| field.join(step)).collect()
    }
}

impl Field {
    /// Tells whether the values of single seconds are whole numbers.
    pub fn is_count(&self) -> bool {
        let is_measured = self.name.ends_with("_ms") || self.name.ends_with("_us");
        !is_measured && self.name != "cpu_cores"
    }

    fn join(&self, step: &[SecondRow]) -> Option<f64> {
        let known = step.iter().filter_map(self.get);
        match self.join {
            Join::Worst => known.reduce(f64::max),
            Join::Mean => Some(known.sum::<f64>() / step.len() as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use openload_contract::summary::SecondRow;

    use super::{FIELDS, find, thin};

    fn row(t_s: u64) -> SecondRow {
        let response_p99_ms = (t_s != 1).then_some(t_s as f64);
        SecondRow { t_s, offered: t_s, response_p99_ms, ..SecondRow::default() }
    }

    #[test]
    fn the_table_names_every_field_of_a_second() {
        let row = serde_json::to_value(SecondRow::default()).unwrap();
        let mut names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
        names.extend(["t_s", "phase"]);
        names.sort_unstable();
        assert_eq!(names, row.as_object().unwrap().keys().collect::<Vec<_>>());
    }

    #[test]
    fn counts_are_told_from_times() {
        let counts = FIELDS.iter().filter(|field| field.is_count()).map(|field| field.name);
        let times = FIELDS.iter().filter(|field| !field.is_count()).map(|field| field.name);
        assert!(times.clone().all(|name| !name.ends_with("bytes") && name != "offered"));
        assert_eq!((counts.count(), times.count()), (16, 11));
    }

    #[test]
    fn a_short_run_is_left_alone() {
        let rows: Vec<_> = (0..5).map(row).collect();
        let steps = thin(&rows, 5);
        assert_eq!((steps.width, steps.starts()), (1, vec![0, 1, 2, 3, 4]));
        let p99 = steps.column(find("response_p99_ms").unwrap());
        assert_eq!(p99, [Some(0.0), None, Some(2.0), Some(3.0), Some(4.0)]);
    }

    #[test]
    fn counts_are_averaged_and_percentiles_never() {
        let rows: Vec<_> = (0..5).map(row).collect();
        let steps = thin(&rows, 3);
        assert_eq!((steps.width, steps.starts()), (2, vec![0, 2, 4]));
        assert_eq!(steps.column(find("offered").unwrap()), [Some(0.5), Some(2.5), Some(4.0)]);
        let p99 = steps.column(find("response_p99_ms").unwrap());
        assert_eq!(p99, [Some(0.0), Some(3.0), Some(4.0)]);
    }

    #[test]
    fn no_seconds_make_no_steps() {
        assert_eq!(thin(&[], 10).starts(), [0; 0]);
    }
}

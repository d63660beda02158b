//! How response times are spread, second by second: the heat map of the report.
//!
//! Quantiles over time hide what lies between them: two groups of requests, a few that wait for
//! a timer, a wave that comes back. The map counts the successes in cells of intended start and
//! response time, eight cells a decade; failures have no place on the axis and are counted beside.

use crate::load::Columns;
use crate::numeric::SECOND_NS;
use crate::parallel;
use crate::rows::Rows;
use crate::store::Fields;
use crate::survey::Memo;

/// Cells for each factor of ten.
const PER_DECADE: f64 = 8.0;

/// Columns at most: each covers one second, or as many as a long run needs.
const COLUMNS_MAX: i64 = 300;

/// Shortest response time told apart, ns: everything below shares the lowest cell.
const SHORTEST_NS: i64 = 10_000;

/// Counts of successes by intended start and response time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeatMap {
    /// Seconds that a column covers.
    pub step_s: i64,
    /// Lower edge of the lowest cell in ms.
    pub lowest_ms: f64,
    /// Factor from one cell to the next.
    pub factor: f64,
    /// Columns from the run's start on.
    pub columns: Vec<HeatColumn>,
}

/// One column of the map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeatColumn {
    /// Cell, from the lowest one, and the successes in it; empty cells are left out.
    pub cells: Vec<(u32, u64)>,
    /// Arrivals that did not end ok.
    pub failed: u64,
}

/// Counts the measured and unmeasured arrivals of a run.
pub fn heat_map(columns: Columns<'_>) -> HeatMap {
    let Some(last_ns) = columns.last_ns() else { return HeatMap::default() };
    let seconds = last_ns.max(0) / SECOND_NS + 1;
    let step_s = (seconds + COLUMNS_MAX - 1) / COLUMNS_MAX;
    let count = ((seconds + step_s - 1) / step_s) as usize;
    // A logarithm for each row would take longer than everything else here.
    let cells = Memo::new(|time_ns| cell(time_ns) as u32);
    let rows = columns.all();
    let mut counts = parallel::map(count, |index| {
        let edge = |index: usize| index as i64 * step_s * SECOND_NS;
        let start_ns = if index == 0 { i64::MIN } else { edge(index) };
        heat_column(&rows.between(start_ns, edge(index + 1)), &cells)
    });
    let firsts = counts.iter().filter_map(|column| Some(column.cells.first()?.0));
    let lowest = firsts.min().unwrap_or(0);
    let all = counts.iter_mut().flat_map(|column| &mut column.cells);
    all.for_each(|cell| cell.0 -= lowest);
    let factor = 10_f64.powf(1.0 / PER_DECADE);
    let lowest_ms = SHORTEST_NS as f64 / 1e6 * factor.powi(lowest as i32);
    HeatMap { step_s, lowest_ms, factor, columns: counts }
}

/// Counts the arrivals of one column.
fn heat_column(rows: &Rows<'_>, cell_of: &Memo<impl Fn(i64) -> u32>) -> HeatColumn {
    let is_ok = rows.columns().mask(|kind| kind.outcome.is_ok());
    let (mut cells, mut failed) = (Vec::<u64>::new(), 0);
    rows.visit(Fields::RESPONSE, |rows, places| {
        for place in places.iter() {
            if !is_ok[rows.code(place)] {
                failed += 1;
                continue;
            }
            let cell = cell_of.get(rows.response_ns[place]) as usize;
            if cell >= cells.len() {
                cells.resize(cell + 1, 0);
            }
            cells[cell] += 1;
        }
    });
    let filled = (0..).zip(cells).filter(|(_, count)| *count > 0);
    HeatColumn { cells: filled.collect(), failed }
}

/// The cell of a response time.
fn cell(response_ns: i64) -> usize {
    let decades = (response_ns.max(SHORTEST_NS) as f64 / SHORTEST_NS as f64).log10();
    // A time on an edge belongs to the cell above it, whatever the last bit of the logarithm.
    (PER_DECADE * decades + 1e-9) as usize
}

#[cfg(test)]
mod tests {
    use openload_contract::{Outcome, Role};

    use super::*;
    use crate::testing::{Simulated, fail, open, phase};

    #[test]
    fn every_arrival_is_in_the_map_at_its_place() {
        let mut run = Simulated::new(&[phase("hold", Role::Steady, 500.0, 10.0)], 1_000_000);
        run.rows.iter_mut().step_by(5).for_each(|row| row.response_ns = 100_000_000);
        run.rows.iter_mut().skip(1).step_by(10).for_each(|row| fail(row, Outcome::HttpError));
        let run = open(&run);
        let map = heat_map(run.samples.columns());
        assert_eq!((map.step_s, map.columns.len()), (1, 10));
        assert!((map.lowest_ms - 1.0).abs() < 1e-9, "{}", map.lowest_ms);
        let ok: u64 = map.columns.iter().flat_map(|column| &column.cells).map(|cell| cell.1).sum();
        let failed: u64 = map.columns.iter().map(|column| column.failed).sum();
        assert_eq!(ok + failed, run.samples.len() as u64);
        for column in &map.columns {
            let places: Vec<u32> = column.cells.iter().map(|cell| cell.0).collect();
            // 100 ms is two decades above 1 ms.
            assert_eq!(places, [0, 16]);
            assert!(column.failed > 20);
        }
    }

    #[test]
    fn a_long_run_has_no_more_columns_than_a_screen() {
        let run = open(&Simulated::new(&[phase("hold", Role::Soak, 1.0, 4_000.0)], 1_000_000));
        let map = heat_map(run.samples.columns());
        assert_eq!(map.step_s, 14);
        assert!(map.columns.len() <= 300);
    }

    #[test]
    fn times_beyond_the_axis_share_the_cells_at_its_ends() {
        assert_eq!((cell(-5), cell(0), cell(SHORTEST_NS)), (0, 0, 0));
        assert_eq!(cell(i64::MAX), 119);
    }
}

//! SQL over the samples of runs.
//!
//! Two tables: `samples`, one row a request with the columns of the contract, and `seconds`, one
//! row a second with those of `timeseries.csv`. Rows of several runs stand in one table, told
//! apart by the column `run`. The engine is that of polars; `QUANTILE_DISC` is the quantile of
//! the summary (the inverse of the empirical distribution), but of the times as they stand: a
//! failure counts with the time it took, not as infinitely slow.
//!
//! Only the columns whose names stand in the query are read, all of them for a `*`. Memory is 8
//! bytes a row for each number and 16 for each name.

use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int64Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, PrimitiveArray, RecordBatch};
use openload_contract::columns::{self, ColumnType};
use openload_contract::summary::SecondRow;
use openload_samples::{read_parts, recover};
use polars::prelude::*;
use polars::sql::{SQLContext, extract_table_identifiers};
use thiserror::Error as ThisError;

use crate::Error;
use crate::output::second::FIELDS;
use crate::output::table::{Answer, Cell};
use crate::run::{Run, read_manifest};
use crate::seconds::seconds;

/// The requests of the runs.
const SAMPLES: &str = "samples";
/// The runs second by second.
const SECONDS: &str = "seconds";
/// Column that names the run: its folder.
const RUN: &str = "run";

/// A query could not be answered.
#[derive(Debug, ThisError)]
pub enum QueryError {
    /// A run directory cannot be read.
    #[error(transparent)]
    Run(#[from] Error),
    /// The engine does not understand the query, or a name in it.
    #[error("the query cannot be answered: {message}\n{}", tables())]
    Sql {
        /// What the engine says.
        message: String,
    },
}

/// Answers an SQL query over runs; journals that a killed run left become parts first.
///
/// # Errors
/// When a directory is not one of a run or a file in it cannot be read, and when the query is
/// not SQL or names a table or a column that is not there.
pub fn query(sql: &str, run_dirs: &[PathBuf]) -> Result<Answer, QueryError> {
    let names = extract_table_identifiers(sql, false, true).map_err(refused)?;
    let asks_for = |table: &str| names.iter().any(|name| name.eq_ignore_ascii_case(table));
    let has_run = run_dirs.len() > 1 || names_word(sql, RUN);
    let mut context = SQLContext::new();
    if asks_for(SAMPLES) {
        let table = table(run_dirs, has_run, |dir| samples_of(dir, &wanted(sql)))?;
        context.register(SAMPLES, table.lazy());
    }
    if asks_for(SECONDS) {
        let table = table(run_dirs, has_run, seconds_of)?;
        context.register(SECONDS, table.lazy());
    }
    let frame = context.execute(sql).and_then(LazyFrame::collect).map_err(refused)?;
    answer(&frame).map_err(refused)
}

fn refused(error: PolarsError) -> QueryError {
    let message = error.to_string();
    // The engine knows only the columns that were read.
    let message = message.split("; valid columns").next().unwrap_or(&message);
    QueryError::Sql { message: message.to_owned() }
}

/// The tables with their columns, for whoever named one wrongly.
fn tables() -> String {
    let list = |names: Vec<&str>| names.join(", ");
    let of_samples = list(columns::COLUMNS.iter().map(|column| column.name).collect());
    let of_seconds = list(FIELDS.iter().map(|field| field.name).collect());
    format!(
        "  {SAMPLES} has {of_samples} and {RUN}\n  {SECONDS} has t_s, phase, {of_seconds} and {RUN}"
    )
}

/// Tells whether a name stands in the query, in whatever case.
fn names_word(sql: &str, name: &str) -> bool {
    let mut words = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.any(|word| word.eq_ignore_ascii_case(name))
}

/// The columns of the samples that a query may need; never none, for rows must be counted.
fn wanted(sql: &str) -> Vec<&'static str> {
    let counted: String = sql.chars().filter(|c| !c.is_whitespace()).collect();
    let counted = counted.to_ascii_lowercase().replace("count(*)", "");
    let is_all = counted.contains('*');
    let all = columns::COLUMNS.iter().map(|column| column.name);
    let named: Vec<_> = all.filter(|name| is_all || names_word(sql, name)).collect();
    if named.is_empty() { vec![columns::COLUMNS[0].name] } else { named }
}

/// The rows of all runs, with the name of the run if it is asked for.
fn table(
    run_dirs: &[PathBuf],
    has_run: bool,
    rows_of: impl Fn(&Path) -> Result<DataFrame, Error>,
) -> Result<DataFrame, Error> {
    let mut table: Option<DataFrame> = None;
    for run_dir in run_dirs {
        let mut rows = rows_of(run_dir)?;
        if has_run {
            let name = run_dir.file_name().unwrap_or(run_dir.as_os_str()).to_string_lossy();
            let column = StringChunked::full(RUN.into(), &name, rows.height());
            rows.with_column(column.into_column())?;
        }
        match &mut table {
            None => table = Some(rows),
            Some(table) => {
                table.vstack_mut_owned(rows)?;
            }
        }
    }
    Ok(table.unwrap_or_default())
}

/// The samples of a run, in the order of its files.
fn samples_of(run_dir: &Path, wanted: &[&'static str]) -> Result<DataFrame, Error> {
    read_manifest(run_dir)?;
    recover(run_dir)?;
    let mut table = frame_of(&RecordBatch::new_empty(openload_samples::schema()), wanted)?;
    for batch in read_parts(run_dir, wanted)? {
        table.vstack_mut_owned(frame_of(&batch?, wanted)?)?;
    }
    Ok(table)
}

/// A batch as the engine has it; small whole numbers are widened to 32 bits, names become text.
fn frame_of(batch: &RecordBatch, wanted: &[&'static str]) -> Result<DataFrame, Error> {
    let mut frame = Vec::new();
    for column in columns::COLUMNS.iter().filter(|column| wanted.contains(&column.name)) {
        let name = PlSmallStr::from_static(column.name);
        frame.push(match column.kind {
            ColumnType::U64 => {
                let values = numbers::<UInt64Type>(batch, column.name)?;
                UInt64Chunked::from_iter_options(name, values.iter()).into_column()
            }
            ColumnType::I64 => {
                let values = numbers::<Int64Type>(batch, column.name)?;
                Int64Chunked::from_iter_options(name, values.iter()).into_column()
            }
            ColumnType::U32 => {
                let values = numbers::<UInt32Type>(batch, column.name)?;
                UInt32Chunked::from_iter_options(name, values.iter()).into_column()
            }
            ColumnType::U16 => {
                let values = numbers::<UInt16Type>(batch, column.name)?;
                let values = values.iter().map(|value| value.map(u32::from));
                UInt32Chunked::from_iter_options(name, values).into_column()
            }
            ColumnType::Dictionary => texts(batch, column.name)?.into_column(),
        });
    }
    Ok(DataFrame::new(batch.num_rows(), frame)?)
}

fn numbers<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    column: &'static str,
) -> Result<&'a PrimitiveArray<T>, Error> {
    let found = batch.column_by_name(column).and_then(|array| array.as_primitive_opt::<T>());
    found.ok_or(Error::Column { column })
}

fn texts(batch: &RecordBatch, column: &'static str) -> Result<StringChunked, Error> {
    let array = batch.column_by_name(column);
    let array = array.and_then(|array| array.as_dictionary_opt::<UInt16Type>());
    let array = array.ok_or(Error::Column { column })?;
    let names = array.values().as_string_opt::<i32>().ok_or(Error::Column { column })?;
    let text = |row: usize| {
        let code = array.key(row)?;
        (code < names.len() && names.is_valid(code)).then(|| names.value(code))
    };
    let texts = (0..batch.num_rows()).map(text);
    Ok(StringChunked::from_iter_options(PlSmallStr::from_static(column), texts))
}

/// A run second by second.
fn seconds_of(run_dir: &Path) -> Result<DataFrame, Error> {
    let rows = seconds(&Run::open(run_dir)?);
    let seconds = rows.iter().map(|row| row.t_s).collect();
    let phases = rows.iter().map(|row| Some(row.phase.as_str()));
    let mut frame = vec![
        UInt64Chunked::from_vec("t_s".into(), seconds).into_column(),
        StringChunked::from_iter_options("phase".into(), phases).into_column(),
    ];
    for field in &FIELDS {
        let values = |row: &SecondRow| (field.get)(row);
        let name = PlSmallStr::from_static(field.name);
        frame.push(if field.is_count() {
            // Counts come as f64, which holds every one below 2⁵³.
            let values = rows.iter().map(values).map(|value| value.map(|count| count as u64));
            UInt64Chunked::from_iter_options(name, values).into_column()
        } else {
            Float64Chunked::from_iter_options(name, rows.iter().map(values)).into_column()
        });
    }
    Ok(DataFrame::new(rows.len(), frame)?)
}

fn answer(frame: &DataFrame) -> PolarsResult<Answer> {
    let columns = frame.get_column_names().iter().map(|name| name.to_string()).collect();
    let mut rows = Vec::with_capacity(frame.height());
    for row in 0..frame.height() {
        let cells = frame.columns().iter().map(|column| column.get(row).map(|value| cell(&value)));
        rows.push(cells.collect::<PolarsResult<_>>()?);
    }
    Ok(Answer { columns, rows })
}

fn cell(value: &AnyValue<'_>) -> Cell {
    match value {
        AnyValue::Null => Cell::Null,
        AnyValue::Boolean(truth) => Cell::Truth(*truth),
        AnyValue::String(text) => Cell::Text((*text).to_owned()),
        AnyValue::StringOwned(text) => Cell::Text(text.to_string()),
        value if value.is_integer() => value.extract().map_or(Cell::Null, Cell::Whole),
        value if value.is_float() => value.extract().map_or(Cell::Null, Cell::Real),
        other => Cell::Text(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use openload_contract::{Outcome, Role};

    use super::{QueryError, names_word, query, wanted};
    use crate::output::table::{Answer, Cell};
    use crate::run::Run;
    use crate::seconds::seconds;
    use crate::testing::{Simulated, fail, phase};

    fn simulated() -> Simulated {
        let mut run = Simulated::new(&[phase("hold", Role::Steady, 50.0, 4.0)], 2_000_000);
        fail(&mut run.rows[3], Outcome::Dropped);
        fail(&mut run.rows[4], Outcome::HttpError);
        run.seal();
        run
    }

    fn asked(sql: &str, runs: &[&Simulated]) -> Result<Answer, QueryError> {
        let dir = tempfile::tempdir().unwrap();
        let write = |(number, run): (usize, &&Simulated)| {
            let run_dir = dir.path().join(format!("run-{number}"));
            std::fs::create_dir(&run_dir).unwrap();
            run.write(&run_dir);
            run_dir
        };
        let run_dirs: Vec<_> = runs.iter().enumerate().map(write).collect();
        query(sql, &run_dirs)
    }

    fn rows(sql: &str) -> Vec<Vec<Cell>> {
        asked(sql, &[&simulated()]).unwrap().rows
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn only_named_columns_are_read_and_all_for_a_star() {
        assert_eq!(wanted("SELECT COUNT( * ) FROM samples"), ["seq"]);
        let sql = "select outcome, max(Response_NS) from samples where status = 200";
        assert_eq!(wanted(sql), ["response_ns", "status", "outcome"]);
        assert_eq!(wanted("SELECT * FROM samples").len(), 17);
        assert!(!names_word("SELECT t_s AS rerun FROM seconds", "run"));
    }

    #[test]
    fn samples_are_counted_grouped_and_ordered() {
        let all = simulated().rows.len() as i128;
        assert_eq!(rows("SELECT COUNT(*) FROM samples"), [[Cell::Whole(all)]]);
        let sql = "SELECT outcome, COUNT(*) AS n, MAX(status) FROM samples GROUP BY outcome \
                   ORDER BY n DESC, outcome";
        let counts = [
            [text("ok"), Cell::Whole(all - 2), Cell::Whole(200)],
            [text("dropped"), Cell::Whole(1), Cell::Null],
            [text("http_error"), Cell::Whole(1), Cell::Whole(500)],
        ];
        assert_eq!(rows(sql), counts);
        let sql = "SELECT * FROM samples ORDER BY seq LIMIT 1";
        assert_eq!(rows(sql)[0].len(), 17);
    }

    #[test]
    fn a_quantile_is_that_of_the_summary() {
        let mut run = simulated();
        for row in &mut run.rows {
            row.response_ns = 1_000_000 * (1 + (row.seq as i64 * 7) % 40);
        }
        let mut times: Vec<i64> =
            run.rows.iter().filter(|row| row.outcome.is_ok()).map(|row| row.response_ns).collect();
        times.sort_unstable();
        let sql = "SELECT QUANTILE_DISC(response_ns, 0.95) FROM samples WHERE outcome = 'ok'";
        let expected = crate::quantile::of_sorted(&times, 0.95).unwrap() as f64;
        assert_eq!(asked(sql, &[&run]).unwrap().rows, [[Cell::Real(expected)]]);
    }

    #[test]
    fn seconds_are_those_of_the_time_series() {
        let dir = tempfile::tempdir().unwrap();
        simulated().write(dir.path());
        let series = seconds(&Run::open(dir.path()).unwrap());
        let sql = "SELECT t_s, phase, offered, response_p99_ms FROM seconds WHERE t_s < 4 \
                   ORDER BY t_s";
        let found = query(sql, &[dir.path().to_owned()]).unwrap();
        let expected = series.iter().take(4).map(|row| {
            vec![
                Cell::Whole(i128::from(row.t_s)),
                text(&row.phase),
                Cell::Whole(i128::from(row.offered)),
                row.response_p99_ms.map_or(Cell::Null, Cell::Real),
            ]
        });
        assert_eq!(found.rows, expected.collect::<Vec<_>>());
    }

    #[test]
    fn several_runs_are_told_apart_by_their_folders() {
        let one = simulated();
        let sql = "SELECT run, COUNT(*) FROM samples GROUP BY run ORDER BY run";
        let count = Cell::Whole(one.rows.len() as i128);
        let found = asked(sql, &[&one, &one]).unwrap();
        assert_eq!(found.rows, [[text("run-0"), count.clone()], [text("run-1"), count]]);
        let joined = "SELECT COUNT(*) FROM samples JOIN seconds ON samples.run = seconds.run \
                      WHERE t_s = 0";
        assert!(asked(joined, &[&one]).is_ok());
    }

    #[test]
    fn a_killed_run_is_recovered_first() {
        let dir = tempfile::tempdir().unwrap();
        simulated().write_killed(dir.path());
        let found = query("SELECT COUNT(*) FROM samples", &[dir.path().to_owned()]).unwrap();
        assert_eq!(found.rows, [[Cell::Whole(simulated().rows.len() as i128)]]);
    }

    #[test]
    fn what_is_wrong_with_a_query_is_said_with_what_there_is() {
        for sql in ["SELEKT", "SELECT nothing FROM samples", "SELECT 1 FROM sample", ""] {
            let error = asked(sql, &[&simulated()]).unwrap_err().to_string();
            assert!(error.contains("samples has seq, intended_ns"), "{sql}: {error}");
        }
        let dir = tempfile::tempdir().unwrap();
        let error = query("SELECT COUNT(*) FROM samples", &[dir.path().to_owned()]).unwrap_err();
        assert!(error.to_string().contains("run.json"), "{error}");
    }
}

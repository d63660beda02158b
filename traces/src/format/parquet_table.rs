//! Tables in Parquet, with the same maps as tables in text.
//!
//! The end of a Parquet file tells where everything is, so the input is first put into an
//! unnamed temporary file; then a batch of rows is in memory at a time, and of those only the
//! columns that are bound. Columns may be integers, floats, decimals, strings, bytes, dates, times
//! of day and time stamps of any unit; a time stamp in the time column is exact whatever unit
//! the map names. Time stamps without a zone follow the map's offset.
//!
//! The library that reads the file is not written against files made to hurt it: should it
//! panic, that is reported as an error of the file.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use jiff::civil::Date;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::table::{Cells, ColumnMap, Positions, Role, RowReader};
use super::value::{TimeForm, Unit};
use super::{Format, Sink};
use crate::record::SECOND_NS;

/// Rows in memory at a time.
const BATCH_ROWS: usize = 1024;

/// Reads a table in Parquet.
#[derive(Debug, Clone)]
pub struct ParquetTable {
    /// Which columns hold what.
    pub map: ColumnMap,
}

impl ParquetTable {
    /// Reads a table with these columns.
    pub fn new(map: ColumnMap) -> Self {
        Self { map }
    }
}

impl Format for ParquetTable {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()> {
        let file = spooled(input)?;
        let opened = guarded(|| {
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        })?;
        let names = opened.schema().fields().iter().map(|field| field.name().clone());
        let names = names.collect::<Vec<_>>();
        let positions = self.map.positions(Some(&names))?;

        let mut wanted = positions.iter().flatten().copied().collect::<Vec<_>>();
        wanted.sort_unstable();
        wanted.dedup();
        for &column in &wanted {
            let field = opened.schema().field(column);
            if !is_supported(field.data_type()) {
                let reason = format!(
                    "column `{}` of the Parquet file is of type {}: only numbers, text, dates and \
                     times can be read",
                    field.name(),
                    field.data_type()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        }
        let time = positions[Role::Time as usize].map(|at| opened.schema().field(at).data_type());
        let is_split = positions[Role::TimeOfDay as usize].is_some();
        let mut reader = match time {
            Some(DataType::Timestamp(unit, zone)) if !is_split => {
                reader_of_stamps(&self.map, *unit, zone.is_some())
            }
            _ => RowReader::new(self.map.clone()),
        };
        // Columns of a batch are in the order of the file.
        let positions: Positions =
            positions.map(|position| position.and_then(|at| wanted.binary_search(&at).ok()));
        let batches = guarded(|| {
            let mask = ProjectionMask::roots(opened.parquet_schema(), wanted.iter().copied());
            opened.with_projection(mask).with_batch_size(BATCH_ROWS).build()
        })?;
        read_batches(batches, &mut reader, &positions, sink)
    }
}

fn read_batches(
    mut batches: ParquetRecordBatchReader,
    reader: &mut RowReader,
    positions: &Positions,
    sink: &mut dyn Sink,
) -> io::Result<()> {
    let mut place = 0;
    let mut texts = Texts::default();
    while let Some(batch) = guarded(|| batches.next().transpose())? {
        for row in 0..batch.num_rows() {
            place += 1;
            texts.take(&batch, row)?;
            let cells: Cells<'_> =
                positions.map(|at| at.map(|at| texts.get(at)).unwrap_or_default());
            match reader.record(&cells, positions) {
                Ok(Some(record)) => sink.record(place, &record)?,
                Ok(None) => {}
                Err(reason) => sink.skip(place, reason, &texts.text)?,
            }
        }
    }
    Ok(())
}

/// Puts the input into a temporary file.
fn spooled(mut input: &mut dyn BufRead) -> io::Result<File> {
    const MAGIC: &[u8] = b"PAR1";
    let mut start = Vec::new();
    Read::take(&mut input, MAGIC.len() as u64).read_to_end(&mut start)?;
    if start != MAGIC {
        let reason = "this is no Parquet file: one begins with `PAR1`";
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let mut file = tempfile::tempfile()?;
    file.write_all(&start)?;
    io::copy(input, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// Runs a part of the library that reads the file.
fn guarded<T, E: std::fmt::Display>(read: impl FnOnce() -> Result<T, E>) -> io::Result<T> {
    let damaged = |reason: String| {
        let reason = format!("the Parquet file cannot be read: {reason}");
        io::Error::new(io::ErrorKind::InvalidData, reason)
    };
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| damaged(error.to_string())),
        Err(_) => Err(damaged("its contents contradict each other".to_owned())),
    }
}

/// A reader for a time column of time stamps, whose cells are given in ns.
fn reader_of_stamps(map: &ColumnMap, unit: TimeUnit, has_zone: bool) -> RowReader {
    let step_ns = match unit {
        TimeUnit::Second => SECOND_NS,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    let zone_offset_ns = map.zone_offset_s.saturating_mul(SECOND_NS);
    RowReader::new(ColumnMap {
        time_form: TimeForm::Number(Unit::Nanoseconds),
        resolution_ns: Some(map.resolution_ns.unwrap_or(step_ns)),
        base_ns: if has_zone { 0 } else { -zone_offset_ns },
        ..map.clone()
    })
}

fn is_supported(kind: &DataType) -> bool {
    use DataType::{
        Binary, Boolean, Date32, Decimal128, FixedSizeBinary, Float32, Float64, Int8, Int16, Int32,
        Int64, LargeBinary, LargeUtf8, Time32, Time64, Timestamp, UInt8, UInt16, UInt32, UInt64,
        Utf8,
    };
    match kind {
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Float32 | Float64 => true,
        Utf8 | LargeUtf8 | Binary | LargeBinary | FixedSizeBinary(_) | Boolean | Date32 => true,
        Decimal128(_, scale) => *scale >= 0,
        Time32(unit) => *unit == TimeUnit::Millisecond,
        Time64(_) | Timestamp(..) => true,
        _ => false,
    }
}

/// The cells of a row as text.
#[derive(Debug, Default)]
struct Texts {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn get(&self, column: usize) -> &[u8] {
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.ends.get(column).map_or(b"", |&end| &self.text[start..end])
    }

    fn take(&mut self, batch: &RecordBatch, row: usize) -> io::Result<()> {
        self.text.clear();
        self.ends.clear();
        for column in batch.columns() {
            if column.is_valid(row) {
                write_cell(&mut self.text, column, row)?;
            }
            self.ends.push(self.text.len());
        }
        Ok(())
    }
}

/// Appends a cell; what cannot be written stays empty.
fn write_cell(text: &mut Vec<u8>, column: &dyn Array, row: usize) -> io::Result<()> {
    fn value<T: ArrowPrimitiveType>(column: &dyn Array, row: usize) -> T::Native {
        column.as_primitive::<T>().value(row)
    }
    let scaled = |text: &mut Vec<u8>, ticks: i64, tick_ns: i64| {
        // Beyond 64 bits of ns there is no time: what is written is none either.
        match ticks.checked_mul(tick_ns) {
            Some(time_ns) => write!(text, "{time_ns}"),
            None => write!(text, "{ticks} is out of range"),
        }
    };
    match column.data_type() {
        DataType::Int8 => write!(text, "{}", value::<Int8Type>(column, row)),
        DataType::Int16 => write!(text, "{}", value::<Int16Type>(column, row)),
        DataType::Int32 => write!(text, "{}", value::<Int32Type>(column, row)),
        DataType::Int64 => write!(text, "{}", value::<Int64Type>(column, row)),
        DataType::UInt8 => write!(text, "{}", value::<UInt8Type>(column, row)),
        DataType::UInt16 => write!(text, "{}", value::<UInt16Type>(column, row)),
        DataType::UInt32 => write!(text, "{}", value::<UInt32Type>(column, row)),
        DataType::UInt64 => write!(text, "{}", value::<UInt64Type>(column, row)),
        DataType::Float32 => write!(text, "{}", value::<Float32Type>(column, row)),
        DataType::Float64 => write!(text, "{}", value::<Float64Type>(column, row)),
        DataType::Boolean => write!(text, "{}", column.as_boolean().value(row)),
        DataType::Decimal128(_, 0) => write!(text, "{}", value::<Decimal128Type>(column, row)),
        DataType::Decimal128(_, scale) => {
            let decimal = value::<Decimal128Type>(column, row);
            write!(text, "{decimal}e-{scale}")
        }
        DataType::Utf8 => text.write_all(column.as_string::<i32>().value(row).as_bytes()),
        DataType::LargeUtf8 => text.write_all(column.as_string::<i64>().value(row).as_bytes()),
        DataType::Binary => text.write_all(column.as_binary::<i32>().value(row)),
        DataType::LargeBinary => text.write_all(column.as_binary::<i64>().value(row)),
        DataType::FixedSizeBinary(_) => text.write_all(column.as_fixed_size_binary().value(row)),
        DataType::Date32 => {
            let days = jiff::Span::new().try_days(value::<Date32Type>(column, row));
            let date = days.and_then(|days| Date::constant(1970, 1, 1).checked_add(days));
            date.map_or(Ok(()), |date| write!(text, "{date}"))
        }
        DataType::Time32(_) => {
            write_time_of_day(text, i64::from(value::<Time32MillisecondType>(column, row)), 1_000)
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            write_time_of_day(text, value::<Time64MicrosecondType>(column, row), 1_000_000)
        }
        DataType::Time64(_) => {
            write_time_of_day(text, value::<Time64NanosecondType>(column, row), SECOND_NS)
        }
        DataType::Timestamp(TimeUnit::Second, _) => {
            scaled(text, value::<TimestampSecondType>(column, row), SECOND_NS)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            scaled(text, value::<TimestampMillisecondType>(column, row), 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            scaled(text, value::<TimestampMicrosecondType>(column, row), 1_000)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            scaled(text, value::<TimestampNanosecondType>(column, row), 1)
        }
        _ => Ok(()),
    }
}

/// Writes `HH:MM:SS` and the digits behind it that the unit has.
fn write_time_of_day(text: &mut Vec<u8>, ticks: i64, per_second: i64) -> io::Result<()> {
    let (seconds, rest) = (ticks.div_euclid(per_second), ticks.rem_euclid(per_second));
    let digits = per_second.ilog10() as usize;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    write!(text, "{hours:02}:{minutes:02}:{seconds:02}.{rest:0digits$}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array,
        StringArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
        UInt32Array,
    };
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{Compression, GzipLevel};
    use parquet::file::properties::WriterProperties;

    use super::*;
    use crate::format::testing::{Kept, mutated, read_all};
    use crate::record::{Moment, Skip};

    fn file(columns: Vec<(&str, ArrayRef)>, compression: Compression) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .unwrap();
        let properties = WriterProperties::builder().set_compression(compression).build();
        let mut bytes = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    fn map(form: &str, columns: &[(Role, &str)]) -> ColumnMap {
        ColumnMap::new(form.parse().unwrap(), Moment::Start).with(columns)
    }

    fn read(map: ColumnMap, bytes: &[u8]) -> Kept {
        read_all(&mut ParquetTable::new(map), bytes).unwrap()
    }

    /// A time stamp in microseconds, a dictionary, counts with a null, and a column not asked for.
    fn sample(compression: Compression) -> Vec<u8> {
        let models: DictionaryArray<Int32Type> =
            vec![Some("a"), None, Some("b")].into_iter().collect();
        file(
            vec![
                ("unused", Arc::new(StringArray::from(vec!["x"; 3])) as ArrayRef),
                ("model", Arc::new(models)),
                (
                    "at",
                    Arc::new(TimestampMicrosecondArray::from(vec![1_700_000_000_000_001, 2, -3])),
                ),
                ("tokens", Arc::new(UInt32Array::from(vec![Some(7), None, Some(9)]))),
            ],
            compression,
        )
    }

    #[test]
    fn time_stamps_are_exact_under_every_compression() {
        let columns = [(Role::Time, "at"), (Role::Tag, "model"), (Role::InputTokens, "tokens")];
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::ZSTD(Default::default()),
        ] {
            // The unit of the map is for numbers: a time stamp has its own.
            let kept = read(map("s", &columns), &sample(compression));
            let times = kept.records.iter().map(|record| (record.time_ns, record.resolution_ns));
            let expected = [(1_700_000_000_000_001_000, 1_000), (2_000, 1_000), (-3_000, 1_000)];
            assert_eq!(times.collect::<Vec<_>>(), expected);
            assert_eq!(
                kept.records.iter().map(|record| &record.tag[..]).collect::<Vec<_>>(),
                [&b"a"[..], b"", b"b"]
            );
            assert_eq!(kept.records[0].tokens.unwrap().input, 7);
            assert_eq!(kept.records[1].tokens, None);
        }
    }

    #[test]
    fn times_may_be_integers_floats_decimals_or_text() {
        let bytes = file(
            vec![
                ("ms", Arc::new(Int64Array::from(vec![1_700_000_000_123, i64::MAX])) as ArrayRef),
                ("s", Arc::new(Float64Array::from(vec![1_700_000_000.123, f64::NAN]))),
                ("text", Arc::new(StringArray::from(vec!["2023-11-14T22:13:20.123Z", "never"]))),
                (
                    "exact",
                    Arc::new(
                        Decimal128Array::from(vec![1_700_000_000_123, i128::MAX])
                            .with_precision_and_scale(38, 3)
                            .unwrap(),
                    ),
                ),
            ],
            Compression::SNAPPY,
        );
        for (form, column) in [("ms", "ms"), ("s", "s"), ("rfc3339", "text"), ("s", "exact")] {
            let kept = read(map(form, &[(Role::Time, column)]), &bytes);
            assert_eq!(kept.records[0].time_ns, 1_700_000_000_123_000_000, "{column}");
            assert_eq!(kept.skips, [(2, Skip::BadTime)], "{column}");
        }
    }

    #[test]
    fn dates_times_of_day_and_zones_are_read() {
        let bytes = file(
            vec![
                ("day", Arc::new(Date32Array::from(vec![19_675])) as ArrayRef),
                ("time", Arc::new(Time64MicrosecondArray::from(vec![3_723_000_004]))),
                ("local", Arc::new(TimestampMillisecondArray::from(vec![7_200_000]))),
                (
                    "utc",
                    Arc::new(TimestampMillisecondArray::from(vec![7_200_000]).with_timezone("UTC")),
                ),
            ],
            Compression::UNCOMPRESSED,
        );
        let split = read(map("rfc3339", &[(Role::Time, "day"), (Role::TimeOfDay, "time")]), &bytes);
        assert_eq!(split.records[0].time_ns, (19_675 * 86_400 + 3_723) * SECOND_NS + 4_000);
        assert_eq!(split.records[0].resolution_ns, 1_000);
        for (column, expected_s) in [("local", 3_600), ("utc", 7_200)] {
            let mut map = map("ms", &[(Role::Time, column)]);
            map.set("zone", "+01:00").unwrap();
            assert_eq!(read(map, &bytes).records[0].time_ns, expected_s * SECOND_NS, "{column}");
        }
    }

    #[test]
    fn counts_and_numbered_columns_work_as_in_text() {
        let bytes = file(
            vec![
                ("offset_s", Arc::new(Int64Array::from_iter_values(0..5_000)) as ArrayRef),
                ("count", Arc::new(Int64Array::from_iter_values((0..5_000).map(|row| row % 3)))),
            ],
            Compression::ZSTD(Default::default()),
        );
        let named = read(ColumnMap::counts(), &bytes);
        let numbered = ColumnMap::new(TimeForm::Number(Unit::Seconds), Moment::Start)
            .with_numbered(&[(Role::Time, 1), (Role::Count, 2)]);
        assert_eq!(read(numbered, &bytes).records, named.records);
        let total = (0..5_000).map(|row| row % 3).sum::<u64>();
        assert_eq!(named.records.iter().map(|record| record.count).sum::<u64>(), total);
        assert_eq!(named.records[0].resolution_ns, SECOND_NS);
    }

    #[test]
    fn columns_that_cannot_be_read_are_named() {
        let list = arrow_array::ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(
            vec![Some(1)],
        )]);
        let bytes = file(vec![("list", Arc::new(list) as ArrayRef)], Compression::UNCOMPRESSED);
        let mut table = ParquetTable::new(map("s", &[(Role::Time, "list")]));
        assert!(read_all(&mut table, &bytes).unwrap_err().to_string().contains("`list`"));
        let mut table = ParquetTable::new(ColumnMap::counts());
        assert!(read_all(&mut table, &bytes).unwrap_err().to_string().contains("`offset_s`"));
        assert!(
            read_all(&mut table, b"offset_s,count\n").unwrap_err().to_string().contains("PAR1")
        );
        assert!(read_all(&mut table, b"").is_err());
    }

    #[test]
    fn every_cut_is_an_error_and_no_damage_panics() {
        let bytes = sample(Compression::SNAPPY);
        let columns = [(Role::Time, "at"), (Role::Tag, "model")];
        for end in 0..bytes.len() {
            let result = read_all(&mut ParquetTable::new(map("s", &columns)), &bytes[..end]);
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidData, "{end}");
        }
        for input in mutated(&bytes, 3_000) {
            let _ = read_all(&mut ParquetTable::new(map("s", &columns)), &input);
        }
    }
}

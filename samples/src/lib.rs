//! The sample files of a run directory: written while a run lasts, read by the analysis.
//!
//! ```text
//! samples/shard=0000/worker=00/part-00000.parquet            closed: complete for any reader
//!                              _part-00001.parquet.partial   being written, unreadable
//!                              _part-00001.journal           the same rows, readable after a crash
//! ```
//!
//! A part is a Parquet file under a partial name that is renamed when it is closed. Until
//! then the pages of its rows are also in the journal, an Arrow IPC stream: a Parquet file
//! without its footer holds nothing a reader can use, an IPC stream without its end holds
//! every whole batch. [`recover`] turns journals that a crash left behind into parts.
//! Names that start with `_` are skipped by pyarrow, Spark and Hive-style readers.
//!
//! The schema comes from `openload_contract::columns` and from nowhere else. This crate
//! must not know HTTP, schedules or statistics.

mod bits;
mod chunk;
mod delta;
mod error;
mod group;
mod hybrid;
mod journal;
mod order;
mod page;
mod part;
mod paths;
mod read;
mod recover;
mod row_group;
mod schema;

pub use chunk::{Chunk, Names, Sample};
pub use error::Error;
pub use group::PageFile;
pub use journal::JournalWriter;
pub use page::{Dictionaries, Encoder, Pages};
pub use part::{PartWriter, Rotation};
pub use paths::{SAMPLES_DIR, closed_parts, worker_dir};
pub use read::{PartReader, read_parts};
pub use recover::{Recovered, recover};
pub use row_group::{RowGroup, RowGroups};
pub use schema::schema;

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::path::Path;

    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int64Type, UInt16Type, UInt32Type, UInt64Type};
    use arrow_array::{Array, ArrayRef, RecordBatch};
    use arrow_schema::DataType;
    use openload_contract::{Outcome, ShardId, columns};

    use super::*;

    fn sample(seq: u64) -> Sample {
        Sample {
            seq,
            intended_ns: 1_000 * seq as i64,
            lag_ns: 5,
            connect_ns: Some(0),
            pool_wait_ns: Some(0),
            sent_ns: (!seq.is_multiple_of(3)).then_some(20),
            ttfb_ns: None,
            response_ns: 70,
            status: (!seq.is_multiple_of(3)).then_some(200),
            outcome: if seq.is_multiple_of(3) { Outcome::Timeout } else { Outcome::Ok },
            stream: 0,
            phase: (seq % 2) as u16,
            scenario: 0,
            request: 0,
            step: 0,
            bytes_in: 1,
            bytes_out: 0,
        }
    }

    fn writer(run_dir: &Path, rows_max: usize) -> PartWriter {
        let rotation = Rotation { rows_max, ..Rotation::default() };
        let names = Names::new(&["main"], &["even", "odd"], &["s"], &["r"]);
        let dir = worker_dir(run_dir, ShardId::default(), 0);
        PartWriter::new(&dir, names, rotation, &[]).unwrap()
    }

    fn append(writer: &mut PartWriter, rows: std::ops::Range<u64>) {
        let mut chunk = Chunk::with_capacity(8);
        rows.for_each(|seq| chunk.push(&sample(seq)));
        writer.append(&chunk, 0).unwrap();
    }

    fn read_seq(run_dir: &Path) -> Vec<u64> {
        let mut seqs = Vec::new();
        for batch in read_parts(run_dir, &["seq", "phase", "status"]).unwrap() {
            let batch = batch.unwrap();
            seqs.extend(batch.column(0).as_primitive::<UInt64Type>().values());
            assert_eq!(batch.schema().field(1).name(), "status");
        }
        seqs.sort_unstable();
        seqs
    }

    #[test]
    fn parts_roll_and_hold_every_row() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path(), 10);
        for start in [0, 6, 12, 18] {
            append(&mut writer, start..start + 6);
        }
        assert_eq!(closed_parts(dir.path()).unwrap().len(), 2);
        append(&mut writer, 24..25);
        writer.close().unwrap();
        assert_eq!(closed_parts(dir.path()).unwrap().len(), 3);
        assert_eq!(read_seq(dir.path()), (0..25).collect::<Vec<_>>());
    }

    #[test]
    fn a_journal_left_behind_becomes_the_last_part() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path(), 10);
        append(&mut writer, 0..12);
        append(&mut writer, 12..15);
        append(&mut writer, 15..17);
        // While the writer lives its journal is locked and is not touched.
        assert_eq!(recover(dir.path()).unwrap().still_written, 1);
        drop(writer);
        let expected = Recovered { parts: 1, rows: 5, still_written: 0 };
        assert_eq!(recover(dir.path()).unwrap(), expected);
        assert_eq!(recover(dir.path()).unwrap(), Recovered::default());
        assert_eq!(read_seq(dir.path()), (0..17).collect::<Vec<_>>());
    }

    #[test]
    fn a_torn_journal_loses_only_its_last_batch() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path(), 1000);
        for start in 0..20 {
            append(&mut writer, start * 5..(start + 1) * 5);
        }
        drop(writer);
        let path = paths::journals(dir.path()).unwrap().remove(0);
        let whole = fs::read(&path).unwrap();
        for cut in [whole.len() - 1, whole.len() - 100, whole.len() / 2, 100, 3, 0] {
            let dir = tempfile::tempdir().unwrap();
            let folder = worker_dir(dir.path(), ShardId::default(), 0);
            fs::create_dir_all(&folder).unwrap();
            let journal = folder.join("_part-00000.journal");
            fs::write(&journal, &whole).unwrap();
            OpenOptions::new().write(true).open(&journal).unwrap().set_len(cut as u64).unwrap();
            let rows = recover(dir.path()).unwrap().rows;
            assert_eq!(rows % 5, 0, "whole batches only");
            assert!(rows < 100);
            assert_eq!(read_seq(dir.path()), (0..rows).collect::<Vec<_>>());
            assert!(!journal.exists());
        }
    }

    #[test]
    fn a_journal_beside_its_closed_part_is_not_counted_twice() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path(), 1000);
        append(&mut writer, 0..5);
        let journal = paths::journals(dir.path()).unwrap().remove(0);
        let copy = fs::read(&journal).unwrap();
        writer.close().unwrap();
        fs::write(&journal, copy).unwrap();
        assert_eq!(recover(dir.path()).unwrap(), Recovered::default());
        assert_eq!(read_seq(dir.path()), (0..5).collect::<Vec<_>>());
    }

    /// Nulls here and there, many and few sizes, pages of all kinds, several row groups, and
    /// the same rows once more from a journal.
    #[test]
    fn every_row_comes_back_as_it_was() {
        let random = |seq: u64| openload_contract::digest::mix(seq);
        let row = |seq: u64| Sample {
            lag_ns: -3,
            connect_ns: random(seq).is_multiple_of(5).then_some(7),
            pool_wait_ns: None,
            sent_ns: Some(i64::MAX - (random(seq) >> 20).cast_signed()),
            response_ns: (random(seq) >> 20).cast_signed() - 5,
            status: (seq > 150_000).then_some(200 + (random(seq) % 3) as u16),
            outcome: Outcome::ALL[(random(seq) % 9) as usize],
            step: (seq / 100_000) as u16,
            bytes_in: (random(seq) >> 32) as u32 >> (seq / 50_000 * 8).min(28),
            bytes_out: u32::MAX - (seq % 64) as u32,
            ..sample(seq)
        };
        let rows: Vec<Sample> = (0..280_000).map(row).collect();
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path(), 150_000);
        for (index, rows) in rows.chunks(4_096).enumerate() {
            // Some chunks are small, as at a low rate.
            for rows in rows.chunks(if index.is_multiple_of(7) { 1_000 } else { 4_096 }) {
                let mut chunk = Chunk::default();
                rows.iter().for_each(|sample| chunk.push(sample));
                assert!(chunk.samples().eq(rows.iter().copied()));
                writer.append(&chunk, 0).unwrap();
            }
        }
        drop(writer);
        assert_eq!(closed_parts(dir.path()).unwrap().len(), 1);
        assert_eq!(recover(dir.path()).unwrap().parts, 1);
        let columns: Vec<&str> = columns::COLUMNS.iter().map(|column| column.name).collect();
        let mut read = Vec::new();
        for batch in read_parts(dir.path(), &columns).unwrap() {
            let batch = batch.unwrap();
            for row in 0..batch.num_rows() {
                read.push(as_text(&batch, row));
            }
        }
        let mut expected: Vec<String> = rows.iter().map(text).collect();
        expected.sort_unstable();
        read.sort_unstable();
        assert!(read == expected, "{} rows of {}", read.len(), expected.len());

        // Closed parts say the bounds of their row groups; one made of a journal does not.
        let groups = RowGroups::open(dir.path(), &["intended_ns"]).unwrap();
        let said: Vec<Option<i64>> = groups.groups().iter().map(|g| groups.earliest(g)).collect();
        assert!(said.first().is_some_and(Option::is_some) && said.last() == Some(&None));
        for (group, said) in groups.groups().iter().zip(said) {
            let batch = groups.read(group, &["intended_ns"]).unwrap();
            let starts = batch.column(0).as_primitive::<Int64Type>().values();
            assert!(said.is_none_or(|said| starts.iter().min() == Some(&said)));
        }
    }

    fn as_text(batch: &RecordBatch, row: usize) -> String {
        let cells = batch.columns().iter().map(|column| cell(column, row));
        cells.collect::<Vec<_>>().join(" ")
    }

    fn cell(column: &ArrayRef, row: usize) -> String {
        if column.is_null(row) {
            return "-".to_owned();
        }
        match column.data_type() {
            DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).to_string(),
            DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
            DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).to_string(),
            DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).to_string(),
            _ => {
                let names = column.as_dictionary::<UInt16Type>();
                let code = names.keys().value(row);
                names.values().as_string::<i32>().value(code.into()).to_owned()
            }
        }
    }

    fn text(sample: &Sample) -> String {
        let time = |value: Option<i64>| value.map_or("-".to_owned(), |value| value.to_string());
        format!(
            "{} {} {} {} {} {} {} {} {} {} main {} s r {} {} {}",
            sample.seq,
            sample.intended_ns,
            sample.lag_ns,
            time(sample.connect_ns),
            time(sample.pool_wait_ns),
            time(sample.sent_ns),
            time(sample.ttfb_ns),
            sample.response_ns,
            time(sample.status.map(i64::from)),
            sample.outcome.name(),
            if sample.phase == 0 { "even" } else { "odd" },
            sample.step,
            sample.bytes_in,
            sample.bytes_out,
        )
    }

    #[test]
    fn a_foreign_parquet_file_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path(), 1000);
        append(&mut writer, 0..5);
        writer.close().unwrap();
        let part = closed_parts(dir.path()).unwrap().remove(0);
        fs::write(&part, b"PAR1 not really").unwrap();
        let error = read_parts(dir.path(), &["seq"]).unwrap().next().unwrap().unwrap_err();
        assert!(error.to_string().contains("part-00000.parquet"), "{error}");
    }
}

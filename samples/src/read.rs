//! Reading closed parts, some columns at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use openload_contract::columns;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::Error;
use crate::paths::closed_parts;

/// Rows of a batch: large enough to amortise, small enough to stay in the cache.
const BATCH_ROWS: usize = 65_536;

/// The batches of some columns over all closed parts of a run.
pub struct PartReader {
    parts: std::vec::IntoIter<PathBuf>,
    columns: Vec<&'static str>,
    current: Option<(PathBuf, ParquetRecordBatchReader)>,
}

/// Opens the closed parts of a run; batches hold `columns` in the order of the contract.
///
/// Memory is one batch, whatever the size of the run.
///
/// # Errors
/// When the folders cannot be read. Errors of single parts come with their batches.
pub fn read_parts(run_dir: &Path, columns: &[&'static str]) -> Result<PartReader, Error> {
    let parts = closed_parts(run_dir)?.into_iter();
    Ok(PartReader { parts, columns: columns.to_vec(), current: None })
}

impl PartReader {
    fn open(&self, path: &Path) -> Result<ParquetRecordBatchReader, Error> {
        let file = File::open(path).map_err(Error::io(path))?;
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(Error::parquet(path))?;
        check_columns(path, builder.schema(), &self.columns)?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), self.columns.iter().copied());
        builder
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(Error::parquet(path))
    }
}

fn check_columns(
    path: &Path,
    schema: &arrow_schema::Schema,
    wanted: &[&'static str],
) -> Result<(), Error> {
    let ours = crate::schema();
    for &name in wanted {
        let found = schema.field_with_name(name).map(arrow_schema::Field::data_type);
        let expected = ours.field_with_name(name).map(arrow_schema::Field::data_type);
        let reason = match (found, expected) {
            (Ok(found), Ok(expected)) if found == expected => continue,
            (Ok(found), Ok(expected)) => {
                format!("column `{name}` holds {found:?}, a sample file holds {expected:?}")
            }
            (Err(_), _) if columns::find(name).is_some() => {
                format!("column `{name}` is missing: not a sample file of this version")
            }
            _ => format!("`{name}` is no column of a sample file"),
        };
        return Err(Error::Schema { path: path.to_owned(), reason });
    }
    Ok(())
}

impl Iterator for PartReader {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((path, reader)) = &mut self.current {
                if let Some(batch) = reader.next() {
                    return Some(batch.map_err(Error::arrow(path)));
                }
                self.current = None;
            }
            let path = self.parts.next()?;
            match self.open(&path) {
                Ok(reader) => self.current = Some((path, reader)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

//! Reading closed parts, some columns at a time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::{ArrowError, Field, FieldRef, Schema, SchemaRef};
use openload_contract::columns;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::Error;
use crate::paths::closed_parts;

/// Columns that files of an earlier minor version lack.
const ADDED_COLUMNS: [&str; 1] = ["pool_wait_ns"];

/// Rows of a batch: large enough to amortise, small enough to stay in the cache.
const BATCH_ROWS: usize = 65_536;

/// The batches of some columns over all closed parts of a run.
///
/// A nullable column that a part lacks, because an earlier minor version wrote it, is null.
pub struct PartReader {
    parts: std::vec::IntoIter<PathBuf>,
    columns: Vec<&'static str>,
    /// Schema of the batches.
    schema: SchemaRef,
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
    let ours = crate::schema();
    let fields = ours.fields().iter().filter(|field| columns.contains(&field.name().as_str()));
    let schema = Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()));
    Ok(PartReader { parts, columns: columns.to_vec(), schema, current: None })
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

/// Adds the columns that `batch` lacks, which are null.
pub(crate) fn completed(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.num_columns() == schema.fields().len() {
        return Ok(batch);
    }
    let column = |field: &FieldRef| {
        let found = batch.column_by_name(field.name()).cloned();
        found.unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
    };
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(Arc::clone(schema), columns)
}

pub(crate) fn check_columns(
    path: &Path,
    schema: &Schema,
    wanted: &[&'static str],
) -> Result<(), Error> {
    let ours = crate::schema();
    for &name in wanted {
        let found = schema.field_with_name(name).map(Field::data_type);
        let expected = ours.field_with_name(name).map(Field::data_type);
        let reason = match (found, expected) {
            (Ok(found), Ok(expected)) if found == expected => continue,
            (Ok(found), Ok(expected)) => {
                format!("column `{name}` holds {found:?}, a sample file holds {expected:?}")
            }
            (Err(_), _) if ADDED_COLUMNS.contains(&name) => continue,
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
                    let batch = batch.and_then(|batch| completed(batch, &self.schema));
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

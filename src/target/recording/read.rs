//! Reading a recording, row by row.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt16Type, UInt32Type, UInt64Type};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;

use super::error::RecordingError;
use super::schema::{RECORDING_VERSION, VERSION_KEY, schema};

/// Rows of a batch.
const BATCH_ROWS: usize = 16_384;

/// One row of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// Wall clock right after the read that completed the request's head.
    pub received_unix_ns: i64,
    /// Number of the connection, counted from 0.
    pub connection: u32,
    /// Method as it came.
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// Bytes of the request's body.
    pub body_bytes: u64,
}

/// The rows of a recording, in the order of the file.
pub struct RecordingReader {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
    batch: Option<(RecordBatch, usize)>,
}

/// Opens a recording. Memory is one batch, whatever the size of the file.
///
/// # Errors
/// When the file is not there or is no recording of this major version. What is wrong with its
/// rows comes with them.
pub fn read_recording(path: &Path) -> Result<RecordingReader, RecordingError> {
    let file =
        File::open(path).map_err(|source| RecordingError::Io { path: path.into(), source })?;
    let broken = |source| RecordingError::Parquet { path: path.into(), source };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(broken)?;
    check_version(builder.metadata().file_metadata())
        .and_then(|()| check_columns(builder.schema()))
        .map_err(|reason| RecordingError::Schema { path: path.into(), reason })?;
    let batches = builder.with_batch_size(BATCH_ROWS).build().map_err(broken)?;
    Ok(RecordingReader { path: path.into(), batches, batch: None })
}

fn check_version(metadata: &FileMetaData) -> Result<(), String> {
    let notes = metadata.key_value_metadata().into_iter().flatten();
    let version = notes
        .filter(|note| note.key == VERSION_KEY)
        .find_map(|note| note.value.clone())
        .ok_or_else(|| "no recording of `gen target --record`".to_owned())?;
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(&version) == major(RECORDING_VERSION) {
        return Ok(());
    }
    Err(format!("a recording of version {version}; this program reads {RECORDING_VERSION}"))
}

/// A later minor version may have more columns, not others.
fn check_columns(found: &arrow_schema::Schema) -> Result<(), String> {
    for expected in schema().fields() {
        let name = expected.name();
        let field =
            found.field_with_name(name).map_err(|_| format!("column `{name}` is missing"))?;
        if field.data_type() != expected.data_type() {
            let (found, expected) = (field.data_type(), expected.data_type());
            return Err(format!("column `{name}` holds {found:?}, a recording holds {expected:?}"));
        }
    }
    Ok(())
}

impl Iterator for RecordingReader {
    type Item = Result<RecordedRequest, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((batch, row)) = &mut self.batch
                && *row < batch.num_rows()
            {
                *row += 1;
                return Some(Ok(request(batch, *row - 1)));
            }
            match self.batches.next()? {
                Ok(batch) => self.batch = Some((batch, 0)),
                Err(error) => {
                    let source = ParquetError::from(error);
                    return Some(Err(RecordingError::Parquet { path: self.path.clone(), source }));
                }
            }
        }
    }
}

fn request(batch: &RecordBatch, row: usize) -> RecordedRequest {
    let column = |name| batch.column_by_name(name).expect("the columns were checked");
    let methods = column("method").as_dictionary::<UInt16Type>();
    let method = methods.key(row).map_or("", |key| methods.values().as_string::<i32>().value(key));
    RecordedRequest {
        received_unix_ns: column("received_unix_ns").as_primitive::<Int64Type>().value(row),
        connection: column("connection").as_primitive::<UInt32Type>().value(row),
        method: method.to_owned(),
        target: column("target").as_string::<i32>().value(row).to_owned(),
        body_bytes: column("body_bytes").as_primitive::<UInt64Type>().value(row),
    }
}

#[cfg(test)]
mod tests {
    use super::check_columns;
    use crate::target::recording::schema;

    #[test]
    fn a_column_more_is_read_and_a_column_less_is_refused_by_name() {
        let fields = |fields: Vec<_>| arrow_schema::Schema::new(fields);
        let ours: Vec<_> = schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        let more = arrow_schema::Field::new("more", arrow_schema::DataType::Int64, true);
        let longer = ours.iter().cloned().chain([more]).collect();
        assert_eq!(check_columns(&fields(longer)), Ok(()));
        let error = check_columns(&fields(ours[1..].to_vec())).unwrap_err();
        assert!(error.contains("received_unix_ns"), "{error}");
    }
}

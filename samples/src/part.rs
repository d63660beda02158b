//! Rolling Parquet parts of one worker.
//!
//! [`PartWriter::append`] writes a batch to the journal first and then to the open part;
//! when the part is old or large enough, it is closed: footer, sync, rename, and only then
//! is its journal removed. At every instant each appended row is in a closed part or in a
//! journal.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use openload_contract::SCHEMA_VERSION;
use openload_contract::columns::{COLUMNS, ColumnType};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

use crate::Error;
use crate::journal::JournalWriter;
use crate::paths::PartPaths;
use crate::schema::schema;

/// When a part is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Most rows in a part.
    pub rows_max: usize,
    /// Shortest life of a part, in ns.
    pub age_min_ns: i64,
    /// A part may live as long as the run so far divided by this: a long soak makes few files.
    pub age_share: i64,
    /// Longest life of a part, in ns: its rows are in memory until it is closed.
    pub age_max_ns: i64,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            rows_max: 1_000_000,
            age_min_ns: 10_000_000_000,
            age_share: 20,
            age_max_ns: 120_000_000_000,
        }
    }
}

struct OpenPart {
    paths: PartPaths,
    journal: JournalWriter,
    parquet: ArrowWriter<BufWriter<File>>,
    opened_ns: i64,
    rows: usize,
}

/// Writes the parts of one worker, one after another.
pub struct PartWriter {
    dir: PathBuf,
    schema: SchemaRef,
    properties: WriterProperties,
    rotation: Rotation,
    next_number: u32,
    open: Option<OpenPart>,
}

impl PartWriter {
    /// Prepares a writer for `dir`; `notes` go into every file's metadata.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(dir: &Path, rotation: Rotation, notes: &[(String, String)]) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(Error::io(dir))?;
        Ok(Self {
            dir: dir.to_owned(),
            schema: schema(),
            properties: properties(notes),
            rotation,
            next_number: 0,
            open: None,
        })
    }

    /// The schema that batches must have.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Appends a batch; `now_ns` is the time since the run's start.
    ///
    /// # Errors
    /// When the file system refuses or the batch has another schema. The rows of earlier
    /// calls stay recoverable.
    pub fn append(&mut self, batch: &RecordBatch, now_ns: i64) -> Result<(), Error> {
        let mut part = match self.open.take() {
            Some(part) => part,
            None => self.start_part(now_ns)?,
        };
        part.journal.append(batch)?;
        part.parquet.write(batch).map_err(Error::parquet(&part.paths.partial))?;
        part.rows += batch.num_rows();
        self.open = Some(part);
        self.close_if_due(now_ns)
    }

    /// Closes the open part when it is old or large enough.
    ///
    /// # Errors
    /// When the file system refuses; the journal then stays.
    pub fn close_if_due(&mut self, now_ns: i64) -> Result<(), Error> {
        let Rotation { age_min_ns, age_share, age_max_ns, .. } = self.rotation;
        let age_due_ns = (now_ns / age_share).clamp(age_min_ns, age_max_ns);
        let is_due = self.open.as_ref().is_some_and(|part| {
            part.rows >= self.rotation.rows_max || now_ns - part.opened_ns >= age_due_ns
        });
        if is_due { self.close() } else { Ok(()) }
    }

    /// Closes the open part, if there is one.
    ///
    /// # Errors
    /// When the file system refuses; the journal then stays.
    pub fn close(&mut self) -> Result<(), Error> {
        let Some(part) = self.open.take() else { return Ok(()) };
        let partial = &part.paths.partial;
        let buffered = part.parquet.into_inner().map_err(Error::parquet(partial))?;
        let file = buffered.into_inner().map_err(|error| Error::io(partial)(error.into_error()))?;
        publish(&file, &part.paths)
    }

    /// Leaves the open part to its journal: whoever recovers the run makes the part of it.
    ///
    /// The unfinished Parquet file is removed, which on a full disk makes the room that the
    /// manifest needs.
    pub fn abandon(&mut self) {
        self.open = None;
        if let Some(number) = self.next_number.checked_sub(1) {
            // A file that cannot be removed is in nobody's way: recovery overwrites it.
            let _ = fs::remove_file(PartPaths::new(&self.dir, number).partial);
        }
    }

    /// Names this writer's folder in an error about a batch.
    pub fn error(&self) -> impl FnOnce(arrow_schema::ArrowError) -> Error + '_ {
        Error::arrow(&self.dir)
    }

    fn start_part(&mut self, now_ns: i64) -> Result<OpenPart, Error> {
        let paths = PartPaths::new(&self.dir, self.next_number);
        self.next_number += 1;
        let journal = JournalWriter::create(&paths.journal, &self.schema)?;
        let parquet = create_parquet(&paths.partial, &self.schema, self.properties.clone())?;
        Ok(OpenPart { paths, journal, parquet, opened_ns: now_ns, rows: 0 })
    }
}

/// Starts a Parquet file of the sample schema.
pub(crate) fn create_parquet(
    path: &Path,
    schema: &SchemaRef,
    properties: WriterProperties,
) -> Result<ArrowWriter<BufWriter<File>>, Error> {
    let file = File::create(path).map_err(Error::io(path))?;
    ArrowWriter::try_new(BufWriter::new(file), schema.clone(), Some(properties))
        .map_err(Error::parquet(path))
}

/// Makes a finished file durable, gives it its final name, and drops its journal.
pub(crate) fn publish(file: &File, paths: &PartPaths) -> Result<(), Error> {
    file.sync_all().map_err(Error::io(&paths.partial))?;
    fs::rename(&paths.partial, &paths.closed).map_err(Error::io(&paths.closed))?;
    match fs::remove_file(&paths.journal) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(&paths.journal)(error))
        }
        _ => Ok(()),
    }
}

/// Encodings that were measured to be small and quick, and that every current reader knows.
///
/// Times and numbers are delta-packed: BYTE_STREAM_SPLIT on integers is 4 % smaller, but
/// older Spark does not read it. zstd 3 instead of 1 costs a third more time for 1 %.
pub(crate) fn properties(notes: &[(String, String)]) -> WriterProperties {
    let mut metadata =
        vec![KeyValue::new("openload.schema_version".to_owned(), SCHEMA_VERSION.to_owned())];
    metadata.extend(notes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())));
    for column in COLUMNS.iter().filter(|column| !column.unit.is_empty()) {
        let key = format!("openload.unit.{}", column.name);
        metadata.push(KeyValue::new(key, column.unit.to_owned()));
    }
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(metadata))
        .set_max_row_group_row_count(Some(500_000));
    for column in &COLUMNS {
        if matches!(column.kind, ColumnType::I64 | ColumnType::U64) {
            let path = ColumnPath::from(column.name);
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    builder.build()
}

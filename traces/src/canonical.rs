//! The canonical timeline: one Parquet file, a row an arrival, in order of time.
//!
//! | column | type | meaning |
//! |---|---|---|
//! | `t_ns` | i64 | start, ns since the timeline's zero: the first event's start |
//! | `t_src_ns` | i64 | the instant as recorded |
//! | `t_kind` | string | what the start was made from: `start`, `end_minus_duration`, `end`, `synthetic` |
//! | `t_res_ns` | i64 | step of the source's clock, or width of the counted bin |
//! | `seq` | u64 | line, row or entry of the source, from 1 |
//! | `source` | u32 | position of the source among the inputs |
//! | `session` | u64? | hash of the client or session |
//! | `method`, `target` | string? | request line; the target is path and query |
//! | `orig_host` | string? | recorded host: for information, never contacted |
//! | `headers` | binary? | `name: value\r\n` after one another |
//! | `body`, `body_size` | binary?, u64? | body, or its length where only that is recorded |
//! | `rec_status`, `rec_bytes`, `rec_duration_ns` | u16?, u64?, i64? | the recorded response |
//! | `tag` | string? | name by which like requests belong together |
//! | `tokens_in`, `tokens_out` | u64? | tokens of a request to a language model |
//!
//! The footer holds one JSON value under [`METADATA_KEY`]. Its `version` is `major.minor`: a
//! reader refuses another major version and ignores keys and columns that a minor one adds.
//!
//! A file is written under a partial name and gets its own when it is complete. Its bytes depend
//! on the rows alone, not on the batches they come in.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, GenericByteBuilder, Int64Builder, PrimitiveBuilder, StringBuilder,
    UInt16Builder, UInt64Builder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, ByteArrayType, Int64Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, GenericByteArray, Int64Array, RecordBatch, StringArray,
    UInt16Array, UInt32Array, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};

use crate::error::TraceError;
use crate::event::{Event, TimeKind};
use crate::record::Tokens;
use crate::report::ImportReport;

/// Key of the metadata in the file's footer.
pub const METADATA_KEY: &str = "openload.trace";

/// Version of the file: `major.minor`.
pub const TRACE_VERSION: &str = "1.0";

/// Rows of a row group: enough for dictionaries to pay, few enough to be skipped by time.
const GROUP_ROWS: usize = 128 << 10;

/// Bytes of rows after which a row group ends early: rows may have bodies.
const GROUP_BYTES: usize = 64 << 20;

/// Rows and bytes of them that are encoded at once. Pages end only between such batches and
/// parts of them, so that they must not depend on how rows arrive.
const BATCH_ROWS: usize = 8 << 10;
const BATCH_BYTES: usize = 16 << 20;

/// Bytes that a reader aims to have in memory.
const READ_BYTES: u64 = 16 << 20;

/// What the footer says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// [`TRACE_VERSION`] of the writer.
    pub version: String,
    /// Program that wrote the file, with its version.
    pub importer: String,
    /// Name of the format that was read.
    pub format: String,
    /// Seed of everything that was drawn.
    pub seed: u64,
    /// The options of the import.
    pub options: serde_json::Value,
    /// What was found.
    pub report: ImportReport,
}

/// The cells of a row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cells<'a> {
    pub t_ns: i64,
    pub recorded_ns: i64,
    pub kind: TimeKind,
    pub resolution_ns: i64,
    pub seq: u64,
    pub source: u32,
    pub session: u64,
    pub method: &'a [u8],
    pub target: &'a [u8],
    pub host: &'a [u8],
    pub headers: &'a [u8],
    pub body: Option<&'a [u8]>,
    pub body_bytes: Option<u64>,
    pub status: Option<u16>,
    pub bytes: Option<u64>,
    pub duration_ns: Option<i64>,
    pub tag: &'a [u8],
    pub tokens: Option<Tokens>,
}

impl<'a> From<&'a Event> for Cells<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            t_ns: event.t_ns,
            recorded_ns: event.t_src_ns,
            kind: event.kind,
            resolution_ns: event.resolution_ns,
            seq: event.seq,
            source: event.source,
            session: event.session,
            method: &event.method,
            target: &event.target,
            host: &event.host,
            headers: &event.headers,
            body: event.body.as_deref(),
            body_bytes: event.body_bytes,
            status: event.status,
            bytes: event.bytes,
            duration_ns: event.duration_ns,
            tag: &event.tag,
            tokens: event.tokens,
        }
    }
}

/// The columns of a file.
pub fn schema() -> SchemaRef {
    let field = |name: &str, kind: DataType| Field::new(name, kind, false);
    let maybe = |name: &str, kind: DataType| Field::new(name, kind, true);
    Arc::new(Schema::new(vec![
        field("t_ns", DataType::Int64),
        field("t_src_ns", DataType::Int64),
        field("t_kind", DataType::Utf8),
        field("t_res_ns", DataType::Int64),
        field("seq", DataType::UInt64),
        field("source", DataType::UInt32),
        maybe("session", DataType::UInt64),
        maybe("method", DataType::Utf8),
        maybe("target", DataType::Utf8),
        maybe("orig_host", DataType::Utf8),
        maybe("headers", DataType::Binary),
        maybe("body", DataType::Binary),
        maybe("body_size", DataType::UInt64),
        maybe("rec_status", DataType::UInt16),
        maybe("rec_bytes", DataType::UInt64),
        maybe("rec_duration_ns", DataType::Int64),
        maybe("tag", DataType::Utf8),
        maybe("tokens_in", DataType::UInt64),
        maybe("tokens_out", DataType::UInt64),
    ]))
}

/// Rows that are being gathered, a builder a column.
#[derive(Default)]
struct Columns {
    t_ns: Vec<i64>,
    t_src_ns: Vec<i64>,
    t_kind: StringBuilder,
    t_res_ns: Vec<i64>,
    seq: Vec<u64>,
    source: Vec<u32>,
    session: Sparse<UInt64Builder>,
    method: Sparse<BinaryBuilder>,
    target: Sparse<BinaryBuilder>,
    orig_host: Sparse<BinaryBuilder>,
    headers: Sparse<BinaryBuilder>,
    body: Sparse<BinaryBuilder>,
    body_size: Sparse<UInt64Builder>,
    rec_status: Sparse<UInt16Builder>,
    rec_bytes: Sparse<UInt64Builder>,
    rec_duration_ns: Sparse<Int64Builder>,
    tag: Sparse<BinaryBuilder>,
    tokens_in: Sparse<UInt64Builder>,
    tokens_out: Sparse<UInt64Builder>,
    rows: usize,
    bytes: usize,
}

/// A column whose nulls are counted first and appended all at once, before the next value or at
/// the end: most logs leave most columns empty. A batch leaves room for as many values as it had.
#[derive(Default)]
struct Sparse<B> {
    builder: B,
    nulls: usize,
}

impl<T: ArrowPrimitiveType> Sparse<PrimitiveBuilder<T>> {
    fn push(&mut self, value: Option<T::Native>) {
        match value {
            None => self.nulls += 1,
            Some(value) => self.caught_up().append_value(value),
        }
    }

    fn caught_up(&mut self) -> &mut PrimitiveBuilder<T> {
        if self.nulls > 0 {
            self.builder.append_nulls(std::mem::take(&mut self.nulls));
        }
        &mut self.builder
    }

    fn finish(&mut self) -> ArrayRef {
        let room = self.builder.len();
        let column = self.caught_up().finish();
        self.builder = PrimitiveBuilder::with_capacity(room);
        Arc::new(column)
    }
}

impl<T: ByteArrayType> Sparse<GenericByteBuilder<T>> {
    fn push(&mut self, value: Option<impl AsRef<T::Native>>) {
        match value {
            None => self.nulls += 1,
            Some(value) => self.caught_up().append_value(value),
        }
    }

    fn caught_up(&mut self) -> &mut GenericByteBuilder<T> {
        if self.nulls > 0 {
            self.builder.append_nulls(std::mem::take(&mut self.nulls));
        }
        &mut self.builder
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.finish_bytes())
    }

    fn finish_bytes(&mut self) -> GenericByteArray<T> {
        let room = self.builder.len();
        let column = self.caught_up().finish();
        self.builder = GenericByteBuilder::with_capacity(room, column.values().len());
        column
    }
}

impl Sparse<BinaryBuilder> {
    fn push_text(&mut self, text: &[u8]) {
        self.push((!text.is_empty()).then_some(text));
    }

    /// Methods and targets are ASCII after the scrubbing; in what else is no UTF-8 the bytes that
    /// are not become U+FFFD. All texts of a batch are looked at in one go.
    fn finish_text(&mut self) -> ArrayRef {
        let bytes = self.finish_bytes();
        let texts = StringArray::try_from_binary(bytes.clone()).unwrap_or_else(|_| {
            bytes.iter().map(|bytes| bytes.map(String::from_utf8_lossy)).collect()
        });
        Arc::new(texts)
    }
}

impl Columns {
    fn push(&mut self, cells: &Cells<'_>) {
        self.t_ns.push(cells.t_ns);
        self.t_src_ns.push(cells.recorded_ns);
        self.t_kind.append_value(cells.kind.name());
        self.t_res_ns.push(cells.resolution_ns);
        self.seq.push(cells.seq);
        self.source.push(cells.source);
        self.session.push((cells.session != 0).then_some(cells.session));
        self.method.push_text(cells.method);
        self.target.push_text(cells.target);
        self.orig_host.push_text(cells.host);
        self.headers.push((!cells.headers.is_empty()).then_some(cells.headers));
        self.body.push(cells.body);
        self.body_size.push(cells.body_bytes);
        self.rec_status.push(cells.status);
        self.rec_bytes.push(cells.bytes);
        self.rec_duration_ns.push(cells.duration_ns);
        self.tag.push_text(cells.tag);
        self.tokens_in.push(cells.tokens.map(|tokens| tokens.input));
        self.tokens_out.push(cells.tokens.map(|tokens| tokens.output));
        self.rows += 1;
        self.bytes += cells.target.len() + cells.headers.len() + cells.body.map_or(0, <[u8]>::len);
    }

    fn finish(&mut self, schema: &SchemaRef) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(emptied(&mut self.t_ns))),
            Arc::new(Int64Array::from(emptied(&mut self.t_src_ns))),
            Arc::new(self.t_kind.finish()),
            Arc::new(Int64Array::from(emptied(&mut self.t_res_ns))),
            Arc::new(UInt64Array::from(emptied(&mut self.seq))),
            Arc::new(UInt32Array::from(emptied(&mut self.source))),
            self.session.finish(),
            self.method.finish_text(),
            self.target.finish_text(),
            self.orig_host.finish_text(),
            self.headers.finish(),
            self.body.finish(),
            self.body_size.finish(),
            self.rec_status.finish(),
            self.rec_bytes.finish(),
            self.rec_duration_ns.finish(),
            self.tag.finish_text(),
            self.tokens_in.finish(),
            self.tokens_out.finish(),
        ];
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}

/// Takes what is in a vector and leaves room for as much: batches are of one size.
fn emptied<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(values.len());
    std::mem::replace(values, room)
}

/// Writes a timeline.
pub struct TraceWriter {
    path: PathBuf,
    partial: PathBuf,
    schema: SchemaRef,
    columns: Columns,
    /// `None` once the file is closed.
    parquet: Option<ArrowWriter<BufWriter<File>>>,
    group_bytes: usize,
    rows: u64,
    last_ns: i64,
}

impl TraceWriter {
    /// Begins a file, under a partial name beside `path`.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path) -> Result<Self, TraceError> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = BufWriter::new(File::create(&partial).map_err(TraceError::io(&partial))?);
        let schema = schema();
        let parquet = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties()))
            .map_err(TraceError::parquet(&partial))?;
        Ok(Self {
            path: path.to_owned(),
            partial,
            schema,
            columns: Columns::default(),
            parquet: Some(parquet),
            group_bytes: 0,
            rows: 0,
            last_ns: i64::MIN,
        })
    }

    /// Adds an event. Events come in order of their start; [`Event::row`] and [`Event::copy`] are
    /// not kept.
    ///
    /// # Errors
    /// When the file cannot be written, or the event starts before the one before it.
    pub fn push(&mut self, event: &Event) -> Result<(), TraceError> {
        self.push_cells(&Cells::from(event))
    }

    pub(crate) fn push_cells(&mut self, cells: &Cells<'_>) -> Result<(), TraceError> {
        if cells.t_ns < self.last_ns {
            return Err(TraceError::Option(format!(
                "events are out of order: one at {} ns follows one at {} ns",
                cells.t_ns, self.last_ns
            )));
        }
        self.last_ns = cells.t_ns;
        self.rows += 1;
        self.columns.push(cells);
        if self.columns.rows == BATCH_ROWS || self.columns.bytes >= BATCH_BYTES {
            self.encode()?;
        }
        Ok(())
    }

    /// Encodes what was gathered.
    fn encode(&mut self) -> Result<(), TraceError> {
        let Some(parquet) = &mut self.parquet else { return Ok(()) };
        self.group_bytes += self.columns.bytes;
        let batch = self.columns.finish(&self.schema).map_err(TraceError::arrow(&self.partial))?;
        parquet.write(&batch).map_err(TraceError::parquet(&self.partial))?;
        if parquet.in_progress_rows() == 0 {
            self.group_bytes = 0;
        } else if self.group_bytes >= GROUP_BYTES {
            parquet.flush().map_err(TraceError::parquet(&self.partial))?;
            self.group_bytes = 0;
        }
        Ok(())
    }

    /// Ends the file, gives it its name, and returns the number of its rows.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, metadata: &Metadata) -> Result<u64, TraceError> {
        if self.columns.rows > 0 {
            self.encode()?;
        }
        let refused = TraceError::parquet(&self.partial);
        let Some(mut parquet) = self.parquet.take() else { return Ok(self.rows) };
        let json = match serde_json::to_string(metadata) {
            Ok(json) => json,
            Err(error) => return Err(refused(ParquetError::External(Box::new(error)))),
        };
        parquet.append_key_value_metadata(KeyValue::new(METADATA_KEY.to_owned(), json));
        let mut file = parquet.into_inner().map_err(refused)?;
        file.flush().map_err(TraceError::io(&self.partial))?;
        file.get_ref().sync_all().map_err(TraceError::io(&self.partial))?;
        fs::rename(&self.partial, &self.path).map_err(TraceError::io(&self.path))?;
        Ok(self.rows)
    }
}

impl Drop for TraceWriter {
    /// Removes a file that was given up: without a footer nobody can read it.
    fn drop(&mut self) {
        if self.parquet.take().is_some() {
            let _ = fs::remove_file(&self.partial);
        }
    }
}

fn properties() -> WriterProperties {
    let level = ZstdLevel::try_new(1).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_created_by(importer())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        // Only times are ever searched for.
        .set_statistics_enabled(EnabledStatistics::None)
        .set_column_statistics_enabled(ColumnPath::from("t_ns"), EnabledStatistics::Chunk);
    // Numbers that hardly repeat, or never change, are smaller and much faster to write as
    // differences; a dictionary of them costs a look-up for every row.
    for name in ["t_ns", "t_src_ns", "t_res_ns", "seq", "source", "rec_bytes", "rec_duration_ns"] {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(name), false)
            .set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BINARY_PACKED);
    }
    properties = properties.set_column_dictionary_enabled(ColumnPath::from("body"), false);
    properties.build()
}

/// Name and version of this program, as files state it.
pub fn importer() -> String {
    concat!("openload-traces ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// A timeline that can be read.
#[derive(Debug, Clone)]
pub struct TraceFile {
    path: PathBuf,
    metadata: Metadata,
    footer: ArrowReaderMetadata,
    rows: u64,
}

impl TraceFile {
    /// Opens a timeline and reads its footer.
    ///
    /// # Errors
    /// When there is no such file, or it is no timeline, or of a version that cannot be read.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let file = File::open(path).map_err(TraceError::io(path))?;
        let foreign = |reason: String| TraceError::NotATrace { path: path.to_owned(), reason };
        let footer = ArrowReaderMetadata::load(&file, Default::default())
            .map_err(|error| foreign(format!("it cannot be read as Parquet ({error})")))?;
        let file_metadata = footer.metadata().file_metadata();
        let json = file_metadata
            .key_value_metadata()
            .and_then(|pairs| pairs.iter().find(|pair| pair.key == METADATA_KEY))
            .and_then(|pair| pair.value.as_deref())
            .ok_or_else(|| foreign(format!("it is Parquet without the key {METADATA_KEY}")))?;
        check_version(path, json)?;
        let metadata = serde_json::from_str(json)
            .map_err(|error| foreign(format!("its metadata cannot be read ({error})")))?;
        for field in schema().fields() {
            let found = footer.schema().field_with_name(field.name());
            if found.ok().map(Field::data_type) != Some(field.data_type()) {
                let (name, kind) = (field.name(), field.data_type());
                return Err(foreign(format!("it has no column {name} of type {kind}")));
            }
        }
        let rows = u64::try_from(file_metadata.num_rows()).unwrap_or(0);
        Ok(Self { path: path.to_owned(), metadata, footer, rows })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the footer says.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The number of events.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The events in order. Memory stays bounded; an error is the last item.
    pub fn events(&self) -> Events {
        Events { reading: Reading::of(self, None), columns: None, next: 0, row: 0 }
    }

    /// The starts of the events in order, ns since the timeline's zero: a small part of the file
    /// for what needs no more.
    pub fn times(&self) -> impl Iterator<Item = Result<i64, TraceError>> + use<> {
        let reading = Reading::of(self, Some("t_ns"));
        reading.flat_map(|batch| {
            let (times, error) = match batch {
                Ok(batch) => (Some(batch.column(0).as_primitive::<Int64Type>().clone()), None),
                Err(error) => (None, Some(Err(error))),
            };
            let times = times.into_iter().flat_map(|times| times.values().to_vec());
            times.map(Ok).chain(error)
        })
    }
}

/// Looks at the version alone, which every version has.
fn check_version(path: &Path, json: &str) -> Result<(), TraceError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: String,
    }
    let versioned: Versioned = serde_json::from_str(json).map_err(|error| {
        let reason = format!("its metadata cannot be read ({error})");
        TraceError::NotATrace { path: path.to_owned(), reason }
    })?;
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(&versioned.version) == major(TRACE_VERSION) {
        return Ok(());
    }
    let path = path.to_owned();
    Err(TraceError::Version { path, found: versioned.version, readable: TRACE_VERSION })
}

/// Batches of a file; opened with the first one.
struct Reading {
    path: PathBuf,
    footer: ArrowReaderMetadata,
    column: Option<&'static str>,
    reader: Option<ParquetRecordBatchReader>,
    has_ended: bool,
}

impl Reading {
    fn of(file: &TraceFile, column: Option<&'static str>) -> Self {
        let (path, footer) = (file.path.clone(), file.footer.clone());
        Self { path, footer, column, reader: None, has_ended: false }
    }

    fn open(&self) -> Result<ParquetRecordBatchReader, TraceError> {
        let file = File::open(&self.path).map_err(TraceError::io(&self.path))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.footer.clone());
        // What a row takes in the largest row group bounds the rows of a batch.
        let groups = self.footer.metadata().row_groups().iter();
        let row_bytes =
            groups.map(|group| group.total_byte_size().max(0) / group.num_rows().max(1));
        let row_bytes = row_bytes.max().unwrap_or(0).unsigned_abs().max(1);
        let rows = (READ_BYTES / row_bytes).clamp(1, BATCH_ROWS as u64) as usize;
        let names: Vec<String> = match self.column {
            Some(name) => vec![name.to_owned()],
            None => schema().fields().iter().map(|field| field.name().clone()).collect(),
        };
        let names = names.iter().map(String::as_str);
        let mask = parquet::arrow::ProjectionMask::columns(builder.parquet_schema(), names);
        let reader = builder.with_batch_size(rows).with_projection(mask).build();
        reader.map_err(TraceError::parquet(&self.path))
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>, TraceError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => {
                let reader = self.open()?;
                self.reader.insert(reader)
            }
        };
        reader.next().transpose().map_err(TraceError::arrow(&self.path))
    }
}

impl Iterator for Reading {
    type Item = Result<RecordBatch, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let batch = self.batch().transpose();
        self.has_ended = !matches!(batch, Some(Ok(_)));
        batch
    }
}

/// The events of a file, in order.
pub struct Events {
    reading: Reading,
    columns: Option<ReadColumns>,
    next: usize,
    row: u64,
}

impl Iterator for Events {
    type Item = Result<Event, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(columns) = &self.columns
                && self.next < columns.t_ns.len()
            {
                let event = columns.event(self.next, self.row);
                self.next += 1;
                self.row += 1;
                return Some(Ok(event));
            }
            let columns = self.reading.next()?.and_then(|batch| {
                let missing = || TraceError::NotATrace {
                    path: self.reading.path.clone(),
                    reason: "a column is missing from one of its parts".to_owned(),
                };
                ReadColumns::of(&batch).ok_or_else(missing)
            });
            match columns {
                Ok(columns) => (self.columns, self.next) = (Some(columns), 0),
                Err(error) => {
                    self.columns = None;
                    self.reading.has_ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The columns of a batch that was read.
struct ReadColumns {
    t_ns: Int64Array,
    t_src_ns: Int64Array,
    t_kind: StringArray,
    t_res_ns: Int64Array,
    seq: UInt64Array,
    source: UInt32Array,
    session: UInt64Array,
    method: StringArray,
    target: StringArray,
    orig_host: StringArray,
    headers: BinaryArray,
    body: BinaryArray,
    body_size: UInt64Array,
    rec_status: UInt16Array,
    rec_bytes: UInt64Array,
    rec_duration_ns: Int64Array,
    tag: StringArray,
    tokens_in: UInt64Array,
    tokens_out: UInt64Array,
}

impl ReadColumns {
    fn of(batch: &RecordBatch) -> Option<Self> {
        let i64 = |name| batch.column_by_name(name)?.as_primitive_opt::<Int64Type>().cloned();
        let u64 = |name| batch.column_by_name(name)?.as_primitive_opt::<UInt64Type>().cloned();
        let text = |name| batch.column_by_name(name)?.as_string_opt::<i32>().cloned();
        let binary = |name| batch.column_by_name(name)?.as_binary_opt::<i32>().cloned();
        Some(Self {
            t_ns: i64("t_ns")?,
            t_src_ns: i64("t_src_ns")?,
            t_kind: text("t_kind")?,
            t_res_ns: i64("t_res_ns")?,
            seq: u64("seq")?,
            source: batch.column_by_name("source")?.as_primitive_opt::<UInt32Type>()?.clone(),
            session: u64("session")?,
            method: text("method")?,
            target: text("target")?,
            orig_host: text("orig_host")?,
            headers: binary("headers")?,
            body: binary("body")?,
            body_size: u64("body_size")?,
            rec_status: batch
                .column_by_name("rec_status")?
                .as_primitive_opt::<UInt16Type>()?
                .clone(),
            rec_bytes: u64("rec_bytes")?,
            rec_duration_ns: i64("rec_duration_ns")?,
            tag: text("tag")?,
            tokens_in: u64("tokens_in")?,
            tokens_out: u64("tokens_out")?,
        })
    }

    fn event(&self, index: usize, row: u64) -> Event {
        let number = |column: &UInt64Array| column.is_valid(index).then(|| column.value(index));
        let text = |column: &StringArray| {
            if column.is_valid(index) {
                column.value(index).as_bytes().to_vec()
            } else {
                Vec::new()
            }
        };
        let binary =
            |column: &BinaryArray| column.is_valid(index).then(|| column.value(index).to_vec());
        let kind = self.t_kind.value(index);
        Event {
            t_ns: self.t_ns.value(index),
            t_src_ns: self.t_src_ns.value(index),
            // A kind that a minor version adds is none of those known: drawn, at worst.
            kind: TimeKind::ALL
                .into_iter()
                .find(|known| known.name() == kind)
                .unwrap_or(TimeKind::Synthetic),
            resolution_ns: self.t_res_ns.value(index),
            seq: self.seq.value(index),
            source: self.source.value(index),
            row,
            copy: 0,
            session: number(&self.session).unwrap_or(0),
            method: text(&self.method),
            target: text(&self.target),
            host: text(&self.orig_host),
            headers: binary(&self.headers).unwrap_or_default(),
            body: binary(&self.body),
            body_bytes: number(&self.body_size),
            status: self.rec_status.is_valid(index).then(|| self.rec_status.value(index)),
            bytes: number(&self.rec_bytes),
            duration_ns: self
                .rec_duration_ns
                .is_valid(index)
                .then(|| self.rec_duration_ns.value(index)),
            tag: text(&self.tag),
            tokens: number(&self.tokens_in)
                .zip(number(&self.tokens_out))
                .map(|(input, output)| Tokens { input, output }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(t_ns: i64) -> Event {
        Event {
            t_ns,
            t_src_ns: -5,
            kind: TimeKind::EndMinusDuration,
            resolution_ns: 1_000_000,
            seq: u64::MAX,
            source: 3,
            row: 0,
            copy: 0,
            session: u64::MAX,
            method: b"POST".to_vec(),
            target: b"/a?b=c".to_vec(),
            host: b"example.com".to_vec(),
            headers: b"a: \xff\r\nb: c\r\n".to_vec(),
            body: Some(b"\0\xff".to_vec()),
            body_bytes: Some(2),
            status: Some(599),
            bytes: Some(1 << 40),
            duration_ns: Some(7),
            tag: "f\u{e4}".as_bytes().to_vec(),
            tokens: Some(Tokens { input: 1, output: 2 }),
        }
    }

    fn metadata() -> Metadata {
        Metadata {
            version: TRACE_VERSION.to_owned(),
            importer: importer(),
            format: "test".to_owned(),
            seed: 1,
            options: serde_json::json!({ "a": 1 }),
            report: ImportReport { lines: 2, ..ImportReport::default() },
        }
    }

    fn written(events: &[Event], metadata: &Metadata) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace.parquet");
        let mut writer = TraceWriter::create(&path).unwrap();
        events.iter().for_each(|event| writer.push(event).unwrap());
        assert!(!path.exists());
        assert_eq!(writer.finish(metadata).unwrap(), events.len() as u64);
        (directory, path)
    }

    fn read(path: &Path) -> Vec<Event> {
        TraceFile::open(path).unwrap().events().map(Result::unwrap).collect()
    }

    #[test]
    fn every_column_comes_back_as_it_was() {
        let mut events =
            vec![Event::default(), Event { body: Some(Vec::new()), ..Event::default() }, full(1)];
        // More than a batch and more than a row group.
        events.extend((0..140_000).map(|index| Event {
            kind: TimeKind::ALL[index % 4],
            status: (index % 3 == 0).then_some(200),
            target: format!("/{}", index % 1000).into_bytes(),
            ..full(2 + index as i64)
        }));
        let (_directory, path) = written(&events, &metadata());
        let file = TraceFile::open(&path).unwrap();
        assert_eq!((file.rows(), file.metadata()), (events.len() as u64, &metadata()));
        assert_eq!(file.footer.metadata().num_row_groups(), 2);
        let mut rows = 0;
        for (event, expected) in file.events().zip(&events) {
            assert_eq!(event.unwrap(), Event { row: rows, ..expected.clone() });
            rows += 1;
        }
        assert_eq!(rows, file.rows());
        let times: Vec<i64> = file.times().map(Result::unwrap).collect();
        assert!(times.iter().eq(events.iter().map(|event| &event.t_ns)));
    }

    #[test]
    fn large_bodies_end_row_groups_early_and_are_read_a_few_at_a_time() {
        let body = |index: i64| {
            let mut word = index.cast_unsigned();
            let next = |_| {
                word = openload_contract::digest::mix(word);
                word.to_le_bytes()
            };
            (0..1 << 17).flat_map(next).collect::<Vec<u8>>()
        };
        let events: Vec<Event> = (0..150)
            .map(|t_ns| Event { t_ns, body: Some(body(t_ns)), ..Event::default() })
            .collect();
        let (_directory, path) = written(&events, &metadata());
        let file = TraceFile::open(&path).unwrap();
        assert_eq!(file.footer.metadata().num_row_groups(), 3);
        let mut batches = Reading::of(&file, None);
        assert!(batches.next().unwrap().unwrap().num_rows() <= 16);
        let is_equal = |(event, expected): (Event, &Event)| {
            event.t_ns == expected.t_ns && event.body == expected.body
        };
        assert!(read(&path).into_iter().zip(&events).all(is_equal));
    }

    #[test]
    fn a_timeline_without_events_is_one() {
        let (_directory, path) = written(&[], &metadata());
        assert_eq!(read(&path), []);
        assert_eq!(TraceFile::open(&path).unwrap().times().count(), 0);
    }

    #[test]
    fn events_out_of_order_are_refused_and_leave_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = TraceWriter::create(&directory.path().join("a.parquet")).unwrap();
        writer.push(&full(5)).unwrap();
        let error = writer.push(&full(4)).unwrap_err().to_string();
        assert_eq!(error, "events are out of order: one at 4 ns follows one at 5 ns");
        drop(writer);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn other_files_and_versions_are_refused_by_name() {
        let refused = |metadata: Metadata| {
            let (_directory, path) = written(&[full(0)], &metadata);
            TraceFile::open(&path).unwrap_err().to_string()
        };
        let error = refused(Metadata { version: "2.0".to_owned(), ..metadata() });
        let expected = "is a timeline of version 2.0, and this program reads 1.0: import it again";
        assert!(error.ends_with(expected), "{error}");
        let (_directory, path) =
            written(&[full(0)], &Metadata { version: "1.7".to_owned(), ..metadata() });
        assert_eq!(TraceFile::open(&path).unwrap().rows(), 1);

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other");
        fs::write(&path, "127.0.0.1 - - [01/Jan/2024:00:00:00 +0000]").unwrap();
        let error = TraceFile::open(&path).unwrap_err().to_string();
        assert!(error.contains("is no timeline file: it cannot be read as Parquet"), "{error}");
        let schema = schema();
        let mut parquet =
            ArrowWriter::try_new(File::create(&path).unwrap(), Arc::clone(&schema), None).unwrap();
        parquet.write(&RecordBatch::new_empty(schema)).unwrap();
        parquet.close().unwrap();
        let error = TraceFile::open(&path).unwrap_err().to_string();
        assert!(error.contains("it is Parquet without the key openload.trace"), "{error}");
        let error = TraceFile::open(Path::new("/nowhere/a.parquet")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/a.parquet: "), "{error}");
    }

    #[test]
    fn a_file_cut_or_damaged_anywhere_is_an_error_and_no_panic() {
        let events: Vec<Event> = (0..2_000).map(full).collect();
        let (_directory, path) = written(&events, &metadata());
        let whole = fs::read(&path).unwrap();
        for part in 0..50 {
            fs::write(&path, &whole[..whole.len() * part / 50]).unwrap();
            assert!(TraceFile::open(&path).is_err());
            let mut damaged = whole.clone();
            let at = whole.len() * part / 50;
            damaged[at] ^= 0x55;
            fs::write(&path, &damaged).unwrap();
            if let Ok(file) = TraceFile::open(&path) {
                // Some bytes do not matter; most make a page unreadable.
                let _ = file.events().map(|event| event.is_ok()).collect::<Vec<_>>();
            }
        }
    }
}

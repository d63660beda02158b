//! The journal of a part: an Arrow IPC stream that is readable up to its last whole batch.
//!
//! A batch holds the pages of one chunk, a row for each sample column: recovery puts them
//! into a part as they are. The names are in the stream's metadata, and numbers that the
//! part's dictionaries took up come with the page that first used them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{BinaryArray, BooleanArray, RecordBatch, UInt32Array};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use openload_contract::columns::COLUMNS;

use crate::Error;
use crate::chunk::Names;
use crate::page::{Dictionaries, NUMBERS, Page, Pages};

/// Key of the names in the stream's metadata.
const NAMES_KEY: &str = "openload.names";

/// Writes pages so that they are in the system's hands when `append` returns.
///
/// The file is locked while it is open: whoever finds it unlocked knows that its writer
/// is gone.
pub struct JournalWriter {
    path: PathBuf,
    stream: StreamWriter<BufWriter<File>>,
    schema: SchemaRef,
    /// Values of each dictionary that are in the journal.
    known: [usize; NUMBERS.len()],
}

impl JournalWriter {
    /// Starts a journal of rows with `names`.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn create(path: &Path, names: &Names) -> Result<Self, Error> {
        let file = File::create(path).map_err(Error::io(path))?;
        file.lock().map_err(Error::io(path))?;
        let schema = schema(names).map_err(Error::arrow(path))?;
        let stream =
            StreamWriter::try_new(BufWriter::new(file), &schema).map_err(Error::arrow(path))?;
        Ok(Self { path: path.to_owned(), stream, schema, known: [0; NUMBERS.len()] })
    }

    /// Appends pages and what is new in the dictionaries of their numbers.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn append(&mut self, pages: &Pages, numbers: &Dictionaries) -> Result<(), Error> {
        let batch = self.batch(pages, numbers).map_err(Error::arrow(&self.path))?;
        self.stream.write(&batch).map_err(Error::arrow(&self.path))?;
        self.stream.get_mut().flush().map_err(Error::io(&self.path))
    }

    fn batch(&mut self, pages: &Pages, numbers: &Dictionaries) -> Result<RecordBatch, ArrowError> {
        let mut fresh: Vec<Vec<u8>> = vec![Vec::new(); COLUMNS.len()];
        for ((number, known), name) in numbers.iter().zip(&mut self.known).zip(NUMBERS) {
            let values = &number.values()[*known..];
            fresh[position(name)] = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            *known = number.values().len();
        }
        let of_pages = |field: fn(&Page) -> u32| {
            UInt32Array::from_iter_values(pages.columns.iter().map(field))
        };
        RecordBatch::try_new(
            Arc::clone(&self.schema),
            vec![
                Arc::new(UInt32Array::from(vec![pages.rows as u32; pages.columns.len()])),
                Arc::new(BooleanArray::from_iter(
                    pages.columns.iter().map(|page| Some(page.is_coded)),
                )),
                Arc::new(of_pages(|page| page.nulls)),
                Arc::new(of_pages(|page| page.level_bytes)),
                Arc::new(BinaryArray::from_iter_values(&fresh)),
                Arc::new(BinaryArray::from_iter_values(
                    pages.columns.iter().map(|page| &page.bytes),
                )),
            ],
        )
    }
}

fn schema(names: &Names) -> Result<SchemaRef, ArrowError> {
    let names =
        serde_json::to_string(names).map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
    let fields = vec![
        Field::new("rows", DataType::UInt32, false),
        Field::new("is_coded", DataType::Boolean, false),
        Field::new("nulls", DataType::UInt32, false),
        Field::new("level_bytes", DataType::UInt32, false),
        Field::new("new_numbers", DataType::Binary, false),
        Field::new("page", DataType::Binary, false),
    ];
    let metadata = HashMap::from([(NAMES_KEY.to_owned(), names)]);
    Ok(Arc::new(Schema::new_with_metadata(fields, metadata)))
}

/// Position of a column that the contract has.
fn position(name: &str) -> usize {
    COLUMNS.iter().position(|column| column.name == name).expect("a column of the contract")
}

/// What a journal holds, up to its last whole batch.
pub(crate) struct JournalReader {
    pub names: Names,
    stream: StreamReader<BufReader<File>>,
    /// The dictionaries as they were when the last pages were written.
    pub numbers: Dictionaries,
}

impl JournalReader {
    /// Opens a journal; `None` when it was torn before its first batch.
    pub fn open(path: &Path) -> Result<Option<Self>, Error> {
        let file = File::open(path).map_err(Error::io(path))?;
        let Ok(stream) = StreamReader::try_new(BufReader::new(file), None) else {
            return Ok(None);
        };
        let names = stream.schema().metadata().get(NAMES_KEY).cloned().unwrap_or_default();
        let names = serde_json::from_str(&names).map_err(|error| Error::Schema {
            path: path.to_owned(),
            reason: format!(
                "`{NAMES_KEY}` is not what this version of `gen` writes ({error}): analyse the run \
                 with the version that recorded it"
            ),
        })?;
        Ok(Some(Self { names, stream, numbers: Default::default() }))
    }

    /// The next pages; whatever follows the last whole batch is ignored.
    pub fn next_pages(&mut self) -> Option<Pages> {
        let batch = self.stream.next()?.ok()?;
        if batch.num_rows() != COLUMNS.len() {
            return None;
        }
        let counts = |column: usize| batch.column(column).as_primitive_opt::<UInt32Type>();
        let (rows, nulls, level_bytes) = (counts(0)?, counts(2)?, counts(3)?);
        let is_coded = batch.column(1).as_boolean_opt()?;
        let (fresh, bodies) =
            (batch.column(4).as_binary_opt::<i32>()?, batch.column(5).as_binary_opt::<i32>()?);
        for (number, name) in self.numbers.iter_mut().zip(NUMBERS) {
            let (values, _) = fresh.value(position(name)).as_chunks();
            number.extend(values.iter().map(|&value| u32::from_le_bytes(value)));
        }
        let page = |column| Page {
            is_coded: is_coded.value(column),
            nulls: nulls.value(column),
            level_bytes: level_bytes.value(column),
            bytes: Bytes::copy_from_slice(bodies.value(column)),
        };
        let columns = (0..COLUMNS.len()).map(page).collect();
        // Pages that are not decoded say nothing of their rows.
        Some(Pages { rows: rows.value(0) as usize, starts_ns: None, columns })
    }
}

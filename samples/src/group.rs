//! A Parquet file made of encoded pages, row group by row group.
//!
//! A row group's columns lie one after another in the file, so its pages wait in memory until
//! it is full. [`GROUP_ROWS`] keeps that below 1 MiB and one write short; the memory is used
//! again for the next group.

use std::fs::File;
use std::io::{Chain, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use openload_contract::SCHEMA_VERSION;
use openload_contract::columns::COLUMNS;
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page as ParquetPage, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use crate::Error;
use crate::chunk::Names;
use crate::page::{Dictionaries, NAMES, NUMBERS, Page, Pages};
use crate::schema::schema;

/// Rows of a row group: few enough to be written in about a millisecond, and enough that what
/// the footer says about a group is a fiftieth of a byte a row.
const GROUP_ROWS: usize = 65_536;

/// The column whose bounds the footer says for each row group: whoever looks for a time, or for the
/// rows in the order of the timeline, need not read the others.
pub(crate) const START: &str = "intended_ns";

/// Writes pages of sample columns as a Parquet file.
pub struct PageFile {
    path: PathBuf,
    file: SerializedFileWriter<File>,
    columns: Vec<Column>,
    rows: usize,
    /// Least and greatest intended start of the open row group; nothing when they are not known.
    starts_ns: Option<(i64, i64)>,
}

/// The pages of one column in the open row group.
struct Column {
    descriptor: ColumnDescPtr,
    /// The dictionary of names, already encoded.
    names: Option<(u32, Bytes)>,
    /// Position of the dictionary of numbers.
    number: Option<usize>,
    /// Headers and bodies, one after another.
    pages: Vec<u8>,
    is_delta: bool,
}

impl PageFile {
    /// Starts a file; `notes` go into its metadata.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path, names: &Names, notes: &[(String, String)]) -> Result<Self, Error> {
        let file = File::create(path).map_err(Error::io(path))?;
        Self::start(path, file, names, notes).map_err(Error::parquet(path))
    }

    fn start(
        path: &Path,
        file: File,
        names: &Names,
        notes: &[(String, String)],
    ) -> Result<Self, ParquetError> {
        let schema = schema();
        let descriptor = ArrowSchemaConverter::new().convert(&schema)?;
        let mut properties = properties(notes);
        add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
        let columns = descriptor.columns().iter().map(|column| Column::new(column, names));
        let columns = columns.collect();
        let root = descriptor.root_schema_ptr();
        let file = SerializedFileWriter::new(file, root, Arc::new(properties))?;
        Ok(Self { path: path.to_owned(), file, columns, rows: 0, starts_ns: None })
    }

    /// Appends pages, whose codes of numbers are those of `dictionaries`.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn append(&mut self, pages: &Pages, dictionaries: &Dictionaries) -> Result<(), Error> {
        let appended = self.append_pages(pages, dictionaries);
        appended.map_err(Error::parquet(&self.path))
    }

    /// Writes what is left and the footer, and gives the file back.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn finish(mut self, dictionaries: &Dictionaries) -> Result<File, Error> {
        self.end_group(dictionaries).map_err(Error::parquet(&self.path))?;
        self.file.into_inner().map_err(Error::parquet(&self.path))
    }

    fn append_pages(
        &mut self,
        pages: &Pages,
        dictionaries: &Dictionaries,
    ) -> Result<(), ParquetError> {
        for (column, page) in self.columns.iter_mut().zip(&pages.columns) {
            column.append(page, pages.rows)?;
        }
        self.starts_ns = match (self.rows, self.starts_ns, pages.starts_ns) {
            (0, _, starts) => starts,
            (_, Some(of_group), Some(of_pages)) => {
                Some((of_group.0.min(of_pages.0), of_group.1.max(of_pages.1)))
            }
            _ => None,
        };
        self.rows += pages.rows;
        if self.rows >= GROUP_ROWS { self.end_group(dictionaries) } else { Ok(()) }
    }

    fn end_group(&mut self, numbers: &Dictionaries) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(());
        }
        let starts_ns = self.starts_ns.take();
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            let dictionary = column.dictionary_page(numbers)?;
            let bounds = starts_ns.filter(|_| column.descriptor.name() == START);
            let close = column.close(rows, dictionary.len(), bounds)?;
            let chunk = ColumnChunk { dictionary: &dictionary, pages: &column.pages };
            group.append_column(&chunk, close)?;
            column.pages.clear();
        }
        group.close()?;
        Ok(())
    }
}

impl Column {
    fn new(descriptor: &ColumnDescPtr, names: &Names) -> Self {
        let names_of = NAMES.iter().position(|&name| name == descriptor.name());
        let number = NUMBERS.iter().position(|&name| name == descriptor.name());
        Self {
            descriptor: Arc::clone(descriptor),
            names: names_of.map(|index| plain_texts(names.by_column()[index])),
            number,
            pages: Vec::new(),
            is_delta: false,
        }
    }

    fn append(&mut self, page: &Page, rows: usize) -> Result<(), ParquetError> {
        self.is_delta |= !page.is_coded;
        let size = page.bytes.len();
        let page = ParquetPage::DataPageV2 {
            buf: page.bytes.clone(),
            num_values: rows as u32,
            encoding: page.encoding(),
            num_nulls: page.nulls,
            num_rows: rows as u32,
            def_levels_byte_len: page.level_bytes,
            rep_levels_byte_len: 0,
            is_compressed: false,
            statistics: None,
        };
        write_page(page, size, &mut self.pages)
    }

    /// What the footer says about the column chunk.
    fn close(
        &mut self,
        rows: usize,
        dictionary_bytes: usize,
        bounds: Option<(i64, i64)>,
    ) -> Result<ColumnCloseResult, ParquetError> {
        let bytes = dictionary_bytes + self.pages.len();
        let mut encodings = vec![Encoding::RLE];
        if dictionary_bytes > 0 {
            encodings.extend([Encoding::PLAIN, Encoding::RLE_DICTIONARY]);
        }
        if std::mem::take(&mut self.is_delta) {
            encodings.push(Encoding::DELTA_BINARY_PACKED);
        }
        let mut metadata = ColumnChunkMetaData::builder(Arc::clone(&self.descriptor))
            .set_encodings(encodings)
            .set_compression(Compression::UNCOMPRESSED)
            .set_num_values(rows as i64)
            .set_total_compressed_size(bytes as i64)
            .set_total_uncompressed_size(bytes as i64)
            .set_data_page_offset(dictionary_bytes as i64)
            .set_dictionary_page_offset((dictionary_bytes > 0).then_some(0));
        if let Some((least, greatest)) = bounds {
            let nulls = Some(0);
            let bounds = Statistics::int64(Some(least), Some(greatest), None, nulls, false);
            metadata = metadata.set_statistics(bounds);
        }
        Ok(ColumnCloseResult {
            bytes_written: bytes as u64,
            rows_written: rows as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        })
    }

    /// The dictionary page; nothing for a column without one.
    fn dictionary_page(&self, numbers: &Dictionaries) -> Result<Vec<u8>, ParquetError> {
        let dictionary = match (&self.names, self.number) {
            (Some(names), _) => Some(names.clone()),
            (None, Some(number)) => plain_numbers(numbers[number].values()),
            (None, None) => None,
        };
        let mut bytes = Vec::new();
        if let Some((num_values, buf)) = dictionary {
            let size = buf.len();
            let encoding = Encoding::PLAIN;
            let page = ParquetPage::DictionaryPage { buf, num_values, encoding, is_sorted: false };
            write_page(page, size, &mut bytes)?;
        }
        Ok(bytes)
    }
}

/// Appends a page and its header.
fn write_page(page: ParquetPage, size: usize, out: &mut Vec<u8>) -> Result<(), ParquetError> {
    let mut sink = TrackedWrite::new(std::mem::take(out));
    SerializedPageWriter::new(&mut sink).write_page(CompressedPage::new(page, size))?;
    *out = sink.into_inner()?;
    Ok(())
}

/// A column chunk in two pieces: its dictionary, then its pages.
struct ColumnChunk<'a> {
    dictionary: &'a [u8],
    pages: &'a [u8],
}

impl Length for ColumnChunk<'_> {
    fn len(&self) -> u64 {
        (self.dictionary.len() + self.pages.len()) as u64
    }
}

impl<'a> ChunkReader for ColumnChunk<'a> {
    type T = Chain<&'a [u8], &'a [u8]>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let start = start as usize;
        let in_pages = start.saturating_sub(self.dictionary.len());
        let dictionary = &self.dictionary[start.min(self.dictionary.len())..];
        Ok(dictionary.chain(&self.pages[in_pages..]))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = Vec::with_capacity(length);
        self.get_read(start)?.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Count and PLAIN encoding of texts.
fn plain_texts(texts: &[String]) -> (u32, Bytes) {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    (texts.len() as u32, bytes.into())
}

/// Count and PLAIN encoding of numbers; nothing when there is none.
fn plain_numbers(numbers: &[u32]) -> Option<(u32, Bytes)> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    (!numbers.is_empty()).then_some((numbers.len() as u32, bytes.into()))
}

fn properties(notes: &[(String, String)]) -> WriterProperties {
    let mut metadata =
        vec![KeyValue::new("openload.schema_version".to_owned(), SCHEMA_VERSION.to_owned())];
    metadata.extend(notes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())));
    for column in COLUMNS.iter().filter(|column| !column.unit.is_empty()) {
        let key = format!("openload.unit.{}", column.name);
        metadata.push(KeyValue::new(key, column.unit.to_owned()));
    }
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_key_value_metadata(Some(metadata))
        .build()
}

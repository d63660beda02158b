//! Columns of a recording, their units, and how they are stored.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

use crate::clock::UnixClock;

/// Version of the format, `major.minor`: a reader refuses another major version; minor versions
/// only add columns.
pub const RECORDING_VERSION: &str = "1.0";

/// Key under which a file carries its version.
pub(super) const VERSION_KEY: &str = "openload.recording_version";

/// Key of the greatest error of the wall clock's distance from the clock that stamps.
const UNCERTAINTY_KEY: &str = "openload.clock_uncertainty_ns";

const UNITS: [(&str, &str); 2] =
    [("received_unix_ns", "ns since 1970-01-01T00:00:00Z"), ("body_bytes", "bytes")];

/// Rows of a row group. All columns of one are in memory until it is complete: about 20 bytes a
/// row.
const GROUP_ROWS: usize = 131_072;

/// Rows of a page. A page is compressed at once, on a core the target may need: this many take
/// about 0.1 ms.
const PAGE_ROWS: usize = 4096;

/// The columns of a recording.
///
/// | column | meaning |
/// |---|---|
/// | `received_unix_ns` | wall clock right after the read that completed the request's head |
/// | `connection` | number of the connection, counted from 0 in order of acceptance |
/// | `method` | as it came |
/// | `target` | path and query as they came |
/// | `body_bytes` | body of the request, without its chunk framing |
pub fn schema() -> SchemaRef {
    let method = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("received_unix_ns", DataType::Int64, false),
        Field::new("connection", DataType::UInt32, false),
        Field::new("method", method, false),
        Field::new("target", DataType::Utf8, false),
        Field::new("body_bytes", DataType::UInt64, false),
    ]))
}

/// How the columns are stored. The targets of a load test tend to be different, in which case a
/// dictionary of them costs time and saves nothing; statistics help to find a stretch of time.
pub(super) fn properties(clock: &UnixClock) -> WriterProperties {
    let target = ColumnPath::from("target");
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(metadata(clock)))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_column_statistics_enabled("received_unix_ns".into(), EnabledStatistics::Chunk)
        .set_column_dictionary_enabled(target.clone(), false)
        .set_column_encoding(target, Encoding::DELTA_BYTE_ARRAY);
    for number in ["received_unix_ns", "connection", "body_bytes"] {
        let path = ColumnPath::from(number);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

fn metadata(clock: &UnixClock) -> Vec<KeyValue> {
    let note = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let mut notes = vec![
        note(VERSION_KEY, RECORDING_VERSION.to_owned()),
        note(UNCERTAINTY_KEY, clock.uncertainty_ns().to_string()),
    ];
    notes.extend(
        UNITS.iter().map(|(column, unit)| note(&format!("openload.unit.{column}"), (*unit).into())),
    );
    notes
}

//! The timeline itself as a Parquet file: `gen plan --dump`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::UInt16Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, UInt16Array, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use thiserror::Error;

use crate::plan::Plan;
use crate::replay::Timelines;
use crate::schedule::{Arrival, LaneSet};

/// The timeline could not be written.
#[derive(Debug, Error)]
#[error("{}: {cause}", path.display())]
pub struct DumpError {
    /// File to be written.
    path: PathBuf,
    /// What the system or the encoder said.
    cause: String,
}

/// Rows of one batch.
const BATCH_ROWS: usize = 65_536;

/// Writes every intended start of some lanes: `seq`, `intended_ns`, `stream`, `phase`,
/// `scenario`. Returns the number of rows. Memory is one batch.
///
/// # Errors
/// When the file cannot be written, or a trace cannot be read.
pub fn dump_timeline(plan: &Plan, lanes: LaneSet, path: &Path) -> Result<u64, DumpError> {
    let failed = |cause: String| DumpError { path: path.to_owned(), cause };
    let partial = path.with_extension("partial");
    let file = File::create(&partial).map_err(|error| failed(error.to_string()))?;
    let schema = schema();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))
        .map_err(|error| failed(error.to_string()))?;
    let names = Names::new(plan);
    let mut timeline = Timelines::new(plan, lanes).map_err(|error| failed(error.to_string()))?;
    let mut rows = 0;
    loop {
        let arrivals = timeline.by_ref().take(BATCH_ROWS).collect::<Result<Vec<Arrival>, _>>();
        let arrivals = arrivals.map_err(|error| failed(error.to_string()))?;
        if arrivals.is_empty() {
            break;
        }
        rows += arrivals.len() as u64;
        let batch = names.batch(&schema, &arrivals).map_err(|error| failed(error.to_string()))?;
        writer.write(&batch).map_err(|error| failed(error.to_string()))?;
    }
    writer.close().map_err(|error| failed(error.to_string()))?;
    std::fs::rename(&partial, path).map_err(|error| failed(error.to_string()))?;
    Ok(rows)
}

fn schema() -> SchemaRef {
    let name = || DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("seq", DataType::UInt64, false),
        Field::new("intended_ns", DataType::Int64, false),
        Field::new("stream", name(), false),
        Field::new("phase", name(), false),
        Field::new("scenario", name(), false),
    ]))
}

/// Names of the plan as dictionaries.
struct Names {
    streams: Arc<StringArray>,
    scenarios: Arc<StringArray>,
    phases: Arc<StringArray>,
    /// Position in `phases` of the first phase of each stream.
    first_phases: Vec<u16>,
}

impl Names {
    fn new(plan: &Plan) -> Self {
        let mut first_phases = Vec::new();
        let mut phases: Vec<&str> = Vec::new();
        for stream in &plan.streams {
            first_phases.push(phases.len() as u16);
            phases.extend(stream.phases.iter().map(|phase| phase.name.as_str()));
        }
        let streams = plan.streams.iter().map(|stream| &stream.name);
        let scenarios = plan.scenarios.iter().map(|scenario| &scenario.name);
        Self {
            streams: Arc::new(StringArray::from_iter_values(streams)),
            scenarios: Arc::new(StringArray::from_iter_values(scenarios)),
            phases: Arc::new(StringArray::from_iter_values(phases)),
            first_phases,
        }
    }

    fn batch(
        &self,
        schema: &SchemaRef,
        arrivals: &[Arrival],
    ) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let phase_of =
            |arrival: &Arrival| self.first_phases[usize::from(arrival.stream)] + arrival.phase;
        let column = |names: &Arc<StringArray>, code: &dyn Fn(&Arrival) -> u16| {
            let codes = UInt16Array::from_iter_values(arrivals.iter().map(code));
            let names = Arc::clone(names) as ArrayRef;
            DictionaryArray::<UInt16Type>::try_new(codes, names)
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_iter_values(arrivals.iter().map(|arrival| arrival.seq))),
            Arc::new(Int64Array::from_iter_values(
                arrivals.iter().map(|arrival| arrival.intended_ns),
            )),
            Arc::new(column(&self.streams, &|arrival| arrival.stream)?),
            Arc::new(column(&self.phases, &phase_of)?),
            Arc::new(column(&self.scenarios, &|arrival| arrival.scenario)?),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}

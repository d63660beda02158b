//! Reading closed parts row group by row group, in any order and from several threads.
//!
//! [`read_parts`](crate::read_parts) reads one part after the other. Workers write side by side,
//! so whoever wants the rows in the order of the timeline goes through the row groups of all parts
//! instead, and holds no more than a few of them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;

use crate::Error;
use crate::group::START;
use crate::paths::closed_parts;
use crate::read::{check_columns, completed};

/// The closed parts of a run, opened; what their footers say is kept, the files are not.
#[derive(Debug)]
pub struct RowGroups {
    parts: Vec<Part>,
    groups: Vec<RowGroup>,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

/// One row group of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowGroup {
    part: usize,
    index: usize,
    /// Rows in the parts and row groups before it.
    pub first_row: u64,
    /// Rows in it.
    pub rows: u64,
}

impl RowGroups {
    /// Opens the closed parts of a run, which must have `columns`.
    ///
    /// # Errors
    /// When a folder or a footer cannot be read.
    pub fn open(run_dir: &Path, columns: &[&'static str]) -> Result<Self, Error> {
        let (mut parts, mut groups, mut first_row) = (Vec::new(), Vec::new(), 0);
        for path in closed_parts(run_dir)? {
            let file = File::open(&path).map_err(Error::io(&path))?;
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default())
                .map_err(Error::parquet(&path))?;
            check_columns(&path, metadata.schema(), columns)?;
            for (index, group) in metadata.metadata().row_groups().iter().enumerate() {
                let rows = u64::try_from(group.num_rows()).unwrap_or(0);
                groups.push(RowGroup { part: parts.len(), index, first_row, rows });
                first_row += rows;
            }
            parts.push(Part { path, metadata });
        }
        Ok(Self { parts, groups })
    }

    /// The row groups in the order of parts.
    pub fn groups(&self) -> &[RowGroup] {
        &self.groups
    }

    /// The file that holds a row group.
    pub fn path(&self, group: &RowGroup) -> &Path {
        &self.parts[group.part].path
    }

    /// The least intended start of a row group, if its footer says so. Files of the first versions do
    /// not, nor do parts made of a journal.
    pub fn earliest(&self, group: &RowGroup) -> Option<i64> {
        let metadata = self.parts[group.part].metadata.metadata().row_group(group.index);
        let is_start = |column: &&ColumnChunkMetaData| column.column_path().string() == START;
        match metadata.columns().iter().find(is_start)?.statistics()? {
            Statistics::Int64(bounds) => bounds.min_opt().copied(),
            _ => None,
        }
    }

    /// Reads some columns of a row group, which come in the order of the contract.
    ///
    /// A nullable column that a part lacks, because an earlier minor version wrote it, is null.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, group: &RowGroup, columns: &[&'static str]) -> Result<RecordBatch, Error> {
        let Part { path, metadata } = &self.parts[group.part];
        let ours = crate::schema();
        let fields = ours.fields().iter().filter(|field| columns.contains(&field.name().as_str()));
        let schema = Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()));
        let file = File::open(path).map_err(Error::io(path))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let mut reader = builder
            .with_projection(mask)
            .with_row_groups(vec![group.index])
            .with_batch_size(usize::try_from(group.rows).unwrap_or(usize::MAX).max(1))
            .build()
            .map_err(Error::parquet(path))?;
        let batch = match reader.next() {
            Some(batch) => batch.and_then(|batch| completed(batch, &schema)),
            None => Ok(RecordBatch::new_empty(schema)),
        };
        let batch = batch.map_err(Error::arrow(path))?;
        if batch.num_rows() as u64 == group.rows {
            return Ok(batch);
        }
        let (found, said) = (batch.num_rows(), group.rows);
        let reason = format!("a row group holds {found} rows where its footer says {said}");
        Err(Error::Schema { path: path.clone(), reason })
    }
}

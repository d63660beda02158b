//! The Arrow schema of a sample file, made from the contract's table.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use openload_contract::columns::{COLUMNS, Column, ColumnType};

/// Builds the Arrow schema of a sample file.
pub fn schema() -> SchemaRef {
    let fields: Vec<Field> = COLUMNS.iter().map(field).collect();
    Arc::new(Schema::new(fields))
}

fn field(column: &Column) -> Field {
    Field::new(column.name, data_type(column.kind), column.nullable)
}

fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::U64 => DataType::UInt64,
        ColumnType::I64 => DataType::Int64,
        ColumnType::U32 => DataType::UInt32,
        ColumnType::U16 => DataType::UInt16,
        ColumnType::Dictionary => {
            DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8))
        }
    }
}

//! The columns of a sample file: one row a request.
//!
//! The table below is the only definition. The Parquet schema, the journal's schema, the
//! data dictionary in `results/README.md` and `gen schema samples` are made from it.

/// Physical type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Unsigned 64-bit integer.
    U64,
    /// Signed 64-bit integer.
    I64,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 16-bit integer.
    U16,
    /// Dictionary-encoded text with 16-bit codes.
    Dictionary,
}

impl ColumnType {
    /// Names the type as the data dictionary prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::U32 => "u32",
            Self::U16 => "u16",
            Self::Dictionary => "dictionary<u16, utf8>",
        }
    }
}

/// One column of the sample schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name in the file.
    pub name: &'static str,
    /// Physical type.
    pub kind: ColumnType,
    /// Whether a row may hold null: a step that was not reached.
    pub nullable: bool,
    /// Unit of the numbers, empty for names and codes.
    pub unit: &'static str,
    /// What the value means.
    pub doc: &'static str,
}

const fn column(
    name: &'static str,
    kind: ColumnType,
    nullable: bool,
    unit: &'static str,
    doc: &'static str,
) -> Column {
    Column { name, kind, nullable, unit, doc }
}

/// Every column of a sample file, in file order.
pub const COLUMNS: [Column; 17] = [
    column(
        "seq",
        ColumnType::U64,
        false,
        "",
        "Number of the arrival: unique in the run and the same for any worker or shard count.",
    ),
    column(
        "intended_ns",
        ColumnType::I64,
        false,
        "ns since the run's start",
        "Intended start: when the timeline said the request should start.",
    ),
    column(
        "lag_ns",
        ColumnType::I64,
        false,
        "ns",
        "Schedule lag: dispatch minus intended start, the generator's own fault.",
    ),
    column(
        "connect_ns",
        ColumnType::I64,
        true,
        "ns",
        "Time spent obtaining a connection; 0 when one was idle, null when none was obtained.",
    ),
    column(
        "pool_wait_ns",
        ColumnType::I64,
        true,
        "ns",
        "Part of connect_ns spent waiting for a connection of the pool to be free or to be allowed, \
         because max_connections was reached; 0 when none had to be waited for, null when none \
         was obtained or the run was recorded before schema version 1.1.",
    ),
    column(
        "sent_ns",
        ColumnType::I64,
        true,
        "ns since the intended start",
        "When the request's bytes were handed to the socket; null when they never were.",
    ),
    column(
        "ttfb_ns",
        ColumnType::I64,
        true,
        "ns since the intended start",
        "When the first byte of the response arrived; null when none did.",
    ),
    column(
        "response_ns",
        ColumnType::I64,
        false,
        "ns since the intended start",
        "Response time: completion or failure minus intended start.",
    ),
    column("status", ColumnType::U16, true, "", "HTTP status; null when no response head arrived."),
    column(
        "outcome",
        ColumnType::Dictionary,
        false,
        "",
        "How the request ended: ok, http_error, check_failed, timeout, connect_error, reset, \
         protocol_error, dropped or cancelled.",
    ),
    column("stream", ColumnType::Dictionary, false, "", "Stream of the profile."),
    column("phase", ColumnType::Dictionary, false, "", "Phase of the stream."),
    column("scenario", ColumnType::Dictionary, false, "", "Scenario of the profile."),
    column("request", ColumnType::Dictionary, false, "", "Request of the scenario."),
    column(
        "step",
        ColumnType::U16,
        false,
        "",
        "0 for an arrival, above 0 for follow-up steps of a session.",
    ),
    column("bytes_in", ColumnType::U32, false, "bytes", "Body bytes received."),
    column("bytes_out", ColumnType::U32, false, "bytes", "Body bytes sent."),
];

/// Finds a column by its name.
pub fn find(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name == name)
}

/// Renders the data dictionary as a Markdown table.
pub fn dictionary() -> String {
    let mut table = String::from("| column | type | unit | meaning |\n|---|---|---|---|\n");
    for column in &COLUMNS {
        let optional = if column.nullable { "?" } else { "" };
        table.push_str(&format!(
            "| `{}` | {}{optional} | {} | {} |\n",
            column.name,
            column.kind.name(),
            column.unit,
            column.doc
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, dictionary, find};

    #[test]
    fn names_are_unique_and_durations_name_their_unit() {
        for column in &COLUMNS {
            assert_eq!(find(column.name), Some(column));
            assert_eq!(column.name.ends_with("_ns"), column.unit.starts_with("ns"));
        }
    }

    #[test]
    fn the_dictionary_has_a_line_for_every_column() {
        assert_eq!(dictionary().lines().count(), COLUMNS.len() + 2);
    }
}

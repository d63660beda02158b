//! Tables as the template wants them: every cell already text.

use serde::Serialize;

/// One table.
#[derive(Debug, Serialize)]
pub struct Table {
    /// What the table shows.
    pub caption: String,
    /// Columns from left to right; the first one names the row.
    pub columns: Vec<Column>,
    /// Rows from top to bottom.
    pub rows: Vec<Vec<Cell>>,
}

/// One column.
#[derive(Debug, Serialize)]
pub struct Column {
    /// Its heading.
    pub label: String,
    /// Whether its cells are numbers.
    pub is_number: bool,
}

/// One cell.
#[derive(Debug, Serialize)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// Style class, empty for none.
    pub class: &'static str,
}

impl Table {
    /// Starts a table; headings that begin with `#` are those of numbers.
    pub fn new(caption: &str, headings: &[&str]) -> Self {
        let column = |heading: &&str| match heading.strip_prefix('#') {
            Some(label) => Column { label: label.to_owned(), is_number: true },
            None => Column { label: (*heading).to_owned(), is_number: false },
        };
        Self {
            caption: caption.to_owned(),
            columns: headings.iter().map(column).collect(),
            rows: vec![],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl Cell {
    /// Makes a cell with a style class.
    pub fn styled(text: &str, class: &'static str) -> Self {
        Self { text: text.to_owned(), class }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, class: "" }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

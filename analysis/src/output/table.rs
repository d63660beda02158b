//! The answer of a query, for a person, a spreadsheet or a script.

use serde_json::{Map, Number, Value};

use super::escape;

/// A value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// A truth value.
    Truth(bool),
    /// A whole number.
    Whole(i128),
    /// Any other number; not a number where the engine says so.
    Real(f64),
    /// Text, and whatever else the engine has a text for.
    Text(String),
}

/// What a query comes to: a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Names of the columns, as the query gives them.
    pub columns: Vec<String>,
    /// Rows, each with a cell for every column.
    pub rows: Vec<Vec<Cell>>,
}

/// Rows that a person is shown.
const ROWS_SHOWN: usize = 100;

/// Renders the answer for a terminal: names above, numbers to the right, the first rows only.
pub fn terminal(answer: &Answer) -> String {
    let shown = &answer.rows[..answer.rows.len().min(ROWS_SHOWN)];
    let cells: Vec<Vec<String>> = shown
        .iter()
        .map(|row| row.iter().map(|cell| escape::terminal(&short(cell))).collect())
        .collect();
    let names: Vec<String> = answer.columns.iter().map(|name| escape::terminal(name)).collect();
    let width = |place: usize| {
        let cells = cells.iter().map(|row| row[place].chars().count());
        cells.chain([names[place].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let is_number: Vec<bool> = (0..names.len()).map(|place| holds_numbers(shown, place)).collect();
    let mut text = String::new();
    for row in std::iter::once(&names).chain(&cells) {
        let mut line = String::new();
        for (place, cell) in row.iter().enumerate() {
            let gap = if place == 0 { "" } else { "  " };
            let width = widths[place];
            line.push_str(&if is_number[place] {
                format!("{gap}{cell:>width$}")
            } else {
                format!("{gap}{cell:<width$}")
            });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let left = answer.rows.len() - shown.len();
    if left > 0 {
        let more = format!("… {left} more rows; --csv and --json print all\n");
        text.push_str(&more);
    }
    text
}

/// Renders the answer as CSV: a header, then a line a row; an absent value is an empty field.
pub fn csv(answer: &Answer) -> String {
    let line = |fields: Vec<String>| fields.join(",") + "\n";
    let mut text = line(answer.columns.iter().map(|name| escape::csv(name)).collect());
    for row in &answer.rows {
        text.push_str(&line(row.iter().map(|cell| escape::csv(&full(cell))).collect()));
    }
    text
}

/// Renders the answer as JSON: a list with an object a row.
pub fn json(answer: &Answer) -> String {
    let object = |row: &Vec<Cell>| {
        let cells = answer.columns.iter().cloned().zip(row.iter().map(value));
        Value::Object(cells.collect::<Map<_, _>>())
    };
    let rows = Value::Array(answer.rows.iter().map(object).collect());
    format!("{rows:#}\n")
}

/// Tells whether a column's cells are numbers, as far as there are any.
fn holds_numbers(rows: &[Vec<Cell>], place: usize) -> bool {
    let mut known = rows.iter().map(|row| &row[place]).filter(|cell| **cell != Cell::Null);
    known.all(|cell| matches!(cell, Cell::Whole(_) | Cell::Real(_)))
}

/// A cell in full.
fn full(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Truth(truth) => truth.to_string(),
        Cell::Whole(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Text(text) => text.clone(),
    }
}

/// A cell for a person: of a number with decimals, six digits after the point at most.
fn short(cell: &Cell) -> String {
    match cell {
        Cell::Null => "-".to_owned(),
        Cell::Real(number) if number.is_finite() && number.abs() >= 1e-3 => {
            let text = format!("{number:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        other => full(other),
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Truth(truth) => Value::Bool(*truth),
        Cell::Whole(number) => Number::from_i128(*number)
            .map_or_else(|| Value::String(number.to_string()), Value::Number),
        // JSON has no NaN and no infinity.
        Cell::Real(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Cell::Text(text) => Value::String(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Cell, csv, json, terminal};

    fn answer(rows: usize) -> Answer {
        let row = |number: usize| {
            vec![
                Cell::Text(format!("a,{number}")),
                if number == 1 { Cell::Null } else { Cell::Whole(number as i128 * 1000) },
                Cell::Real(number as f64 / 3.0),
            ]
        };
        Answer {
            columns: vec!["name".into(), "n".into(), "x".into()],
            rows: (0..rows).map(row).collect(),
        }
    }

    #[test]
    fn a_person_sees_columns_and_what_is_left_out() {
        let text = "name     n         x\na,0      0         0\na,1      -  0.333333\na,2   2000  0.666667\n";
        assert_eq!(terminal(&answer(3)), text);
        let long = terminal(&answer(250));
        assert_eq!(long.lines().count(), 102);
        assert!(long.ends_with("… 150 more rows; --csv and --json print all\n"));
        assert_eq!(terminal(&answer(0)), "name  n  x\n");
    }

    #[test]
    fn machines_get_every_digit() {
        let text = "name,n,x\n\"a,0\",0,0\n\"a,1\",,0.3333333333333333\n";
        assert_eq!(csv(&answer(2)), text);
        let rows: serde_json::Value = serde_json::from_str(&json(&answer(2))).unwrap();
        assert_eq!(rows[1]["n"], serde_json::Value::Null);
        assert_eq!(rows[1]["x"], 1.0 / 3.0);
        assert_eq!(rows[0]["n"], 0);
        let nan = Answer { columns: vec!["x".into()], rows: vec![vec![Cell::Real(f64::NAN)]] };
        assert_eq!(json(&nan), "[\n  {\n    \"x\": null\n  }\n]\n");
    }
}

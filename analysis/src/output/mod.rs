//! Everything the analysis shows: one summary, told for each kind of reader.
//!
//! The statistics end in a [`Summary`](openload_contract::Summary) and one
//! [`SecondRow`](openload_contract::summary::SecondRow) a second; from there on nothing is
//! computed, only shown. A person at a terminal reads [`terminal`], a person with more time
//! opens `report.html`, a build server reads `junit.xml`, a script reads `summary.json`, a
//! spreadsheet or a notebook the two CSV files. All of them say the same numbers, because
//! none of them makes its own.
//!
//! Nothing here knows samples, polars, clocks or the environment: the same input gives the
//! same bytes.

pub mod compare;
mod csv;
mod escape;
#[cfg(test)]
mod fixture;
mod group;
mod junit;
mod number;
mod quantile;
mod report;
mod second;
mod text;
mod words;
mod write;

pub use text::{Style, terminal};
pub use write::{OutputError, summary_json, write_all};

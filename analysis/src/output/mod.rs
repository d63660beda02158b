//! Everything the analysis shows: one summary, told for each kind of reader.
//!
//! The statistics end in a [`Summary`](openload_contract::Summary) and one
//! [`SecondRow`](openload_contract::summary::SecondRow) a second; from there on nothing is
//! computed, only shown. A person at a terminal reads [`terminal`], a person with more time
//! opens `report.html`, a build server reads `junit.xml` and shows [`markdown`], a script reads
//! `summary.json`, a spreadsheet or a notebook the two CSV files. A suite has the same of its own. All of them say the same numbers, because
//! none of them makes its own.
//!
//! Nothing here knows samples, polars, clocks or the environment: the same input gives the
//! same bytes.

mod baselines;
pub mod compare;
mod csv;
mod escape;
#[cfg(test)]
mod fixture;
mod group;
pub mod history;
mod junit;
mod markdown;
mod number;
mod quantile;
mod report;
pub(crate) mod second;
mod suite;
pub mod table;
mod text;
mod words;
mod write;

use openload_contract::summary::SecondRow;
use openload_contract::{Comparison, Manifest, Summary};

use crate::heat::HeatMap;

pub use markdown::run as markdown;
pub use markdown::suite as suite_markdown;
pub use suite::terminal as suite_terminal;
pub use text::{Style, terminal};
pub use write::{
    OutputError, append, suite_json, summary_json, write_all, write_baselines, write_suite,
};

/// All that the files of a run show.
#[derive(Debug, Clone, Copy)]
pub struct Results<'a> {
    /// What the run comes to.
    pub summary: &'a Summary,
    /// The run second by second.
    pub seconds: &'a [SecondRow],
    /// How response times are spread over the run.
    pub heat: &'a HeatMap,
    /// What was run.
    pub manifest: &'a Manifest,
    /// How the run differs from a base, if one was given.
    pub comparison: Option<&'a Comparison>,
}

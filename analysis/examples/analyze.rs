//! Analyses a run directory and prints the summary as JSON: for measuring the analysis alone.
//!
//! ```text
//! cargo run --release -p openload-analysis --example analyze -- DIR
//! ```

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = env::args_os().nth(1).ok_or("usage: analyze DIR")?;
    let analysis = openload_analysis::analyze(Path::new(&dir))?;
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &analysis.summary)?;
    Ok(writeln!(out)?)
}

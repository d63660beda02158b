//! `gen schema` and `gen completions`.

use clap::CommandFactory;
use clap_complete::Shell;
use openload_contract::{
    Baseline, Comparison, ExitCode, History, Suite, Summary, columns, monitor,
};
use serde::Serialize;

use super::args::{Args, SchemaKind};
use super::console::{self, Failure};

/// Prints the schema of a format.
pub fn command(kind: SchemaKind) -> Result<ExitCode, Failure> {
    match kind {
        SchemaKind::Profile => console::print(pretty(&openload::profile::json_schema())),
        SchemaKind::Samples => console::print(columns::dictionary()),
        SchemaKind::Monitor => console::print(monitor::dictionary()),
        SchemaKind::Summary => console::print(pretty(&schemars::schema_for!(Summary))),
        SchemaKind::Comparison => console::print(pretty(&schemars::schema_for!(Comparison))),
        SchemaKind::History => console::print(pretty(&schemars::schema_for!(History))),
        SchemaKind::Baseline => console::print(pretty(&schemars::schema_for!(Baseline))),
        SchemaKind::Suite => console::print(pretty(&schemars::schema_for!(Suite))),
    }
    Ok(ExitCode::Passed)
}

fn pretty(schema: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(schema).expect("a schema has only string keys");
    text.push('\n');
    text
}

/// Prints completions for a shell.
pub fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "gen", &mut script);
    console::print(String::from_utf8_lossy(&script));
    Ok(ExitCode::Passed)
}

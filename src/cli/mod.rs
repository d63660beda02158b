//! The commands of `gen`.

mod ab;
mod analyze;
mod args;
mod compare;
mod confirm;
mod console;
mod doctor;
mod plan;
mod progress;
mod query;
mod replay;
mod run;
mod schema;
#[cfg_attr(not(feature = "analysis"), path = "no_suite.rs")]
mod suite;
mod target;
mod trace;

use clap::Parser;
use openload_contract::ExitCode;

use args::{Args, Command};

/// Runs the command line and tells the exit code.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return console::clap_exit(&error),
    };
    let done = match args.command {
        None => run::command(&args.run),
        Some(Command::Plan(plan)) => plan::command(&plan),
        Some(Command::Replay(replay)) => replay::command(&replay),
        Some(Command::Trace { what }) => trace::command(&what),
        Some(Command::Analyze(analyze)) => analyze::command(&analyze),
        Some(Command::Compare(compare)) => compare::command(&compare),
        Some(Command::Query(query)) => query::command(&query),
        Some(Command::Ab(ab)) => ab::command(&ab),
        Some(Command::Suite(suite)) => suite::command(&suite),
        Some(Command::Target(target)) => target::command(&target),
        Some(Command::Doctor(doctor)) => doctor::command(&doctor),
        Some(Command::Schema { what }) => schema::command(what),
        Some(Command::Completions { shell }) => schema::completions(shell),
    };
    done.unwrap_or_else(|failure| console::report(&failure))
}

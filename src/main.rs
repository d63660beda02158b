//! `gen`: the command line of `openload`.
//!
//! This binary reads arguments and the environment, prints, and chooses the exit code; what
//! it prints about is computed by the libraries.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cli::main().code())
}

//! What goes to people: messages to stderr, results to stdout.
//!
//! The only place that prints.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use openload_contract::ExitCode;

/// Why a command ended without a result.
#[derive(Debug)]
pub struct Failure {
    /// What the process says.
    pub exit: ExitCode,
    /// What a person is told, ready to print.
    pub message: String,
}

impl Failure {
    /// Something that could not be done: I/O, connection, internal.
    pub fn could_not_run(error: &dyn std::error::Error) -> Self {
        Self { exit: ExitCode::CouldNotRun, message: format!("error: {}", chain(error)) }
    }

    /// Something that was asked for wrongly.
    pub fn usage(message: impl Display) -> Self {
        Self { exit: ExitCode::Usage, message: format!("error: {message}") }
    }
}

/// An error with its causes, each said once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let detail = cause.to_string();
        if !text.contains(&detail) {
            text = format!("{text}: {detail}");
        }
        source = cause.source();
    }
    text
}

/// Tells a person why a command failed; returns the exit code.
pub fn report(failure: &Failure) -> ExitCode {
    say(&failure.message);
    failure.exit
}

/// Prints what clap has to say: help to stdout, mistakes to stderr.
pub fn clap_exit(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the terminal is gone.
    let _ = error.print();
    if error.use_stderr() { ExitCode::Usage } else { ExitCode::Passed }
}

/// Writes a line for people to stderr.
pub fn say(message: impl Display) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// Overwrites the current line of the terminal on stderr.
pub fn say_over(message: &str) {
    let _ = write!(io::stderr(), "\r\x1b[K{message}");
    let _ = io::stderr().flush();
}

/// Writes a result to stdout. A closed pipe is not an error: the reader has what it wanted.
pub fn print(result: impl Display) {
    let mut stdout = io::stdout();
    let _ = write!(stdout, "{result}");
    let _ = stdout.flush();
}

/// Tells whether stdout takes colour.
#[cfg(feature = "analysis")]
pub fn wants_color() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Tells whether stderr is a terminal.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

//! `gen suite` in a build without the analysis: a suite is a table of verdicts.

use openload_contract::ExitCode;

use super::args::SuiteArgs;
use super::console::Failure;

/// Says that this build cannot judge.
pub fn command(_args: &SuiteArgs) -> Result<ExitCode, Failure> {
    let message = "error: this gen was built without the analysis, and a suite is a table of \
                   verdicts; use a gen with its default features";
    Err(Failure { exit: ExitCode::CouldNotRun, message: message.to_owned() })
}

//! Tests of profiles as a whole: what is read, what is refused, and how it is said.

mod built_in;
mod errors;
mod fuzz;
mod overrides;
mod resolved;
mod trace;

use crate::plan::Plan;

use super::{Overrides, ProfileError, parse};

/// A sound profile that tests add to.
const MINIMAL: &str = r#"name = "test"
seed = 1

[target]
url = "embedded"

[[phase]]
name = "steady"
duration = "10s"
rate = 100
"#;

fn resolve(text: &str) -> Result<Plan, ProfileError> {
    parse("test.toml", text, &Overrides::default())
}

/// Resolves [`MINIMAL`] with lines added at its end.
fn with(lines: &str) -> Result<Plan, ProfileError> {
    resolve(&format!("{MINIMAL}{lines}"))
}

/// Overrides with `--set` arguments only.
fn set(settings: &[(&str, &str)]) -> Overrides {
    let set = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Overrides { set: set.collect(), ..Overrides::default() }
}

/// Compares a text with the committed one of this name.
fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
}

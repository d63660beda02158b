//! Profiles that come with the program.

use std::path::Path;

use super::diagnostic::{Fault, ProfileError};
use super::nearest::nearest;
use super::source::Source;

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/profiles/", $name, ".toml"
        )))),*]
    };
}

/// The built-in profiles: name and text.
pub const BUILT_IN: &[(&str, &str)] = builtin!["baseline", "stress", "spike", "soak", "mixed"];

/// Returns the text of a built-in profile.
pub fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Finds a profile by name or path.
///
/// A built-in name wins over a file of that name. Anything with a path separator or ending
/// in `.toml` is a file, and so is whatever else exists as one.
pub(super) fn find(name_or_path: &str) -> Result<Source, ProfileError> {
    let path = Path::new(name_or_path);
    let looks_like_file = name_or_path.contains(['/', std::path::MAIN_SEPARATOR])
        || path.extension().is_some_and(|extension| extension == "toml");
    if let (false, Some(text)) = (looks_like_file, built_in(name_or_path)) {
        return Ok(Source::new(&format!("{name_or_path} (built in)"), text));
    }
    if matches!(path.try_exists(), Ok(false)) {
        return Err(not_found(name_or_path, looks_like_file).at(None).into());
    }
    Source::read(path)
}

fn not_found(name: &str, looks_like_file: bool) -> Fault {
    let names = || BUILT_IN.iter().map(|(name, _)| *name);
    let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
    let what = if looks_like_file { "there is no file" } else { "there is no profile or file" };
    let known = names().collect::<Vec<_>>().join(", ");
    Fault::new(format!("{what} `{name}`"))
        .nearest(nearest(stem, names()))
        .help(format!("built-in profiles: {known}; or give the path of a TOML file"))
}

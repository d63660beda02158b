//! The way of a profile from its name to a [`Plan`].

use std::hash::{BuildHasher, RandomState};

use crate::plan::Plan;

use super::diagnostic::ProfileError;
use super::overrides::Overrides;
use super::source::Source;
use super::{builtin, document, resolve};

/// Loads a built-in profile by name, or one from a file, and resolves it.
///
/// # Errors
/// Everything that is wrong with the file, the profile or the overrides.
pub fn load(name_or_path: &str, overrides: &Overrides) -> Result<Plan, ProfileError> {
    plan(builtin::find(name_or_path)?, overrides)
}

/// Resolves the profile in `text`; `name` stands for it in messages.
///
/// # Errors
/// Everything that is wrong with the profile or the overrides.
pub fn parse(name: &str, text: &str, overrides: &Overrides) -> Result<Plan, ProfileError> {
    plan(Source::new(name, text), overrides)
}

fn plan(mut source: Source, overrides: &Overrides) -> Result<Plan, ProfileError> {
    overrides.check()?;
    let mut raw = document::read(&mut source, &overrides.set, overrides.target.as_deref())?;
    raw.fill_in();
    overrides.check_traces(&raw)?;
    overrides.apply(&mut raw);
    let seed = raw.seed.unwrap_or_else(draw_seed);
    let plan = resolve::resolve(&source, &raw, seed)?;
    if overrides.tags.is_empty() {
        return Ok(plan);
    }
    // The whole profile was sound; now the part of it that is to run.
    let left_out = overrides.keep_tagged(&mut raw)?;
    let mut plan = resolve::resolve(&source, &raw, seed)?;
    plan.warnings.extend(left_out);
    Ok(plan)
}

/// Draws a seed. It is 32 bits long, so that it is easily typed and survives any JSON reader.
fn draw_seed() -> u64 {
    // The keys of the standard hasher come from the operating system's random numbers.
    RandomState::new().hash_one(std::process::id()) >> 32
}

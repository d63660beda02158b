//! Profiles: what a user writes, checked, and turned into a [`Plan`].
//!
//! ```text
//! file or built-in name ─► text ─► TOML with places, --set applied ─► shape checked
//!     ─► RawProfile ─► --target, --seed, scales, --tag ─► resolve ─► Plan
//! ```
//!
//! Every fault names file, line and column, what was found, what is allowed and what was
//! probably meant. Faults of the shape are reported together, and so are faults of the
//! meaning. Profiles know nothing of clocks, sockets or terminals.

mod analysis;
mod builtin;
mod canonical;
mod diagnostic;
mod document;
mod embedded;
mod located;
mod nearest;
mod overrides;
mod quantity;
mod rate;
mod raw;
mod resolve;
mod schema;
mod source;
mod structure;
mod warnings;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};

pub use builtin::{BUILT_IN, built_in};
pub use diagnostic::{Diagnostic, Place, ProfileError};
pub use overrides::Overrides;
pub use schema::{json_schema, keys};

use crate::plan::Plan;

use source::Source;

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

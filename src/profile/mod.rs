//! Profiles: what a user writes, checked, and turned into a [`Plan`](crate::plan::Plan).
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
mod arrival;
mod builtin;
mod canonical;
mod diagnostic;
mod document;
mod embedded;
mod load;
mod located;
mod nearest;
mod no_effect;
mod overrides;
mod quantity;
mod rate;
mod raw;
mod resolve;
mod schema;
mod source;
mod structure;
mod trace;
mod warnings;

#[cfg(test)]
mod tests;

pub use builtin::{BUILT_IN, built_in};
pub use diagnostic::{Diagnostic, Place, ProfileError};
pub use load::{load, parse};
pub use overrides::Overrides;
pub use quantity::parse_duration_s;
pub use schema::{json_schema, keys};

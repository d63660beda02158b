//! Reads a run directory and says what its samples mean.

pub mod output;

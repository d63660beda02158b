//! From what a user wrote to what runs: the border between profile and plan.

mod address;
mod analysis;
mod arrival;
mod checker;
mod connection;
mod embedded;
mod objectives;
mod plan;
mod rate;
mod scenarios;
mod streams;
mod trace;

use checker::{Checker, nanoseconds, to_ms};

pub(super) use plan::resolve;
pub(super) use scenarios::request_name;
pub(super) use streams::{expected_arrivals, length_s};

//! `gen` as its users meet it: real processes, real sockets, real files.
//!
//! Statistics are tested beside their code and whole runs in simulated time; what is here
//! needs a process: exit codes, messages, signals, crashes, a full disk, real timing. Runs
//! take turns ([`support::Bench::turn`]), because two runs on one machine disturb each other.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![expect(clippy::print_stderr, reason = "a test that cannot be made here should say so")]

mod abort;
mod at_scale;
mod bad_input;
mod browser;
mod cli;
mod compare;
mod confession;
mod doctor;
mod every_way;
mod known_answers;
mod notebooks;
mod nothing_lost;
mod one_row;
mod profiles;
mod query;
mod readers;
mod replay;
mod suite;
mod support;
mod target;
mod timeline;
mod transports;

/// A test file that is not declared above would never run.
#[test]
fn every_file_of_this_folder_is_a_module() {
    let declared = include_str!("main.rs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(stem == "main" || declared.contains(&format!("mod {stem};")), "{stem}");
    }
}

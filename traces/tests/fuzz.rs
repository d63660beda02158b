//! A short run of the fuzzer of `examples/fuzz.rs`: the same cases each time.

#[path = "../fuzz/engine.rs"]
mod engine;

use std::collections::BTreeSet;

use engine::{Fuzzer, Tally, case_seed, corpus_directory, targets};

/// Cases of each format with each of its options.
const CASES: u64 = 150;

#[test]
fn no_changed_input_panics_or_says_what_cannot_be() {
    let fuzzer = Fuzzer::new().unwrap();
    for target in targets(&corpus_directory()).unwrap() {
        let mut sum = Tally::default();
        for number in 0..CASES {
            let seed = case_seed(7, number);
            match fuzzer.run(&target, seed) {
                Ok(tally) => sum.add(&tally),
                Err(finding) => {
                    let input = finding.input.escape_ascii();
                    panic!("{}: seed {seed}: {}: {input}", target.format, finding.what);
                }
            }
        }
        // A corpus that nothing is read from would prove nothing.
        assert!(sum.records >= CASES / 10, "{}: {:?}: {sum:?}", target.format, target.options);
        assert!(sum.timelines > 0, "{}: {:?}: {sum:?}", target.format, target.options);
    }
}

#[test]
fn every_file_of_the_corpus_is_read_and_imported_unchanged() {
    let fuzzer = Fuzzer::new().unwrap();
    for target in targets(&corpus_directory()).unwrap() {
        let mut sum = Tally::default();
        let files: BTreeSet<_> = target.corpus.iter().collect();
        for input in files {
            sum.add(&fuzzer.run_input(&target, input).unwrap_or_else(|finding| {
                panic!("{}: {}", target.format, finding.what);
            }));
        }
        assert!(sum.timelines > 0, "{}: {:?}", target.format, target.options);
    }
}

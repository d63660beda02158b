//! Holds the benchmarks of `openload`; there is nothing to use here.

//! A whole Compose file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| transship_fuzz::load(&[("compose.yaml", bytes)]));

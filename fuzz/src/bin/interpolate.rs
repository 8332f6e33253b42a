//! `${…}` in a value, and in a place where a number is wanted.
#![no_main]

use transship_fuzz::{load, quoted};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let value = quoted(text);
    let compose = format!("services:\n  a:\n    image: {value}\n    cpu_count: {value}\n    environment: [{value}]\n");
    load(&[("compose.yaml", compose.as_bytes()), (".env", b"A=1\nB=\nC=${A}x\n")]);
});

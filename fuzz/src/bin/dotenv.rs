//! `.env`, and a file of variables of a service.
#![no_main]

use transship_fuzz::load;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let compose = b"services:\n  a:\n    image: a:${A-}\n    env_file: [a.env, {path: raw.env, format: raw}]\n";
    load(&[("compose.yaml", compose), (".env", bytes), ("a.env", bytes), ("raw.env", bytes)]);
});

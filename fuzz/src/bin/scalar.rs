//! What a plain scalar means.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let transship::yaml::Scalar::Float(number) = transship::yaml::resolve(text) {
        assert!(!transship::yaml::go_float(number).is_empty());
    }
    let _ = transship::compose::size(text);
});

//! A Compose file and an overlay: what stands before the first zero byte, and what stands after it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let cut = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (base, overlay) = bytes.split_at(cut);
    let overlay = overlay.get(1..).unwrap_or_default();
    transship_fuzz::load(&[("compose.yaml", base), ("compose.override.yaml", overlay)]);
});

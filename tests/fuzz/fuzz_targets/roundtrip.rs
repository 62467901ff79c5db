//! Hands libFuzzer's input to `fuzz_bodies::roundtrip`, and does nothing else.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::roundtrip(data));

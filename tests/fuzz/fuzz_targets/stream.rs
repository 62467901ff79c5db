//! Hands libFuzzer's input to `fuzz_bodies::stream`, and does nothing else.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::stream(data));

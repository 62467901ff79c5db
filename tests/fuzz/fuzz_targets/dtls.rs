//! Hands libFuzzer's input to `fuzz_bodies::dtls`, and does nothing else.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::dtls(data));

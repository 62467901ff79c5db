//! What the fuzz targets run: plain functions of bytes that panic where something is wrong.
//!
//! libFuzzer calls them from `tests/fuzz/fuzz_targets`; the test beside this crate calls them with the
//! committed corpora, on a stable compiler. It starts nothing and keeps nothing from one input to the next.
#![forbid(unsafe_code)]

mod decode;
mod differential;
mod dtls;
mod input;
mod roundtrip;
mod server;
mod stream;

pub use decode::decode;
pub use differential::differential;
pub use dtls::dtls;
pub use roundtrip::roundtrip;
pub use server::server;
pub use stream::stream;

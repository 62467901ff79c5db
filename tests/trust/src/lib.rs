//! The catalogue of attacks beside the tests that carry its rows, and the size of every answer to somebody
//! who proved nothing, measured.
//!
//! It decides nothing about passing: a row passes when every test that bears its number ran and passed, which
//! the program asks `cargo test`. The document in `docs/trust.md` names the tests; it does not judge them.
#![forbid(unsafe_code)]

mod amplification;
mod catalogue;
pub mod conformance;
mod discovery;
pub mod document;
mod run;
mod tests_found;

pub use amplification::{Bound, Measured, measure};
pub use catalogue::{Catalogue, Row, Section};
pub use run::{Outcomes, Verdict, run_tests};
pub use tests_found::{TestsFound, root, rows_of};

//! The real binary, run as an operator runs it: one behaviour per file.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod certificate_files_are_swapped_under_open_connections;
mod common;
mod config_mistakes_are_refused;
mod credentials_are_minted;
mod https_is_served_with_the_configured_certificate;
mod serve_starts_and_stops;
mod the_self_signed_certificate_outlives_a_restart;
mod the_service_manager_is_told;
mod tls;

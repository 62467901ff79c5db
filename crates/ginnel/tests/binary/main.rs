//! The real binary, run as an operator runs it: one behaviour per file.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod a_flood_fits_into_little_memory;
mod a_worker_that_hangs_is_noticed;
mod certificate_files_are_swapped_under_open_connections;
mod common;
mod config_mistakes_are_refused;
mod credentials_are_minted;
mod examples_in_the_documentation_are_valid;
mod https_is_served_with_the_configured_certificate;
mod load_measures_here_and_not_elsewhere;
mod new_rules_stop_running_traffic;
mod newcomers_wait_for_descriptors;
mod secrets_are_in_files_only;
mod serve_starts_and_stops;
mod the_self_signed_certificate_outlives_a_restart;
mod the_service_manager_is_told;
mod tls;

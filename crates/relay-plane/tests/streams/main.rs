//! TURN over TCP, TLS and DTLS against a relay on loopback.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod a_slow_reader_holds_up_nobody;
mod any_two_transports_reach_each_other;
mod client;
mod clients_move_to_and_from_streams;
#[path = "../config/mod.rs"]
mod config;
mod connections_end_in_time;
mod dtls_attacker;
mod dtls_client;
mod dtls_is_for_who_shows_a_cookie;
mod dtls_keeps_its_bounds_under_attack;
mod segments_are_put_together;
mod server;
mod tcp_is_relayed;
mod what_is_spoken_is_told_by_alpn_or_the_first_byte;

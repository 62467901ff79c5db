//! TURN over TCP and TLS against a relay on loopback.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod a_slow_reader_holds_up_nobody;
mod any_two_transports_reach_each_other;
mod client;
mod connections_end_in_time;
mod segments_are_put_together;
mod server;
mod what_is_spoken_is_told_by_alpn_or_the_first_byte;

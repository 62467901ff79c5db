//! The catalogue of attacks, sections A to F: one table a section, whose rows bear the catalogue's numbers
//! and run through the section's one driver. What takes a process, a socket or a clock of its own is tested
//! where those are.
//!
//! `cargo test -p sim --test catalogue row_13` runs one row.

mod a_peer_addresses;
mod b_authentication;
mod c_parsing;
mod d_reflection;
mod e_allocations;
mod f_exhaustion;
mod people;

/// A section's table: each row is a test of its name, which tells its cases to the section's driver.
macro_rules! table {
    ($drive:path; $($row:ident => $cases:expr;)+) => {$(
        #[test]
        fn $row() {
            for case in $cases {
                $drive(&case);
            }
        }
    )+};
}
use table;

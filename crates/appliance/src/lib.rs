//! The composition root: settings to running system.
//!
//! It assembles, configures and reports; protocol logic lives in the cores, sockets in the planes.

mod limits;
pub mod settings;

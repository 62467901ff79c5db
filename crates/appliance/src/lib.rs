//! The composition root: settings to running system, with TLS, metrics, admin pages and logs.
//!
//! It assembles, configures and reports; protocol logic lives in the cores, sockets in the planes.

mod admin;
mod admission;
mod back_ends;
pub mod credentials;
mod feed;
mod ice;
mod limits;
pub mod logs;
pub mod memory;
pub mod metrics;
mod ports;
mod privacy;
mod reach;
mod relay;
mod rules;
mod run;
mod secrets;
pub mod settings;
mod sockets;
mod systemd;
mod tls;

pub use run::{Appliance, ListenError, Listening, StartError};
pub use sockets::{Sockets, SocketsError};
pub use systemd::ServiceManager;
pub use tls::{CertificateError, CertificateNumbers, Certificates};

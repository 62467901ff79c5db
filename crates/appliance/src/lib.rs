//! The composition root: settings to running system, with TLS, metrics, admin pages and logs.
//!
//! It assembles, configures and reports; protocol logic lives in the cores, sockets in the planes.

mod admin;
mod admission;
pub mod credentials;
mod ice;
mod limits;
pub mod logs;
pub mod metrics;
mod ports;
mod privacy;
mod relay;
mod run;
pub mod settings;
mod systemd;
mod tls;

pub use run::{Appliance, ListenError, Listening, StartError};
pub use systemd::ServiceManager;
pub use tls::{CertificateError, CertificateNumbers, Certificates};

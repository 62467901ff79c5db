//! Processes that only use the servers' core, so that a server waits for its turns: what a machine that is
//! short of processors does, to order.

use std::process::{Child, Stdio};

use crate::server::on_server_core;

/// So many of them; they end when this is dropped, or when the driver dies.
pub(crate) struct Busy(Vec<Child>);

impl Busy {
    /// Starts them. They have the ordinary priority, also where the driver has another.
    ///
    /// # Errors
    /// A program is missing.
    pub(crate) fn start(count: usize) -> Result<Self, String> {
        let mut all = Self(Vec::new());
        for _ in 0..count {
            let mut command = on_server_core();
            command.args(["chrt", "--other", "0", "sh", "-c", "while :; do :; done"]);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            all.0.push(command.spawn().map_err(|e| format!("setpriv: {e}; install util-linux"))?);
        }
        Ok(all)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

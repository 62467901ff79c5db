//! The descriptors that whoever started this process has opened for it, sd_listen_fds(3).

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes them, the first `count` from number 3 on; the second time there are none. They are closed in
/// programs that this one starts.
///
/// # Errors
/// `count` is more than there are.
pub(crate) fn descriptors(count: usize) -> io::Result<Vec<OwnedFd>> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let numbers = (FIRST..).take(count);
    numbers.map(take).collect()
}

fn take(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_SETFD reads no memory of ours; for a number that is not open it fails.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, as the call above has shown, and was before `main`, so that nothing in this process
    // has opened it or will close it; `TAKEN` sees to it that nobody gets it twice.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Behind standard input, output and error.
const FIRST: RawFd = 3;

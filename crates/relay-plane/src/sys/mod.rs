//! The system calls that no library we use makes. The only unsafe code of this crate.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;

/// Lets the kernel fragment datagrams larger than the path takes, and clears "don't fragment". `quinn-udp`
/// sets the opposite, as QUIC wants it; a relay passes on what it is given.
pub(crate) fn allow_fragments(socket: &impl AsRawFd, ipv6: bool) -> io::Result<()> {
    let (level, option, value) = if ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)
    };
    // SAFETY: the descriptor is open for the duration of the borrow, and the pointer and length describe one
    // `c_int` that lives on this stack frame.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

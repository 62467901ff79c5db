//! The system calls that no library we use makes. The only unsafe code of this crate.
#![allow(unsafe_code)]

mod icmp;
mod inherited;
mod netlink;

use std::io;
use std::os::fd::AsRawFd;

pub(crate) use icmp::{next_error, report_errors};
pub(crate) use inherited::descriptors;
pub(crate) use netlink::address_changes;

/// Whether the kernel fragments datagrams larger than the path takes, or sends them with "don't fragment".
/// `quinn-udp` begins with the latter, as QUIC wants it; a relay passes on what it is given. What the
/// kernel has learnt about the path is not asked either way: finding that out is what "don't fragment" is
/// for.
pub(crate) fn allow_fragments(socket: &impl AsRawFd, ipv6: bool, allow: bool) -> io::Result<()> {
    let (level, option, value) = match (ipv6, allow) {
        (true, true) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT),
        (true, false) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE),
        (false, true) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT),
        (false, false) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE),
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

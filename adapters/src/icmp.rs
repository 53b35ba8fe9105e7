//! ICMP errors as the kernel queues them for a UDP socket. It knows not whom they concern.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use farcast_core::machine::Icmp;

/// The next ICMP error in the socket's queue, and whom the datagram that caused it was for. What
/// the kernel says without an ICMP message is passed over; it failed the call that it was about.
#[cfg(target_os = "linux")]
pub(crate) fn next(socket: BorrowedFd<'_>) -> Option<(SocketAddr, Icmp)> {
    use std::os::fd::AsRawFd;

    use nix::cmsg_space;
    use nix::libc::{sock_extended_err, sockaddr_in6};
    use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg};

    // Whatever else the socket is told of each datagram lies beside the error.
    let mut space = cmsg_space!([u8; 256], sock_extended_err, sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    loop {
        let socket = socket.as_raw_fd();
        let message = recvmsg::<SockaddrStorage>(socket, &mut [], Some(&mut space), flags).ok()?;
        let peer = message.address.and_then(address);
        let icmp = message.cmsgs().ok().and_then(|mut all| all.find_map(icmp));
        if let (Some(peer), Some(icmp)) = (peer, icmp) {
            return Some((peer, icmp));
        }
    }
}

/// No other kernel tells.
#[cfg(not(target_os = "linux"))]
pub(crate) fn next(_: BorrowedFd<'_>) -> Option<(SocketAddr, Icmp)> {
    None
}

#[cfg(target_os = "linux")]
fn address(from: nix::sys::socket::SockaddrStorage) -> Option<SocketAddr> {
    let four = from.as_sockaddr_in().map(|four| SocketAddr::V4((*four).into()));
    four.or_else(|| from.as_sockaddr_in6().map(|six| SocketAddr::V6((*six).into())))
}

#[cfg(target_os = "linux")]
fn icmp(told: nix::sys::socket::ControlMessageOwned) -> Option<Icmp> {
    use nix::libc::{SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6};
    use nix::sys::socket::ControlMessageOwned::{Ipv4RecvErr, Ipv6RecvErr};

    let (Ipv4RecvErr(error, _) | Ipv6RecvErr(error, _)) = told else { return None };
    let by_icmp = [SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6].contains(&error.ee_origin);
    by_icmp.then_some(Icmp { kind: error.ee_type, code: error.ee_code, data: error.ee_info })
}

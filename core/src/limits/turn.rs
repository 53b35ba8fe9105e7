//! Every bound of the TURN server.

use std::time::Duration;

/// How long the TURN credentials of a client open new allocations. Living ones go on.
pub const TURN_CREDENTIALS: Duration = Duration::from_secs(600);
/// Bytes of a TURN username (RFC 8489 section 14.3).
pub const TURN_USERNAME: usize = 508;

/// TURN allocations of one node; each has a socket.
pub const TURN_ALLOCATIONS: usize = 20_000;
/// TURN allocations of one source IP: a company behind one NAT, with several for each viewer.
pub const TURN_PER_SOURCE: usize = 2_000;
/// How long a TURN allocation lives if nothing else is asked for, and at most (RFC 8656 section
/// 7.2).
pub const TURN_LIFETIME: (Duration, Duration) =
    (Duration::from_secs(600), Duration::from_secs(3600));
/// How long a TURN allocation goes on after its credentials have expired, from its beginning:
/// longer than a broadcast.
pub const TURN_OLDEST: Duration = Duration::from_secs(12 * 3600);
/// How long a permission is good (RFC 8656 section 9).
pub const TURN_PERMISSION: Duration = Duration::from_secs(300);
/// How long a channel is bound (RFC 8656 section 12).
pub const TURN_CHANNEL: Duration = Duration::from_secs(600);
/// How long a channel whose time is over is kept for its peer (RFC 8656 section 12).
pub const TURN_CHANNEL_RESERVED: Duration = Duration::from_secs(300);
/// Permissions of one TURN allocation, and channels: one for each candidate of a few peers.
pub const TURN_PEERS: usize = 64;
/// How long a reserved port waits for its client (RFC 8656 section 7.2).
pub const TURN_RESERVATION: Duration = Duration::from_secs(30);
/// How long a port is nobody's after it was somebody's relayed address: whoever sent to the last
/// owner has given up by then. ICE agents do so after at most 30 s without an answer (RFC 7675
/// section 5.1), sessions of other nodes after [`super::SILENT`]; the rest is margin.
pub const TURN_PORT_REST: Duration = Duration::from_secs(60);
/// Ports that are tried for one relayed address, in case that another process has the first ones.
pub const TURN_BIND_TRIES: u32 = 4;
/// Ports that are looked at for an even one whose neighbour is free as well. With half of them
/// free, one of four will do.
pub const TURN_EVEN_TRIES: u32 = 64;
/// Ports of relayed addresses that have no sockets (RFC 6335 section 6: the dynamic ones).
pub const TURN_VIRTUAL_PORTS: (u16, u16) = (49_152, 65_535);
/// Bytes of one relayed datagram: with the longest Data indication around it (48 bytes) and its
/// padding it still is a UDP datagram (65,507).
pub const TURN_PAYLOAD: usize = 65_400;

/// How long a TURN client on a byte stream may say nothing of use before it is ended.
pub const TURN_STREAM_SILENT: Duration = Duration::from_secs(10);
/// The same for a client that has shown credentials, but has no allocation.
pub const TURN_STREAM_UNUSED: Duration = Duration::from_secs(60);
/// Bytes that are written to a TURN client's stream in one instant while nothing waits there.
pub const TURN_BURST: usize = 64 * 1024;
/// Bytes that may wait unsent on a TURN client's stream before media waits with us, where it can
/// still be dropped.
pub const TURN_UNSENT: usize = 16 * 1024;
/// How old a peer's media may become while it waits for a TURN client's stream (DESIGN.md section
/// 7). Our own hub hears how much waits instead, and stops.
pub const TURN_MEDIA_AGE: Duration = Duration::from_millis(200);
/// Bytes of media that wait for one TURN client's stream: 200 ms at 10 Mbit/s.
pub const TURN_MEDIA_WAITING: usize = 256 * 1024;
/// Bytes of answers that wait for one TURN client's stream; whoever asks and does not read is
/// ended.
pub const TURN_ANSWERS_WAITING: usize = 32 * 1024;
/// After so long a stream that took a whole burst is written to again.
pub const TURN_BURST_PAUSE: Duration = Duration::from_millis(1);

/// How long a connection to a peer waits for its ConnectionBind (RFC 6062 section 5.2).
pub const TURN_CONNECTION_BIND: Duration = Duration::from_secs(30);
/// Connections to peers of one TURN allocation (RFC 6062).
pub const TURN_CONNECTIONS: usize = 32;
/// Bytes of a peer that are kept until its ConnectionBind: what one read brought before reading
/// was stopped.
pub const TURN_CONNECTION_HELD: usize = 128 * 1024;
/// Bytes that may wait unsent on one side of a splice before the other side is not read any more.
pub const TURN_SPLICE_UNSENT: usize = 64 * 1024;
/// How soon a report tells of packets that an allocation lost because they were too many.
pub const TURN_REPORT: Duration = Duration::from_secs(1);
/// Reserved ports (EVEN-PORT) that wait for their clients.
pub const TURN_RESERVATIONS: usize = 256;
/// Names whose credentials were revoked and are kept in mind; of more, the oldest are forgotten.
pub const TURN_REVOKED: usize = 20_000;

//! Every bound of the core, with its unit and where it comes from.

use std::time::Duration;

/// Datagrams in one segmented send (`UDP_MAX_SEGMENTS` of Linux before 6.9).
pub const RUN_SEGMENTS: usize = 64;
/// Bytes in one segmented send: the largest UDP payload over IPv4 (65,535 − 20 − 8).
pub const RUN_BYTES: usize = 65_507;

/// Bytes of an HTTP request's body. An SDP offer of a browser has 5 to 10 KB.
pub const HTTP_BODY: usize = 64 * 1024;
/// Bytes of one WebSocket message: an offer in JSON.
pub const WEBSOCKET_MESSAGE: usize = 64 * 1024;
/// Bytes that may wait unsent on one WebSocket before it is closed as too slow.
pub const WEBSOCKET_UNSENT: usize = 256 * 1024;
/// WebSockets of one node; each costs a few kilobytes here.
pub const CONNECTIONS: usize = 20_000;
/// Streams that one WebSocket may wait for, and sessions it may hold.
pub const PER_CONNECTION: usize = 32;

/// How long a TCP connection that the machine wants may take to be made.
pub const CONNECT: Duration = Duration::from_secs(10);

/// Sessions of one node, publishers and viewers together.
pub const SESSIONS: usize = 10_000;
/// Published streams of one node.
pub const STREAMS: usize = 1_000;
/// Characters of a stream's name.
pub const STREAM_NAME: usize = 128;
/// Characters of a bearer token; ours have at most about 350, other tools may add claims.
pub const TOKEN: usize = 2048;
/// Characters of a node's name: a whole host name and more.
pub const NODE_NAME: usize = 252;
/// Audio and video tracks of one stream.
pub const TRACKS: usize = 8;
/// Media sections in an SDP that we accept.
pub const SDP_SECTIONS: usize = 16;
/// Candidates that we read from one fragment.
pub const CANDIDATES: usize = 32;
/// Edges of one origin.
pub const EDGES: usize = 64;

/// From an answered offer to a DTLS-connected session; then the session is gone.
pub const SETUP: Duration = Duration::from_secs(15);
/// A publisher that was silent for so long may be replaced by a newcomer of the same name.
/// Browsers check consent every 2.5 s, so a shorter time could hit a muted audio publisher.
pub const QUIET: Duration = Duration::from_secs(4);
/// A session that was silent for so long is gone (RFC 7675 section 5.1 allows up to 30 s).
pub const SILENT: Duration = Duration::from_secs(12);
/// How long viewers of a stream are kept when its publisher left, for it to come back.
pub const VACANT: Duration = Duration::from_secs(10);

/// How many viewers of a stream that is gone are closed at once, so that a crowd of goodbyes does
/// not hold up other streams' media, and the pause before the next ones.
pub const CLOSE_AT_ONCE: usize = 64;
/// See [`CLOSE_AT_ONCE`].
pub const CLOSE_PAUSE: Duration = Duration::from_millis(5);
/// How far ahead of our own calendar a relayed stream's epoch may be: clocks that are not set.
pub const EPOCH_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// Between two keyframe requests for one track: "at most two a second" (DESIGN.md section 9).
pub const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// From a peer's address nothing came for so long: it has left it if it nominates another one.
/// Whoever sends media, or feedback on it, is heard more often.
pub const LEFT: Duration = Duration::from_millis(300);
/// A source that sent nothing for so long and skipped packets is asked for a keyframe: eight
/// frames, and about the longest round trip; what is missing would come back too late.
pub const PAUSE: Duration = Duration::from_millis(250);

/// Packets that may be missing at first because others overtook them.
pub const REORDERED: u64 = 16;

/// Between two polls of an edge's load.
pub const POLL: Duration = Duration::from_secs(1);
/// How long one poll may take.
pub const POLL_TIMEOUT: Duration = Duration::from_millis(900);
/// Polls in a row that an edge may miss before it gets no new viewers.
pub const POLLS_MISSED: u32 = 2;

/// How long a WHIP call to an edge may take.
pub const RELAY_CALL: Duration = Duration::from_secs(5);
/// The first and the longest pause before a broken relay is tried again; it doubles in between.
pub const RELAY_BACKOFF: (Duration, Duration) =
    (Duration::from_millis(250), Duration::from_secs(5));

/// Packets of one track at one sink that can be repeated, and for how long. A repair that is
/// younger than this reaches the far side of the world within a second of its capture; an older one
/// would show a picture that nobody wants to act on any more, where a keyframe shows the present.
pub const REPAIR_PACKETS: usize = 512;
/// See [`REPAIR_PACKETS`].
pub const REPAIR_AGE: Duration = Duration::from_millis(650);
/// Addresses that one session may be reached at; a phone changes them now and then.
pub const PEER_ADDRESSES: usize = 8;
/// How long a token that a node makes for itself is good; it makes one for every call.
pub const OWN_TOKEN: Duration = Duration::from_secs(60);

/// Bytes of one datagram on a byte stream. RTP, DTLS and STUN stay below 2 KB: they are made for
/// networks that carry 1,500 bytes in one piece.
pub const FRAME: usize = 8 * 1024;
/// Byte streams that have not shown yet which session they belong to, and how long each may take.
pub const STRANGERS: usize = 1_000;
/// See [`STRANGERS`].
pub const STRANGER: Duration = Duration::from_secs(10);
/// Bytes that may wait on a byte stream before its video pauses: 130 ms at 2 Mbit/s.
pub const VIDEO_UNSENT: usize = 32 * 1024;
/// Bytes that may wait on a byte stream before its audio pauses as well.
pub const AUDIO_UNSENT: usize = 64 * 1024;
/// Between two keyframes that one sink asks for because its stream has drained: a line that is
/// always too slow must not burden the others with keyframes.
pub const DRAINED_INTERVAL: Duration = Duration::from_secs(1);
/// How long a relay link may take to get an answer over UDP before it tries TCP as well: more than
/// the longest round trip.
pub const DETOUR: Duration = Duration::from_millis(500);
/// Addresses of one node that a relay link tries over TCP.
pub const DETOURS: usize = 8;

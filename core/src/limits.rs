//! Every bound of the core, with its unit and where it comes from.

mod turn;

use std::time::Duration;

pub use turn::*;

/// Datagrams in one segmented send (`UDP_MAX_SEGMENTS` of Linux before 6.9).
pub const RUN_SEGMENTS: usize = 64;
/// Bytes in one segmented send: the largest UDP payload over IPv4 (65,535 − 20 − 8).
pub const RUN_BYTES: usize = 65_507;
/// Bytes that may lie in an outbox before they are sent, but for what the last viewer gets more:
/// few enough for the first viewers not to wait until the last ones' packets are sealed.
pub const OUTBOX: usize = 64 * 1024;
/// Bytes that a packet is padded by at most (RFC 3550 section 5.1 has room for 255), so that one
/// segmented send can carry it with its neighbours: browsers cut a frame into packets that differ
/// by a byte, or by a header extension of up to 20 bytes.
pub const PADDING: usize = 24;

/// Bytes of an HTTP request's body. An SDP offer of a browser has 5 to 10 KB.
pub const HTTP_BODY: usize = 64 * 1024;
/// Bytes of one WebSocket message: an offer in JSON.
pub const WEBSOCKET_MESSAGE: usize = 64 * 1024;
/// Bytes that may wait unsent on one WebSocket before it is closed as too slow.
pub const WEBSOCKET_UNSENT: usize = 256 * 1024;
/// WebSockets of one node; each costs a few kilobytes here.
pub const CONNECTIONS: usize = 20_000;
/// Of them, from one IPv4 address or one IPv6 /64: a hall full of people behind one NAT.
pub const CONNECTIONS_PER_SOURCE: usize = 5_000;
/// Streams that one WebSocket may wait for, and sessions it may hold.
pub const PER_CONNECTION: usize = 32;

/// Byte streams of one node: as many as WebSockets; each costs a TCP connection.
pub const BYTE_STREAMS: usize = 20_000;
/// Bytes that may wait unsent on one byte stream before it is ended: a machine that lets so much
/// wait has not looked, and a second of video has less.
pub const STREAM_UNSENT: usize = 1024 * 1024;
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
/// Layers of one track, of simulcast or spatial ones that come as one: browsers send up to three.
pub const LAYERS: usize = 4;
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

/// Packets of one track at one sink that str0m can repeat, and for how long a packet can be. A
/// repair that is younger than this reaches the far side of the world within a second of its
/// capture; an older one would show a picture that nobody wants to act on any more, where a
/// keyframe shows the present.
pub const REPAIR_PACKETS: usize = 512;
/// See [`REPAIR_PACKETS`].
pub const REPAIR_AGE: Duration = Duration::from_millis(650);
/// Packets of one track that all of its sinks share: [`START_KEPT`] of 6 Mbit/s.
pub const HISTORY_PACKETS: usize = 2_048;
/// Bytes of them.
pub const HISTORY_BYTES: usize = 2 * 1024 * 1024;
/// How old a keyframe may be that somebody begins with: what has come since must be caught up with.
pub const START_AGE: Duration = Duration::from_secs(2);
/// How long catching up takes, and how often something is sent meanwhile: seven times as fast as it
/// was filmed, on a line whose rate nobody knows yet.
pub const CATCH_UP: Duration = Duration::from_millis(300);
/// See [`CATCH_UP`].
pub const CATCH_UP_STEP: Duration = Duration::from_millis(5);
/// How long packets are kept: who has begun with a keyframe at the last moment catches up, and has
/// missing packets repeated.
pub const START_KEPT: Duration = START_AGE.saturating_add(CATCH_UP).saturating_add(REPAIR_AGE);
/// After somebody has joined others are expected: for so long there is always a keyframe to begin
/// with.
pub const JOINS_EXPECTED: Duration = Duration::from_secs(10);
/// Repairs of one track at one sink within a round trip: whoever asks for more has lost so much
/// that a keyframe helps faster, or wants to make us send.
pub const REPAIRS_UNDER_WAY: usize = 128;
/// Until a packet is repeated again, at least; else most of a round trip, in which its repair can
/// have arrived.
pub const REPAIR_PAUSE: Duration = Duration::from_millis(20);
/// Between two sender reports: lips and voice are brought together by them (RFC 3550 section 6.2
/// wants 5 s on average for whole conferences; RFC 4585 section 3.4 allows less).
pub const SENDER_REPORT: Duration = Duration::from_secs(1);
/// The same as long as no source has told how its clocks are related.
pub const CLOCK_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a CNAME: its length is one byte (RFC 3550 section 6.5).
pub const CNAME: usize = 255;
/// Pairs of sequence number and mask in one NACK that we write: a kilobyte, so that every network
/// carries it in one piece. Of more losses than these a keyframe helps faster.
pub const NACK_PAIRS: usize = 256;
/// How long a missing packet of a source is waited for before it is asked for: packets of one burst
/// swap places, and one NACK asks for several.
pub const NACK_WAIT: Duration = Duration::from_millis(2);
/// The same if packets came out of order within [`REORDERED_KEPT`]. The law is 5 ms; timers are
/// late by 1 ms.
pub const NACK_WAIT_REORDERED: Duration = Duration::from_millis(4);
/// See [`NACK_WAIT_REORDERED`].
pub const REORDERED_KEPT: Duration = Duration::from_secs(10);
/// How long a line counts as one that loses packets after it has: several reports of receivers.
pub const LOSSY: Duration = Duration::from_secs(10);
/// Jitter as receivers report it below which a line is quiet: what bursts of a frame make of it.
pub const QUIET_JITTER: Duration = Duration::from_millis(8);
/// How long frames may wait on a line that is not, beside what its jitter takes: two packets of
/// sound, which browsers hold at least.
pub const PLAYOUT_MARGIN: Duration = Duration::from_millis(40);
/// How long frames may wait at most: older ones nobody wants to act on.
pub const PLAYOUT: Duration = Duration::from_secs(1);
/// How often a request is sent at once: one that is lost costs a round trip, of which there is time
/// for two or three.
pub const NACK_COPIES: usize = 2;
/// How often one packet is asked for (libwebrtc does so as well).
pub const NACK_TRIES: u8 = 10;
/// Packets that are asked for at a time: at worst each needs a pair of its own.
pub const NACKS_AT_ONCE: usize = NACK_PAIRS;
/// A packet is not asked for again sooner: what a sender takes to answer, and jitter.
pub const NACK_LEAST_RETRY: Duration = Duration::from_millis(10);
/// Added to the round trip before a packet is asked for again: timers at both ends are late.
pub const NACK_RETRY_MARGIN: Duration = Duration::from_millis(2);
/// The round trip to a source before one was measured (libwebrtc's).
pub const ROUND_TRIP: Duration = Duration::from_millis(100);
/// Missing packets of one source: more than come within [`REPAIR_AGE`] at 15 Mbit/s.
pub const MISSING: usize = 1_024;
/// Missing packets in a row above which a source is taken to have begun anew (RFC 3550 appendix A.1
/// has 3,000, MAX_DROPOUT).
pub const MISSING_JUMP: u64 = 2 * MISSING as u64;
/// Packets before the first one of a source that may still arrive: a frame, sent as a burst.
pub const BEFORE_FIRST: u64 = REORDERED;
/// Runs of packets in one lane's numbering. Dropping every second picture of 60 Hz begins 30 of
/// them a second: these last two seconds, longer than a repair is worth.
pub const SEGMENTS: usize = 64;
/// How much later than a newer picture packets of a picture may come or go out again, in ticks of
/// RTP time of video (90 kHz): twice as long as who begins may be behind.
pub const LATE_TICKS: u32 = 90_000 * 10;

/// Percent of a layer's bit rate that the estimate must reach before a viewer gets it: encoders
/// vary by some 10 % around what they mean to send, and repairs take a few percent more.
pub const UP_PERCENT: u64 = 115;
/// How long the estimate must stay there: longer than one burst of feedback, and the time over
/// which bit rates are measured.
pub const UP_AFTER: Duration = Duration::from_secs(1);
/// A step up that is undone within this time was a mistake: congestion shows itself after a few
/// round trips and the filling of a queue, which together take less.
pub const UNDONE_WITHIN: Duration = Duration::from_secs(5);
/// The pause after the first mistake, and the longest one; it doubles in between. Networks do
/// change, and a minute of a worse picture is bearable.
pub const UP_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// So long after that pause earlier mistakes say nothing about the network any more.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// How long the base frame rate of a large picture is better than the full one of a smaller
/// picture: a dip passes in this time, and changing the picture costs a keyframe.
pub const BASE_AT_MOST: Duration = Duration::from_secs(2);
/// How long video waits when its line seems to be full, until it is left out: a line that only
/// faltered shows that within two or three reports of arrivals.
pub const HELD: Duration = Duration::from_millis(300);
/// Over how long it is then sent after all.
pub const HELD_PACE: Duration = Duration::from_millis(40);
/// Percent of the least layer's bit rate below which a viewer's picture cannot go on: estimates err
/// by 20 %, and a late picture is better than none.
pub const STARVED_PERCENT: u64 = 80;
/// How long the estimate must be that low: two or three reports of arrivals.
pub const STARVED_AFTER: Duration = Duration::from_millis(300);
/// Bytes of every packet beside its payload: IPv4 and UDP (28), RTP with our header extensions
/// (24), what seals it (16).
pub const PACKET_OVERHEAD: usize = 28 + 24 + 16;
/// Bits a second that are kept free for each track of sound: Opus as browsers send it, 50 packets a
/// second.
pub const SOUND: u64 = 80_000;
/// Between two packets of a probe, at least; what is due by then leaves together.
pub const PROBE_STEP: Duration = Duration::from_millis(2);
/// Between two decisions on the layer of one viewer: as often as browsers report arrivals.
pub const DECISION: Duration = Duration::from_millis(100);
/// Over which time a layer's bit rate is measured, and in how many parts.
pub const METER: (Duration, usize) = (Duration::from_secs(1), 10);
/// A layer that is so far behind the others of its track has been switched off by who sends it:
/// longer than a burst of losses, and than the pacing of a large keyframe.
pub const LAYER_STILL: Duration = Duration::from_millis(300);
/// Packets whose sending is remembered: a power of two. At 8 Mbit/s in packets of 1,200 bytes
/// it is 1.2 s, which is more than a round trip, a feedback interval and a full queue take.
pub const SENT_PACKETS: usize = 1024;
/// Runs of arrivals (of [`ARRIVAL_RUN_MICROS`] at least) that throughput is measured over:
/// 128 runs of 5 ms make 640 ms, which holds the window of 500 ms (draft-ietf-rmcat-gcc-02
/// section 5.5).
pub const ARRIVAL_RUNS: usize = 128;
/// How long one such run is, in microseconds.
pub const ARRIVAL_RUN_MICROS: i64 = 5_000;
/// Groups of packets that the trend of the delay is fitted to, as libwebrtc does
/// (`TrendlineEstimatorSettings::kDefaultTrendlineWindowSize`).
pub const TREND_GROUPS: usize = 20;
/// What a line is held to take before anything is known, in bits per second (libwebrtc
/// `kDefaultStartBitrateBps`). It lets the lowest layer start at once even on a bad line, where
/// more would queue for a second; two probes, a round trip each, lift it to the highest layer.
pub const ESTIMATE_START: u64 = 300_000;
/// The least that a line is held to take, in bits per second: audio and its overhead.
pub const ESTIMATE_LEAST: u64 = 50_000;
/// The most that a line is held to take, in bits per second. More than the ring of sent packets
/// can measure is of no use.
pub const ESTIMATE_MOST: u64 = 20_000_000;
/// Addresses that one session may be reached at; a phone changes them now and then.
pub const PEER_ADDRESSES: usize = 8;
/// Ports of each kind that one knock tries; a node has one or two.
pub const KNOCK_PORTS: usize = 8;
/// Knocks of one node at a time, each for another asker.
pub const KNOCKS: usize = 8;
/// Between two tries at a UDP port that has not answered: twice the longest round trip on Earth.
pub const KNOCK_AGAIN: Duration = Duration::from_millis(500);
/// Tries at a UDP port; one of three gets through where a quarter of all packets is lost.
pub const KNOCK_TRIES: u32 = 3;
/// How long one knock may take: a second packet of a TCP handshake (RFC 6298 section 2) and a TLS
/// handshake fit.
pub const KNOCK: Duration = Duration::from_secs(3);

/// How long a token that a node makes for itself is good; it makes one for every call.
pub const OWN_TOKEN: Duration = Duration::from_secs(60);

/// Attributes of one STUN message. RFC 8656 knows no message of a client with more than a dozen.
pub const STUN_ATTRIBUTES: usize = 24;
/// Bytes of a STUN message that carries no media: every attribute at its longest (RFC 8489 section
/// 14.3 and 14.9: 509 and 763 bytes) fits.
pub const STUN_CONTROL: usize = 2048;
/// How long a nonce of the TURN server is good. RFC 8656 section 5 wants at least one an hour;
/// whoever overhears one has so long to use it again.
pub const NONCE: Duration = Duration::from_secs(600);
/// Blocks of addresses (/24, /56) whose questions are counted apart; 16 bytes each. More of them
/// share a count, so that no flood makes us grow.
pub const STRANGERS: usize = 8192;
/// Between two answers to strangers of one block, on average. Whoever sends questions in the name
/// of a victim makes us send it 100 × 100 bytes a second, and an office of a thousand viewers who
/// come back at once has its answers within ten seconds.
pub const STRANGER_PAUSE: Duration = Duration::from_millis(10);
/// Answers to strangers of one block at once: about fifty viewers who begin together and try UDP,
/// TCP and TLS each.
pub const STRANGER_BURST: u32 = 200;

/// Bytes of one datagram on a byte stream. RTP, DTLS and STUN stay below 2 KB: they are made for
/// networks that carry 1,500 bytes in one piece.
pub const FRAME: usize = 8 * 1024;
/// Byte streams that have not shown yet which session they belong to, and how long each may take.
pub const STREAM_STRANGERS: usize = 1_000;
/// See [`STREAM_STRANGERS`].
pub const STREAM_STRANGER: Duration = Duration::from_secs(10);
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

/// SSRCs that packets to one viewer are sealed with: one of each media section, one of its repairs.
pub const SRTP_LINES: usize = 2 * SDP_SECTIONS;
/// Latest indices of one line that are remembered as sealed, so that what was overtaken may still
/// be sealed: a second of 20 Mbit/s in packets of 1,200 bytes; 264 bytes a line.
pub const SRTP_WINDOW: usize = 2048;
/// SRTP packets sealed with one key, and indices of one line (RFC 3711 section 9.2, RFC 7714
/// section 14.2).
pub const SRTP_PACKETS: u64 = 1 << 48;
/// SRTCP packets sealed with one key (RFC 3711 section 9.2, RFC 7714 section 14.2).
pub const SRTCP_PACKETS: u32 = 1 << 31;
/// Latest SRTCP indices of one sender that are remembered as opened (RFC 3711 section 3.3.2: at
/// least 64).
pub const SRTCP_WINDOW: usize = 64;
/// SSRCs of one peer whose SRTCP indices are remembered; of more, the one that was not heard for
/// longest is forgotten. A browser has one for each media section.
pub const SRTCP_SENDERS: usize = 2 * SDP_SECTIONS;

/// ICE checks of other cores' sessions that one core passes on in a second: thousands of joins.
pub const CHECKS_PASSED_ON: u32 = 10_000;
/// Peers of other cores' sessions that one core remembers; beyond that it forgets them all, and is
/// told anew.
pub const PLACES_ABROAD: usize = 16_384;
/// How long one is remembered without being told anew. Peers check at least every 5 s (RFC 7675
/// section 5.1).
pub const PLACE_ABROAD: Duration = Duration::from_secs(15);
/// Words that may wait for one core of a node; media may fill half of it. A second of 200 streams
/// that cross.
pub const WORDS: usize = 16_384;
/// Cores that one node may use.
pub const CORES: usize = 64;

/// Bytes of one lane's video that leave in one heap: what is more is spread over [`PACE`]. 16
/// packets, which the smallest buffers on the way take.
pub const PACE_BURST: usize = 20_000;
/// The longest that spreading may delay a packet.
pub const PACE: Duration = Duration::from_millis(4);
/// Between two steps of it.
pub const PACE_STEP: Duration = Duration::from_millis(1);
/// The longest that a keyframe may be delayed where a line has no room for more than keyframes.
pub const TRICKLE: Duration = Duration::from_millis(600);
/// There, keyframes get this share of what sound leaves.
pub const TRICKLE_PERCENT: u64 = 80;
/// Packets behind the newest one from which on we take a repair ourselves; str0m takes those up to
/// 100 behind. Whatever comes twice counts once.
pub const LATE: u16 = 80;
/// Packets behind the newest one beyond which nothing is repaired: half of the numbers (RFC 3711
/// section 3.3.1).
pub const LATE_MOST: u16 = 1 << 15;
/// Packets that are kept to probe a viewer's line with while nothing goes to it.
pub const STOCK: usize = 8;

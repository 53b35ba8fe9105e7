//! Every committed input of every target, again. It explores nothing.

use farcast_core::config::Access;
use farcast_fuzz::mutate::mutate;
use farcast_fuzz::stage::Stage;
use farcast_fuzz::{TARGETS, Target, inputs};

/// Inputs near the committed ones that each run looks at as well, the same each time.
const NEIGHBOURS: u64 = 50;

fn replay(name: &str) {
    let (_, target): (_, Target) =
        TARGETS.into_iter().find(|(other, _)| *other == name).expect("a target of this name");
    let committed = inputs::committed(name);
    assert!(!committed.is_empty(), "{name} has a corpus");
    for input in &committed {
        println!("{}", input.path.display());
        target(&input.bytes);
    }
    let corpus: Vec<Vec<u8>> = committed.into_iter().map(|input| input.bytes).collect();
    for seed in 0..NEIGHBOURS {
        println!("{name}: neighbour {seed}");
        target(&mutate(&corpus, &mut fastrand::Rng::with_seed(seed)));
    }
}

#[test]
fn offers() {
    replay("sdp_offer");
}

#[test]
fn fragments() {
    replay("sdp_fragment");
}

#[test]
fn requests() {
    replay("http_request");
}

#[test]
fn messages() {
    replay("websocket_message");
}

#[test]
fn datagrams() {
    replay("datagrams");
}

#[test]
fn framed_streams() {
    replay("rfc4571");
}

#[test]
fn tokens() {
    replay("token");
}

#[test]
fn stun_messages() {
    replay("stun_prescan");
}

#[test]
fn first_bytes() {
    replay("mux443_first_bytes");
}

#[test]
fn turn_clients() {
    replay("turn_client_bytes");
}

#[test]
fn control_packets() {
    replay("rtcp");
}

#[test]
fn feedback() {
    replay("srtcp");
}

#[test]
fn av1_descriptors() {
    replay("av1_descriptor");
}

#[test]
fn vp9_descriptors() {
    replay("vp9_descriptor");
}

#[test]
fn stories() {
    replay("story");
}

/// A corpus that the first check refuses would explore little.
#[test]
fn offers_of_real_peers_are_taken() {
    let real = ["chromium_", "firefox_", "encoder_"];
    let mut taken = 0;
    for input in inputs::committed("sdp_offer") {
        let name = input.path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        if !name.contains("plays") && real.iter().any(|peer| name.starts_with(peer)) {
            let offer = String::from_utf8(input.bytes).expect("an offer is text");
            let reply = Stage::new(Access::Open).post("/whip/stream1", &offer);
            assert_eq!(reply.status, 201, "{name}: {}", String::from_utf8_lossy(&reply.body));
            taken += 1;
        }
    }
    assert_eq!(taken, 6, "real offers of publishers");
}

//! What strangers may say first where everything is spoken on one port.

use farcast_adapters::door::first::{LONGEST, Verdict, sort};

/// A connection's first bytes: however they are cut, they lead to the same door.
pub fn mux443_first_bytes(data: &[u8]) {
    for tls in [false, true] {
        let last = sort(data, tls);
        assert!(data.len() < LONGEST || last != Verdict::More, "nobody waits for ever");
        assert!(tls || last != Verdict::Tls);
        let early = (0..data.len()).map(|len| sort(&data[..len], tls));
        assert!(early.into_iter().all(|verdict| [Verdict::More, last].contains(&verdict)));
    }
}

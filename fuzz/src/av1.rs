//! Dependency descriptors of AV1 as a publisher may send them, one after the other: a byte that
//! says how long each is, then its bytes.

use farcast_core::limits;
use farcast_core::media::av1::{Dependency, Templates};
use farcast_core::media::temporal::{Temporal, rewrite};

/// Reads all of them as one stream. What cannot be read changes nothing, and what can be read says
/// the same in every stream that begins with it, however much of it is cut off.
pub fn av1_descriptor(data: &[u8]) {
    let (mut templates, mut rest, mut sequence) = (Templates::default(), data, 0);
    while let Some((length, after)) = rest.split_first() {
        let (bytes, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        let before = named(&mut templates, sequence);
        let Some(found) = templates.read(sequence, bytes) else {
            assert_eq!(named(&mut templates, sequence), before, "{bytes:x?}");
            continue;
        };
        check(&found, bytes);
        sequence += 1;
        alone(bytes);
    }
}

/// What each template means to a packet.
fn named(templates: &mut Templates, sequence: u64) -> Vec<Option<Temporal>> {
    let layers = |id| templates.read(sequence, &[id, 0, 0]).expect("three bytes").layers;
    (0..64).map(layers).collect()
}

fn check(found: &Dependency, bytes: &[u8]) {
    assert_eq!(*found.bytes, *bytes);
    if let Some(layers) = found.layers {
        let spatial = layers.spatial.expect("a descriptor tells it");
        assert!(layers.layer < 8 && usize::from(spatial.layer) < limits::LAYERS);
        assert_eq!((layers.begins_frame, spatial.ends_frame), (bytes[0] > 127, bytes[0] & 64 > 0));
    }
    let picture = found.picture();
    let mut copy = bytes.to_vec();
    rewrite(&mut copy, picture, 5, 1);
    let shown = Templates::default().read(0, &copy).map(|shown| shown.number);
    assert_eq!(shown, Some(found.number.wrapping_add(5)));
    rewrite(&mut copy, picture, 0, 0);
    assert_eq!(copy, bytes, "nothing but the number was touched");
}

/// A descriptor without others, and every beginning of it.
fn alone(bytes: &[u8]) {
    let read = |length: usize| Templates::default().read(0, &bytes[..length]);
    let mut told: Option<Dependency> = None;
    for found in (0..=bytes.len()).filter_map(read).filter(|found| found.layers.is_some()) {
        if let Some(told) = &told {
            assert_eq!((found.layers, found.heights), (told.layers, told.heights));
        }
        told = Some(found);
    }
}

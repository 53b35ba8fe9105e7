//! Descriptors of VP9 as publishers may send them.

use farcast_core::media::codec::Codec;
use farcast_core::media::keyframe;
use farcast_core::media::temporal::temporal;
use farcast_core::media::vp9::{Descriptor, heights};

const VP9: Codec = Codec::Vp9 { profile: 0 };

/// A payload as it is, and every beginning of it: once enough is there for the descriptor, more
/// bytes do not change what it says, and all who read it agree.
pub fn vp9_descriptor(data: &[u8]) {
    let mut found: Option<(Descriptor, Option<_>)> = None;
    for length in 0..=data.len().min(64) {
        let payload = &data[..length];
        let Some(descriptor) = Descriptor::parse(payload) else {
            assert!(found.is_none() && heights(payload).is_none(), "less in {length} bytes");
            assert!(temporal(VP9, payload).is_none() && !keyframe::begins(VP9, payload));
            continue;
        };
        let told = heights(payload);
        if let Some((before, heights)) = found {
            assert_eq!(descriptor, before, "{length} bytes");
            assert!(heights.is_none() || told == heights, "{length} bytes");
        }
        found = Some((descriptor, told));
        let layers = temporal(VP9, payload).expect("the same descriptor");
        assert_eq!(layers.begins_frame, descriptor.begins_frame);
        assert_eq!(layers.spatial.is_some(), descriptor.layers.is_some());
        assert!(layers.layer < 8 && layers.spatial.is_none_or(|spatial| spatial.layer < 8));
        assert!(descriptor.picture.is_none_or(|picture| picture < 1 << 15));
        let begins = keyframe::begins(VP9, payload);
        assert!(!begins || layers.begins_frame && !descriptor.is_predicted);
        if let Some(heights) = told {
            assert_eq!(keyframe::heights(VP9, payload), heights);
            assert!(heights[0].is_some() && heights.is_sorted_by_key(Option::is_none));
        }
    }
}

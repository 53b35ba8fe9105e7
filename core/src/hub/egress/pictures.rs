//! How VP8 and AV1 number the pictures of one lane, once that is not as its source does: the
//! numbers go on when another layer or source comes, those of VP8 without a gap when pictures are
//! left out (RFC 7741 section 4.2). It knows no packet but its picture.

use std::time::Instant;

use crate::hub::numbering::{Numbering, SourceTrack, Timing};
use crate::media::codec::Codec;
use crate::media::temporal::{Picture, rewrite};

/// The pictures' numbers of one lane.
#[derive(Debug)]
pub(super) enum Pictures {
    /// The codec has none.
    None,
    /// The source's own: nothing was left out so far.
    Source(Latest),
    /// The lane's own.
    Lane(Box<(Latest, Numbers)>),
}

/// The latest picture of the present source, and of the one before it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Latest([Option<Known>; 2]);

#[derive(Debug, Clone, Copy)]
struct Known {
    track: SourceTrack,
    /// Its number, without wraps.
    number: u64,
    /// Its TL0PICIDX.
    base: u32,
}

#[derive(Debug)]
pub(super) struct Numbers {
    /// TL0PICIDX takes the place of a timestamp.
    numbering: Numbering,
    /// The lane's TL0PICIDX of the latest picture.
    base: u32,
}

impl Latest {
    fn extended(&self, track: SourceTrack, picture: Picture) -> u64 {
        let known = self.0.iter().flatten().find(|known| known.track == track);
        picture.extended(known.map(|known| known.number))
    }

    /// Notes a picture, and returns its number.
    fn note(&mut self, track: SourceTrack, picture: Picture) -> u64 {
        let (number, base) = (self.extended(track, picture), base_index(picture));
        match &mut self.0[0] {
            Some(latest) if latest.track == track && latest.number >= number => {}
            Some(latest) if latest.track == track => *latest = Known { track, number, base },
            _ => self.0 = [Some(Known { track, number, base }), self.0[0]],
        }
        number
    }
}

impl Pictures {
    pub(super) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Vp8 | Codec::Av1 { .. } => Pictures::Source(Latest::default()),
            Codec::Opus | Codec::H264 { .. } | Codec::Vp9 { .. } => Pictures::None,
        }
    }

    /// From here on the source's own numbers do not do any more.
    pub(super) fn begin(&mut self, now: Instant) {
        let Pictures::Source(latest) = *self else { return };
        let [Some(Known { track, number, base }), _] = latest.0 else { return };
        let mut numbering = Numbering::new(1, number as u16);
        numbering.go_on((track, number), base, Timing::Elapsed, now);
        *self = Pictures::Lane(Box::new((latest, Numbers { numbering, base })));
    }

    /// Whether the latest picture was another source's.
    fn is_of_another(&self, track: SourceTrack) -> bool {
        match self {
            Pictures::Source(Latest([Some(latest), _])) => latest.track != track,
            _ => false,
        }
    }

    /// A packet of the lane's present source goes out.
    pub(super) fn write(&mut self, track: SourceTrack, picture: Option<Picture>, now: Instant) {
        let Some(picture) = picture else { return };
        // A decoder of AV1 drops a keyframe that is numbered below the one before it.
        if picture.is_reference() && self.is_of_another(track) {
            self.begin(now);
        }
        match self {
            Pictures::None => {}
            Pictures::Source(latest) => _ = latest.note(track, picture),
            Pictures::Lane(own) => {
                let (latest, Numbers { numbering, base }) = &mut **own;
                let number = latest.note(track, picture);
                let index = base_index(picture);
                let timing = Timing::Exact((*base + 1).wrapping_sub(index));
                if let Some((_, shown)) = numbering.go_on((track, number), index, timing, now) {
                    *base = shown;
                }
            }
        }
    }

    /// A packet of the lane's present source is left out.
    pub(super) fn skip(&mut self, track: SourceTrack, picture: Option<Picture>, now: Instant) {
        let Some(picture) = picture.filter(|picture| !picture.is_reference()) else { return };
        self.begin(now);
        if let Pictures::Lane(own) = self {
            let (latest, Numbers { numbering, .. }) = &mut **own;
            let number = latest.note(track, picture);
            numbering.skip(track, number);
        }
    }

    /// Writes the lane's numbers of a picture that went out, or goes out again, into a copy of what
    /// holds its own.
    pub(super) fn show(&self, track: SourceTrack, picture: Option<Picture>, bytes: &mut [u8]) {
        let (Pictures::Lane(own), Some(picture)) = (self, picture) else { return };
        let (latest, Numbers { numbering, .. }) = &**own;
        let (number, index) = (latest.extended(track, picture), base_index(picture));
        if let Some((shown, base)) = numbering.find(track, number, index) {
            let id_shift = (shown as u16).wrapping_sub(picture.id);
            rewrite(bytes, picture, id_shift, base.wrapping_sub(index) as u8);
        }
    }
}

fn base_index(picture: Picture) -> u32 {
    picture.tl0.map_or(0, |tl0| tl0.index.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::temporal::vp8_picture;

    /// A payload of one picture: its number of 15 bits, TL0PICIDX, temporal layer.
    fn payload(id: u16, base: u8, layer: u8) -> Vec<u8> {
        let [high, low] = (id | 0x8000).to_be_bytes();
        vec![0x90, 0xe0, high, low, base, layer << 6, 7, 7]
    }

    struct Lane(Pictures, Instant);

    impl Lane {
        fn new() -> Self {
            Lane(Pictures::new(Codec::Vp8), Instant::now())
        }

        fn write(&mut self, track: SourceTrack, id: u16, base: u8) -> (u16, u8) {
            self.0.write(track, vp8_picture(&payload(id, base, 0)), self.1);
            self.shown(track, id, base)
        }

        fn shown(&self, track: SourceTrack, id: u16, base: u8) -> (u16, u8) {
            let mut payload = payload(id, base, 0);
            self.0.show(track, vp8_picture(&payload), &mut payload);
            let picture = vp8_picture(&payload).unwrap();
            (picture.id, picture.tl0.unwrap().index)
        }

        fn skip(&mut self, track: SourceTrack, id: u16, base: u8) {
            self.0.skip(track, vp8_picture(&payload(id, base, 2)), self.1);
        }
    }

    #[test]
    fn a_source_of_which_nothing_is_left_out_keeps_its_numbers() {
        let mut lane = Lane::new();
        assert_eq!(lane.write(1, 32_767, 255), (32_767, 255));
        assert_eq!(lane.write(1, 0, 0), (0, 0));
    }

    #[test]
    fn numbers_close_up_over_what_is_left_out_and_repairs_look_as_before() {
        let mut lane = Lane::new();
        lane.write(1, 32_766, 254);
        lane.skip(1, 32_767, 254);
        lane.skip(1, 32_767, 254);
        assert_eq!(lane.write(1, 0, 255), (32_767, 255));
        assert_eq!(lane.write(1, 0, 255), (32_767, 255), "another packet of it");
        lane.skip(1, 1, 255);
        assert_eq!(lane.write(1, 2, 0), (0, 0));
        assert_eq!(lane.shown(1, 0, 255), (32_767, 255));
        assert_eq!(lane.shown(1, 32_766, 254), (32_766, 254));
    }

    #[test]
    fn another_layer_goes_on_where_the_last_one_stopped() {
        let mut lane = Lane::new();
        lane.write(1, 100, 10);
        lane.write(1, 101, 11);
        lane.0.begin(lane.1);
        assert_eq!(lane.write(2, 7, 200), (102, 12));
        assert_eq!(lane.write(2, 8, 201), (103, 13));
        assert_eq!(lane.shown(1, 101, 11), (101, 11), "a repair from before");
        assert_eq!(lane.write(3, 30_000, 0), (104, 14));
    }

    #[test]
    fn frames_of_av1_keep_their_distances_and_another_source_goes_on_behind_them() {
        let (mut pictures, now) =
            (Pictures::new(Codec::Av1 { profile: 0, level: 5, tier: 0 }), Instant::now());
        let picture = |id| Some(Picture { id_offset: 1, id, id_bits: 16, tl0: None });
        let show = |pictures: &Pictures, track, id: u16| {
            let [high, low] = id.to_be_bytes();
            let mut bytes = [9, high, low, 9];
            pictures.show(track, picture(id), &mut bytes);
            assert_eq!((bytes[0], bytes[3]), (9, 9));
            u16::from_be_bytes([bytes[1], bytes[2]])
        };
        let mut write = |track, id| {
            pictures.write(track, picture(id), now);
            pictures.skip(track, picture(id.wrapping_add(1)), now);
            (show(&pictures, track, id), show(&pictures, 1, 65_533))
        };
        assert_eq!(write(1, 65_533).0, 65_533);
        assert_eq!(write(1, 65_535).0, 65_535, "what was left out stays a gap");
        assert_eq!(write(1, 2).0, 2);
        assert_eq!(write(2, 40_000), (3, 65_533), "and a repair from before");
        assert_eq!(write(2, 40_005).0, 8);
        assert_eq!(write(3, 8).0, 9);
    }
}

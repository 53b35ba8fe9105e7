//! STUN messages and ChannelData on a byte stream (RFC 8656 section 12.5, RFC 8489 section 6.2.2):
//! where each one ends. It does not know what they mean.

/// Bytes of whatever comes first that tell how long it is.
const LENGTH_KNOWN: usize = 4;
/// Bytes of a STUN header, and of ChannelData's.
const STUN_HEADER: usize = 20;
const CHANNEL_HEADER: usize = 4;
/// A buffer that had to grow beyond this for a long frame is given back afterwards.
const KEPT: usize = 4096;

/// What one stream has brought of a frame that is not whole yet: at most 64 KB.
#[derive(Debug, Default)]
pub(super) struct Framing {
    partial: Vec<u8>,
    /// The partial frame became whole and was handed out.
    is_done: bool,
}

/// The bytes are nothing that a TURN client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stranger;

impl Framing {
    /// The next whole frame. Takes what it looks at from `bytes`; frames that are whole there are
    /// not copied.
    pub(super) fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<&'a [u8]>, Stranger> {
        if std::mem::take(&mut self.is_done) {
            self.partial.clear();
            self.partial.shrink_to(KEPT);
        }
        while !self.partial.is_empty() {
            let want = length(&self.partial)?.unwrap_or(LENGTH_KNOWN);
            if want == self.partial.len() {
                self.is_done = true;
                return Ok(Some(&self.partial));
            }
            let Some((more, rest)) = bytes.split_at_checked(want - self.partial.len()) else {
                self.keep(bytes);
                return Ok(None);
            };
            self.partial.extend_from_slice(more);
            *bytes = rest;
        }
        let Some((frame, rest)) = length(bytes)?.and_then(|len| bytes.split_at_checked(len)) else {
            self.keep(bytes);
            return Ok(None);
        };
        *bytes = rest;
        Ok(Some(frame))
    }

    fn keep(&mut self, bytes: &mut &[u8]) {
        self.partial.extend_from_slice(bytes);
        *bytes = &[];
    }
}

/// How long the frame is that begins here; `None` if there are too few bytes to tell.
fn length(bytes: &[u8]) -> Result<Option<usize>, Stranger> {
    let is_stun = match bytes.first() {
        Some(0..=3) => true,
        Some(0x40..=0x7f) => false,
        Some(_) => return Err(Stranger),
        None => return Ok(None),
    };
    let [_, _, high, low, ..] = bytes else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let frame = if is_stun { STUN_HEADER + len } else { CHANNEL_HEADER + len.next_multiple_of(4) };
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(cuts: &[&[u8]]) -> Result<Vec<Vec<u8>>, Stranger> {
        let mut framing = Framing::default();
        let mut frames = Vec::new();
        for cut in cuts {
            let mut rest = *cut;
            while let Some(frame) = framing.next(&mut rest)? {
                frames.push(frame.to_vec());
            }
            assert!(rest.is_empty());
        }
        Ok(frames)
    }

    fn frame() -> impl Strategy<Value = Vec<u8>> {
        (any::<bool>(), 0_u16..300).prop_map(|(is_stun, len)| {
            let [high, low] = len.to_be_bytes();
            let (first, total) = match is_stun {
                true => (1, STUN_HEADER + usize::from(len)),
                false => (0x41, CHANNEL_HEADER + usize::from(len).next_multiple_of(4)),
            };
            let mut frame = vec![first, 7, high, low];
            frame.resize(total, 9);
            frame
        })
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_frames(
            sent in proptest::collection::vec(frame(), 1..6),
            at in proptest::collection::vec(any::<prop::sample::Index>(), 0..9),
        ) {
            let bytes = sent.concat();
            let mut at: Vec<usize> = at.iter().map(|index| index.index(bytes.len())).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let cuts: Vec<&[u8]> = at.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(frames(&cuts), Ok(sent));
        }
    }

    #[test]
    fn whatever_is_neither_stun_nor_channel_data_is_a_stranger() {
        for first in [4, 0x16, 0x3f, 0x80, 0xff] {
            assert_eq!(frames(&[&[first]]), Err(Stranger), "{first}");
        }
        let after = [&[0x40, 0, 0, 2][..], &[1, 2, 0, 0], b"\x16\x03\x01"].concat();
        assert_eq!(frames(&[&after]), Err(Stranger));
    }
}

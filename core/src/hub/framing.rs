//! Datagrams on a byte stream (RFC 4571): two bytes of length, big-endian, and the datagram. It
//! knows neither streams nor what the datagrams say.

use crate::limits;

/// Bytes of a length (RFC 4571 section 2).
const LENGTH: usize = 2;

/// Finds the datagrams of one stream, however the stream was cut.
#[derive(Debug, Default)]
pub struct Deframer {
    /// What was read of a datagram that is not whole yet, with its length.
    partial: Vec<u8>,
}

/// A datagram on a stream is longer than any that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// The datagrams that one read completed.
#[derive(Debug)]
pub struct Frames<'d, 'b> {
    partial: &'d mut Vec<u8>,
    /// Whether what `partial` holds was given out.
    given: bool,
    rest: &'b [u8],
}

impl Deframer {
    /// Takes what one read brought. All frames must be asked for before the next read.
    pub fn read<'d, 'b>(&'d mut self, bytes: &'b [u8]) -> Frames<'d, 'b> {
        Frames { partial: &mut self.partial, given: false, rest: bytes }
    }
}

impl Frames<'_, '_> {
    /// The next datagram; it lies where it was read, unless an earlier read began it.
    pub fn take(&mut self) -> Result<Option<&[u8]>, TooLong> {
        if std::mem::take(&mut self.given) {
            self.partial.clear();
        }
        if self.partial.is_empty() {
            if let Some(length) = length(self.rest)?
                && let Some((frame, rest)) = self.rest[LENGTH..].split_at_checked(length)
            {
                self.rest = rest;
                return Ok(Some(frame));
            }
            self.partial.extend_from_slice(self.rest);
            self.rest = &[];
            return Ok(None);
        }
        self.fill(LENGTH);
        let Some(length) = length(self.partial)? else { return Ok(None) };
        self.fill(LENGTH + length);
        self.given = self.partial.len() == LENGTH + length;
        Ok(self.given.then(|| &self.partial[LENGTH..]))
    }

    /// Moves bytes until `partial` holds so many, if there are so many.
    fn fill(&mut self, size: usize) {
        let missing = size.saturating_sub(self.partial.len()).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(missing);
        self.partial.extend_from_slice(bytes);
        self.rest = rest;
    }
}

/// The length that a frame begins with, if it is there.
fn length(bytes: &[u8]) -> Result<Option<usize>, TooLong> {
    let Some((length, _)) = bytes.split_first_chunk() else { return Ok(None) };
    match usize::from(u16::from_be_bytes(*length)) {
        length if length > limits::FRAME => Err(TooLong),
        length => Ok(Some(length)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(payloads: &[Vec<u8>]) -> Vec<u8> {
        let frame = |payload: &Vec<u8>| {
            let length = (payload.len() as u16).to_be_bytes();
            length.into_iter().chain(payload.iter().copied()).collect::<Vec<u8>>()
        };
        payloads.iter().flat_map(frame).collect()
    }

    #[test]
    fn a_whole_frame_is_not_copied() {
        let stream = framed(&[vec![7; 100]]);
        let mut deframer = Deframer::default();
        let mut frames = deframer.read(&stream);
        let frame = frames.take().expect("short").expect("whole");
        assert_eq!(frame.as_ptr(), stream[LENGTH..].as_ptr());
        assert_eq!(frames.take(), Ok(None));
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_is_kept() {
        let longest = framed(&[vec![1; limits::FRAME]]);
        let mut deframer = Deframer::default();
        assert!(deframer.read(&longest).take().expect("fits").is_some());
        let length = ((limits::FRAME + 1) as u16).to_be_bytes();
        assert_eq!(deframer.read(&length).take(), Err(TooLong));
        assert_eq!(deframer.read(&length[..1]).take(), Ok(None));
        assert_eq!(deframer.read(&length[1..]).take(), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_cut_of_the_bytes_gives_the_same_frames(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..12),
            cuts in prop::collection::vec(0usize..500, 0..20),
            open in 0usize..3,
        ) {
            let mut stream = framed(&payloads);
            stream.extend(&framed(&[vec![9; 5]])[..open]);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let mut deframer = Deframer::default();
            let mut found = Vec::new();
            for cut in cuts.windows(2) {
                let mut frames = deframer.read(&stream[cut[0]..cut[1]]);
                while let Some(frame) = frames.take().expect("short") {
                    found.push(frame.to_vec());
                }
            }
            prop_assert_eq!(found, payloads);
        }
    }
}

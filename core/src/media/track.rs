//! What a stream is made of, and its names.

use std::fmt;
use std::ops::Range;

use crate::limits;
use crate::media::codec::Codec;

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Kind {
    Audio,
    Video,
}

impl Kind {
    /// The media type of an SDP section.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Audio => "audio",
            Kind::Video => "video",
        }
    }
}

/// One audio or video track of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    /// How its packets are coded.
    pub codec: Codec,
    /// Pictures of different sizes that its source sends of it at the same time (simulcast, RFC
    /// 8853), at most [`limits::LAYERS`]; 1: there is no choice.
    pub layers: usize,
}

impl Track {
    /// Audio or video.
    pub fn kind(&self) -> Kind {
        self.codec.kind()
    }
}

/// Where the layers of track number `slot` are if those of all tracks are counted through.
pub fn layers_of(tracks: &[Track], slot: usize) -> Range<usize> {
    let count = |tracks: &[Track]| tracks.iter().map(|track| track.layers).sum::<usize>();
    let first = count(&tracks[..slot.min(tracks.len())]);
    first..first + count(tracks.get(slot..).and_then(|rest| rest.get(..1)).unwrap_or(&[]))
}

/// The name of a stream: 1 to [`limits::STREAM_NAME`] characters, letters, digits and `._~-`
/// (the unreserved characters of RFC 3986 section 2.3, so that it needs no escaping in a URL).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(String);

impl StreamName {
    /// Checks a name that came from outside.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=limits::STREAM_NAME).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b));
        (fits && plain).then(|| StreamName(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Counts the lives of a stream's name: milliseconds since 1970 at the moment of publishing, at
/// least one more than the epoch before it. Survives restarts.
pub type Epoch = u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_bounded() {
        assert!(StreamName::parse("stream-1_a.b~c").is_some());
        for bad in ["", "a/b", "a b", "é", "a?b", &"x".repeat(129)] {
            assert!(StreamName::parse(bad).is_none(), "{bad}");
        }
    }
}

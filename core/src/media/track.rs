//! What a stream is made of, and its names.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

/// Some streams: one name, or all names with a prefix (a final `*`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

impl Pattern {
    /// Whether this pattern covers the stream of this name.
    pub fn matches(&self, stream: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => stream.starts_with(prefix),
            None => stream == self.0,
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_suffix('*').unwrap_or(text);
        let known = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
        if text.is_empty() || name.len() > limits::STREAM_NAME || !name.chars().all(known) {
            return Err(format!(
                "\"{}\" names no stream; write up to {} letters, digits and . _ ~ -, and a * at \
                 the end for all names that begin so",
                text.escape_debug(),
                limits::STREAM_NAME
            ));
        }
        Ok(Pattern(text.to_owned()))
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.0
    }
}

impl fmt::Display for Pattern {
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

    #[test]
    fn a_pattern_is_a_name_or_a_prefix() {
        let matches =
            |pattern: &str, stream: &str| pattern.parse::<Pattern>().unwrap().matches(stream);
        assert!(matches("stream1", "stream1"));
        assert!(!matches("stream1", "stream12"));
        assert!(!matches("stream1", "stream"));
        assert!(matches("stream*", "stream12"));
        assert!(matches("stream*", "stream"));
        assert!(!matches("stream*", "Stream1"));
        assert!(matches("*", "anything"));
        for bad in ["", "a*b", "**", "a b", "a/b", "\u{e4}"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
        assert!("x".repeat(limits::STREAM_NAME).parse::<Pattern>().is_ok());
        assert!("x".repeat(limits::STREAM_NAME + 1).parse::<Pattern>().is_err());
    }
}

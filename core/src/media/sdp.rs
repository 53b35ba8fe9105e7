//! What we must know of an SDP before anybody acts on it: its sections, codecs and credentials, and
//! the line on which it is wrong. Negotiation itself is not done here.

use std::fmt;

use crate::limits;
use crate::media::codec::Codec;
use crate::media::track::Kind;

/// A session description that has been read (RFC 8866), with its text.
#[derive(Debug, Clone)]
pub struct Description {
    /// The text as it came.
    pub text: String,
    /// Its media sections in order.
    pub sections: Vec<Section>,
}

/// One media section.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Audio or video; `None` for anything else (a data channel).
    pub kind: Option<Kind>,
    /// Whether the peer wants to send in it.
    pub sends: bool,
    /// Whether the peer wants to receive in it.
    pub receives: bool,
    /// The codecs that we carry, in the peer's order of preference.
    pub codecs: Vec<Codec>,
    /// `a=mid`.
    pub mid: String,
    /// The names of the layers that the peer sends at the same time (`a=simulcast:send`, RFC 8853
    /// section 5.1), at most [`limits::LAYERS`]; empty: there is one, without a name.
    pub rids: Vec<String>,
}

/// Why an SDP cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdpError {
    /// The line, counted from 1; `None` if something is missing altogether.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(self.what),
        }
    }
}

impl Description {
    /// Reads a description from outside.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        let mut reader = Reader::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                continue;
            }
            let wrong = |what| SdpError { line: Some(index + 1), what };
            reader.line(line).map_err(wrong)?;
        }
        reader.finish(text)
    }

    /// The sections in which the peer sends audio or video.
    pub fn sending(&self) -> impl Iterator<Item = (Kind, &Section)> {
        self.sections.iter().filter(|s| s.sends).filter_map(|s| Some((s.kind?, s)))
    }

    /// The sections in which the peer receives audio or video.
    pub fn receiving(&self) -> impl Iterator<Item = (Kind, &Section)> {
        self.sections.iter().filter(|s| s.receives).filter_map(|s| Some((s.kind?, s)))
    }
}

/// Whether the peer takes header extensions of both forms in every section (`a=extmap-allow-mixed`,
/// RFC 8285 section 6).
pub fn mixes_extensions(description: &str) -> bool {
    let says = |part: &str| part.lines().any(|line| line.trim_end() == "a=extmap-allow-mixed");
    let mut parts = description.split("\nm=");
    let session = parts.next().is_some_and(says);
    session || (parts.clone().count() > 0 && parts.all(says))
}

#[derive(Default)]
struct Reader {
    begun: bool,
    sections: Vec<Raw>,
    has_ufrag: bool,
    has_password: bool,
    has_fingerprint: bool,
    direction: Option<Direction>,
}

#[derive(Clone, Copy)]
struct Direction {
    sends: bool,
    receives: bool,
}

#[derive(Default)]
struct Raw {
    kind: Option<Kind>,
    rejected: bool,
    payload_types: Vec<u8>,
    encodings: Vec<(u8, String)>,
    parameters: Vec<(u8, String)>,
    direction: Option<Direction>,
    mid: String,
    rids: Vec<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let Some((key, value)) = line.split_once('=').filter(|(key, _)| key.len() == 1) else {
            return Err("not of the form letter=value (RFC 8866 section 5)");
        };
        if !self.begun {
            self.begun = key == "v";
            return if self.begun { Ok(()) } else { Err("a description begins with v=0") };
        }
        match key {
            "m" => self.section(value),
            "a" => self.attribute(value),
            _ => Ok(()),
        }
    }

    fn section(&mut self, value: &str) -> Result<(), &'static str> {
        if self.sections.len() == limits::SDP_SECTIONS {
            return Err("too many media sections");
        }
        let mut words = value.split_ascii_whitespace();
        let kind = match words.next() {
            Some("audio") => Some(Kind::Audio),
            Some("video") => Some(Kind::Video),
            Some(_) => None,
            None => return Err("a media section needs a type, a port and formats"),
        };
        let port: u16 = words
            .next()
            .and_then(|port| port.split('/').next()?.parse().ok())
            .ok_or("the port of a media section is not a number")?;
        let formats = words.skip(1);
        let payload_types = match kind {
            Some(_) => formats
                .map(|word| word.parse().ok().filter(|pt| *pt < 128))
                .collect::<Option<_>>()
                .ok_or("a payload type is not a number below 128")?,
            None => Vec::new(),
        };
        let direction = self.direction;
        let rejected = port == 0;
        self.sections.push(Raw { kind, rejected, payload_types, direction, ..Raw::default() });
        Ok(())
    }

    fn attribute(&mut self, value: &str) -> Result<(), &'static str> {
        let (name, rest) = value.split_once(':').unwrap_or((value, ""));
        match name {
            "ice-ufrag" => self.has_ufrag = true,
            "ice-pwd" => self.has_password = true,
            "fingerprint" => self.has_fingerprint = true,
            "sendrecv" => self.direct(true, true),
            "sendonly" => self.direct(true, false),
            "recvonly" => self.direct(false, true),
            "inactive" => self.direct(false, false),
            _ => {}
        }
        let Some(section) = self.sections.last_mut() else { return Ok(()) };
        match name {
            // Port 0 then means "bundled with another section", not "rejected" (RFC 8843
            // section 6).
            "bundle-only" => section.rejected = false,
            "mid" if is_token(rest) => section.mid = rest.to_owned(),
            "mid" => return Err("a=mid must have 1 to 16 letters, digits or underscores"),
            "simulcast" => section.rids = simulcast(rest)?,
            "rtpmap" => section
                .encodings
                .push(mapped(rest).ok_or("a=rtpmap needs a payload type and an encoding name")?),
            "fmtp" => section
                .parameters
                .push(mapped(rest).ok_or("a=fmtp needs a payload type and parameters")?),
            _ => {}
        }
        Ok(())
    }

    fn direct(&mut self, sends: bool, receives: bool) {
        let direction = Some(Direction { sends, receives });
        match self.sections.last_mut() {
            Some(section) => section.direction = direction,
            None => self.direction = direction,
        }
    }

    fn finish(self, text: &str) -> Result<Description, SdpError> {
        let missing = |what| Err(SdpError { line: None, what });
        if !self.begun {
            return missing("it is empty");
        }
        if !self.sections.iter().any(|section| section.kind.is_some()) {
            return missing("it has no audio or video section (m=)");
        }
        if !self.has_ufrag || !self.has_password {
            return missing("it has no ICE credentials (a=ice-ufrag, a=ice-pwd)");
        }
        if !self.has_fingerprint {
            return missing("it has no DTLS fingerprint (a=fingerprint)");
        }
        let sections = self.sections.into_iter().map(Raw::read).collect();
        Ok(Description { text: text.to_owned(), sections })
    }
}

impl Raw {
    fn read(self) -> Section {
        let all = Direction { sends: true, receives: true };
        let direction = self.direction.unwrap_or(all);
        let find = |list: &[(u8, String)], pt| {
            list.iter().find(|(key, _)| *key == pt).map(|(_, value)| value.clone())
        };
        let codec = |pt: &u8| {
            let encoding = find(&self.encodings, *pt)?;
            let parameters = find(&self.parameters, *pt).unwrap_or_default();
            Codec::parse(&encoding, &parameters).filter(|codec| Some(codec.kind()) == self.kind)
        };
        Section {
            kind: self.kind,
            sends: direction.sends && !self.rejected,
            receives: direction.receives && !self.rejected,
            codecs: self.payload_types.iter().filter_map(codec).collect(),
            mid: self.mid,
            rids: self.rids,
        }
    }
}

/// What our WebRTC stack keeps of a mid unchanged; browsers and encoders use less.
fn is_token(mid: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=16).contains(&mid.len()) && mid.bytes().all(plain)
}

/// The layers that are sent: of `send 1;~2,3 recv 4` those called 1 and 2. The first one of several
/// alternatives is taken, and one that begins paused (`~`) is one all the same.
fn simulcast(value: &str) -> Result<Vec<String>, &'static str> {
    let mut words = value.split_ascii_whitespace();
    let mut rids = Vec::new();
    while let (Some(direction), Some(layers)) = (words.next(), words.next()) {
        if direction != "send" {
            continue;
        }
        let first = |layer: &str| layer.split(',').next().unwrap_or("").replace('~', "");
        rids = layers.split(';').map(first).take(limits::LAYERS).collect();
    }
    let is_rid = |rid: &String| {
        (1..=8).contains(&rid.len()) && rid.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match rids.iter().all(is_rid) {
        true => Ok(rids),
        false => Err("the layers of a=simulcast must have names of 1 to 8 letters or digits"),
    }
}

/// Splits `96 VP8/90000` and the like.
fn mapped(text: &str) -> Option<(u8, String)> {
    let (pt, rest) = text.split_once(' ')?;
    Some((pt.parse().ok().filter(|pt| *pt < 128)?, rest.trim().to_owned()))
}

/// A piece of a description that a peer sends later: candidates or new credentials
/// (`application/trickle-ice-sdpfrag`, RFC 8840 section 9).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fragment {
    /// `a=ice-ufrag`.
    pub ufrag: Option<String>,
    /// `a=ice-pwd`.
    pub password: Option<String>,
    /// What follows `a=` in each candidate line, at most [`limits::CANDIDATES`].
    pub candidates: Vec<String>,
}

impl Fragment {
    /// Reads a fragment; lines that it does not know are skipped.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        let mut fragment = Fragment::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end_matches('\r');
            let wrong = |what| SdpError { line: Some(index + 1), what };
            if line.is_empty() {
                continue;
            }
            if line.as_bytes().get(1) != Some(&b'=') {
                return Err(wrong("not of the form letter=value (RFC 8866 section 5)"));
            }
            let Some(attribute) = line.strip_prefix("a=") else { continue };
            match attribute.split_once(':') {
                Some(("ice-ufrag", value)) => fragment.ufrag = Some(value.to_owned()),
                Some(("ice-pwd", value)) => fragment.password = Some(value.to_owned()),
                Some(("candidate", _)) if fragment.candidates.len() < limits::CANDIDATES => {
                    fragment.candidates.push(attribute.to_owned());
                }
                _ => {}
            }
        }
        Ok(fragment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
        a=fingerprint:sha-256 00\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:0\r\na=sendonly\r\n\
        a=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 102\r\na=mid:1\r\na=recvonly\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=rtpmap:102 H264/90000\r\n\
        a=fmtp:102 packetization-mode=1;profile-level-id=42e01f\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";

    #[test]
    fn reads_sections_codecs_and_directions() {
        let description = Description::parse(OFFER).unwrap();
        let sending: Vec<_> = description.sending().map(|(kind, s)| (kind, &s.codecs)).collect();
        assert_eq!(sending, [(Kind::Audio, &vec![Codec::Opus])]);
        let (_, video) = description.receiving().next().unwrap();
        assert_eq!(video.codecs.len(), 2);
        assert_eq!(video.mid, "1");
        assert_eq!(description.sections.len(), 3);
    }

    #[test]
    fn simulcast_names_the_layers_that_are_sent() {
        let rids = |value: &str| {
            let text = OFFER.replace("a=mid:1", &format!("a=mid:1\r\na=simulcast:{value}"));
            Description::parse(&text).map(|description| description.sections[1].rids.clone())
        };
        assert_eq!(rids("send q;h,x;~f recv r").unwrap(), ["q", "h", "f"]);
        assert_eq!(rids("recv r").unwrap(), [""; 0]);
        assert_eq!(rids("send 1;2;3;4;5;6").unwrap().len(), limits::LAYERS);
        assert_eq!(rids("send a-b").unwrap_err().line, Some(15));
    }

    #[test]
    fn firefox_style_offers_are_fine() {
        let mdns = OFFER.replace(
            "a=mid:0",
            "a=mid:0\r\na=candidate:0 1 UDP 2122 a-b.local 50000 typ host\r\na=end-of-candidates",
        );
        assert!(Description::parse(&mdns).is_ok());
    }

    #[test]
    fn says_what_is_wrong_and_on_which_line() {
        let error = |text: &str| Description::parse(text).unwrap_err().to_string();
        assert_eq!(error("hello"), "line 1: not of the form letter=value (RFC 8866 section 5)");
        assert_eq!(error(""), "it is empty");
        assert_eq!(error("v=0\r\ns=-\r\n"), "it has no audio or video section (m=)");
        let port = OFFER.replace("m=audio 9", "m=audio nine");
        assert_eq!(error(&port), "line 8: the port of a media section is not a number");
        let naked = OFFER.replace("a=fingerprint:sha-256 00\r\n", "");
        assert_eq!(error(&naked), "it has no DTLS fingerprint (a=fingerprint)");
    }

    #[test]
    fn a_rejected_section_neither_sends_nor_receives() {
        let rejected = OFFER.replace("m=audio 9", "m=audio 0");
        assert_eq!(Description::parse(&rejected).unwrap().sending().count(), 0);
    }

    #[test]
    fn fragments_hold_candidates_or_credentials() {
        let text = "a=ice-ufrag:x\r\na=ice-pwd:y\r\nm=audio 9 X 0\r\na=mid:0\r\n\
            a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n";
        let fragment = Fragment::parse(text).unwrap();
        assert_eq!(fragment.ufrag.as_deref(), Some("x"));
        assert_eq!(fragment.candidates, ["candidate:1 1 udp 1 192.0.2.1 9 typ host"]);
        assert!(Fragment::parse("nonsense").is_err());
    }
}

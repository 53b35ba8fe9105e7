//! Which tracks a peer sends or gets in which section of its offer, and the offer as str0m shall
//! see it. It decides; str0m writes the answer.

use crate::http::Problem;
use crate::hub::words::Credentials;
use crate::media::codec::Codec;
use crate::media::sdp::{Description, Section};
use crate::media::track::{Kind, Track};

/// What happens in each section of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// `Some` for a section that carries a track.
    pub(crate) sections: Vec<Option<Use>>,
    /// Whether the peer sends (a publisher) or receives (a viewer).
    pub(crate) peer_sends: bool,
}

/// A section that carries a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    /// Which track of the stream, counted from 0.
    pub(crate) slot: usize,
    /// The codec, in the variant that the peer offered.
    pub(crate) codec: Codec,
    /// How many layers of it the peer sends.
    pub(crate) layers: usize,
}

impl Plan {
    /// What a publisher sends: one codec per section, the first that we carry.
    pub(crate) fn publish(offer: &Description) -> Result<(Plan, Vec<Track>), Problem> {
        let mut tracks = Vec::new();
        let mut sections = Vec::new();
        for section in &offer.sections {
            let codec = Codec::choose(&section.codecs).filter(|_| section.sends);
            sections.push(codec.map(|codec| {
                let layers = section.rids.len().max(1);
                tracks.push(Track { codec, layers });
                Use { slot: tracks.len() - 1, codec, layers }
            }));
        }
        match tracks.is_empty() {
            false => Ok((Plan { sections, peer_sends: true }, tracks)),
            true if offer.sending().next().is_none() => Err(Problem::new(
                406,
                "nothing to publish",
                "the offer sends neither audio nor video; add a track before making the offer",
            )),
            true => Err(Problem::new(
                406,
                "codec not offered",
                "the offer holds no codec that Farcast carries; offer Opus for audio, and VP8, \
                 H.264, VP9 or AV1 for video",
            )),
        }
    }

    /// What a viewer gets of these tracks, in the sections that it offers for each kind.
    pub(crate) fn play(offer: &Description, tracks: &[Track]) -> Result<Plan, Problem> {
        let mut taken = vec![false; tracks.len()];
        let mut sections = Vec::new();
        for section in &offer.sections {
            sections.push(take(section, tracks, &mut taken));
        }
        let plan = Plan { sections, peer_sends: false };
        match plan.refused(offer, tracks) {
            Some(problem) => Err(problem),
            None => Ok(plan),
        }
    }

    /// The tracks' codecs, each once.
    pub(crate) fn codecs(&self) -> Vec<Codec> {
        let mut list = Vec::new();
        for used in self.sections.iter().flatten() {
            if !list.contains(&used.codec) {
                list.push(used.codec);
            }
        }
        list
    }

    fn refused(&self, offer: &Description, tracks: &[Track]) -> Option<Problem> {
        let served = |kind| self.sections.iter().flatten().any(|used| used.codec.kind() == kind);
        for kind in [Kind::Video, Kind::Audio] {
            let wanted = offer.receiving().any(|(offered, _)| offered == kind);
            let track = tracks.iter().find(|track| track.kind() == kind);
            if let Some(track) = track.filter(|_| wanted && !served(kind)) {
                let detail = format!(
                    "the {} of this stream is {}, which the offer does not hold; play it in a \
                     browser that decodes {1}, or publish in VP8 and Opus, which every browser \
                     plays",
                    kind.as_str(),
                    track.codec.name()
                );
                return Some(Problem::new(406, "codec not offered", detail));
            }
        }
        self.sections.iter().all(Option::is_none).then(|| {
            Problem::new(
                406,
                "nothing to play",
                "the offer receives neither audio nor video that this stream has; add recvonly \
                 transceivers for both",
            )
        })
    }

    /// The offer with one direction per section, and with simulcast only if the peer shall send it:
    /// str0m answers what we planned.
    pub(crate) fn shape(&self, offer: &Description) -> String {
        let mut text = String::with_capacity(offer.text.len() + 64);
        let mut section = None;
        for line in offer.text.lines().map(|line| line.trim_end_matches('\r')) {
            if line.starts_with("m=") {
                self.close_section(section, offer, &mut text);
                section = Some(section.map_or(0, |index: usize| index + 1));
            }
            let used = section.and_then(|index| self.sections.get(index)?.as_ref());
            let is_layered = self.peer_sends && used.is_some_and(|used| used.layers > 1);
            if !line.is_empty() && !replaced(line) && (is_layered || !names_layers(line)) {
                push_line(&mut text, line);
            }
        }
        self.close_section(section, offer, &mut text);
        text
    }

    fn close_section(&self, section: Option<usize>, offer: &Description, text: &mut String) {
        let Some(index) = section else { return };
        let is_media = offer.sections.get(index).is_some_and(|section| section.kind.is_some());
        if is_media {
            let used = self.sections.get(index).is_some_and(Option::is_some);
            push_line(
                text,
                match (used, self.peer_sends) {
                    (false, _) => "a=inactive",
                    (true, true) => "a=sendonly",
                    (true, false) => "a=recvonly",
                },
            );
        }
    }
}

fn take(section: &Section, tracks: &[Track], taken: &mut [bool]) -> Option<Use> {
    if !section.receives {
        return None;
    }
    tracks.iter().enumerate().find_map(|(slot, track)| {
        let codec = section.codecs.iter().copied().find(|codec| track.codec.plays_as(*codec))?;
        let free = Some(track.kind()) == section.kind && !taken[slot];
        free.then(|| {
            taken[slot] = true;
            Use { slot, codec, layers: 1 }
        })
    })
}

fn replaced(line: &str) -> bool {
    matches!(line, "a=sendrecv" | "a=sendonly" | "a=recvonly" | "a=inactive")
        // A lite agent learns where its peer is from the peer's checks; candidates would only grow
        // its tables.
        || line.starts_with("a=candidate:")
}

fn names_layers(line: &str) -> bool {
    line.starts_with("a=simulcast:") || line.starts_with("a=rid:")
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push_str("\r\n");
}

/// The same description with other ICE credentials.
pub(crate) fn with_credentials(description: &str, credentials: &Credentials) -> String {
    let mut text = String::with_capacity(description.len());
    for line in description.lines() {
        match line.split_once(':') {
            Some(("a=ice-ufrag", _)) => {
                push_line(&mut text, &format!("a=ice-ufrag:{}", credentials.ufrag));
            }
            Some(("a=ice-pwd", _)) => {
                push_line(&mut text, &format!("a=ice-pwd:{}", credentials.password));
            }
            _ => push_line(&mut text, line),
        }
    }
    text
}

/// Puts the candidates of an answer into its first section that is not rejected: str0m writes them
/// into the first one, where a peer ignores them if it is rejected.
pub(crate) fn place_candidates(answer: &str) -> String {
    let is_candidate =
        |line: &&str| line.starts_with("a=candidate:") || *line == "a=end-of-candidates";
    let candidates: Vec<&str> = answer.lines().filter(is_candidate).collect();
    let mut text = String::with_capacity(answer.len());
    let mut placed = false;
    for line in answer.lines().filter(|line| !is_candidate(line)) {
        push_line(&mut text, line);
        let accepted = line.starts_with("a=mid:") && !last_section_rejected(&text);
        if accepted && !placed {
            placed = true;
            candidates.iter().for_each(|line| push_line(&mut text, line));
        }
    }
    text
}

/// Makes all sections of an answer one stream (RFC 8830): browsers keep picture and sound together
/// only within one, and str0m gives each section a stream of its own.
pub(crate) fn one_stream(answer: &str) -> String {
    let mut shared = None;
    let mut text = String::with_capacity(answer.len());
    for line in answer.lines() {
        match line.split_once("msid:") {
            Some((before, msid)) => {
                let (own, track) = msid.split_once(' ').unwrap_or((msid, ""));
                let stream = *shared.get_or_insert(own);
                push_line(&mut text, &format!("{before}msid:{stream} {track}"));
            }
            None => push_line(&mut text, line),
        }
    }
    text
}

fn last_section_rejected(text: &str) -> bool {
    let section = text.rsplit("\r\n").find(|line| line.starts_with("m="));
    section.and_then(|line| line.split(' ').nth(1)) == Some("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(sections: &[(&str, &str, &str)]) -> Description {
        let mut text = "v=0\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\na=fingerprint:x\r\n".to_owned();
        for (mid, (kind, direction, codecs)) in sections.iter().enumerate() {
            let pts: Vec<_> =
                (0..codecs.split(' ').count()).map(|n| (96 + n).to_string()).collect();
            text += &format!("m={kind} 9 UDP/TLS/RTP/SAVPF {}\r\na=mid:{mid}\r\n", pts.join(" "));
            for (pt, codec) in pts.iter().zip(codecs.split(' ')) {
                text += &format!("a=rtpmap:{pt} {codec}\r\n");
            }
            text += &format!("a={direction}\r\n");
        }
        Description::parse(&text).unwrap()
    }

    const OPUS: Track = Track { codec: Codec::Opus, layers: 1 };
    const VP8: Track = Track { codec: Codec::Vp8, layers: 1 };

    #[test]
    fn a_publisher_sends_one_codec_per_section() {
        let offer = offer(&[
            ("audio", "sendonly", "opus/48000/2"),
            ("video", "sendrecv", "VP8/90000 VP9/90000"),
            ("video", "recvonly", "VP8/90000"),
        ]);
        let (plan, tracks) = Plan::publish(&offer).unwrap();
        assert_eq!(tracks, [OPUS, VP8]);
        let shaped = Description::parse(&plan.shape(&offer)).unwrap();
        let directions: Vec<_> = shaped.sections.iter().map(|s| (s.sends, s.receives)).collect();
        assert_eq!(directions, [(true, false), (true, false), (false, false)]);
    }

    #[test]
    fn a_viewer_gets_each_track_once_and_only_what_it_asks_for() {
        let video_only =
            offer(&[("video", "recvonly", "VP8/90000"), ("video", "recvonly", "VP8/90000")]);
        let plan = Plan::play(&video_only, &[OPUS, VP8]).unwrap();
        assert_eq!(plan.sections, [Some(Use { slot: 1, codec: Codec::Vp8, layers: 1 }), None]);
    }

    #[test]
    fn a_viewer_without_the_codec_is_told_its_name() {
        let offer =
            offer(&[("audio", "recvonly", "opus/48000/2"), ("video", "recvonly", "VP8/90000")]);
        let h264 = Track {
            codec: Codec::H264 { profile_level_id: 0x42e01f, packetization_mode: 1 },
            layers: 1,
        };
        let problem = Plan::play(&offer, &[OPUS, h264]).unwrap_err();
        assert_eq!(problem.status, 406);
        assert!(problem.detail.contains("a browser that decodes H.264"), "{}", problem.detail);
    }

    #[test]
    fn an_offer_with_nothing_of_ours_is_refused() {
        assert_eq!(
            Plan::publish(&offer(&[("audio", "sendonly", "PCMU/8000")])).unwrap_err().title,
            "codec not offered"
        );
        assert_eq!(
            Plan::publish(&offer(&[("audio", "recvonly", "opus/48000/2")])).unwrap_err().title,
            "nothing to publish"
        );
        assert_eq!(
            Plan::play(&offer(&[("audio", "recvonly", "opus/48000/2")]), &[VP8]).unwrap_err().title,
            "nothing to play"
        );
    }

    #[test]
    fn all_sections_of_an_answer_are_one_stream() {
        let answer = "v=0\r\na=msid-semantic: WMS *\r\nm=audio 9 X 111\r\na=msid:one sound\r\n\
            a=ssrc:1 msid:one sound\r\nm=video 9 X 96\r\na=msid:two picture\r\n\
            a=ssrc:2 cname:two\r\na=ssrc:2 msid:two picture\r\n";
        let expected = answer.replace("msid:two", "msid:one");
        assert_eq!(one_stream(answer), expected);
    }

    #[test]
    fn candidates_move_out_of_a_rejected_section() {
        let answer = "v=0\r\nm=audio 0 X 0\r\na=mid:0\r\na=candidate:1\r\na=end-of-candidates\r\n\
            m=video 9 X 96\r\na=mid:1\r\na=recvonly\r\n";
        let placed = place_candidates(answer);
        assert!(
            placed.ends_with("a=mid:1\r\na=candidate:1\r\na=end-of-candidates\r\na=recvonly\r\n"),
            "{placed}"
        );
        assert_eq!(placed.matches("candidate:1").count(), 1);
    }
}

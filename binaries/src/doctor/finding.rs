//! What a check found, and how it looks on a terminal; it does not know what was checked.

/// One line of the doctor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// How it stands.
    pub(super) verdict: Verdict,
    /// What was found, in a sentence.
    pub(super) what: String,
    /// What to type, to write or to have done about it.
    pub(super) cure: Option<String>,
}

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as it should be.
    Good,
    /// The event would suffer.
    Bad,
    /// It could not be proved, or is good only for now.
    Unsure,
}

impl Finding {
    /// It is as it should be.
    pub(super) fn good(what: impl Into<String>) -> Self {
        Finding { verdict: Verdict::Good, what: what.into(), cure: None }
    }

    /// It must be cured.
    pub(super) fn bad(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Finding { verdict: Verdict::Bad, what: what.into(), cure: Some(cure.into()) }
    }

    /// Nobody could tell.
    pub(super) fn unsure(what: impl Into<String>) -> Self {
        Finding { verdict: Verdict::Unsure, what: what.into(), cure: None }
    }

    /// Nobody could tell, but somebody may be able to find out, or to do better.
    #[must_use]
    pub(super) fn but(self, cure: impl Into<String>) -> Self {
        Finding { cure: Some(cure.into()), ..self }
    }

    /// As lines of a terminal, with colours or without.
    pub(super) fn render(&self, colours: bool) -> String {
        let (mark, colour) = match self.verdict {
            Verdict::Good => ("ok ", "32"),
            Verdict::Bad => ("BAD", "31"),
            Verdict::Unsure => ("?  ", "33"),
        };
        let mark = match colours {
            true => format!("\x1b[{colour}m{mark}\x1b[0m"),
            false => mark.to_owned(),
        };
        let mut lines = format!("{mark} {}\n", self.what);
        for line in self.cure.iter().flat_map(|cure| cure.lines()) {
            lines += &format!("    -> {line}\n");
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cure_stands_below_what_it_cures() {
        let bad = Finding::bad("UDP 443 is shut", "sudo ufw allow 443/udp");
        assert_eq!(bad.render(false), "BAD UDP 443 is shut\n    -> sudo ufw allow 443/udp\n");
        assert_eq!(Finding::good("fine").render(false), "ok  fine\n");
        assert_eq!(Finding::unsure("dark").render(false), "?   dark\n");
    }

    #[test]
    fn colours_mark_the_mark_alone() {
        assert_eq!(Finding::good("fine").render(true), "\x1b[32mok \x1b[0m fine\n");
    }
}

//! Who may break a law for now. The list may only shrink: an exception that is not needed any more,
//! or that allows much more than is needed, fails the test.

use crate::Breach;
use crate::tidy::shape;

/// Lines that a size may fall below what its exception allows before the exception must follow.
const SLACK: usize = 20;

/// One place that breaks one law.
pub(crate) struct Exception {
    pub(crate) law: &'static str,
    /// As a breach names it.
    pub(crate) place: &'static str,
    /// The most that is tolerated; 0 where the law knows no amount.
    most: usize,
    /// Why, and until when.
    #[allow(dead_code, reason = "for people")]
    why: &'static str,
}

pub(crate) const EXCEPTIONS: &[Exception] = &[];

impl Exception {
    /// Whether this breach is tolerated.
    pub(crate) fn excuses(&self, breach: &Breach) -> bool {
        self.law == breach.law && self.place == breach.place && breach.amount <= self.most
    }

    /// Why this exception must go or be lowered, if there is `worst` of it.
    pub(crate) fn stale(&self, worst: Option<usize>) -> Option<&'static str> {
        match worst {
            None => Some("the exception is not needed any more; delete it"),
            Some(amount) if amount + SLACK < self.most => Some("the exception is too generous"),
            Some(_) => None,
        }
    }
}

#[test]
fn an_exception_excuses_no_more_than_it_says() {
    let most = shape::FILE + 2 * SLACK;
    let exception = Exception { law: "long file", place: "a.rs", most, why: "" };
    let breach = |place: &str, amount| Breach {
        law: "long file",
        place: place.to_owned(),
        line: 1,
        amount,
        what: String::new(),
    };
    assert!(exception.excuses(&breach("a.rs", most)));
    assert!(!exception.excuses(&breach("a.rs", most + 1)));
    assert!(!exception.excuses(&breach("b.rs", most)));
    assert!(exception.stale(Some(most - SLACK)).is_none());
    assert!(exception.stale(Some(most - SLACK - 1)).is_some());
    assert!(exception.stale(None).is_some());
}

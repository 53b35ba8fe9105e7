//! Words of people in a page: whatever they wrote, it stays text.

use super::table::shown;

/// Text, also for attributes in quotes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in shown(text).chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            c => safe.push(c),
        }
    }
    safe
}

#[test]
fn nothing_that_people_write_is_markup() {
    assert_eq!(escape("<b a=\"1\" c='2'>\u{7}&"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt; &amp;");
}

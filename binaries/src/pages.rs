//! The pages and the SDK that every node carries; it does not know who asks for them.

use farcast_adapters::http::site::Page;
use include_dir::{Dir, include_dir};

// Only what people are served: tests and tools lie in `web` as well.
static SCRIPTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../web/pages");
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../web/sdk");

/// The file of this name, if there is one.
pub fn page(name: &str) -> Option<Page> {
    let inside = |dir: &'static Dir<'_>, name| dir.get_file(name).map(|file| file.contents());
    let bytes = match name.split_once('/') {
        Some(("pages", rest)) => inside(&SCRIPTS, rest),
        Some(("sdk", rest)) => inside(&SDK, rest),
        Some(_) => None,
        None => TOP.iter().find(|(top, _)| *top == name).map(|(_, bytes)| *bytes),
    };
    bytes.map(|bytes| Page::new(name, bytes))
}

/// What lies at the top of `web`.
const TOP: [(&str, &[u8]); 5] = [
    ("index.html", include_bytes!("../../web/index.html")),
    ("publish.html", include_bytes!("../../web/publish.html")),
    ("player.html", include_bytes!("../../web/player.html")),
    ("latency.html", include_bytes!("../../web/latency.html")),
    ("style.css", include_bytes!("../../web/style.css")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_scripts_and_the_sdk_are_there_and_tools_are_not() {
        for name in ["index.html", "publish.html", "player.html", "latency.html", "style.css"] {
            assert!(page(name).is_some(), "{name}");
        }
        assert!(page("sdk/farcast.js").is_some());
        assert!(page("pages/player.js").is_some());
        assert!(page("pages/latency/timecode.js").is_some());
        for name in ["package.json", "sdk/../package.json", "sdk/none.js", "sdk", ""] {
            assert!(page(name).is_none(), "{name}");
        }
    }
}

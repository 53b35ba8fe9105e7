//! A Rust file as the laws see it: its text, its code without comments and strings, and which of
//! its lines are tests. It knows just enough of Rust's grammar for that.

use std::ops::RangeInclusive;

/// A file.
pub(crate) struct Source {
    /// From the root of the repository, with slashes.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// The same, with blanks for comments and for what is between quotes.
    pub(crate) code: String,
    /// The lines, counted from 1, of items that exist in tests alone.
    pub(crate) tests: Vec<RangeInclusive<usize>>,
}

/// A path in code, with the groups of `use` taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// `a::b::c`; one that began with `self` or `super` begins with `crate`.
    pub(crate) path: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let tests = test_items(&code);
        Source { path: path.to_owned(), text: text.to_owned(), code, tests }
    }

    /// Whether the file itself is a test.
    pub(crate) fn is_test_file(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// Whether a line is there in tests alone.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.is_test_file() || self.tests.iter().any(|lines| lines.contains(&line))
    }

    /// Every path that the code mentions, tests included.
    pub(crate) fn mentions(&self) -> Vec<Mention> {
        let tokens = tokens(&self.code);
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            at = take_path(&tokens, at, "", &mut found).max(at + 1);
        }
        for mention in &mut found {
            mention.path = self.absolute(&mention.path);
        }
        found
    }

    /// The path seen from the crate's root, if it began with `self` or `super`.
    fn absolute(&self, path: &str) -> String {
        let Some((_, file)) = self.path.split_once("/src/") else { return path.to_owned() };
        let module = file.trim_end_matches(".rs").trim_end_matches("mod").trim_end_matches('/');
        let mut module: Vec<&str> = module.split('/').filter(|name| *name != "lib").collect();
        let mut rest = path;
        while let Some((first, tail)) = rest.split_once("::") {
            match first {
                "self" => {}
                "super" => drop(module.pop()),
                _ => break,
            }
            rest = tail;
        }
        if rest == path {
            return path.to_owned();
        }
        let parts = ["crate"].into_iter().chain(module).chain([rest]);
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("::")
    }
}

/// The line, counted from 1, of a byte.
pub(crate) fn line_of(code: &str, at: usize) -> usize {
    code.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Where the braces close that open at byte `open`.
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len() - 1
}

fn test_items(code: &str) -> Vec<RangeInclusive<usize>> {
    let mark = "#[cfg(test)]";
    let item = |(start, _)| {
        let body = code[start..].find(['{', ';']).map_or(code.len() - 1, |at| start + at);
        let end = if code.as_bytes()[body] == b'{' { closing(code, body) } else { body };
        line_of(code, start)..=line_of(code, end)
    };
    code.match_indices(mark).map(item).collect()
}

/// Puts blanks in the place of comments, strings and characters; line breaks stay.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let hidden = hidden(rest, code.chars().next_back());
        if hidden == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (skipped, after) = rest.split_at(hidden);
            code.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
    }
    code
}

/// How many bytes of a comment, string or character begin here; 0: none does.
fn hidden(rest: &str, before: Option<char>) -> usize {
    let until = |end: &str, from: usize| {
        rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let raw = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('r');
    if let Some(raw) = raw.filter(|_| !in_word) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let open = rest.len() - raw.len() + hashes + 1;
            return until(&format!("\"{}", "#".repeat(hashes)), open);
        }
    }
    match rest.as_bytes()[0] {
        b'"' => quoted(rest, '"'),
        b'\'' => {
            let mut inside = rest[1..].chars();
            let is_char = inside.next() == Some('\\') || inside.next() == Some('\'');
            if is_char { quoted(rest, '\'') } else { 0 }
        }
        _ => 0,
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Words and marks of code, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    let (mut line, mut rest) = (1, code);
    while let Some(c) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let len = match word {
            0 if rest.starts_with("::") => 2,
            0 => c.len_utf8(),
            _ => word,
        };
        if !c.is_whitespace() {
            tokens.push((line, &rest[..len]));
        }
        line += usize::from(c == '\n');
        rest = &rest[len..];
    }
    tokens
}

/// Takes the path that begins at token `at`, and all that a group at its end holds. Returns the
/// first token after it.
fn take_path(
    tokens: &[(usize, &str)],
    mut at: usize,
    prefix: &str,
    found: &mut Vec<Mention>,
) -> usize {
    let is_word = |token: &str| token.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let text = |at: usize| tokens.get(at).map_or("", |(_, text)| *text);
    let mut path = prefix.to_owned();
    while is_word(text(at)) {
        path.push_str(text(at));
        if text(at + 1) != "::" {
            found.push(Mention { line: tokens[at].0, path });
            return at + 1;
        }
        path.push_str("::");
        at += 2;
    }
    if path.is_empty() || text(at) != "{" {
        return at;
    }
    at += 1;
    while !["}", ""].contains(&text(at)) {
        at = take_path(tokens, at, &path, found).max(at + 1);
    }
    at + 1
}

#[test]
fn comments_strings_and_characters_are_no_code() {
    let text = "a /* b\n */ \"c // \\\" d\" e // f\nr#\"g\" h\"# 'i' '\\'' &'j k br\"l\" m";
    let code = blank(text);
    let words: Vec<&str> = tokens(&code).into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["a", "e", "&", "'", "j", "k", "m"]);
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn a_test_module_is_known_to_its_last_brace() {
    let source = Source::new("a/src/b.rs", "fn a() {}\n#[cfg(test)]\nmod t {\n fn b() {}\n}\nx\n");
    let tests: Vec<usize> = (1..=6).filter(|line| source.is_test(*line)).collect();
    assert_eq!(tests, [2, 3, 4, 5]);
}

#[test]
fn groups_and_relative_paths_are_taken_apart() {
    let text = "use a::{b, c::{self, d}};\nfn f() { super::g::h(); crate::i::J }";
    let mentions = Source::new("core/src/hub/road.rs", text).mentions();
    let paths: Vec<&str> = mentions.iter().map(|mention| mention.path.as_str()).collect();
    for path in ["a::b", "a::c::d", "crate::hub::g::h", "crate::i::J"] {
        assert!(paths.contains(&path), "{path} is not in {paths:?}");
    }
    let house = Source::new("core/src/hub/mod.rs", "use super::director;").mentions();
    assert_eq!(house[1].path, "crate::director");
}

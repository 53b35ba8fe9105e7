//! Laws about the shape of files: what fits into a head and on a screen, and how a file begins.

use crate::Breach;
use crate::tidy::source::{Source, closing, line_of};

/// Lines of a function, its signature included.
pub(crate) const FUNCTION: usize = 70;
/// Lines of a file without its test module.
pub(crate) const FILE: usize = 400;
/// Characters of a line.
const LINE: usize = 100;

/// A function has at most 70 lines.
pub(crate) fn functions(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (start, _) in source.code.match_indices("fn ") {
        let Some((name, open)) = head(&source.code, start) else { continue };
        let first = line_of(&source.code, start);
        let amount = line_of(&source.code, closing(&source.code, open)) - first + 1;
        if amount > FUNCTION {
            breaches.push(Breach {
                law: "long function",
                place: format!("{} fn {name}", source.path),
                line: first,
                amount,
                what: format!("{amount} lines; take it apart, {FUNCTION} are the limit"),
            });
        }
    }
    breaches
}

/// The name of the function whose `fn` is at `start`, and where its body opens, if it has one.
fn head(code: &str, start: usize) -> Option<(&str, usize)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    if code[..start].ends_with(is_part) {
        return None;
    }
    let name = code[start + 3..].split(|c: char| !is_part(c)).next()?;
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.checked_sub(1)?,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some((name, at)),
            _ => {}
        }
    }
    None
}

/// A file has at most 400 lines without its tests.
pub(crate) fn files(source: &Source) -> Vec<Breach> {
    let in_module = |line: &usize| source.tests.iter().any(|lines| lines.contains(line));
    let amount = (1..=source.text.lines().count()).filter(|line| !in_module(line)).count();
    if amount <= FILE {
        return Vec::new();
    }
    let what = format!("{amount} lines without tests; move a room out, {FILE} are the limit");
    vec![Breach { law: "long file", place: source.path.clone(), line: 1, amount, what }]
}

/// A line has at most 100 characters.
pub(crate) fn lines(source: &Source) -> Vec<Breach> {
    let long = |(index, text): (usize, &str)| {
        let amount = text.chars().count();
        (amount > LINE).then(|| Breach {
            law: "long line",
            place: source.path.clone(),
            line: index + 1,
            amount,
            what: format!("{amount} characters; {LINE} are the limit"),
        })
    };
    source.text.lines().enumerate().filter_map(long).collect()
}

/// A file opens with what it is for.
pub(crate) fn openings(source: &Source) -> Vec<Breach> {
    let says = source.text.strip_prefix("//!").is_some_and(|rest| {
        rest.lines().next().is_some_and(|line| line.trim_start().len() > "a".len())
    });
    if says {
        return Vec::new();
    }
    let what = "the first line must be `//!` and say what the file is for".to_owned();
    vec![Breach { law: "opening", place: source.path.clone(), line: 1, amount: 0, what }]
}

#[test]
fn long_functions_are_found_wherever_they_are() {
    let body = "    x();\n".repeat(FUNCTION - 1);
    let text = format!("impl A {{\nfn short();\nasync fn long<T>(a: [u8; 2]) {{\n{body}}}\n}}\n");
    let breaches = functions(&Source::new("a.rs", &text));
    assert_eq!(breaches.len(), 1, "{breaches:?}");
    assert_eq!((breaches[0].place.as_str(), breaches[0].amount), ("a.rs fn long", FUNCTION + 1));
    let fits = text.replacen("    x();\n", "", 1);
    assert!(functions(&Source::new("a.rs", &fits)).is_empty());
}

#[test]
fn long_files_are_found_but_their_tests_do_not_count() {
    let code = "x\n".repeat(FILE);
    let tested = format!("{code}#[cfg(test)]\nmod tests {{\n}}\n");
    assert!(files(&Source::new("a.rs", &tested)).is_empty());
    assert_eq!(files(&Source::new("a.rs", &format!("x\n{tested}"))).len(), 1);
}

#[test]
fn long_lines_are_counted_in_characters() {
    assert!(lines(&Source::new("a.rs", &"\u{e4}".repeat(LINE))).is_empty());
    assert_eq!(lines(&Source::new("a.rs", &"\u{e4}".repeat(LINE + 1))).len(), 1);
}

#[test]
fn a_file_without_an_opening_is_found() {
    assert!(openings(&Source::new("a.rs", "//! Says why.\n")).is_empty());
    for text in ["", "fn a() {}", "// no\n", "\n//! Late.\n", "//!\nfn a() {}"] {
        assert_eq!(openings(&Source::new("a.rs", text)).len(), 1, "{text:?}");
    }
}

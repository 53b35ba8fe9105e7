//! Small changes to inputs, as fuzzers make them: bits, bytes, ranges, and pieces of other inputs.
//! It knows nothing of what an input means.

use fastrand::Rng;

/// Changes that one new input gets at most.
const CHANGES: usize = 6;
/// Bytes and words at which parsers stumble.
const WORDS: [&[u8]; 16] = [
    b"\0",
    b"\xff",
    b"\r\n",
    b"=",
    b":",
    b" ",
    b"{",
    b"\"",
    b"-1",
    b"0",
    b"65536",
    b"4294967296",
    b"18446744073709551616",
    b"\xc3\x28",
    b"a=",
    b"%00",
];
/// Bytes of the longest input.
const LONGEST: usize = 64 * 1024;

/// A new input made of one of `corpus`, which is not empty.
pub fn mutate(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = corpus[rng.usize(..corpus.len())].clone();
    for _ in 0..rng.usize(1..=CHANGES) {
        let other = &corpus[rng.usize(..corpus.len())];
        change(&mut bytes, other, rng);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let at = rng.usize(..=bytes.len());
    match rng.u8(..10) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
        1 if at < bytes.len() => bytes[at] = rng.u8(..),
        2 => drop(bytes.drain(range(bytes.len(), rng))),
        3 => {
            let piece = bytes[range(bytes.len(), rng)].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => {
            let piece = other[range(other.len(), rng)].to_vec();
            bytes.splice(at..at, piece);
        }
        5 => {
            let piece = other[range(other.len(), rng)].to_vec();
            bytes.splice(range(bytes.len(), rng), piece);
        }
        6 => {
            let word = WORDS[rng.usize(..WORDS.len())];
            bytes.splice(at..at, word.iter().copied());
        }
        _ => change_lines(bytes, other, rng),
    }
}

/// Whole lines, for formats that are made of them: one goes, moves, comes again, or comes in.
fn change_lines(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let split = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    };
    let (mut lines, others) = (split(bytes), split(other));
    let (Some(last), Some(foreign)) = (lines.len().checked_sub(1), others.len().checked_sub(1))
    else {
        return;
    };
    let (from, to) = (rng.usize(..=last), rng.usize(..=last));
    match rng.u8(..4) {
        0 => drop(lines.remove(from)),
        1 => lines.swap(from, to),
        2 => {
            let again = vec![lines[from].clone(); rng.usize(1..=20)];
            lines.splice(to..to, again);
        }
        _ => lines.insert(to, others[rng.usize(..=foreign)].clone()),
    }
    *bytes = lines.concat();
}

fn range(len: usize, rng: &mut Rng) -> std::ops::Range<usize> {
    let (one, other) = (rng.usize(..=len), rng.usize(..=len));
    one.min(other)..one.max(other)
}

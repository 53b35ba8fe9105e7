//! The committed inputs of each target. It knows where they lie, not what they mean.

use std::path::{Path, PathBuf};

/// An input and where it comes from.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Every committed input of a target, in the order of their names: the corpus, then what once broke
/// a promise.
pub fn committed(target: &str) -> Vec<Input> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["corpus", "regressions"].map(|folder| root.join(folder).join(target));
    folders.iter().flat_map(|folder| read(folder)).collect()
}

/// A folder that is not there holds no inputs.
fn read(folder: &Path) -> Vec<Input> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.sort();
    let input = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("a committed input is readable");
        Input { path, bytes }
    };
    paths.into_iter().map(input).collect()
}

//! Explores one target on a stable compiler: mutates the committed inputs for a while and keeps
//! what breaks a promise. It is not guided by coverage; cargo-fuzz is.
//!
//! `explore TARGET SECONDS [SEED]`

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use farcast_fuzz::{TARGETS, inputs, mutate::mutate};
use fastrand::Rng;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let seconds = args.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(60);
    let seed = args.next().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| Rng::new().u64(..));
    let Some((_, target)) = TARGETS.iter().find(|(target, _)| *target == name) else {
        let names = TARGETS.map(|(name, _)| name).join(", ");
        eprintln!("there is no target \"{name}\"; the targets are {names}");
        return ExitCode::FAILURE;
    };
    println!("{name}: seed {seed}");
    let corpus: Vec<Vec<u8>> = inputs::committed(&name).into_iter().map(|i| i.bytes).collect();
    let mut rng = Rng::with_seed(seed);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut runs = 0_u64;
    while Instant::now() < end {
        let input = mutate(&corpus, &mut rng);
        if catch_unwind(|| target(&input)).is_err() {
            return keep(&name, &input);
        }
        runs += 1;
    }
    println!("{name}: {runs} inputs, every promise kept");
    ExitCode::SUCCESS
}

fn keep(name: &str, input: &[u8]) -> ExitCode {
    let file = format!(
        "{name}-{:016x}",
        input
            .iter()
            .fold(0_u64, |hash, byte| { (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3) })
    );
    match std::fs::write(&file, input) {
        Ok(()) => eprintln!(
            "a promise is broken by {file}; fix it and move the file to \
                             fuzz/regressions/{name}/"
        ),
        Err(error) => eprintln!("a promise is broken, but {file} cannot be written: {error}"),
    }
    ExitCode::FAILURE
}

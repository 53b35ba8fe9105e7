//! How many files this process may have open, sockets among them. It knows not what they are for.

/// Raises the limit as far as the system lets us. Fails with a sentence if it stays below `wanted`.
#[cfg(target_os = "linux")]
pub fn make_room(wanted: u64) -> Result<(), String> {
    use nix::sys::resource::{Resource::RLIMIT_NOFILE, getrlimit, setrlimit};
    let limit = |error| format!("the limit of open files cannot be read: {error}");
    let (soft, hard) = getrlimit(RLIMIT_NOFILE).map_err(limit)?;
    if soft >= wanted {
        return Ok(());
    }
    if setrlimit(RLIMIT_NOFILE, hard.min(wanted), hard).is_err() || hard < wanted {
        return Err(format!(
            "this takes {wanted} open files, and this process may have {}; raise the limit with \
             `ulimit -n {wanted}`",
            hard.max(soft)
        ));
    }
    Ok(())
}

/// Raises the limit as far as the system lets us; where it lets us not, it stays.
#[cfg(target_os = "linux")]
pub fn make_all_room() {
    use nix::sys::resource::{Resource::RLIMIT_NOFILE, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(RLIMIT_NOFILE) {
        setrlimit(RLIMIT_NOFILE, hard, hard).ok();
    }
}

/// Where nobody tells the limit, it stays.
#[cfg(not(target_os = "linux"))]
pub fn make_all_room() {}

/// Where nobody tells the limit, whoever reaches it will say so.
#[cfg(not(target_os = "linux"))]
pub fn make_room(_wanted: u64) -> Result<(), String> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
#[test]
fn there_is_room_for_a_few_but_not_for_everything() {
    assert_eq!(make_room(8), Ok(()));
    let why = make_room(u64::MAX - 1).unwrap_err();
    assert!(why.contains("ulimit -n"), "{why}");
}

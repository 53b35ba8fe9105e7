//! A line on the terminal that says how far we are; silent where nobody looks.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Between two pictures of the bar.
const PAUSE: Duration = Duration::from_millis(100);
/// Characters of the bar.
const WIDTH: f64 = 30.0;

/// A bar on standard error; it is gone when it is dropped.
pub(crate) struct Bar {
    drawn: Option<Mutex<Instant>>,
}

impl Bar {
    /// A bar, if standard error is a terminal.
    pub(crate) fn new() -> Bar {
        let drawn = std::io::stderr().is_terminal().then(|| Mutex::new(Instant::now()));
        Bar { drawn }
    }

    /// Shows how much is done; `what` is counted.
    pub(crate) fn show(&self, done: f64, all: f64, what: &str) {
        let Some(drawn) = &self.drawn else { return };
        // Another thread that draws at this moment says nearly the same.
        let Ok(mut drawn) = drawn.try_lock() else { return };
        if drawn.elapsed() >= PAUSE {
            *drawn = Instant::now();
            draw(&line(done, all, what));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            draw("");
        }
    }
}

fn line(done: f64, all: f64, what: &str) -> String {
    let share = if all > 0.0 { (done / all).clamp(0.0, 1.0) } else { 1.0 };
    let full = (share * WIDTH).round() as usize;
    format!(
        "{:#<full$}{:.<rest$} {done:.0} of {all:.0} {what}",
        "",
        "",
        rest = WIDTH as usize - full
    )
}

fn draw(line: &str) {
    let mut terminal = std::io::stderr();
    // A terminal that went away needs no bar.
    let _ = write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush());
}

#[test]
fn the_bar_is_as_full_as_we_are_far() {
    assert_eq!(line(0.0, 50.0, "s"), format!("{} 0 of 50 s", ".".repeat(30)));
    assert_eq!(line(25.0, 50.0, "s"), format!("{}{} 25 of 50 s", "#".repeat(15), ".".repeat(15)));
    assert_eq!(line(60.0, 50.0, "s"), format!("{} 60 of 50 s", "#".repeat(30)));
    assert_eq!(line(0.0, 0.0, "s"), format!("{} 0 of 0 s", "#".repeat(30)));
}

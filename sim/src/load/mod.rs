//! The load tester: people who publish and watch over real sockets, and what it was like for them.
//! It knows a server only by its WHIP and WHEP endpoints, and Farcast by its WebSocket too.

mod calls;
mod conduct;
mod crew;
mod crowd;
mod figures;
mod flags;
mod server;
mod session;
mod socket;
mod spread;
mod table;
mod tally;
mod target;
mod watch;

use std::process::ExitCode;

use farcast_adapters::files;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::runtime::Runtime;
use farcast_adapters::tokio::{self, Tokio};

pub use flags::LoadFlags;

use crate::tool;
use conduct::{Conductor, Outcome};
use figures::Figures;
use server::Server;

/// Files that are open beside the sockets of sessions: calls on their way, terminals, clocks.
const OTHER_FILES: u64 = 1_000;

/// Does what the flags say. It ends with 1 unless all viewers connected and got a picture.
pub fn run(flags: &LoadFlags) -> Result<ExitCode, String> {
    let server = Server::new(flags.pid)?;
    let trust = Trust::new(flags.ca.as_deref()).map_err(|error| error.to_string())?;
    files::make_room(u64::from(flags.viewers) + u64::from(flags.publishers) + OTHER_FILES)?;
    let conducted = tokio::block_on(conduct(flags, server, trust));
    let outcome = conducted.map_err(|error| format!("cannot start the runtime: {error}"))??;
    let (publishers, viewers) = (flags.publishers as usize, flags.viewers as usize);
    let figures = Figures::new(&outcome, publishers, viewers);
    if flags.json {
        eprint!("{}", table::remarks(&figures));
        tool::print(&tool::json::text(&figures)?)?;
    } else {
        tool::print(&table::text(&title(flags, &figures), &figures))?;
    }
    Ok(if figures.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn conduct(flags: &LoadFlags, server: Server, trust: Trust) -> Result<Outcome, String> {
    let owned = flags.i_own_this_server;
    let whip = conduct::resolve(flags.whip.host()?, owned).await?;
    let whep = conduct::resolve(flags.whep.host()?, owned).await?;
    let fence = (!owned).then(|| Tokio.interfaces()).transpose();
    let fence = fence.map_err(|error| format!("this machine's addresses are unknown: {error}"))?;
    Conductor::new(flags, server, trust, fence)?.run([whip, whep]).await
}

fn title(flags: &LoadFlags, figures: &Figures) -> String {
    let count =
        |count: u32, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "{} of {}, {} kbit/s each; measured for {} s",
        count(flags.viewers, "viewer"),
        count(flags.publishers, "publisher"),
        flags.kbps,
        figures.seconds
    )
}

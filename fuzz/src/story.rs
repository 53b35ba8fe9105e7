//! Stories and atlases that users of the simulation write.

use farcast_sim::plan::Plan;
use farcast_sim::story::Story;

/// A story that can be read can be made concrete or is refused in words; nothing panics.
pub fn story(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(story) = Story::parse(text) else { return };
    let bare = story.is_bare();
    let told = match bare {
        true => story.atlas().and_then(|atlas| Story::tour("fuzzed", atlas)),
        false => Ok(story),
    };
    if let Ok(plan) = told.and_then(|story| Plan::new(story, 1)) {
        plan.net().expect("a plan has a network");
    }
}

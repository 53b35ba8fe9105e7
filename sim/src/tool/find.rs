//! Which story somebody means: one that comes with the program, or a file. It tells none.

use std::fmt::Write;
use std::path::Path;

use crate::plan::Plan;
use crate::story::{STORIES, Story};

/// What there is to tell, for people.
pub(super) fn list() -> Result<String, String> {
    let widest = STORIES.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = String::from("Stories that come with the program:\n\n");
    for (name, _) in STORIES {
        let about = Story::named(name)?.about;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<widest$}  {about}");
    }
    text += "\n\
        Tell one            farcast sim four-cities\n\
        with map and charts farcast sim four-cities --html page.html\n\
        of your own cities  farcast sim my-cities.toml\n\
        with many seeds     farcast sim random-faults --runs 500\n\n\
        How to write your own: docs/simulation.md\n";
    Ok(text)
}

/// The story of this name or in this file; cities without anybody in them get a tour.
pub(super) fn story(name: &str) -> Result<Story, String> {
    if STORIES.iter().any(|(known, _)| *known == name) {
        return Story::named(name);
    }
    let path = Path::new(name);
    let is_file = path.components().count() > 1 || path.extension().is_some() || path.exists();
    if !is_file {
        return Err(unknown(name));
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let told = |why: String| format!("{name}: {why}");
    let mut story = Story::parse(&text).map_err(told)?;
    if story.name.is_empty() {
        story.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    }
    if story.is_bare() {
        story = Story::tour(&story.name, story.atlas().map_err(told)?).map_err(told)?;
    }
    // Names of cities and nodes are looked up only now, and are the same for every seed.
    Plan::new(story.clone(), 1).map_err(told)?;
    Ok(story)
}

fn unknown(name: &str) -> String {
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let near = STORIES.iter().map(|(known, _)| *known).min_by_key(|known| distance(known));
    // Farther than this, a guess confuses more than it helps.
    let reach = (name.chars().count() / 3).max(2);
    let hint = match near.filter(|known| distance(known) <= reach) {
        Some(known) => format!("did you mean {known}?"),
        None => "`farcast sim` lists those that there are".to_owned(),
    };
    format!("there is no story called {name}, and no such file; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_what_every_story_is_about() {
        let list = list().expect("they come with the program");
        for (name, _) in STORIES {
            let line = list.lines().find(|line| line.trim_start().starts_with(name));
            assert!(line.is_some_and(|line| line.len() > name.len() + 20), "{name}");
        }
    }

    #[test]
    fn a_near_name_is_proposed_and_a_far_one_is_not() {
        assert!(story("four-citys").is_err_and(|why| why.contains("did you mean four-cities?")));
        assert!(story("breakfast").is_err_and(|why| why.contains("`farcast sim` lists")));
    }
}

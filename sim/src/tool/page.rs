//! A page about one run that needs nothing but itself: map, table, verdict, charts.

use std::fmt::Write;

use super::flags::World;
use super::happening::{self, Happening};
use super::markup::escape;
use super::runs::{Run, Whole};
use super::{chart, map, table, verdict};
use crate::COMMIT;
use crate::outcome::Row;

const STYLE: &str = include_str!("page.css");

/// The page.
pub(super) fn text(whole: &Whole, world: World) -> String {
    let (plan, rows) = (&whole.plan, &whole.run.rows);
    let story = &plan.story;
    let (name, about) = (escape(&story.name), escape(&story.about));
    let (seconds, seed, world) = (story.seconds, whole.run.seed, world.name());
    let happenings = happening::all(plan);
    let (map, charts) = (map::html(plan, rows), charts(rows, seconds, &happenings));
    let (table, verdict, style) = (routes(&whole.run), laws(whole), highlights(rows.len()));
    let events = list(&happenings);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{name} – Farcast</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n\
         <header><h1>{name}</h1>\n<p>{about}</p>\n\
         <p class=\"facts\">{seconds} s {world} · seed {seed} · commit {COMMIT}</p></header>\n\
         <main>\n{map}{table}{verdict}{events}{charts}</main>\n</body>\n</html>\n"
    )
}

fn routes(run: &Run) -> String {
    let heads: String =
        table::heads().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    let mut text = format!(
        "<section><h2>Routes</h2>\n<div class=\"wide\"><table>\n<thead><tr>{heads}</tr></thead>\n\
         <tbody>\n"
    );
    for (number, row) in run.rows.iter().enumerate() {
        let cells: String =
            table::cells(row).iter().map(|cell| format!("<td>{cell}</td>")).collect();
        let (class, name) = (map::colour(number), escape(&row.name));
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            text,
            "<tr id=\"row{number}\"><th scope=\"row\"><a href=\"#chart{number}\">\
             <i class=\"key {class}\"></i>{name}</a></th>{cells}</tr>"
        );
    }
    text += "</tbody></table></div>\n";
    for sentence in table::blind(std::slice::from_ref(run)) {
        let _ = writeln!(text, "<p class=\"bad\">{}</p>", escape(&sentence));
    }
    text + "<p class=\"facts\">Times in milliseconds. The floor is what the light path takes; \
            overhead is what p99 is above it. Point at a row to see its way on the map.</p>\n\
            </section>\n"
}

/// The mouse over a row shows its line on the map.
fn highlights(count: usize) -> String {
    let rule =
        |number| format!("body:has(#row{number}:hover) .route:not(#line{number}){{opacity:.08}}\n");
    (0..count).map(rule).collect()
}

fn laws(whole: &Whole) -> String {
    let (story, runs) = (&whole.plan.story, std::slice::from_ref(&whole.run));
    let (class, word) = match whole.run.verdict.is_good() {
        true => ("good", "As it should be"),
        false => ("bad", "Not as it should be"),
    };
    let failures = verdict::failures(story, runs);
    let failures: String = failures.lines().map(|line| escape(line) + "\n").collect();
    let failures = match failures.is_empty() {
        true => failures,
        false => format!("<pre>{failures}</pre>\n"),
    };
    let line = |(what, laws)| format!("<dt>{what}</dt><dd>{}</dd>\n", escape(laws));
    let summary = verdict::summary(story, runs);
    let summary: String = summary.iter().map(|(what, laws)| line((what, laws))).collect();
    format!(
        "<section><h2>Laws</h2>\n<p class=\"verdict {class}\">{word}</p>\n{failures}\
         <dl>\n{summary}</dl></section>\n"
    )
}

fn list(happenings: &[Happening]) -> String {
    if happenings.is_empty() {
        return String::new();
    }
    let line = |told: &Happening| {
        format!("<li><span>{:.1} s</span> {}</li>\n", told.at, escape(&told.what))
    };
    let lines: String = happenings.iter().map(line).collect();
    format!("<section><h2>What happens</h2>\n<ol class=\"events\">\n{lines}</ol></section>\n")
}

fn charts(rows: &[Row], seconds: f64, happenings: &[Happening]) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let (class, name) = (map::colour(number), escape(&row.name));
        let levels = [("floor", row.floor_ms), ("p50", row.p50_ms), ("p99", row.p99_ms)];
        let level = |(level, ms): &(&str, f64)| {
            format!("<span><i class=\"level {level}\"></i>{level} {ms:.1}</span>")
        };
        let levels: String = levels.iter().map(level).collect();
        let chart = chart::html(row, &class, seconds, happenings);
        let _ = write!(
            text,
            "<section id=\"chart{number}\"><h2><i class=\"key {class}\"></i>{name}</h2>\n\
             <p class=\"levels\">{levels}<span>latency in ms, by when a frame was captured</span>\
             </p>\n{chart}</section>\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::{Breach, Law, Verdict};
    use crate::plan::Plan;
    use crate::story::Story;

    /// Ends the words around it, if it can.
    const EVIL: &str = "</title></style>\\\"'><script>alert(1)</script>&amp;<b a=";

    fn page() -> String {
        let text = r#"
            name = 'EVIL'
            about = 'EVIL'
            city = [{ name = 'EVIL', at = [0, 0] }, { name = 'two' }]
            link = [{ between = ['EVIL', 'two'], rtt_ms = 10 }]
            node = [{ name = 'EVIL', city = 'EVIL' }]
            publisher = [{ name = 'EVIL', city = 'two' }]
            viewer = [{ name = 'EVIL', city = 'two' }]
            event = [{ at_s = 3, kill = 'EVIL' }, { at_s = 4, start = 'EVIL' }]
            expected_to_fail = [{ law = 'p99', missing = 'EVIL' }]
        "#;
        let text =
            text.replace("'EVIL'", &format!("\"\"\"{}\"\"\"", EVIL.replace("\\\"", "\\\\\"")));
        let plan = Plan::new(Story::parse(&text).expect("it is a story"), 1).expect("it can be");
        let row = Row {
            name: format!("{EVIL} via {EVIL}"),
            viewers: 1,
            floor_ms: 10.0,
            p50_ms: 10.1,
            p99_ms: 10.2,
            max_ms: 10.3,
            startup_ms: 80.0,
            freezes: 0,
            points: vec![(1.0, 10.1), (2.0, 10.3)],
            cities: vec![1, 0, 1],
        };
        let at = std::time::Duration::from_secs(3);
        let breach = Breach { law: Law::OnTime, at, who: EVIL.to_owned(), what: EVIL.to_owned() };
        let verdict = Verdict { broken: vec![breach], ..Verdict::default() };
        let run = Run { seed: 1, verdict, rows: vec![row], blind: [(EVIL.to_owned(), 1)].into() };
        text_of(Whole { plan, run, trace: String::new() })
    }

    fn text_of(whole: Whole) -> String {
        text(&whole, World::Memory)
    }

    /// Panics unless every tag is closed in its turn; our pages close all but the doctype.
    fn assert_well_formed(page: &str) {
        let mut open = Vec::new();
        for tag in page.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("a tag ends");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next();
            match tag {
                tag if tag.starts_with('!') || tag.ends_with('/') => {}
                tag if tag.starts_with('/') => assert_eq!(open.pop(), name, "{tag}"),
                _ => open.extend(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn a_page_is_well_formed_whatever_people_write() {
        let page = page();
        assert_well_formed(&page);
        assert!(!page.contains("<script") && !page.contains("<b a="));
        assert!(page.matches("&lt;script&gt;").count() > 15);
    }

    #[test]
    fn a_page_needs_nothing_but_itself() {
        let page = page();
        for word in ["http:", "https:", "src=", "url(", "@import", "<link"] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn a_page_tells_what_is_needed_to_see_it_again() {
        let page = page();
        assert!(page.contains(&format!("seed 1 · commit {COMMIT}")));
        assert!(
            page.contains("Not as it should be") && page.contains("broken: on-time at 3.000 s")
        );
        assert!(page.contains("<td>10.2</td>"));
    }
}

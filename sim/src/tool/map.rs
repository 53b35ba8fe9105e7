//! The map of a page: cities with who is there, links with their round trips, routes in colours.
//! Lines are SVG and stretch with the page; words are HTML, so that they stay readable.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::layout::{Layout, WIDTH};
use super::markup::escape;
use crate::atlas::{Atlas, CityIndex};
use crate::outcome::Row;
use crate::plan::Plan;

/// Colours of the style sheet.
const COLOURS: usize = 8;
/// Between two routes of the same cities, if there is room.
const LANE: f64 = 9.0;
/// What all lanes may take.
const LANES: f64 = 70.0;
/// Where a link's round trip may stand: not in the middle, where two diagonals would meet. Where
/// there is no room, it is told only to the mouse.
const SPOTS: [f64; 4] = [0.45, 0.6, 0.35, 0.7];
/// Between closer cities, routes are closer to each other as well.
const ROOMY: f64 = 250.0;
/// Sizes of a label's characters and lines, about.
const LETTER: (f64, f64) = (8.0, 17.0);
/// From a city to its label.
const AWAY: f64 = 12.0;

/// The class of a route's colour.
pub(super) fn colour(route: usize) -> String {
    format!("c{}", route % COLOURS)
}

/// The map.
pub(super) fn html(plan: &Plan, rows: &[Row]) -> String {
    let layout = Layout::new(&plan.atlas.cities);
    let height = layout.height;
    // Writing to a String cannot fail, here and below.
    let mut svg = format!(
        "<div class=\"map\" style=\"aspect-ratio:{WIDTH}/{height:.0}\">\n\
         <svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"Map\">\n"
    );
    let mut words = String::new();
    for (x, name) in &layout.meridians {
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{x:.1} 0V{height:.0}\"/>");
        let left = x / WIDTH * 100.0;
        let _ = writeln!(words, "<i class=\"east\" style=\"left:{left:.2}%\">{name}</i>");
    }
    for (y, name) in &layout.parallels {
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M0 {y:.1}H{WIDTH}\"/>");
        let top = y / height * 100.0;
        let _ = writeln!(words, "<i class=\"north\" style=\"top:{top:.2}%\">{name}</i>");
    }
    let mut taken = labels(&mut words, plan, &layout);
    links(&mut svg, &mut words, &plan.atlas, &layout, &mut taken);
    // A plan's atlas has roads, or there would be no plan.
    let roads = plan.atlas.roads().unwrap_or_default();
    let crowd = if rows.len() > COLOURS { " crowd" } else { "" };
    let _ = writeln!(svg, "<g class=\"routes{crowd}\">");
    for (number, row) in rows.iter().enumerate() {
        let legs: Vec<_> =
            row.cities.windows(2).flat_map(|leg| roads.between(leg[0], leg[1])).collect();
        route(&mut svg, &layout, (number, rows.len()), &row.name, &legs);
    }
    svg.push_str("</g>\n");
    for [x, y] in &layout.places {
        let _ = writeln!(svg, "<circle class=\"city\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\"/>");
    }
    format!("{svg}</svg>\n{words}</div>\n")
}

fn at(layout: &Layout, [x, y]: [f64; 2]) -> String {
    format!("--x:{:.2}%;top:{:.2}%", x / WIDTH * 100.0, y / layout.height * 100.0)
}

fn links(
    svg: &mut String,
    words: &mut String,
    atlas: &Atlas,
    layout: &Layout,
    taken: &mut Vec<[f64; 4]>,
) {
    for link in &atlas.links {
        let ends = [0, 1].map(|end| atlas.city(&link.between[end]).ok());
        let [Some(one), Some(other)] = ends else { continue };
        let ([ax, ay], [bx, by]) = (layout.places[one], layout.places[other]);
        let [from, to] = [0, 1].map(|end| escape(&link.between[end]));
        let rtt = format!("{} ms", link.line.rtt_ms);
        let _ = writeln!(
            svg,
            "<path class=\"link\" d=\"M{ax:.1} {ay:.1}L{bx:.1} {by:.1}\">\
             <title>{from} – {to}: {rtt}</title></path>"
        );
        let (wide, high) = (rtt.chars().count() as f64 * LETTER.0, LETTER.1);
        let spots = SPOTS.map(|along| [ax + (bx - ax) * along, ay + (by - ay) * along]);
        let around =
            |[x, y]: [f64; 2]| [x - wide / 2.0, y - high / 2.0, x + wide / 2.0, y + high / 2.0];
        let is_free =
            |spot: &[f64; 2]| taken.iter().all(|other| overlap(around(*spot), *other) == 0.0);
        if let Some(spot) = spots.into_iter().find(is_free) {
            taken.push(around(spot));
            let _ = writeln!(words, "<b class=\"rtt\" style=\"{}\">{rtt}</b>", at(layout, spot));
        }
    }
}

/// A route from city to city, beside the other routes, with an arrow on every leg.
fn route(
    svg: &mut String,
    layout: &Layout,
    (number, count): (usize, usize),
    name: &str,
    legs: &[&(CityIndex, CityIndex)],
) {
    let gap = LANE.min(LANES / count as f64);
    let lane = (number as f64 - (count as f64 - 1.0) / 2.0) * gap;
    let (class, name) = (colour(number), escape(name));
    let _ = writeln!(svg, "<g class=\"route {class}\" id=\"line{number}\"><title>{name}</title>");
    for (from, to) in legs {
        // The same side for both directions, or two routes would lie on each other.
        let side = if from < to { 1.0 } else { -1.0 };
        let ([ax, ay], [bx, by]) = (layout.places[*from], layout.places[*to]);
        let (dx, dy) = (bx - ax, by - ay);
        let long = dx.hypot(dy).max(1.0);
        let (ux, uy) = (dx / long, dy / long);
        let aside = lane * side * (long / ROOMY).min(1.0);
        let (nx, ny) = (-uy * aside, ux * aside);
        let (mx, my) = ((ax + bx) / 2.0, (ay + by) / 2.0);
        let (px, py) = (mx + nx * 2.0, my + ny * 2.0);
        let _ = write!(svg, "<path d=\"M{ax:.1} {ay:.1}Q{px:.1} {py:.1} {bx:.1} {by:.1}\"/>");
        let (tx, ty) = (mx + nx + ux * 8.0, my + ny + uy * 8.0);
        let corner = |side: f64| (tx - ux * 14.0 - uy * side, ty - uy * 14.0 + ux * side);
        let ((lx, ly), (rx, ry)) = (corner(6.0), corner(-6.0));
        let _ = writeln!(
            svg,
            "<path class=\"arrow\" d=\"M{tx:.1} {ty:.1}L{lx:.1} {ly:.1}L{rx:.1} {ry:.1}Z\"/>"
        );
    }
    svg.push_str("</g>\n");
}

/// Each city's name and who is there, where it covers least; and the boxes that are taken.
fn labels(words: &mut String, plan: &Plan, layout: &Layout) -> Vec<[f64; 4]> {
    let dot = |[x, y]: &[f64; 2]| [x - 8.0, y - 8.0, x + 8.0, y + 8.0];
    let mut taken: Vec<[f64; 4]> = layout.places.iter().map(dot).collect();
    for (city, place) in layout.places.iter().enumerate() {
        let name = &plan.atlas.cities[city].name;
        let here = who(plan, city);
        let letters = name.chars().count().max(here.chars().count()) as f64;
        let lines = if here.is_empty() { 1.0 } else { 2.0 };
        let (wide, high) = (letters * LETTER.0, lines * LETTER.1);
        let [x, y] = *place;
        let sides = [
            ("right", [x + AWAY, y - high / 2.0]),
            ("left", [x - AWAY - wide, y - high / 2.0]),
            ("below", [x - wide / 2.0, y + AWAY]),
            ("above", [x - wide / 2.0, y - AWAY - high]),
        ];
        let cost = |[left, top]: [f64; 2]| {
            let own = [left, top, left + wide, top + high];
            let outside = wide * high - overlap(own, [0.0, 0.0, WIDTH, layout.height]);
            outside * 3.0 + taken.iter().map(|other| overlap(own, *other)).sum::<f64>()
        };
        let best = sides.into_iter().min_by(|one, other| cost(one.1).total_cmp(&cost(other.1)));
        let Some((side, [left, top])) = best else { continue };
        taken.push([left, top, left + wide, top + high]);
        let (style, name, here) = (at(layout, *place), escape(name), escape(&here));
        let _ = writeln!(
            words,
            "<div class=\"place {side}\" style=\"{style}\"><b>{name}</b><span>{here}</span></div>"
        );
    }
    taken
}

/// What two boxes (left, top, right, bottom) have in common.
fn overlap(one: [f64; 4], other: [f64; 4]) -> f64 {
    let wide = one[2].min(other[2]) - one[0].max(other[0]);
    let high = one[3].min(other[3]) - one[1].max(other[1]);
    wide.max(0.0) * high.max(0.0)
}

/// Nodes and publishers by name; viewers are counted, for they may be many.
fn who(plan: &Plan, city: CityIndex) -> String {
    let nodes = plan.nodes.iter().filter(|node| node.place.city == city);
    let people = || plan.people.iter().filter(|person| person.place.city == city);
    let publishers = people().filter(|person| person.script.film.is_some());
    let names: BTreeSet<&str> = publishers.map(|person| person.name.as_str()).collect();
    let mut here: Vec<String> = nodes.map(|node| node.name.clone()).collect();
    here.extend(names.into_iter().map(str::to_owned));
    match people().filter(|person| person.script.film.is_none()).count() {
        0 => {}
        1 => here.push("1 viewer".to_owned()),
        count => here.push(format!("{count} viewers")),
    }
    here.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Story;

    fn plan() -> Plan {
        let story = Story::named("four-cities").expect("it comes with the program");
        Plan::new(story, 1).expect("it can be")
    }

    #[test]
    fn who_is_where() {
        let plan = plan();
        let who: Vec<String> = (0..4).map(|city| who(&plan, city)).collect();
        assert_eq!(who, ["camera, 3 viewers", "origin", "edge1", "edge2"]);
    }

    #[test]
    fn the_map_shows_links_with_round_trips_and_every_leg_of_a_route() {
        let row = Row {
            name: "home via edge1".to_owned(),
            viewers: 1,
            floor_ms: 172.0,
            p50_ms: 172.0,
            p99_ms: 172.0,
            max_ms: 172.0,
            startup_ms: 0.0,
            freezes: 0,
            points: Vec::new(),
            cities: vec![0, 1, 1, 2, 0],
        };
        let html = html(&plan(), &[row]);
        assert_eq!(html.matches("class=\"rtt\"").count(), 6);
        assert!(html.contains(">84 ms<") && html.contains("30° N"));
        assert_eq!(html.matches("class=\"arrow\"").count(), 3);
        assert_eq!(html.matches("class=\"place ").count(), 4);
    }

    #[test]
    fn boxes_that_only_touch_have_nothing_in_common() {
        assert_eq!(overlap([0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0]), 1.0);
        assert_eq!(overlap([0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 3.0, 3.0]), 0.0);
    }
}

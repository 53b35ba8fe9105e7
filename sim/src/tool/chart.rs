//! The latency of a route over time. Where nothing is drawn, nothing was seen: the picture stood
//! still. Lines are SVG and stretch with the page; words are HTML, so that they stay readable.

use std::fmt::Write;

use super::happening::Happening;
use super::markup::escape;
use crate::outcome::Row;

/// The drawing's width and height; the page stretches it.
const SIZE: f64 = 1000.0;
/// Strokes of one chart: each shows the least and the most of its moment.
const MOMENTS: usize = 750;
/// The least range of a chart, in milliseconds.
const LEAST: f64 = 8.0;
/// Widths of an event's words and of its number, in parts of the chart.
const WORDS: (f64, f64) = (0.0095, 0.03);
/// Lines of words above a chart; with more events, their numbers must do.
const LINES: usize = 4;

/// A chart of one route; `class` is its colour.
pub(super) fn html(row: &Row, class: &str, seconds: f64, happenings: &[Happening]) -> String {
    let scale = Scale::new(row, seconds);
    let (words, lines) = events(happenings, seconds);
    // Writing to a String cannot fail, here and below.
    let mut svg = format!(
        "<div class=\"chart\" style=\"--lines:{lines}\">\n<svg viewBox=\"0 0 {SIZE} {SIZE}\" \
         preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Latency of {}\">\n",
        escape(&row.name)
    );
    let mut ticks = String::new();
    for ms in scale.ticks() {
        let y = scale.y(ms);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M0 {y:.1}H{SIZE}\"/>");
        let top = y / SIZE * 100.0;
        let _ = writeln!(ticks, "<i class=\"ms\" style=\"top:{top:.2}%\">{ms}</i>");
    }
    for (second, left) in moments(seconds) {
        let _ = writeln!(ticks, "<i class=\"s\" style=\"left:{left:.2}%\">{second} s</i>");
    }
    for happening in happenings {
        let x = happening.at / seconds * SIZE;
        let _ = writeln!(svg, "<path class=\"event\" d=\"M{x:.1} 0V{SIZE}\"/>");
    }
    let levels = [("floor", row.floor_ms), ("p50", row.p50_ms), ("p99", row.p99_ms)];
    for (level, ms) in levels {
        let y = scale.y(ms);
        let _ = writeln!(svg, "<path class=\"{level}\" d=\"M0 {y:.1}H{SIZE}\"/>");
    }
    let dots = dots(&row.points, &scale);
    let _ = writeln!(svg, "<path class=\"dots {class}\" d=\"{dots}\"/>");
    format!("{svg}</svg>\n{ticks}{words}</div>\n")
}

/// From seconds and milliseconds to places.
struct Scale {
    seconds: f64,
    low: f64,
    high: f64,
}

impl Scale {
    fn new(row: &Row, seconds: f64) -> Scale {
        let latencies = || row.points.iter().map(|(_, ms)| *ms).chain([row.floor_ms]);
        let low = latencies().fold(f64::INFINITY, f64::min);
        let high = latencies().fold(low, f64::max).max(low + LEAST);
        let room = (high - low) * 0.08;
        Scale { seconds, low: (low - room).max(0.0), high: high + room }
    }

    fn x(&self, second: f64) -> f64 {
        second / self.seconds * SIZE
    }

    fn y(&self, ms: f64) -> f64 {
        (self.high - ms) / (self.high - self.low) * SIZE
    }

    /// Round numbers, four or so.
    fn ticks(&self) -> impl Iterator<Item = f64> {
        let step = round((self.high - self.low) / 4.0);
        let (first, last) = ((self.low / step).ceil() as u64, (self.high / step).floor() as u64);
        (first..=last).map(move |number| number as f64 * step)
    }
}

/// The next number of the kind that people count in: 1, 2, 5, 10, 20…
fn round(least: f64) -> f64 {
    let ten = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * ten);
    steps.into_iter().find(|step| *step >= least).unwrap_or(10.0 * ten).max(1.0)
}

/// Round seconds, and where they are, in percent.
fn moments(seconds: f64) -> impl Iterator<Item = (f64, f64)> {
    let step = round(seconds / 6.0);
    let last = (seconds / step).floor() as u64;
    (0..=last).map(move |number| {
        let second = number as f64 * step;
        (second, second / seconds * 100.0)
    })
}

/// A stroke for each moment from its least latency to its most: outliers stay when frames are more
/// than a screen can show.
fn dots(points: &[(f64, f64)], scale: &Scale) -> String {
    let mut strokes = vec![None; MOMENTS];
    for (second, ms) in points {
        let moment = (second / scale.seconds * MOMENTS as f64) as usize;
        let Some(stroke) = strokes.get_mut(moment) else { continue };
        let (x, low, high) = stroke.unwrap_or((*second, *ms, *ms));
        *stroke = Some((x, ms.min(low), ms.max(high)));
    }
    let mut path = String::new();
    for (second, low, high) in strokes.into_iter().flatten() {
        let (x, from, to) = (scale.x(second), scale.y(low), scale.y(high));
        let _ = write!(path, "M{x:.1} {from:.1}V{to:.1}");
    }
    path
}

/// The events' words above the chart, none on another; and how many lines they take.
fn events(happenings: &[Happening], seconds: f64) -> (String, usize) {
    let wordy = place(happenings, seconds, |what| what.chars().count() as f64 * WORDS.0);
    let places = wordy.filter(|places| places.iter().all(|(line, _)| *line < LINES));
    let class = if places.is_some() { "happening" } else { "happening short" };
    let short = || place(happenings, seconds, |_| 0.0);
    let places = places.or_else(short).unwrap_or_default();
    let lines = places.iter().map(|(line, _)| line + 1).max().unwrap_or_default();
    let mut text = String::new();
    for (number, (happening, (line, ends))) in happenings.iter().zip(&places).enumerate() {
        let (number, what) = (number + 1, escape(&happening.what));
        let side = if *ends { "ends" } else { "begins" };
        let left = happening.at / seconds * 100.0;
        let _ = writeln!(
            text,
            "<div class=\"{class} {side}\" style=\"left:{left:.2}%;--line:{line}\" \
             title=\"{what}\"><b>{number}</b><span>{what}</span></div>"
        );
    }
    (text, lines)
}

/// The line of each event, and whether its words end at its mark rather than begin there.
fn place(
    happenings: &[Happening],
    seconds: f64,
    wide: impl Fn(&str) -> f64,
) -> Option<Vec<(usize, bool)>> {
    let mut taken: Vec<(usize, f64, f64)> = Vec::new();
    let mut places = Vec::new();
    for happening in happenings {
        let (at, wide) = (happening.at / seconds, wide(&happening.what) + WORDS.1);
        let ends = at + wide > 1.0;
        let (from, to) = if ends { (at - wide, at) } else { (at, at + wide) };
        let meets = |line: usize| {
            taken.iter().any(|(other, left, right)| *other == line && from < *right && *left < to)
        };
        let line = (0..=happenings.len()).find(|line| !meets(*line))?;
        taken.push((line, from, to));
        places.push((line, ends));
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(points: Vec<(f64, f64)>) -> Row {
        Row {
            name: "a <b>".to_owned(),
            viewers: 1,
            floor_ms: 100.0,
            p50_ms: 101.0,
            p99_ms: 102.0,
            max_ms: 0.0,
            startup_ms: 0.0,
            freezes: 0,
            points,
            cities: Vec::new(),
        }
    }

    fn strokes(points: Vec<(f64, f64)>) -> Vec<String> {
        let row = row(points);
        let dots = dots(&row.points, &Scale::new(&row, 10.0));
        dots.split('M').skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn many_frames_are_thinned_out_and_outliers_stay() {
        let mut points: Vec<_> = (0..30_000).map(|n| (f64::from(n) / 3_000.0, 110.0)).collect();
        points[17_003].1 = 900.0;
        let strokes = strokes(points);
        assert_eq!(strokes.len(), MOMENTS);
        let tall = strokes.iter().filter(|stroke| {
            let ys: Vec<&str> = stroke.split([' ', 'V']).skip(1).collect();
            ys[0] != ys[1]
        });
        assert_eq!(tall.count(), 1);
    }

    #[test]
    fn a_freeze_is_a_gap() {
        let seen = (0..300).map(|n| f64::from(n) / 30.0).filter(|at| !(4.0..6.0).contains(at));
        let strokes = strokes(seen.map(|at| (at, 110.0)).collect());
        let x = |stroke: &String| stroke.split(' ').next().and_then(|x| x.parse::<f64>().ok());
        let xs: Vec<f64> = strokes.iter().filter_map(x).collect();
        assert!(xs.iter().any(|x| *x > 390.0) && xs.iter().any(|x| *x > 600.0));
        assert!(!xs.iter().any(|x| (400.0..599.0).contains(x)));
    }

    #[test]
    fn figures_beside_a_chart_are_round() {
        let ticks: Vec<f64> = Scale::new(&row(vec![(1.0, 187.0)]), 10.0).ticks().collect();
        assert_eq!(ticks, [100.0, 150.0]);
        let ticks: Vec<f64> = Scale::new(&row(Vec::new()), 10.0).ticks().collect();
        assert_eq!(ticks, [100.0, 105.0]);
        let moments: Vec<f64> = moments(30.0).map(|(second, _)| second).collect();
        assert_eq!(moments, [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
    }

    #[test]
    fn words_of_events_do_not_cover_each_other() {
        let happening = |at| Happening { at, what: "origin – edge1 cut".to_owned() };
        let happenings = [10.0, 11.0, 29.5].map(happening);
        let places = place(&happenings, 30.0, |_| 0.2).expect("there is room");
        assert_eq!(places, [(0, false), (1, false), (0, true)]);
        let crowd: Vec<_> = (0..40).map(|n| happening(f64::from(n) / 10.0)).collect();
        let (words, lines) = events(&crowd, 30.0);
        assert!(words.contains("happening short") && lines <= 40);
        assert!(html(&row(Vec::new()), "c0", 30.0, &happenings).contains("a &lt;b&gt;"));
    }
}

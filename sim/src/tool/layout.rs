//! Where cities lie on a map: at their coordinates, or on a circle if some have none. It draws
//! nothing.

use crate::atlas::City;

/// The map's width; its height follows. Everything is drawn in these units.
pub(super) const WIDTH: f64 = 1000.0;
/// The height of maps, in widths.
const SHAPES: (f64, f64) = (0.42, 0.68);
/// The least that a map shows, in degrees.
const LEAST: f64 = 4.0;
/// Room around the cities, in parts of the map.
const MARGIN: f64 = 0.14;

/// A map without anything on it.
#[derive(Debug)]
pub(super) struct Layout {
    /// Each city's place, from the left and from the top.
    pub(super) places: Vec<[f64; 2]>,
    pub(super) height: f64,
    /// Meridians with their places from the left; none on a circle.
    pub(super) meridians: Vec<(f64, String)>,
    /// Parallels with their places from the top.
    pub(super) parallels: Vec<(f64, String)>,
}

impl Layout {
    /// Finds everybody's place.
    pub(super) fn new(cities: &[City]) -> Layout {
        let known = |[north, east]: &[f64; 2]| {
            (-90.0..=90.0).contains(north) && (-180.0..=180.0).contains(east)
        };
        let places = cities.iter().map(|city| city.at.filter(known));
        match places.collect::<Option<Vec<_>>>() {
            Some(places) if !places.is_empty() => Layout::on_earth(&places),
            _ => Layout::on_a_circle(cities.len()),
        }
    }

    fn on_a_circle(count: usize) -> Layout {
        let height = WIDTH * 0.5;
        let place = |number: usize| {
            let angle = std::f64::consts::TAU * number as f64 / count as f64;
            [WIDTH * (0.5 + 0.3 * angle.sin()), height * (0.5 - 0.36 * angle.cos())]
        };
        let places = (0..count).map(place).collect();
        Layout { places, height, meridians: Vec::new(), parallels: Vec::new() }
    }

    /// Equirectangular, with the right shapes in the middle.
    fn on_earth(places: &[[f64; 2]]) -> Layout {
        let west = western(places);
        let east = |[_, east]: &[f64; 2]| (east - west).rem_euclid(360.0);
        let (mut left, mut right) = span(places.iter().map(east));
        let (mut bottom, mut top) = span(places.iter().map(|[north, _]| *north));
        let narrow = ((top + bottom) / 2.0).to_radians().cos().max(0.3);
        let (wide, high) = ((right - left) * narrow, top - bottom);
        let shape = (high / wide).clamp(SHAPES.0, SHAPES.1);
        let more_wide = (high / shape - wide).max(0.0) / narrow / 2.0;
        let more_high = (wide * shape - high).max(0.0) / 2.0;
        (left, right) = (left - more_wide, right + more_wide);
        (bottom, top) = (bottom - more_high, top + more_high);
        let scale = WIDTH / (right - left);
        let height = WIDTH * shape;
        let x = |east: f64| (east - left) * scale;
        let y = |north: f64| (top - north) / (top - bottom) * height;
        let step = step((right - left).max((top - bottom) / shape));
        let meridians = lines(left + west, right + west, step).map(|line| {
            (x(line - west), degrees((line + 540.0).rem_euclid(360.0) - 180.0, "E", "W"))
        });
        let parallels = lines(bottom.max(-90.0), top.min(90.0), step)
            .map(|line| (y(line), degrees(line, "N", "S")));
        Layout {
            places: places.iter().map(|place| [x(east(place)), y(place[0])]).collect(),
            height,
            meridians: meridians.collect(),
            parallels: parallels.collect(),
        }
    }
}

/// The city east of the widest gap, so that nobody's ocean is cut in two without need.
fn western(places: &[[f64; 2]]) -> f64 {
    let mut all: Vec<f64> = places.iter().map(|[_, east]| *east).collect();
    all.sort_by(f64::total_cmp);
    let next = all.iter().cycle().skip(1);
    let gaps = all.iter().zip(next).map(|(one, next)| ((next - one).rem_euclid(360.0), *next));
    let widest = gaps.max_by(|one, other| one.0.total_cmp(&other.0));
    widest.map_or(0.0, |(_, east)| east)
}

/// From the first to the last, with room around.
fn span(all: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let low = all.clone().fold(f64::INFINITY, f64::min);
    let high = all.fold(f64::NEG_INFINITY, f64::max);
    let more = ((LEAST - (high - low)) / 2.0).max((high - low) * MARGIN);
    (low - more, high + more)
}

/// Degrees between two lines.
fn step(wide: f64) -> f64 {
    let steps = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0];
    steps.into_iter().find(|step| wide / step <= 9.0).unwrap_or(45.0)
}

fn lines(from: f64, to: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (from / step).ceil() as i64;
    let last = (to / step).floor() as i64;
    (first..=last).map(move |number| number as f64 * step)
}

fn degrees(line: f64, plus: &str, minus: &str) -> String {
    match line {
        0.0 | -180.0 => format!("{:.0}°", line.abs()),
        line if line > 0.0 => format!("{line:.0}° {plus}"),
        line => format!("{:.0}° {minus}", -line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cities(places: &[[f64; 2]]) -> Vec<City> {
        places.iter().map(|at| City { name: String::new(), at: Some(*at) }).collect()
    }

    fn assert_inside(layout: &Layout) {
        for [x, y] in &layout.places {
            assert!((40.0..=WIDTH - 40.0).contains(x), "{layout:?}");
            assert!((20.0..=layout.height - 20.0).contains(y), "{layout:?}");
        }
        let shape = layout.height / WIDTH;
        assert!((SHAPES.0 - 1e-9..=SHAPES.1 + 1e-9).contains(&shape), "{shape}");
    }

    #[test]
    fn north_is_up_and_east_is_right() {
        let layout =
            Layout::new(&cities(&[[55.0, 83.0], [50.0, 8.7], [40.7, -74.0], [1.3, 103.8]]));
        assert_inside(&layout);
        let [novosibirsk, frankfurt, new_york, singapore] = layout.places[..] else { panic!() };
        assert!(new_york[0] < frankfurt[0] && frankfurt[0] < novosibirsk[0]);
        assert!(novosibirsk[0] < singapore[0]);
        assert!(novosibirsk[1] < frankfurt[1] && new_york[1] < singapore[1]);
        let zero = layout.meridians.iter().find(|(_, name)| name == "0°");
        assert!(zero.is_some_and(|(x, _)| new_york[0] < *x && *x < frankfurt[0]));
        assert!(layout.parallels.iter().any(|(_, name)| name == "30° N"));
    }

    #[test]
    fn an_ocean_is_not_cut_in_two() {
        let layout = Layout::new(&cities(&[[35.7, 139.7], [34.0, -118.2]]));
        assert_inside(&layout);
        assert!(layout.places[0][0] < layout.places[1][0]);
        assert!(layout.meridians.iter().any(|(_, name)| name == "180°"), "{layout:?}");
    }

    #[test]
    fn one_city_lies_in_the_middle() {
        for at in [[0.0, 0.0], [90.0, 180.0], [-90.0, -180.0]] {
            assert_inside(&Layout::new(&cities(&[at, at])));
        }
    }

    #[test]
    fn without_coordinates_cities_lie_on_a_circle() {
        for odd in [None, Some([f64::NAN, 0.0]), Some([91.0, 0.0])] {
            let mut cities = cities(&[[50.0, 8.0]; 5]);
            cities[2].at = odd;
            let layout = Layout::new(&cities);
            assert_inside(&layout);
            assert!(layout.meridians.is_empty());
        }
        assert!(Layout::new(&[]).places.is_empty());
    }
}

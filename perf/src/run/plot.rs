//! A plot as SVG: lines over numbers, or over names in a row.

use maud::{Markup, html};

/// A line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// For the legend.
    pub name: String,
    /// Where it is, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// What is under the plot: where a mark is, and what it says.
pub type Mark = (f64, String);

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 34.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 12.0;
/// Told apart by people who do not see all colours, too, and by their dashes.
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#000000",
];
const DASHES: [&str; 3] = ["none", "6 3", "2 3"];

/// Draw lines above marks. The vertical axis begins at 0 unless something is
/// below.
pub fn plot(title: &str, lines: &[Line], marks: &[Mark]) -> Markup {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let (mut least, mut most) = (0.0_f64, 1.0_f64);
    for (_, y) in points().filter(|(_, y)| y.is_finite()) {
        least = least.min(y);
        most = most.max(y);
    }
    let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
    for x in points()
        .map(|(x, _)| x)
        .chain(marks.iter().map(|mark| mark.0))
    {
        first = first.min(x);
        last = last.max(x);
    }
    let across = |x: f64| {
        let part = if last > first {
            (x - first) / (last - first)
        } else {
            0.5
        };
        LEFT + part * (WIDTH - LEFT - RIGHT)
    };
    let down = |y: f64| TOP + (most - y) / (most - least) * (HEIGHT - TOP - BOTTOM);
    let steps = [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| least + part * (most - least));
    html! {
        figure {
            figcaption { (title) }
            svg role="img" aria-label=(title) viewBox=(format!("0 0 {WIDTH} {HEIGHT}"))
                xmlns="http://www.w3.org/2000/svg" {
                @for step in steps {
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(short(down(step))) y2=(short(down(step))) {}
                    text x=(LEFT - 6.0) y=(short(down(step) + 4.0)) text-anchor="end" { (format!("{step:.0}")) }
                }
                @for (at, name) in marks {
                    text x=(short(across(*at))) y=(HEIGHT - 12.0) text-anchor="middle" { (name) }
                }
                @for (number, line) in lines.iter().enumerate() {
                    polyline fill="none" stroke=(COLOURS[number % COLOURS.len()]) stroke-width="2"
                        stroke-dasharray=(DASHES[number / COLOURS.len() % DASHES.len()])
                        points=(path(line, &across, &down)) {}
                    @for (x, y) in line.points.iter().filter(|(_, y)| y.is_finite()) {
                        circle cx=(short(across(*x))) cy=(short(down(*y))) r="3"
                            fill=(COLOURS[number % COLOURS.len()]) {
                            title { (format!("{}: {y:.1}", line.name)) }
                        }
                    }
                }
            }
            p.legend {
                @for (number, line) in lines.iter().enumerate() {
                    span style=(format!("color:{}", COLOURS[number % COLOURS.len()])) { "— " (line.name) " " }
                }
            }
        }
    }
}

fn path(line: &Line, across: &dyn Fn(f64) -> f64, down: &dyn Fn(f64) -> f64) -> String {
    let points = line.points.iter().filter(|(_, y)| y.is_finite());
    let points = points.map(|(x, y)| format!("{},{}", short(across(*x)), short(down(*y))));
    points.collect::<Vec<_>>().join(" ")
}

/// A tenth of a pixel is enough.
fn short(number: f64) -> String {
    format!("{number:.1}")
}

#[cfg(test)]
mod tests {
    use super::{Line, plot};

    #[test]
    fn a_plot_shows_every_point_and_mark_and_leaves_out_what_is_no_number() {
        let line = |name: &str, points: &[(f64, f64)]| Line {
            name: name.into(),
            points: points.into(),
        };
        let lines = [
            line("open", &[(1.0, 400.0), (3.0, 410.0)]),
            line("<connect>", &[(1.0, f64::NAN), (3.0, 300.0)]),
        ];
        let marks = [(1.0, "10".to_owned()), (3.0, "1,000".to_owned())];
        let drawn = plot("added", &lines, &marks).into_string();
        assert_eq!(drawn.matches("<circle").count(), 3);
        assert!(drawn.contains("1,000") && drawn.contains("&lt;connect&gt;"));
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }

    #[test]
    fn a_plot_of_nothing_is_drawn_without_a_number_that_is_none() {
        let drawn = plot("nothing", &[], &[]).into_string();
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }
}

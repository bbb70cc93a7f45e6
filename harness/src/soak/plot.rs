//! `soak.html`: what was looked at, over time. One file, nothing from elsewhere, no
//! script.

use std::fmt::Write as _;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use perf::slope::Growth;

use super::trend::Trend;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 120.0;
/// A line at the very edge would be cut in half.
const MARGIN: f64 = 4.0;
const STYLE: &str = "
:root { color-scheme: light dark; --line: #8886; --dim: #7a828c; --ok: #1a7f37; --bad: #cf222e; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 50rem; padding: 1.5rem; }
svg { border: 1px solid var(--line); width: 100%; height: auto; }
polyline { fill: none; stroke: currentColor; stroke-width: 1.5; }
.warm { fill: #8882; }
.within { color: var(--ok); } .grows, .uncertain { color: var(--bad); }
.dim { color: var(--dim); font-size: .85rem; }
";

/// `facts` say what was run and what came of it, a paragraph each.
pub fn page(title: &str, facts: &[String], times_ms: &[u64], trends: &[Trend]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                @for fact in facts { p { (fact) } }
                @for trend in trends { (section(times_ms, trend)) }
                p.dim {
                    "Slopes are Theil–Sen estimates with Sen's 95 % interval, of the samples after \
                     the first quarter, which is shaded. A slope is within its bound only when the \
                     whole interval is."
                }
            }
        }
    };
    page.into_string()
}

fn section(times_ms: &[u64], trend: &Trend) -> Markup {
    let (least, most) = range(&trend.values);
    let class = match trend.growth {
        Growth::Within => "within",
        Growth::Grows => "grows",
        Growth::Uncertain => "uncertain",
    };
    html! {
        section {
            h2 { (trend.what) }
            p class=(class) { (sentence(trend)) }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(trend.what) {
                rect.warm x="0" y="0" width=(WIDTH / 4.0) height=(HEIGHT) {}
                polyline points=(points(times_ms, &trend.values)) {}
            }
            p.dim { "from " (least) " to " (most) " " (trend.unit) }
        }
    }
}

/// What the slope of a trend says.
pub fn sentence(trend: &Trend) -> String {
    let unit = if trend.unit.is_empty() {
        String::new()
    } else {
        format!(" {}", trend.unit)
    };
    let bound = format!("allowed are {:.0}{unit} an hour", trend.bound_per_hour);
    let Some(slope) = trend.slope_per_hour else {
        return format!("too few samples to say anything; {bound}");
    };
    let verdict = match trend.growth {
        Growth::Within => "within its bound",
        Growth::Grows => "GROWS",
        Growth::Uncertain => "uncertain, which is no success: soak longer",
    };
    format!(
        "{:+.1}{unit} an hour, with 95 % confidence from {:+.1} to {:+.1}; {bound}: {verdict}",
        slope.estimate, slope.low, slope.high
    )
}

fn range(values: &[u64]) -> (u64, u64) {
    let least = values.iter().min().copied().unwrap_or(0);
    (least, values.iter().max().copied().unwrap_or(0))
}

/// Of a polyline; what does not move is a line in the middle.
fn points(times_ms: &[u64], values: &[u64]) -> String {
    let (least, most) = range(values);
    let end = times_ms.last().copied().unwrap_or(0).max(1);
    let mut text = String::new();
    for (time, value) in times_ms.iter().zip(values) {
        let x = share(*time, end) * WIDTH;
        let height = if most == least {
            0.5
        } else {
            share(value - least, most - least)
        };
        let y = HEIGHT - MARGIN - height * (HEIGHT - 2.0 * MARGIN);
        let _ = write!(text, "{x:.1},{y:.1} ");
    }
    text.trim_end().to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "for a picture")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::{page, points};
    use crate::soak::trends;
    use harness_proto::soak::Sample;

    #[test]
    fn a_line_goes_from_the_lowest_to_the_highest_value() {
        assert_eq!(
            points(&[0, 500, 1000], &[10, 30, 20]),
            "0.0,116.0 360.0,4.0 720.0,60.0"
        );
        assert_eq!(points(&[0, 1000], &[7, 7]), "0.0,60.0 720.0,60.0");
        assert_eq!(points(&[], &[]), "");
    }

    #[test]
    fn a_person_sees_each_series_its_slope_and_what_that_means() {
        let samples: Vec<Sample> = (0..40)
            .map(|number| Sample {
                at_ms: number * 15_000,
                resident_kib: 9000 + number * 100,
                descriptors: 30,
                ..Sample::default()
            })
            .collect();
        let times: Vec<u64> = samples.iter().map(|sample| sample.at_ms).collect();
        let facts = ["600 s on 6.12".to_owned(), "failed".to_owned()];
        insta::assert_snapshot!(page("Soak", &facts, &times, &trends(&samples)[..2]));
    }
}

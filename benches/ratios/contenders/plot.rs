//! The same as a picture: a row for each size, a mark for each contender, on a logarithmic axis, since
//! milliseconds and minutes are to be read in one picture.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::contender::Contender;
use super::table::{of, shown};
use super::{Results, SIZES, Times, Work};

/// Below the folder of the project.
pub(super) const PATH: &str = "docs/pictures/bench.svg";

const WIDTH: f64 = 800.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 70.0;
const ROW: f64 = 28.0;
const LEGEND: f64 = 62.0;
const HEADING: f64 = 34.0;

/// The ends of the axis, as powers of ten of a millisecond, and what is written at each power.
const POWERS: (f64, f64) = (1.0, 5.8);
const TICKS: [(f64, &str); 5] =
    [(1.0, "10 ms"), (2.0, "100 ms"), (3.0, "1 s"), (4.0, "10 s"), (5.0, "100 s")];

/// Colours for a light and a dark page. Marks differ in shape, too.
const STYLE: &str = "<style>\n\
    svg { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }\n\
    .head { font-weight: 600 } .small { font-size: 11px; fill: #59636e }\n\
    .grid { stroke: #d1d9e0 } .span { stroke: #afb8c1; stroke-width: 1.5 }\n\
    .ours { fill: #0969da } .watched { fill: none; stroke: #0969da; stroke-width: 2 }\n\
    .ctl { fill: #9a6700 } .loop { fill: #8250df } .ansible { fill: #cf222e }\n\
    .collection { fill: none; stroke: #cf222e; stroke-width: 2 }\n\
    @media (prefers-color-scheme: dark) {\n\
    svg { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #3d444d } .span { stroke: #656c76 }\n\
    .ours { fill: #4493f8 } .watched { fill: none; stroke: #4493f8 }\n\
    .ctl { fill: #d29922 } .loop { fill: #ab7df8 } .ansible { fill: #f85149 }\n\
    .collection { fill: none; stroke: #f85149 }\n\
    }\n</style>\n";

pub(super) fn write(results: &Results) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH);
    std::fs::write(path, drawn(results)).unwrap();
}

fn drawn(results: &Results) -> String {
    let panel = HEADING + ROW * SIZES.len() as f64;
    let bottom = LEGEND + panel * Work::ALL.len() as f64;
    let height = bottom + 34.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>How long the same work takes, on a logarithmic axis</title>\n{STYLE}"
    );
    legend(&mut svg);
    for (power, label) in TICKS {
        let x = at(power);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{x:.1} {LEGEND}V{bottom}\"/>\
             <text class=\"small\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{label}</text>",
            bottom + 18.0
        );
    }
    for (number, work) in Work::ALL.into_iter().enumerate() {
        let top = LEGEND + panel * number as f64;
        let _ = writeln!(
            svg,
            "<text class=\"head\" x=\"8\" y=\"{}\">{}</text>",
            top + 22.0,
            work.name()
        );
        for size in 0..SIZES.len() {
            row(&mut svg, results, size, work, top + HEADING + ROW * (size as f64 + 0.5));
        }
    }
    svg + "</svg>\n"
}

/// Two lines of marks with their names.
fn legend(svg: &mut String) {
    for (number, contender) in Contender::ALL.into_iter().enumerate() {
        let x = 18.0 + 262.0 * (number % 3) as f64;
        let y = 18.0 + 24.0 * (number / 3) as f64;
        mark(svg, contender, x, y);
        let _ =
            writeln!(svg, "<text x=\"{}\" y=\"{}\">{}</text>", x + 14.0, y + 4.5, contender.name());
    }
}

/// The marks of one size and work, with the least and the largest time beside them.
fn row(svg: &mut String, results: &Results, size: usize, work: Work, y: f64) {
    let label = of(SIZES[size]);
    let _ = writeln!(svg, "<text x=\"8\" y=\"{}\">{label}</text>", y + 4.5);
    let time = |contender| {
        let times = results.get(&(size, work, contender))?;
        Some((contender, times.fault.is_none().then(|| Times::median(times))??))
    };
    let mut marks: Vec<(Contender, Duration)> =
        Contender::ALL.into_iter().filter_map(time).collect();
    marks.sort_by_key(|(_, time)| *time);
    let [(_, least), .., (_, most)] = marks.as_slice() else { return };
    let (from, to, least, most) = (place(*least), place(*most), shown(*least), shown(*most));
    let _ = writeln!(
        svg,
        "<path class=\"span\" d=\"M{from:.1} {y}H{to:.1}\"/>\
         <text class=\"small\" text-anchor=\"end\" x=\"{:.1}\" y=\"{}\">{}</text>\
         <text class=\"small\" x=\"{:.1}\" y=\"{}\">{}</text>",
        from - 10.0,
        y + 4.0,
        least,
        to + 10.0,
        y + 4.0,
        most
    );
    // Where two have the same place, the ring is around the dot.
    marks.sort_by_key(|(contender, _)| std::cmp::Reverse(*contender));
    for (contender, time) in marks {
        mark(svg, contender, place(time), y);
    }
}

fn mark(svg: &mut String, contender: Contender, x: f64, y: f64) {
    let _ = match contender {
        Contender::Ours => {
            writeln!(svg, "<circle class=\"ours\" cx=\"{x:.1}\" cy=\"{y}\" r=\"5\"/>")
        }
        Contender::OursWatched => {
            writeln!(svg, "<circle class=\"watched\" cx=\"{x:.1}\" cy=\"{y}\" r=\"7\"/>")
        }
        Contender::Supervisorctl => {
            let (x, y) = (x - 5.0, y - 5.0);
            writeln!(svg, "<rect class=\"ctl\" x=\"{x:.1}\" y=\"{y}\" width=\"10\" height=\"10\"/>")
        }
        Contender::Loop => {
            let (x, y) = (x - 6.5, y + 5.5);
            writeln!(svg, "<path class=\"loop\" d=\"M{x:.1} {y}h13l-6.5 -11.5z\"/>")
        }
        Contender::Ansible => {
            let y = y - 7.0;
            writeln!(svg, "<path class=\"ansible\" d=\"M{x:.1} {y}l7 7l-7 7l-7 -7z\"/>")
        }
        Contender::Collection => {
            let y = y - 7.0;
            writeln!(svg, "<path class=\"collection\" d=\"M{x:.1} {y}l7 7l-7 7l-7 -7z\"/>")
        }
    };
}

fn place(time: Duration) -> f64 {
    at((time.as_secs_f64() * 1000.0).log10())
}

/// Where a power of ten of a millisecond is.
fn at(power: f64) -> f64 {
    let (least, most) = POWERS;
    LEFT + (power.clamp(least, most) - least) / (most - least) * (WIDTH - LEFT - RIGHT)
}

//! Flame graphs: SVG that stands alone, with a zoom where scripts run and tooltips where they do not.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use super::folded::root;
use super::snapshot::{Profile, ProfileKind};

const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 10.0;
const ROW: usize = 17;
const HEAD: usize = 52;
/// Narrower boxes are left out, with what is on them.
const NARROWEST: f64 = 0.3;
/// Rows beyond that are left out: nobody looks that high.
const MAX_ROWS: usize = 256;
/// How wide a letter is.
const LETTER: f64 = 6.7;
const SCRIPT: &str = include_str!("flame.js");

/// One box: a function called by the same ones below it.
#[derive(Debug, Default)]
struct Node {
    name: String,
    inlined: bool,
    samples: u64,
    nanoseconds: u64,
    children: Vec<usize>,
}

#[derive(Debug)]
struct Tree {
    boxes: Vec<Node>,
    numbers: HashMap<(usize, String, bool), usize>,
}

impl Tree {
    fn of(profile: &Profile, kind: ProfileKind) -> Self {
        let all = Node {
            name: "all".to_owned(),
            ..Node::default()
        };
        let mut tree = Self {
            boxes: vec![all],
            numbers: HashMap::new(),
        };
        for sample in profile.samples_of(kind) {
            let (count, nanoseconds) = (sample.count(), sample.nanoseconds());
            let mut at = 0;
            tree.weigh(at, count, nanoseconds);
            at = tree.child(at, root(&sample), false);
            tree.weigh(at, count, nanoseconds);
            let frames: Vec<_> = sample.frames().collect();
            for frame in frames.iter().rev() {
                at = tree.child(at, &frame.function, frame.inlined);
                tree.weigh(at, count, nanoseconds);
            }
        }
        for number in 0..tree.boxes.len() {
            let mut children = std::mem::take(&mut tree.boxes[number].children);
            children.sort_by(|a, b| tree.boxes[*a].name.cmp(&tree.boxes[*b].name));
            tree.boxes[number].children = children;
        }
        tree
    }

    fn weigh(&mut self, at: usize, samples: u64, nanoseconds: u64) {
        self.boxes[at].samples += samples;
        self.boxes[at].nanoseconds += nanoseconds;
    }

    fn child(&mut self, at: usize, name: &str, inlined: bool) -> usize {
        let next = self.boxes.len();
        let key = (at, name.to_owned(), inlined);
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.boxes.push(Node {
                name: name.to_owned(),
                inlined,
                ..Node::default()
            });
            self.boxes[at].children.push(number);
        }
        number
    }
}

impl Profile {
    /// A flame graph: each box is a function, as wide as the time with it on the stack; who called it is below, and
    /// the row above the lowest is the span's name. Inlined functions have a dashed edge.
    ///
    /// The image needs nothing else. Where scripts run, as in a browser, a click on a box zooms in.
    #[must_use]
    pub fn to_flame_graph(&self, kind: ProfileKind, title: &str) -> String {
        let mut svg = String::new();
        // A string takes everything.
        let _ = self.draw(&mut svg, kind, title);
        svg
    }

    fn draw(&self, svg: &mut String, kind: ProfileKind, title: &str) -> fmt::Result {
        let tree = Tree::of(self, kind);
        let total = tree.boxes[0].nanoseconds;
        let scale = (WIDTH - 2.0 * MARGIN) / total.max(1) as f64;
        // Number, row and left edge of what is to be drawn; children after whom they belong to.
        let mut places = vec![(0_usize, 0_usize, 0_u64)];
        let mut rows = 1;
        let mut next = 0;
        while let Some(&(number, row, left)) = places.get(next) {
            next += 1;
            rows = rows.max(row + 1);
            let mut left = left;
            for &child in &tree.boxes[number].children {
                let width = tree.boxes[child].nanoseconds;
                if width as f64 * scale >= NARROWEST && row + 1 < MAX_ROWS {
                    places.push((child, row + 1, left));
                }
                left += width;
            }
        }
        let height = HEAD + rows * ROW + 12;
        write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" font-family=\"ui-monospace,Menlo,'DejaVu Sans Mono',monospace\" \
             font-size=\"11\">\n\
             <style>rect{{rx:2}} .i rect{{stroke:#555;stroke-width:.7;stroke-dasharray:2 2}} \
             .f{{cursor:pointer}} .f:hover rect{{stroke:#000;stroke-width:1}} .p{{opacity:.5}} .h{{display:none}}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fcfcf8\"/>\n\
             <text x=\"{MARGIN}\" y=\"22\" font-size=\"16\" fill=\"#222\">{}</text>\n\
             <text x=\"{MARGIN}\" y=\"40\" fill=\"#666\">{}</text>\n\
             <g id=\"frames\" data-left=\"{MARGIN}\" data-width=\"{}\" data-letter=\"{LETTER}\">\n",
            Escaped(title),
            Escaped(&self.subtitle(kind, tree.boxes[0].samples, total)),
            WIDTH - 2.0 * MARGIN,
        )?;
        for (number, row, left) in places {
            let place = Place {
                x: MARGIN + left as f64 * scale,
                y: height - 12 - (row + 1) * ROW,
                width: tree.boxes[number].nanoseconds as f64 * scale,
                row,
                left,
            };
            draw_box(svg, &tree.boxes[number], place, kind, total)?;
        }
        writeln!(svg, "</g>\n<script><![CDATA[\n{SCRIPT}]]></script>\n</svg>")
    }

    fn subtitle(&self, kind: ProfileKind, samples: u64, nanoseconds: u64) -> String {
        let seconds = nanoseconds as f64 / 1e9;
        let over = self.duration.as_secs_f64();
        match kind {
            ProfileKind::Cpu => {
                let hz = 1_000_000_000_u64.checked_div(self.period_ns).unwrap_or(0);
                format!("CPU: {samples} samples at {hz} Hz, {seconds:.2} s on a CPU in {over:.1} s")
            }
            ProfileKind::OffCpu => {
                format!("Off CPU: {samples} sleeps, {seconds:.2} s of all threads in {over:.1} s")
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    x: f64,
    y: usize,
    width: f64,
    row: usize,
    left: u64,
}

fn draw_box(
    svg: &mut String,
    shown: &Node,
    place: Place,
    kind: ProfileKind,
    total: u64,
) -> fmt::Result {
    let share = 100.0 * shown.nanoseconds as f64 / total.max(1) as f64;
    let time = shown.nanoseconds as f64 / 1e6;
    let unit = match kind {
        ProfileKind::Cpu => "samples",
        ProfileKind::OffCpu => "sleeps",
    };
    let Place {
        x, y, row, left, ..
    } = place;
    // A gap between neighbours, where there is room for one.
    let width = if place.width > 3.0 {
        place.width - 0.5
    } else {
        place.width
    };
    write!(
        svg,
        "<g class=\"f{}\" data-x=\"{left}\" data-w=\"{}\" data-d=\"{row}\"><title>{}{} ({time:.1} ms, {share:.2} %, {} {unit})</title>\
         <rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\"/>",
        if shown.inlined { " i" } else { "" },
        shown.nanoseconds,
        Escaped(&shown.name),
        if shown.inlined { " (inlined)" } else { "" },
        shown.samples,
        ROW - 1,
        colour(&shown.name, row, kind),
    )?;
    writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{}\">{}</text></g>",
        x + 3.0,
        y + 12,
        Escaped(&fitting(&shown.name, width)),
    )
}

/// As much of a name as there is room for, from where it says most.
fn fitting(name: &str, width: f64) -> String {
    let room = ((width - 6.0) / LETTER) as usize;
    if room < 3 {
        return String::new();
    }
    if name.chars().count() <= room {
        return name.to_owned();
    }
    let mut text: String = name.chars().take(room - 2).collect();
    text.push_str("..");
    text
}

/// Alike for functions of one crate, and of another hue for sleeps and spans.
fn colour(name: &str, row: usize, kind: ProfileKind) -> String {
    if row == 0 || name.starts_with('[') {
        return "#d8d8d0".to_owned();
    }
    let start = name.trim_start_matches(['<', '&', '(']);
    let path: &str = start.split("::").next().unwrap_or(start);
    let (of_path, of_name) = (hash(path), hash(name));
    let hue = match (row, kind) {
        (1, _) => 150,
        (_, ProfileKind::Cpu) => 8 + of_path % 48,
        (_, ProfileKind::OffCpu) => 195 + of_path % 45,
    };
    let lightness = 66 + of_name % 12;
    format!("hsl({hue},72%,{lightness}%)")
}

/// The same on every machine.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    }) >> 7
}

/// Text within XML.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                // XML has no place for them, however they are written.
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => f.write_char(' ')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

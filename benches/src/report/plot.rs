//! Plots as SVG text.

use std::io;

use plotters::coord::ranged1d::{KeyPointHint, Ranged};
use plotters::prelude::*;

use crate::case::{Case, Scenario};
use crate::results::{Metric, Results, Row, Spread};

const FONT: (&str, u32) = ("sans-serif", 14);
const BAR_HEIGHT: u32 = 26;

/// A peer's colour, the same in each plot: by its place in the list of peers.
fn colour(index: usize) -> RGBColor {
    let (r, g, b) = Palette99::COLORS[index % Palette99::COLORS.len()];
    RGBColor(r, g, b)
}

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("a plot: {error}"))
}

/// One bar for each peer, as long as the median, with a line over the range; nothing where no peer
/// has the metric.
pub(super) fn bars(rows: &[&Row], metric: Metric) -> io::Result<String> {
    let bars: Vec<(usize, &str, Spread)> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| Some((index, row.peer.as_str(), row.spread(metric)?)))
        .collect();
    let longest = bars.iter().map(|bar| bar.2.max).fold(0.0, f64::max);
    if longest <= 0.0 {
        return Ok(String::new());
    }
    let mut svg = String::new();
    {
        let height = BAR_HEIGHT * bars.len() as u32 + 70;
        let area = SVGBackend::with_string(&mut svg, (800, height)).into_drawing_area();
        let names: Vec<&str> = bars.iter().map(|bar| bar.1).collect();
        let mut chart = ChartBuilder::on(&area)
            .caption(metric.title(), FONT)
            .margin(8)
            .margin_right(30)
            .x_label_area_size(24)
            .y_label_area_size(110)
            .build_cartesian_2d(0.0..longest * 1.02, Names(names.len()))
            .map_err(failed)?;
        let name = |at: &f64| names.get(at.floor() as usize).map_or("", |name| name).to_string();
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(names.len())
            .y_label_formatter(&name)
            .x_label_formatter(&|value| short(*value))
            .label_style(FONT)
            .draw()
            .map_err(failed)?;
        chart
            .draw_series(bars.iter().enumerate().map(|(place, (index, _, spread))| {
                let at = place as f64;
                let corners = [(0.0, at + 0.15), (spread.median, at + 0.85)];
                Rectangle::new(corners, colour(*index).filled())
            }))
            .map_err(failed)?;
        chart
            .draw_series(bars.iter().enumerate().map(|(place, (_, _, spread))| {
                let at = place as f64 + 0.5;
                PathElement::new(vec![(spread.min, at), (spread.max, at)], BLACK.stroke_width(2))
            }))
            .map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// An axis with a name in the middle of each unit.
struct Names(usize);

impl Ranged for Names {
    type FormatOption = plotters::coord::ranged1d::DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = value / self.0 as f64;
        limit.1 + ((f64::from(limit.0 - limit.1)) * share) as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        (0..self.0).map(|place| place as f64 + 0.5).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        0.0..self.0 as f64
    }
}

/// What a sweep goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Along {
    /// Connections, at 1 KiB.
    Conns,
    /// Bytes of a payload.
    Size,
}

impl Along {
    fn at(self, case: &Case) -> Option<f64> {
        let one_kib = case.size == 1 << 10;
        match self {
            Self::Conns => one_kib.then_some(case.conns as f64),
            Self::Size => (!one_kib || case.conns == 100).then_some(case.size as f64),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Conns => "connections",
            Self::Size => "bytes of a payload",
        }
    }
}

/// One curve for each peer, over all cases of the sweep.
pub(super) fn curves(results: &Results, metric: Metric, along: Along) -> io::Result<String> {
    let mut peers: Vec<(&str, Vec<(f64, f64)>)> = Vec::new();
    for row in results.rows.iter().filter(|row| row.case.scenario == Scenario::Sweep) {
        let Some(point) = along.at(&row.case).zip(row.spread(metric).map(|it| it.median)) else {
            continue;
        };
        match peers.iter_mut().find(|peer| peer.0 == row.peer) {
            Some(peer) => peer.1.push(point),
            None => peers.push((&row.peer, vec![point])),
        }
    }
    peers.iter_mut().for_each(|peer| peer.1.sort_by(|a, b| a.0.total_cmp(&b.0)));
    let points = || peers.iter().flat_map(|peer| &peer.1);
    let (Some(x), Some(y)) =
        (Spread::of(points().map(|point| point.0)), Spread::of(points().map(|point| point.1)))
    else {
        return Ok(String::new());
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (900, 480)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .caption(format!("{} by {}", metric.title(), along.title()), FONT)
            .margin(8)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(
                (x.min..x.max * 1.1).log_scale(),
                (y.min * 0.8..y.max * 1.25).log_scale(),
            )
            .map_err(failed)?;
        chart
            .configure_mesh()
            .x_desc(along.title())
            .y_desc(metric.title())
            .x_label_formatter(&|value| short(*value))
            .y_label_formatter(&|value| short(*value))
            .label_style(FONT)
            .draw()
            .map_err(failed)?;
        for (index, (name, points)) in peers.iter().enumerate() {
            let style = colour(index).stroke_width(2);
            chart
                .draw_series(LineSeries::new(points.clone(), style).point_size(3))
                .map_err(failed)?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .label_font(FONT)
            .draw()
            .map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e3 => format!("{:.0}k", value / 1e3),
        value if value >= 10.0 || value == 0.0 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

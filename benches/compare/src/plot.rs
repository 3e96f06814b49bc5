//! Pictures of a table, as SVG. Texts are left to whoever shows the file: no font is read here.

use crate::result::{Data, Row, Unit};
use crate::store::{Level, Result};
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use std::path::Path;

/// A picture beside the table.
pub struct Picture {
    pub title: String,
    pub file: String,
}

type Canvas<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Colours that also those tell apart who see fewer (Okabe and Ito, 2008), by the store's name.
fn colour(store: &str) -> RGBColor {
    match store {
        "warp" => RGBColor(213, 94, 0),
        "lmdb" => RGBColor(0, 114, 178),
        "rocksdb" => RGBColor(0, 158, 115),
        "tkrzw" => RGBColor(204, 121, 167),
        "redb" => RGBColor(86, 180, 233),
        "fjall" => RGBColor(230, 159, 0),
        "sled" => RGBColor(120, 94, 240),
        _ => RGBColor(120, 120, 120),
    }
}

/// The target: 371 thousand operations a second with 1 thread, 8.4 million with 24.
fn target(threads: f64) -> f64 {
    371e3 + (8.4e6 - 371e3) * (threads - 1.0) / 23.0
}

/// Draws what the rows have.
pub fn all(rows: &[&Row], data: &Data, level: Level, dir: &Path) -> Result<Vec<Picture>> {
    let slug: String = format!("{}-{}", data.name, level.name())
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let of = format!("{}, durability {}", data.name, level.name());
    let mut pictures = Vec::new();
    let mut add = |kind: &str, title: String, draw: &dyn Fn(&Canvas, &str) -> Result<bool>| {
        let file = format!("{kind}-{slug}.svg");
        let path = dir.join(&file);
        let canvas = SVGBackend::new(&path, (900, 480)).into_drawing_area();
        canvas.fill(&WHITE)?;
        let drawn = draw(&canvas, &title)?;
        canvas.present()?;
        drop(canvas);
        if drawn {
            pictures.push(Picture { title, file });
        } else {
            std::fs::remove_file(path)?;
        }
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    };
    add("rates", format!("Operations a second: {of}"), &|canvas, title| {
        rates(canvas, title, rows)
    })?;
    for name in ["mixed 50/50 zipfian", "insert"] {
        let title = format!("Threads, {name}: {of}");
        let kind = if name == "insert" { "threads-insert" } else { "threads" };
        add(kind, title, &|canvas, title| scaling(canvas, title, rows, name))?;
    }
    for (kind, name, threads) in [
        ("latency-get", "get zipfian", 2),
        ("latency-mixed", "mixed 50/50 zipfian", 2),
        ("latency-insert", "insert", 8),
    ] {
        let title = format!("Latency, {name}, {threads} threads: {of}");
        add(kind, title, &|canvas, title| latency(canvas, title, rows, name, threads))?;
    }
    add("memory", format!("Resident memory while filling: {of}"), &|canvas, title| {
        memory(canvas, title, rows)
    })?;
    Ok(pictures)
}

/// The stores that have what `has` asks for.
fn stores_with<'a>(rows: &[&'a Row], has: impl Fn(&Row) -> bool) -> Vec<&'a str> {
    let mut stores: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| has(row)) {
        if !stores.contains(&row.store.as_str()) {
            stores.push(&row.store);
        }
    }
    stores
}

/// Room for the legend to the right of what is drawn.
const LEGEND: f64 = 1.28;

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{} M", v / 1e6),
        v if v >= 1e3 => format!("{} K", v / 1e3),
        v => format!("{v}"),
    }
}

/// The powers of ten around figures.
fn decades(values: impl Iterator<Item = f64> + Clone) -> std::ops::Range<f64> {
    let low = values.clone().fold(f64::INFINITY, f64::min).max(1.0);
    let high = values.fold(1.0, f64::max);
    10f64.powf(low.log10().floor())..10f64.powf((high * 1.05).log10().ceil())
}

/// What plots have in common: the title's and the axes' looks.
fn mesh<X, Y>(
    chart: &mut ChartContext<SVGBackend, Cartesian2d<X, Y>>,
    x: &str,
    y: &str,
    x_text: &dyn Fn(&X::ValueType) -> String,
    y_text: &dyn Fn(&Y::ValueType) -> String,
    x_labels: usize,
) -> Result<()>
where
    X: Ranged + ValueFormatter<X::ValueType>,
    Y: Ranged + ValueFormatter<Y::ValueType>,
{
    chart
        .configure_mesh()
        .max_light_lines(0)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc(x)
        .y_desc(y)
        .x_labels(x_labels)
        .x_label_formatter(x_text)
        .y_label_formatter(y_text)
        .label_style(("sans-serif", 13))
        .draw()
        .map_err(|error| error.to_string())?;
    Ok(())
}

fn legend<'a, 'b: 'a, X: Ranged + 'a, Y: Ranged + 'a>(
    chart: &mut ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>,
    position: SeriesLabelPosition,
) -> Result<()> {
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .label_font(("sans-serif", 13))
        .draw()
        .map_err(|error| error.to_string())?;
    Ok(())
}

/// Bars in groups, the height logarithmic.
fn rates(canvas: &Canvas, title: &str, rows: &[&Row]) -> Result<bool> {
    const SHOWN: [(&str, u64); 10] = [
        ("fill", 1),
        ("overwrite uniform", 1),
        ("get uniform", 1),
        ("get zipfian", 2),
        ("multi-get of 32", 1),
        ("mixed 50/50 zipfian", 2),
        ("mixed 95/5 zipfian", 2),
        ("batches of 100", 1),
        ("iterate", 1),
        ("delete", 1),
    ];
    let rate = |store: &str, (name, threads): (&str, u64)| {
        let mut found = rows.iter().filter(|row| {
            row.store == store
                && row.name == name
                && row.threads == threads
                && row.unit == Unit::Rate
        });
        found.next_back().map(|row| row.value)
    };
    let stores = stores_with(rows, |row| row.unit == Unit::Rate);
    let shown: Vec<_> = SHOWN
        .into_iter()
        .filter(|&one| stores.iter().any(|store| rate(store, one).is_some()))
        .collect();
    let values: Vec<f64> =
        shown.iter().flat_map(|&one| stores.iter().filter_map(move |s| rate(s, one))).collect();
    if shown.len() < 3 {
        return Ok(false);
    }
    let y = decades(values.iter().copied());
    let columns = shown.len() as f64 * 1.13;
    let mut chart = ChartBuilder::on(canvas)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .margin_right(25)
        .x_label_area_size(45)
        .y_label_area_size(65)
        .build_cartesian_2d(0f64..columns, y.clone().log_scale())?;
    mesh(&mut chart, "", "operations a second", &|_| String::new(), &|v| short(*v), 1)?;
    let width = 0.86 / stores.len() as f64;
    for (i, store) in stores.iter().enumerate() {
        let bars = shown.iter().enumerate().filter_map(|(group, &one)| {
            let left = group as f64 + 0.07 + i as f64 * width;
            let corners = [(left, y.start), (left + width * 0.92, rate(store, one)?)];
            Some(Rectangle::new(corners, colour(store).filled()))
        });
        let colour = colour(store);
        chart
            .draw_series(bars)?
            .label(*store)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
    }
    // The groups' names below the axis, in two lines.
    let area = chart.plotting_area();
    let (left, right) = (area.get_x_axis_pixel_range().start, area.get_x_axis_pixel_range().end);
    let bottom = area.get_y_axis_pixel_range().end;
    let step = f64::from(right - left) / columns;
    for (group, (name, threads)) in shown.iter().enumerate() {
        let (first, second) = name.split_once(' ').unwrap_or((name, ""));
        let second = second.replace("5 zipfian", "5").replace("50 zipfian", "50");
        let second = match threads {
            1 => second,
            _ => format!("{second} ×{threads}"),
        };
        let x = left + (step * (group as f64 + 0.5)) as i32;
        let style =
            ("sans-serif", 11).into_text_style(canvas).pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Center,
                plotters::style::text_anchor::VPos::Top,
            ));
        canvas.draw_text(first, &style, (x, bottom + 8))?;
        canvas.draw_text(&second, &style, (x, bottom + 22))?;
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)?;
    Ok(true)
}

/// Lines over the number of threads, beside the target and beside linear growth.
fn scaling(canvas: &Canvas, title: &str, rows: &[&Row], name: &str) -> Result<bool> {
    let of = |store: &str| -> Vec<(f64, f64)> {
        let points = rows.iter().filter(|row| row.store == store && row.name == name);
        points.map(|row| (row.threads as f64, row.value)).collect()
    };
    let stores = stores_with(rows, |row| row.name == name);
    let points: Vec<(f64, f64)> = stores.iter().flat_map(|store| of(store)).collect();
    let most = points.iter().fold(1.0, |most: f64, point| most.max(point.0));
    if most < 2.0 {
        return Ok(false);
    }
    let ends = |f: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        (0..=100).map(|i| 1.0 + (most - 1.0) * f64::from(i) / 100.0).map(|x| (x, f(x))).collect()
    };
    let mut lines = Vec::new();
    if name.starts_with("mixed") {
        lines.push(("target", ends(&target)));
    }
    if let Some(&(_, one)) = of("warp").iter().find(|point| point.0 == 1.0) {
        lines.push(("warp, if linear", ends(&|x| one * x)));
    }
    let values = points.iter().chain(lines.iter().flat_map(|(_, line)| line)).map(|point| point.1);
    let mut chart = ChartBuilder::on(canvas)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .margin_right(25)
        .x_label_area_size(40)
        .y_label_area_size(65)
        .build_cartesian_2d(1f64..1.0 + (most - 1.0) * LEGEND, decades(values).log_scale())?;
    mesh(&mut chart, "threads", "operations a second", &|v| format!("{v:.0}"), &|v| short(*v), 12)?;
    for (i, (label, line)) in lines.into_iter().enumerate() {
        let style = [RGBColor(90, 90, 90), RGBColor(213, 94, 0)][i % 2].stroke_width(1);
        let dashes = DashedLineSeries::new(line, 6, 5, style);
        chart.draw_series(dashes)?.label(label).legend(move |(x, y)| {
            PathElement::new([(x, y), (x + 4, y), (x + 8, y), (x + 14, y)], style)
        });
    }
    for store in stores {
        draw_line(&mut chart, of(store), store)?;
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)?;
    Ok(true)
}

/// A line with points, named after its store.
fn draw_line<X, Y>(
    chart: &mut ChartContext<SVGBackend, Cartesian2d<X, Y>>,
    points: Vec<(f64, f64)>,
    store: &str,
) -> Result<()>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let colour = colour(store);
    let text = |error: DrawingAreaErrorKind<std::io::Error>| error.to_string();
    let dots = points.clone();
    chart
        .draw_series(LineSeries::new(points, colour.stroke_width(2)))
        .map_err(text)?
        .label(store)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(3)));
    chart
        .draw_series(dots.into_iter().map(|dot| Circle::new(dot, 3, colour.filled())))
        .map_err(text)?;
    Ok(())
}

/// Percentiles, the further out the rarer.
fn latency(canvas: &Canvas, title: &str, rows: &[&Row], name: &str, threads: u64) -> Result<bool> {
    const LABELS: [&str; 6] = ["50 %", "90 %", "99 %", "99.9 %", "99.99 %", "maximum"];
    let of = |store: &str| -> Option<[u64; 6]> {
        let mut found = rows
            .iter()
            .filter(|row| row.store == store && row.name == name && row.threads == threads);
        let l = found.next_back()?.latency.as_ref()?;
        Some([l.p50, l.p90, l.p99, l.p999, l.p9999, l.max])
    };
    let stores = stores_with(rows, |row| row.name == name && row.threads == threads);
    let all: Vec<u64> = stores.iter().filter_map(|store| of(store)).flatten().collect();
    if all.is_empty() {
        return Ok(false);
    }
    let y = decades(all.iter().map(|&ns| ns as f64));
    let mut chart = ChartBuilder::on(canvas)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .margin_right(25)
        .x_label_area_size(40)
        .y_label_area_size(65)
        .build_cartesian_2d(0f64..5.0 * LEGEND, y.log_scale())?;
    let name = |x: &f64| LABELS.get(x.round() as usize).copied().unwrap_or("").to_owned();
    let time = |ns: &f64| match *ns {
        ns if ns >= 1e9 => format!("{} s", ns / 1e9),
        ns if ns >= 1e6 => format!("{} ms", ns / 1e6),
        ns if ns >= 1e3 => format!("{} us", ns / 1e3),
        ns => format!("{ns} ns"),
    };
    mesh(&mut chart, "of all calls are at most as slow", "", &name, &time, 6)?;
    for store in stores {
        let points = of(store).unwrap_or_default();
        let points = points.iter().enumerate().map(|(i, &ns)| (i as f64, ns.max(1) as f64));
        draw_line(&mut chart, points.collect(), store)?;
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)?;
    Ok(true)
}

/// Anonymous and file pages together over the number of keys.
fn memory(canvas: &Canvas, title: &str, rows: &[&Row]) -> Result<bool> {
    let curves: Vec<&&Row> = rows.iter().filter(|row| !row.curve.is_empty()).collect();
    let curves = || curves.iter().filter(|row| row.store != "yardstick");
    let mib = |point: &[f64; 3]| (point[0], (point[1] + point[2]) / (1u64 << 20) as f64);
    let points: Vec<(f64, f64)> = curves().flat_map(|row| row.curve.iter().map(mib)).collect();
    if points.is_empty() {
        return Ok(false);
    }
    let most = points.iter().fold((0f64, 0f64), |most, p| (most.0.max(p.0), most.1.max(p.1)));
    let mut chart = ChartBuilder::on(canvas)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .margin_right(25)
        .x_label_area_size(40)
        .y_label_area_size(65)
        .build_cartesian_2d(0f64..most.0 * LEGEND, 0f64..most.1 * 1.05)?;
    let y = "MiB, anonymous and file pages";
    mesh(&mut chart, "keys", y, &|v| short(*v), &|v| format!("{v:.0}"), 10)?;
    for row in curves() {
        draw_line(&mut chart, row.curve.iter().map(mib).collect(), &row.store)?;
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)?;
    Ok(true)
}

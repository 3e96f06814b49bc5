//! `warp stats --watch`: what a database does, live, as `top` shows what a machine does.
//!
//! The process that has the database open writes its statistics into `stats.json` about once a second
//! while anything changes; this reads the file, and shows the difference of the last two. It opens
//! nothing and locks nothing. Latencies of single operations are not in it: to time them would cost
//! every get.

use crate::args::{Global, StatsArgs};
use crate::failure::{Failure, Outcome};
use crate::output;
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::{cursor, execute, queue, style, terminal};
use indicatif::{BinaryBytes, HumanCount, HumanDuration};
use serde_json::{json, Value};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The file (`docs/format.md`).
const STATS: &str = "stats.json";
/// Keys that are looked for this often while the next reading is waited for.
const KEY_LOOK: Duration = Duration::from_millis(50);

/// What a serving process has written.
#[derive(Clone)]
pub struct Published {
    pub pid: u64,
    pub unix_millis: u64,
    open_millis: u64,
    pub stats: Value,
}

impl Published {
    /// The file's content; `None` if there is no file, or not one of ours.
    pub fn read(dir: &Path) -> Option<Published> {
        let text = std::fs::read(dir.join(STATS)).ok()?;
        let mut value: Value = serde_json::from_slice(&text).ok()?;
        let number = |name: &str| value[name].as_u64();
        let (pid, unix_millis, open_millis) =
            (number("pid")?, number("unix_millis")?, number("open_millis")?);
        Some(Published { pid, unix_millis, open_millis, stats: value["stats"].take() })
    }

    /// Since it was written.
    pub fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(Duration::from_millis(self.unix_millis))
    }

    /// Whether the process that wrote it is there still, as far as can be seen from here.
    pub fn is_alive(&self) -> bool {
        let processes = Path::new("/proc");
        !processes.join("self").exists() || processes.join(self.pid.to_string()).exists()
    }
}

/// Reads again and again, and shows what it reads.
pub fn run(global: &Global, args: &StatsArgs) -> Outcome {
    let lines = global.json || !std::io::stdout().is_terminal();
    let mut screen = if lines { None } else { Some(Screen::new()?) };
    let interval = Duration::from_secs_f64(args.interval);
    let mut last: Option<Published> = None;
    let mut shown = 0;
    loop {
        let now = Published::read(&args.database.path).filter(Published::is_alive);
        let rates = now.as_ref().map(|now| Rates::between(last.as_ref(), now));
        match &mut screen {
            Some(screen) => {
                let (width, height) = terminal::size().unwrap_or((80, 24));
                let lines = match (&now, &rates) {
                    (Some(now), Some(rates)) => view(&args.database.path, now, rates, width),
                    _ => closed(&args.database.path),
                };
                screen.draw(&lines, width, height)?;
            }
            None => output::line(line(global.json, now.as_ref(), rates.as_ref()))?,
        }
        shown += 1;
        if args.count.is_some_and(|count| shown >= count) {
            return Ok(());
        }
        // Counters of another process are not to be compared.
        let same = |last: &Published| now.as_ref().is_some_and(|now| now.pid == last.pid);
        let is_new =
            |now: &Published| last.as_ref().map(|l| l.unix_millis) != Some(now.unix_millis);
        if now.as_ref().is_some_and(is_new) || !last.as_ref().is_some_and(same) {
            last = now;
        }
        if wait(interval, screen.is_some())? {
            return Ok(());
        }
    }
}

/// Waits for the next reading; true if the user wants to leave.
fn wait(interval: Duration, keys: bool) -> Outcome<bool> {
    let until = Instant::now() + interval;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        if !keys {
            std::thread::sleep(left);
            continue;
        }
        if !event::poll(left.min(KEY_LOOK)).map_err(Failure::stdout)? {
            continue;
        }
        if let Event::Key(key) = event::read().map_err(Failure::stdout)? {
            let control = key.modifiers.contains(KeyModifiers::CONTROL);
            if matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
                || control && key.code == KeyCode::Char('c')
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Changes a second.
struct Rates {
    seconds: f64,
    last: Option<Value>,
}

impl Rates {
    fn between(last: Option<&Published>, now: &Published) -> Rates {
        let last = last.filter(|l| l.pid == now.pid && l.unix_millis < now.unix_millis);
        let millis = last.map_or(0, |l| now.unix_millis - l.unix_millis);
        Rates { seconds: millis as f64 / 1e3, last: last.map(|l| l.stats.clone()) }
    }

    /// Of the counter at a JSON pointer; 0 without an earlier reading.
    fn of(&self, now: &Value, pointer: &str) -> f64 {
        let Some(last) = &self.last else { return 0.0 };
        let change = number(now, pointer) as f64 - number(last, pointer) as f64;
        (change / self.seconds).max(0.0)
    }
}

/// The number at a JSON pointer; 0 if there is none.
fn number(stats: &Value, pointer: &str) -> u64 {
    stats.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

const RATES: [&str; 9] = [
    "/gets",
    "/hits",
    "/puts",
    "/deletes",
    "/put_bytes",
    "/moved_bytes",
    "/freed_bytes",
    "/syncs",
    "/slowdown_micros",
];

/// One reading as one line.
fn line(json: bool, now: Option<&Published>, rates: Option<&Rates>) -> String {
    let (Some(now), Some(rates)) = (now, rates) else {
        return if json { json!({"open": false}).to_string() } else { "closed".to_owned() };
    };
    let rate = |pointer: &&str| (pointer[1..].to_owned(), rates.of(&now.stats, pointer).into());
    if json {
        let rates: serde_json::Map<String, Value> = RATES.iter().map(rate).collect();
        return json!({
            "open": true,
            "pid": now.pid,
            "unix_millis": now.unix_millis,
            "age_millis": now.age().as_millis() as u64,
            "per_second": rates,
            "stats": now.stats,
        })
        .to_string();
    }
    let per_second = |pointer| HumanCount(rates.of(&now.stats, pointer) as u64);
    format!(
        "{} gets/s, {} puts/s, {} deletes/s, {} syncs/s; {} keys, {} live, {} on disk",
        per_second("/gets"),
        per_second("/puts"),
        per_second("/deletes"),
        per_second("/syncs"),
        HumanCount(number(&now.stats, "/keys")),
        BinaryBytes(number(&now.stats, "/live_bytes")),
        BinaryBytes(number(&now.stats, "/disk_bytes")),
    )
}

fn closed(dir: &Path) -> Vec<String> {
    let mut lines = vec![format!("warp  {}", dir.display()), String::new()];
    lines.push(match Published::read(dir) {
        Some(last) => format!(
            "closed: process {} has ended without closing it, {} ago; waiting for an open",
            last.pid,
            HumanDuration(last.age())
        ),
        None => "closed; waiting for a process that opens it".to_owned(),
    });
    lines
}

/// The whole view, for a terminal so wide.
fn view(dir: &Path, now: &Published, rates: &Rates, width: u16) -> Vec<String> {
    let s = &now.stats;
    let n = |pointer: &str| number(s, pointer);
    let count = |pointer: &str| HumanCount(n(pointer)).to_string();
    let bytes = |pointer: &str| BinaryBytes(n(pointer)).to_string();
    let rate = |pointer: &str| HumanCount(rates.of(s, pointer) as u64).to_string();
    let byte_rate = |pointer: &str| BinaryBytes(rates.of(s, pointer) as u64).to_string();
    let share = |part: f64, whole: f64| match whole > 0.0 {
        true => format!("{:.1} %", 100.0 * part / whole),
        false => "-".to_owned(),
    };
    let times = |part: f64, whole: f64| match whole > 0.0 {
        true => format!("{:.2}", part / whole),
        false => "-".to_owned(),
    };
    let (put, moved) = (rates.of(s, "/put_bytes"), rates.of(s, "/moved_bytes"));
    let up = HumanDuration(Duration::from_millis(now.open_millis) + now.age());
    let (hits, misses) = (n("/cache/hits") as f64, n("/cache/misses") as f64);
    let hit_ratio = share(hits, hits + misses);
    let mut lines = vec![
        format!("warp  {}   process {}   open for {up}", dir.display(), now.pid),
        format!("{:.1} s old; q leaves", now.age().as_secs_f64()),
        String::new(),
        format!("{:<12}{:>14}{:>20}", "", "a second", "since open"),
        format!(
            "{:<12}{:>14}{:>20}   found {}",
            "gets",
            rate("/gets"),
            count("/gets"),
            share(rates.of(s, "/hits"), rates.of(s, "/gets"))
        ),
        format!("{:<12}{:>14}{:>20}", "puts", rate("/puts"), count("/puts")),
        format!("{:<12}{:>14}{:>20}", "deletes", rate("/deletes"), count("/deletes")),
        format!("{:<12}{:>14}{:>20}", "syncs", rate("/syncs"), count("/syncs")),
        format!("{:<12}{:>14}{:>20}", "written", byte_rate("/put_bytes"), bytes("/put_bytes")),
        format!(
            "{:<12}{:>14}{:>20}   write amplification {}",
            "compacted",
            byte_rate("/moved_bytes"),
            bytes("/moved_bytes"),
            times(put + moved, put)
        ),
        format!("{:<12}{:>14}{:>20}", "freed", byte_rate("/freed_bytes"), bytes("/freed_bytes")),
        format!(
            "{:<12}{:>11.0} ms{:>20}",
            "held back",
            rates.of(s, "/slowdown_micros") / 1e3,
            format!("{:?}", Duration::from_millis(n("/slowdown_micros") / 1000))
        ),
        String::new(),
        format!(
            "memory      index {}   cache {} ({hit_ratio} hits)   resident {}",
            bytes("/index_bytes"),
            bytes("/cache_bytes"),
            bytes("/resident_bytes")
        ),
        format!(
            "space       segments {} ({} of live)   live {}",
            bytes("/disk_bytes"),
            times(n("/disk_bytes") as f64, n("/live_bytes") as f64),
            bytes("/live_bytes")
        ),
        format!("keys        {}   checkpoints {}", count("/keys"), count("/checkpoints")),
    ];
    lines.extend(load(s));
    lines.push(String::new());
    lines.extend(shards(s, rates, width));
    lines
}

/// What the load monitor says: the evenness of the shards' load, and the keys that are asked for
/// most.
fn load(stats: &Value) -> Vec<String> {
    let Some(load) = stats.get("load") else { return Vec::new() };
    let entropy = load.get("operation_entropy").and_then(Value::as_f64);
    let skewed = load.get("skewed").and_then(Value::as_bool) == Some(true);
    let mut lines = vec![String::new()];
    lines.push(format!(
        "load        entropy {}{}",
        entropy.map_or("-".to_owned(), |e| format!("{e:.3}")),
        if skewed { "   SKEWED" } else { "" }
    ));
    let hottest = load.get("hot_keys").and_then(Value::as_array);
    for hot in hottest.into_iter().flatten().take(5) {
        let share = hot.get("share").and_then(Value::as_f64).unwrap_or(0.0);
        let key = hot.get("key").and_then(Value::as_str).unwrap_or("");
        // A key may hold what a terminal would obey.
        lines.push(format!("{:>17.1} %  {}", 100.0 * share, key.escape_debug()));
    }
    lines
}

/// A line for each shard, with a bar for its share of the puts.
fn shards(stats: &Value, rates: &Rates, width: u16) -> Vec<String> {
    let Some(shards) = stats.get("shard").and_then(Value::as_array) else { return Vec::new() };
    let rate = |i: usize| rates.of(stats, &format!("/shard/{i}/puts"));
    let most = (0..shards.len()).map(rate).fold(1.0, f64::max);
    let room = usize::from(width).saturating_sub(64);
    let head = format!(
        "{:>5}{:>14}{:>12}{:>14}{:>10}{:>8}",
        "shard", "keys", "puts/s", "log", "segments", "dead"
    );
    let one = |(i, shard): (usize, &Value)| {
        let n = |name: &str| shard.get(name).and_then(Value::as_u64).unwrap_or(0);
        let dead = 100.0 * n("dead_bytes") as f64 / n("log_bytes").max(1) as f64;
        format!(
            "{i:>5}{:>14}{:>12}{:>14}{:>10}{:>6.0} % {}",
            HumanCount(n("keys")).to_string(),
            HumanCount(rate(i) as u64).to_string(),
            BinaryBytes(n("log_bytes")).to_string(),
            n("segments"),
            dead,
            "█".repeat((rate(i) / most * room as f64) as usize)
        )
    };
    std::iter::once(head).chain(shards.iter().enumerate().map(one)).collect()
}

/// The terminal, given back as it was when this goes.
struct Screen;

impl Screen {
    fn new() -> Outcome<Screen> {
        terminal::enable_raw_mode().map_err(Failure::stdout)?;
        let screen = Screen;
        execute!(std::io::stdout(), terminal::EnterAlternateScreen, cursor::Hide)
            .map_err(Failure::stdout)?;
        Ok(screen)
    }

    fn draw(&mut self, lines: &[String], width: u16, height: u16) -> Outcome {
        let mut out = std::io::stdout().lock();
        let mut draw = || {
            for (row, line) in lines.iter().take(usize::from(height)).enumerate() {
                let line: String = line.chars().take(usize::from(width)).collect();
                queue!(out, cursor::MoveTo(0, row as u16), style::Print(line))?;
                queue!(out, terminal::Clear(terminal::ClearType::UntilNewLine))?;
            }
            queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
            out.flush()
        };
        draw().map_err(Failure::stdout)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing to be done about a terminal that has gone.
        let _ = execute!(std::io::stdout(), cursor::Show, terminal::LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(unix_millis: u64, puts: u64) -> Published {
        let shard =
            |n: u64| json!({"keys": n, "puts": puts / 2, "log_bytes": 100, "dead_bytes": 25});
        let stats = json!({
            "keys": 30, "puts": puts, "gets": 10 * puts, "hits": 9 * puts, "put_bytes": puts * 100,
            "moved_bytes": puts * 50, "live_bytes": 1 << 20, "disk_bytes": 3 << 19,
            "cache": {"hits": 3, "misses": 1}, "shard": [shard(10), shard(20)],
            "load": {"operation_entropy": 0.25, "skewed": true,
                     "hot_keys": [{"key": "a\u{1b}", "share": 0.5}]},
        });
        Published { pid: 7, unix_millis, open_millis: 1000, stats }
    }

    #[test]
    fn rates_are_changes_over_the_time_between_two_readings() {
        let (before, now) = (published(1_000, 1_000), published(3_000, 5_000));
        let rates = Rates::between(Some(&before), &now);
        assert_eq!(rates.of(&now.stats, "/puts"), 2_000.0);
        let view = view(Path::new("/db"), &now, &rates, 100).join("\n");
        for part in [
            "2,000",
            "20,000",
            "found 90.0 %",
            "write amplification 1.50",
            "75.0 % hits",
            "entropy 0.250   SKEWED",
            "50.0 %  a\\u{1b}",
        ] {
            assert!(view.contains(part), "{part}: {view}");
        }
        assert!(view.contains("25 % █"), "{view}");
        let other = Published { pid: 8, ..published(2_000, 9_000) };
        assert_eq!(Rates::between(Some(&other), &now).of(&now.stats, "/puts"), 0.0);
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        let now = Published { stats: json!({}), ..published(1, 0) };
        let rates = Rates::between(None, &now);
        let view = view(Path::new("/db"), &now, &rates, 20).join("\n");
        assert!(!view.contains("NaN"), "{view}");
        assert!(line(false, None, None).contains("closed"));
    }
}

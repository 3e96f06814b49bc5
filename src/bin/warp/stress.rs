//! `warp stress`: a mixed load for as long as it is told, in a child that is killed and started again.
//!
//! What the child does and checks is in the library's lab (`lab::stress`). Here is what is done to
//! it: most children are killed after moments, some while they open or close, some close in order,
//! and now and then one lives for minutes, so that memory and open files are seen to stay what they
//! were after its first part.

use crate::args::{Global, Stress, When};
use crate::failure::{Failure, Outcome};
use crate::output;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use warp_engine::lab::mix;
use warp_engine::lab::stress::board::{Board, Count, DOINGS};
use warp_engine::lab::stress::{child, Fault, Place, CLOSE, CLOSING, OPENED};
use warp_engine::{Error, ErrorKind};

const DURABILITIES: [&str; 4] = ["process", "periodic", "sync", "none"];
/// Exit codes of a child.
const VIOLATION: u8 = 4;
const FAILED: u8 = 3;
/// A child that has acknowledged nothing for so long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(180);
/// One child in this time lives long.
const LONG_EVERY: Duration = Duration::from_secs(900);
/// The longest life, and the shortest whose growth says something.
const LONG_MAX: Duration = Duration::from_secs(300);
const LONG_MIN: Duration = Duration::from_secs(20);
/// How far a long life's anonymous memory may grow after its first third: by a quarter, and this.
const GROWTH_MAX: u64 = 64 << 20;
/// And its open files.
const FILES_MAX: u64 = 64;
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
const REPORT_EVERY: Duration = Duration::from_secs(10);

pub fn run(global: &Global, args: &Stress) -> Outcome {
    if let Some(values) = &args.child {
        be_child(values);
    }
    let (home, is_ours) = match &args.dir {
        Some(dir) => (dir.clone(), false),
        None => (std::env::temp_dir().join(format!("warp-stress-{}", std::process::id())), true),
    };
    let place = Place::new(&home);
    let os = |what: &str| {
        let action = format!("{what} {}", home.display());
        move |e: std::io::Error| Failure::from(Error::os(action.clone(), &e))
    };
    if !args.resume {
        std::fs::create_dir_all(&home).map_err(os("create"))?;
        if std::fs::read_dir(&home).map_err(os("list"))?.next().is_some() {
            return Err(Failure::Usage(format!(
                "{} is not empty; name a new directory, or --resume what is there",
                home.display()
            )));
        }
        place.create(args.seed, args.threads).map_err(os("begin in"))?;
    }
    let (seed, threads) = place.setup().map_err(os("read the oracle in"))?;
    let board = Board::open(&place.board()).map_err(os("map the board in"))?;
    let mut run = Run {
        dir: &home,
        board: &board,
        seed,
        threads,
        begin: Instant::now(),
        duration: args.duration,
        shown: Instant::now(),
        shows: args.progress.progress == When::Always
            || args.progress.progress == When::Auto && std::io::stderr().is_terminal(),
        last_long: None,
        peak: Usage::default(),
        growth: Usage::default(),
    };
    let result = run.lives();
    board.add(Count::Seconds, run.begin.elapsed().as_secs());
    if let Err(what) = result {
        let kept = home.display();
        let text =
            format!("seed {seed}: {what}; {} operations in; kept: {kept}", board.operations());
        return Err(Error::new(ErrorKind::Corruption, text).into());
    }
    run.report(global)?;
    if is_ours {
        let _ = std::fs::remove_dir_all(&home);
    }
    Ok(())
}

/// Ends the process: a child has nothing to say to its caller but its exit code.
fn be_child(values: &[String]) -> ! {
    let [dir, durability, number] = values else { std::process::exit(2) };
    let result = child(&Place::new(Path::new(dir)), durability, number.parse().unwrap_or(0));
    let (what, code) = match result {
        Ok(()) => std::process::exit(0),
        Err(Fault::Violation(what)) => (what, VIOLATION),
        Err(Fault::Failed(e)) => (e.to_string(), FAILED),
    };
    eprintln!("{what}");
    std::process::exit(code.into())
}

/// What a process takes.
#[derive(Debug, Clone, Copy, Default)]
struct Usage {
    resident: u64,
    anonymous: u64,
    files: u64,
}

impl Usage {
    /// Of a running child; `None` where the system does not say, or it has just ended.
    fn of(child: &Child) -> Option<Usage> {
        let proc = PathBuf::from(format!("/proc/{}", child.id()));
        let status = std::fs::read_to_string(proc.join("status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
        };
        let files = std::fs::read_dir(proc.join("fd")).ok()?.count() as u64;
        Some(Usage { resident: field("VmRSS:")?, anonymous: field("RssAnon:")?, files })
    }

    fn max(self, other: Usage) -> Usage {
        Usage {
            resident: self.resident.max(other.resident),
            anonymous: self.anonymous.max(other.anonymous),
            files: self.files.max(other.files),
        }
    }
}

/// How a child is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Killed so long after its start, which is while it opens, or soon after.
    KilledEarly(Duration),
    /// Killed so long after it has opened.
    Killed(Duration),
    /// Told to close when it has been open so long, and killed so long after.
    KilledClosing(Duration, Duration),
    /// Told to close when it has been open so long.
    Closed(Duration),
}

struct Run<'a> {
    dir: &'a Path,
    board: &'a Board,
    seed: u64,
    threads: u64,
    begin: Instant,
    duration: Duration,
    shown: Instant,
    shows: bool,
    last_long: Option<Instant>,
    peak: Usage,
    growth: Usage,
}

impl Run<'_> {
    fn lives(&mut self) -> Result<(), String> {
        while self.begin.elapsed() < self.duration {
            let number = self.board.get(Count::Lives);
            let end = self.end_of(number);
            self.live(number, end)?;
        }
        // The last word is a comparison of everything, and a close.
        self.live(self.board.get(Count::Lives), End::Closed(Duration::ZERO))
    }

    fn end_of(&mut self, number: u64) -> End {
        let r = mix(self.seed ^ 0x11fe, number);
        let long = (self.duration / 5).min(LONG_MAX);
        let is_due = self.last_long.is_none_or(|last| last.elapsed() > LONG_EVERY);
        if long >= LONG_MIN && is_due && self.begin.elapsed() > long / 2 {
            self.last_long = Some(Instant::now());
            return End::Closed(long);
        }
        // From 1 ms to 2 s, as many between 1 and 2 ms as between 1 and 2 s.
        let moment = Duration::from_micros((1_000u64 << (r >> 32 & 0xf).min(10)) + r % 1_000);
        let short = Duration::from_micros(r >> 40 & 0x7fff);
        match r % 8 {
            0..=1 => End::KilledEarly(short * 2),
            2 => End::KilledClosing(moment / 4, short / 2),
            3 if r & 8 == 0 => End::Closed(moment),
            _ => End::Killed(moment),
        }
    }

    /// One child, from its start to its end.
    fn live(&mut self, number: u64, end: End) -> Result<(), String> {
        let durability = DURABILITIES[number as usize % DURABILITIES.len()];
        let text = |e: std::io::Error| format!("start a child: {e}");
        let program = std::env::current_exe().map_err(text)?;
        let mut command = Command::new(program);
        command.arg("stress").arg("--child").arg(self.dir).arg(durability).arg(number.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(text)?;
        let lines = lines_of(&mut child);
        let killed = self.attend(&mut child, &lines, end);
        // However that went, nothing is left running.
        if !matches!(killed, Ok(false)) {
            let _ = child.kill();
        }
        let status = child.wait().map_err(text)?;
        let mut said = String::new();
        if let Some(stderr) = &mut child.stderr {
            let _ = stderr.read_to_string(&mut said);
        }
        let said = said.trim();
        let killed = killed?;
        match status.code() {
            None if killed => self.board.count_kill(self.threads),
            Some(0) => self.board.add(Count::Closes, 1),
            Some(code) if code == i32::from(VIOLATION) => {
                return Err(format!("child {number}, durability={durability}: {said}"));
            }
            _ => return Err(format!("child {number}, durability={durability}: {status}: {said}")),
        }
        Ok(())
    }

    /// Watches a child until it is to be killed (true) or has ended by itself.
    fn attend(
        &mut self,
        child: &mut Child,
        lines: &Receiver<String>,
        end: End,
    ) -> Result<bool, String> {
        let start = Instant::now();
        let (mut opened, mut closing, mut told) = (None::<Instant>, None::<Instant>, false);
        let (mut moved, mut operations) = (Instant::now(), 0);
        let mut samples = Vec::new();
        let mut sampled = Instant::now();
        loop {
            let since = |at: Option<Instant>| at.map(|at| at.elapsed());
            // How long until something is due; none: until the child says something.
            let left = match end {
                End::KilledEarly(after) => Some(after.saturating_sub(start.elapsed())),
                End::Killed(after) => since(opened).map(|open| after.saturating_sub(open)),
                End::KilledClosing(_, after) if told => {
                    since(closing).map(|closing| after.saturating_sub(closing))
                }
                End::KilledClosing(after, _) | End::Closed(after) if !told => {
                    since(opened).map(|open| after.saturating_sub(open))
                }
                _ => None,
            };
            if left == Some(Duration::ZERO) {
                match end {
                    End::KilledClosing(..) | End::Closed(_) if !told => {
                        told = true;
                        if let Some(mut stdin) = child.stdin.take() {
                            let _ = writeln!(stdin, "{CLOSE}");
                        }
                        continue;
                    }
                    _ => return Ok(true),
                }
            }
            match lines.recv_timeout(left.unwrap_or(SAMPLE_EVERY).min(SAMPLE_EVERY)) {
                Ok(line) if line == OPENED => opened = Some(Instant::now()),
                Ok(line) if line == CLOSING => closing = Some(Instant::now()),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if sampled.elapsed() >= SAMPLE_EVERY {
                sampled = Instant::now();
                if let Some(usage) = Usage::of(child) {
                    self.peak = self.peak.max(usage);
                    samples.push(usage);
                }
            }
            let now = self.board.operations();
            if now != operations {
                (moved, operations) = (Instant::now(), now);
            }
            if moved.elapsed() > HANGS_AFTER {
                return Err(format!("a child hangs: nothing for {} s", HANGS_AFTER.as_secs()));
            }
            self.show();
        }
        if matches!(end, End::Closed(after) if after >= LONG_MIN) {
            self.judge_growth(&samples)?;
        }
        Ok(false)
    }

    /// Compares the last sixth of a long life with the second.
    fn judge_growth(&mut self, samples: &[Usage]) -> Result<(), String> {
        let part = samples.len() / 6;
        if part == 0 {
            return Ok(());
        }
        let median = |samples: &[Usage], of: fn(&Usage) -> u64| {
            let mut all: Vec<u64> = samples.iter().map(of).collect();
            all.sort_unstable();
            all[all.len() / 2]
        };
        let (warm, last) = (&samples[part..2 * part], &samples[samples.len() - part..]);
        let growth = |of: fn(&Usage) -> u64| (median(warm, of), median(last, of));
        let (resident, anonymous, files) =
            (growth(|u| u.resident), growth(|u| u.anonymous), growth(|u| u.files));
        let by = |(warm, last): (u64, u64)| last.saturating_sub(warm);
        self.growth = self.growth.max(Usage {
            resident: by(resident),
            anonymous: by(anonymous),
            files: by(files),
        });
        if by(anonymous) > anonymous.0 / 4 + GROWTH_MAX {
            return Err(format!("memory grows from {} to {} bytes", anonymous.0, anonymous.1));
        }
        if by(files) > FILES_MAX {
            return Err(format!("open files grow from {} to {}", files.0, files.1));
        }
        Ok(())
    }

    fn show(&mut self) {
        if !self.shows || self.shown.elapsed() < REPORT_EVERY {
            return;
        }
        self.shown = Instant::now();
        eprintln!(
            "{} s: {} operations, {} answers compared, {} kills; {} MiB resident at most, {} files",
            self.begin.elapsed().as_secs(),
            self.board.operations(),
            self.board.answers(),
            self.board.get(Count::Kills),
            self.peak.resident >> 20,
            self.peak.files
        );
    }

    fn report(&self, global: &Global) -> Outcome {
        let (board, by) = (self.board, self.board.kills_by());
        let count = |count| board.get(count);
        if global.json {
            let kills_at: serde_json::Map<String, serde_json::Value> =
                DOINGS.iter().zip(by).map(|(name, n)| ((*name).to_owned(), n.into())).collect();
            return output::line(serde_json::json!({
                "mode": "stress",
                "violations": 0,
                "seed": self.seed,
                "threads": self.threads,
                "seconds": count(Count::Seconds),
                "operations": board.operations(),
                "answers": board.answers(),
                "children": count(Count::Lives),
                "kills": count(Count::Kills),
                "kills_at": kills_at,
                "closes": count(Count::Closes),
                "checks": count(Count::Checks),
                "in_flight": count(Count::InFlight),
                "checkpoints": count(Count::Checkpoints),
                "compactions": count(Count::Compactions),
                "backups": count(Count::Backups),
                "resident_bytes_max": self.peak.resident,
                "files_max": self.peak.files,
                "anonymous_bytes_growth": self.growth.anonymous,
                "files_growth": self.growth.files,
            }));
        }
        let at: Vec<String> =
            DOINGS.iter().zip(by).map(|(name, n)| format!("{name} {n}")).collect();
        output::line(format!(
            "no violation in {} s: {} operations, {} answers and {} whole databases compared, {} \
             backups; {} kills ({}), {} operations under way were found done; memory grew by {} \
             KiB and open files by {} in long lives, {} MiB were resident at most; seed {}",
            count(Count::Seconds),
            board.operations(),
            board.answers(),
            count(Count::Checks),
            count(Count::Backups),
            count(Count::Kills),
            at.join(", "),
            count(Count::InFlight),
            self.growth.anonymous >> 10,
            self.growth.files,
            self.peak.resident >> 20,
            self.seed
        ))
    }
}

/// What a child prints, line by line, until it ends.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

//! Progress on standard error: a bar on a terminal, a line a second elsewhere if asked for.

use crate::args::When;
use crate::output::records as records_text;
use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// What the position counts.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Bytes of the input.
    Bytes,
    /// Records of the database.
    Records,
}

/// Progress of one long piece of work. Everything it prints is gone or ended when it is dropped.
pub struct Progress {
    verb: &'static str,
    bar: Option<ProgressBar>,
    lines: bool,
    shown: Instant,
}

impl Progress {
    /// Starts at zero of `total`; a total of `None` is not known.
    pub fn new(when: When, verb: &'static str, unit: Unit, total: Option<u64>) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = (when != When::Never && terminal).then(|| {
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            bar.set_style(style(unit, total.is_some()));
            bar.set_prefix(verb);
            bar
        });
        let lines = when == When::Always && !terminal;
        Progress { verb, bar, lines, shown: Instant::now() }
    }

    /// Moves to `done` of `total`, which is known only now.
    pub fn of(&mut self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
        self.show(done, |done| format!("{}", BinaryBytes(done)));
    }

    /// Moves to `position`, after `records` records. Cheap enough to call for each.
    pub fn at(&mut self, position: u64, records: u64) {
        self.show(position, |_| records_text(records));
    }

    fn show(&mut self, position: u64, text: impl Fn(u64) -> String) {
        let pause = match (&self.bar, self.lines) {
            (Some(_), _) => Duration::from_millis(100),
            (None, true) => Duration::from_secs(1),
            (None, false) => return,
        };
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let text = text(position);
        match &self.bar {
            Some(bar) => {
                bar.set_position(position);
                bar.set_message(text);
            }
            // Progress that nobody can see is no reason to stop.
            None => drop(writeln!(std::io::stderr(), "warp: {}: {text}", self.verb)),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(unit: Unit, known: bool) -> ProgressStyle {
    let template = match (unit, known) {
        (Unit::Bytes, true) => "{prefix} {wide_bar} {bytes}/{total_bytes} {msg} {eta}",
        (Unit::Bytes, false) => "{prefix} {spinner} {bytes} {msg} {elapsed}",
        (Unit::Records, true) => "{prefix} {wide_bar} {human_pos}/{human_len} {eta}",
        (Unit::Records, false) => "{prefix} {spinner} {human_pos} {elapsed}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_well_formed() {
        for unit in [Unit::Bytes, Unit::Records] {
            for known in [true, false] {
                let template = style(unit, known);
                ProgressBar::hidden().set_style(template);
            }
        }
    }
}

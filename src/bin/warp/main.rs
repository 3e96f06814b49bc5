//! `warp`: the command-line tool over a WarpEngine database.
//!
//! One file a command. A command gets its arguments and the global ones, opens the database
//! through [`open`], and answers with [`failure::Outcome`]; only this file turns that into an
//! exit code and a line on standard error.

#![deny(unsafe_code)]

mod args;
mod backup;
// Calls the engine through its C ABI, as the bindings do, and reads mapped files.
#[allow(unsafe_code)]
mod bench;
mod benchmark;
mod bytes;
mod compact;
mod copy;
mod crashtest;
mod delete;
mod dump;
mod failure;
mod get;
mod links;
mod load;
mod open;
mod output;
mod progress;
mod put;
mod rebalance;
mod repair;
mod restore;
mod rules;
mod scan;
mod stats;
mod stress;
mod text;
mod upkeep;
mod verify;
mod watch;

use args::{Cli, Command};
use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
use clap::Parser;
use failure::{Failure, Outcome};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "sabotage")]
    warp_engine::lab::sabotage::from_environment();
    let (json, outcome) = match Cli::try_parse() {
        Ok(cli) => (cli.global.json, run(cli)),
        Err(e) if matches!(e.kind(), DisplayHelp | DisplayVersion) => {
            // A failed write means that nobody reads the help any more.
            let _ = e.print();
            return ExitCode::SUCCESS;
        }
        // The parser gave up, so whether --json was asked for is read off the bare arguments.
        Err(e) => (std::env::args_os().any(|a| a == "--json"), Err(usage(&e))),
    };
    match outcome {
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{}", failure.line(json));
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli) -> Outcome {
    let global = &cli.global;
    match cli.command {
        Command::Get(args) => get::run(global, &args),
        Command::Put(args) => put::run(global, &args),
        Command::Delete(args) => delete::run(global, &args),
        Command::Scan(args) => scan::run(global, &args),
        Command::Stats(args) => stats::run(global, &args),
        Command::Load(args) => load::run(global, &args),
        Command::Dump(args) => dump::run(global, &args),
        Command::Checkpoint(args) => upkeep::checkpoint(global, &args),
        Command::Sync(args) => upkeep::sync(global, &args),
        Command::Compact(args) => compact::run(global, &args),
        Command::Backup(args) => backup::run(global, &args),
        Command::Restore(args) => restore::run(global, &args),
        Command::Bench(bench) => benchmark::run(global, &bench),
        Command::Verify(args) => verify::run(global, &args),
        Command::Crashtest(args) => crashtest::run(global, &args),
        Command::Stress(args) => stress::run(global, &args),
        Command::Repair(args) => repair::run(global, &args),
        Command::Rules(args) => rules::run(global, &args),
        Command::Rebalance(args) => rebalance::run(global, &args),
        Command::Link(args) => links::link(global, &args),
        Command::Unlink(args) => links::unlink(global, &args),
        Command::Linked(args) => links::linked(global, &args),
    }
}

/// What is wrong with the command line, on one line: the parser's text up to its usage block.
fn usage(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let what = text.split("\n\nUsage:").next().unwrap_or_default();
    let what = what.split("\n\nFor more information").next().unwrap_or_default();
    let what = what.trim_start_matches("error: ");
    let words: Vec<&str> = what.split_whitespace().collect();
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::Usage("no command given; warp --help lists them".to_owned());
    }
    Failure::Usage(format!("{}; see warp --help", words.join(" ")))
}

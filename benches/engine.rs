//! `cargo bench`: the core figures at 1 M keys. `cargo bench -- KEYS OPERATIONS` takes others,
//! `cargo bench -- sweep` sweeps the thread counts, `cargo bench -- features BYTES` has every feature
//! on against off, `WARP_BENCH_ONLY` picks figures by name.
//! `warp bench` has more to set.

#[path = "../src/bin/warp/bench/mod.rs"]
mod bench;

use std::time::Duration;
use warp_engine::Error;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [bench, child, path, keys, value_len, options @ ..] = &args[..] {
        if bench == "bench" && child == "child" {
            let number = |text: &String| text.parse().expect("a number");
            return bench::killed::child(&bench::killed::Load {
                path: path.into(),
                keys: number(keys),
                value_len: number(value_len) as usize,
                options: options
                    .iter()
                    .filter_map(|o| o.split_once('='))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            });
        }
    }
    let arg = |i: usize, default: u64| {
        args.iter().filter_map(|a| a.parse().ok()).nth(i).unwrap_or(default)
    };
    let (keys, value_len) = (arg(0, 1_000_000), 100);
    let options = vec![("durability".to_owned(), "process".to_owned())];
    let dir = tempfile::tempdir().expect("a temporary directory");
    if args.iter().any(|a| a == "sweep") {
        let threads = vec![1, 2, 3, 4, 6, 8, 12, 16, 20, 24];
        let span = Duration::from_secs(3);
        let config = bench::sweep::Config { threads, keys, value_len, span, options };
        println!("{}", bench::sweep::Row::HEAD);
        return bench::sweep::run(dir.path(), &config, &mut |row| println!("{row}"));
    }
    if args.iter().any(|a| a == "features") {
        let config = bench::features::Config {
            bytes: arg(0, 256 << 20),
            threads: vec![1, 2],
            trials: 3,
            options,
            only: std::env::var("WARP_BENCH_ONLY").unwrap_or_default(),
        };
        println!("{}", bench::features::Row::HEAD);
        return bench::features::run(dir.path(), &config, &mut |row| println!("{row}"));
    }
    let config = bench::Config {
        keys,
        value_len,
        operations: arg(1, 2_000_000),
        rounds: 3,
        options,
        span: Duration::from_secs(3),
        only: std::env::var("WARP_BENCH_ONLY").unwrap_or_default(),
    };
    bench::core(dir.path(), &config, &mut |row| println!("{row}"))
}

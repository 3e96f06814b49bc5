//! `cargo bench`: the core figures at 1 M keys. `warp bench core` takes sizes and more.

#[path = "../src/bin/warp/bench/mod.rs"]
mod bench;

fn main() {
    let arg = |i: usize, default: u64| {
        std::env::args().filter_map(|a| a.parse().ok()).nth(i).unwrap_or(default)
    };
    let keys = arg(0, 1_000_000);
    let config = bench::Config {
        keys,
        value_len: 100,
        operations: arg(1, 2_000_000),
        rounds: 3,
        durability: "process".to_owned(),
        only: std::env::var("WARP_BENCH_ONLY").unwrap_or_default(),
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    bench::run(dir.path(), &config).expect("the benchmark");
}

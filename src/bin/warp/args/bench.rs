//! The arguments of `warp bench`: a benchmark each, and what they share.

use super::{option_pair, seconds, size};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Bench {
    /// The core figures, beside what the bare machine does
    Core(BenchCore),
    /// Mixed reads and writes, zipfian, from few threads to many, beside the target
    Sweep(BenchSweep),
    /// Every feature on against off, on data with relations
    Features(BenchFeatures),
    /// Overwrite a whole data set many times: the space it takes, and the tail of the latencies
    Overwrite(BenchOverwrite),
    /// Data larger than memory: every value checked, the resident size beside the limit, and the
    /// cache's hit ratio beside LRU's and the best possible
    LargerThanMemory(BenchLarger),
    /// The process that core kills to measure the open after it
    #[command(hide = true)]
    Child(BenchChild),
}

#[derive(Args)]
pub struct BenchPlace {
    /// Number of keys, of 16 bytes each
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 34))]
    pub keys: u64,
    /// Bytes of a value; 8 is the least that tells one value from another
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(8..=1 << 20))]
    pub value_len: u32,
    /// Durability of the database: none, process, periodic or sync
    #[arg(long, value_name = "NAME", default_value = "process")]
    pub durability: String,
    /// Make the temporary directory in this one instead of the system's
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Args)]
pub struct BenchCore {
    #[command(flatten)]
    pub place: BenchPlace,
    /// Operations of one round
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 34))]
    pub operations: u64,
    /// Rounds of which the median is taken
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Length of the parts that go by time: a round of durable puts, the load before the kill
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = seconds)]
    pub seconds: f64,
    /// Measure only the figures with this in their name
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
}

#[derive(Args)]
pub struct BenchSweep {
    #[command(flatten)]
    pub place: BenchPlace,
    /// Numbers of threads; efficiency is against the first of them
    #[arg(long, value_name = "N,N…", value_delimiter = ',')]
    #[arg(default_values_t = [1, 2, 3, 4, 6, 8, 12, 16, 20, 24])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Vec<u32>,
    /// How long each number of threads runs
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = seconds)]
    pub seconds: f64,
}

#[derive(Args)]
pub struct BenchFeatures {
    /// Bytes of data, about, such as 64M or 1G
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = size)]
    pub data: u64,
    /// Numbers of threads, where a measure takes several
    #[arg(long, value_name = "N,N…", value_delimiter = ',', default_values_t = [1, 2])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Vec<u32>,
    /// Trials of which the median is taken
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub trials: u32,
    /// Measure only the features with this in their name
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// Make the temporary directory in this one instead of the system's
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Args)]
pub struct BenchOverwrite {
    #[command(flatten)]
    pub place: BenchPlace,
    /// Rounds, in each of which there are as many puts as keys
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rounds: u32,
    /// Which keys are overwritten
    #[arg(long, value_enum, default_value = "uniform")]
    pub distribution: Distribution,
}

#[derive(Args)]
pub struct BenchLarger {
    /// Bytes of keys and values; K, M and G are powers of 1,024
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = size)]
    pub data: u64,
    /// The limit that the database is opened with
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = size)]
    pub memory_limit: u64,
    /// How long the load runs after the data are there
    #[arg(long, value_name = "M", default_value_t = 10.0)]
    pub minutes: f64,
    /// Threads, each with keys of its own
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub threads: u64,
    /// Of a hundred operations, so many are reads; the rest are overwrites
    #[arg(long, value_name = "PERCENT", default_value_t = 80)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=100))]
    pub reads: u64,
    /// Durability of the database: none, process, periodic or sync
    #[arg(long, value_name = "NAME", default_value = "process")]
    pub durability: String,
    /// Make the temporary directory in this one instead of the system's
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Distribution {
    Uniform,
    Zipfian,
}

#[derive(Args)]
pub struct BenchChild {
    pub path: PathBuf,
    pub keys: u64,
    pub value_len: u32,
    #[arg(value_parser = option_pair)]
    pub options: Vec<(String, String)>,
}

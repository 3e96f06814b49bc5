#!/usr/bin/env bash
# The engine beside other embedded stores, each in a process of its own: bench.sh [--quick]
# [option]... writes tables, plots and results to docs/benchmarks. The options are those of
# `warp-compare run` (benches/compare/src/main.rs); BENCH_DIR is where the databases lie meanwhile,
# the system's temporary directory unless given. A full run needs 15 GB there.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh compare
scripts/build.sh --library
cargo build --release --locked --manifest-path benches/compare/Cargo.toml

# Removed here as well, for a run that is interrupted.
work=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/warp-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT
benches/compare/target/release/warp-compare run --dir "$work" "$@"

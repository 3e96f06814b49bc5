#!/usr/bin/env bash
# The Rust code has no warning, with the tool and without it.
. "$(dirname "$0")/lib.sh"

cargo clippy --all-targets -- -D warnings
cargo clippy --features sabotage --lib --test sabotage -- -D warnings
cargo clippy --features shuttle --lib -- -D warnings
cargo clippy --no-default-features --lib -- -D warnings

#!/usr/bin/env bash
# The Rust code is formatted as rustfmt.toml says.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh rust-lints

cargo fmt --check

#!/usr/bin/env bash
# The Rust code is formatted as rustfmt.toml says.
. "$(dirname "$0")/lib.sh"

cargo fmt --check

#!/usr/bin/env bash
# Builds target/release: the tool, then libwarp_engine.so and libwarp_engine.a.
# build.sh --library leaves the tool out.
. "$(dirname "$0")/lib.sh"

have cargo || die "cargo is missing; scripts/setup.sh says what is needed"
if [ "${1:-}" != --library ]; then
    cargo build --release --bin warp
fi
# Last, because the tool's build leaves a library with its own features behind.
cargo build --release --no-default-features --lib

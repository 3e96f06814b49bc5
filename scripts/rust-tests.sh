#!/usr/bin/env bash
# The Rust tests: units, integration, documentation. With debug assertions and overflow checks,
# which the release profile has not. Arguments go to cargo test.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build

# With the deliberate defects compiled in and none turned on, so that the library is built once for all
# tests and for those of the crash lab, which must catch an engine that is broken on purpose.
cargo test --no-fail-fast --features sabotage "$@"
if [ $# -eq 0 ]; then
    # Interleavings, tried by a scheduler that nothing else works with.
    cargo test --features shuttle,sabotage --lib model::
fi

#!/usr/bin/env bash
# The Rust tests: units, integration, documentation. With debug assertions and overflow checks,
# which the release profile has not. Arguments go to cargo test.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build

cargo test --no-fail-fast "$@"
if [ $# -eq 0 ]; then
    # The crash lab must catch an engine that is broken on purpose.
    cargo test --features sabotage --test sabotage
    # Interleavings, tried by a scheduler that nothing else works with.
    cargo test --features shuttle,sabotage --lib model::
fi

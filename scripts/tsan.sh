#!/usr/bin/env bash
# Tests with threads under ThreadSanitizer, which reports accesses that nothing orders. Needs a
# nightly toolchain with rust-src. WARP_SECONDS bounds each test of histories, 3 unless given.
#
# It does not see the assembly of the index's scan, whose every hit is loaded again as an atomic, and
# takes no notice of fences; what rests on them is atomic throughout.
. "$(dirname "$0")/lib.sh"

cargo +nightly --version >/dev/null 2>&1 ||
    die "no nightly toolchain; run: rustup toolchain install nightly --component rust-src"
[ -d "$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library" ] ||
    die "no rust-src; run: rustup component add rust-src --toolchain nightly"

host=$(rustc +nightly -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Zsanitizer=thread ${RUSTFLAGS:-}"
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=$ROOT/scripts/tsan.supp"
export CARGO_TARGET_DIR="$ROOT/target/tsan"
run=(cargo +nightly test -Zbuild-std --target "$host")

"${run[@]}" --lib -- epoch:: index:: lab::regressions::a_sync
WARP_SECONDS=${WARP_SECONDS:-3} "${run[@]}" --test linearizability --test files

#!/usr/bin/env bash
# Fuzzes every decoder for a while: fuzz.sh [target]... WARP_FUZZ_SECONDS is the time for each
# target, 20 unless given. Needs a nightly toolchain; cargo-fuzz is installed when it is missing.
# What is found stays in fuzz/artifacts, and `cargo +nightly fuzz run TARGET FILE` repeats it.
. "$(dirname "$0")/lib.sh"

cargo +nightly --version >/dev/null 2>&1 ||
    die "no nightly toolchain; run: rustup toolchain install nightly"
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz

seconds=${WARP_FUZZ_SECONDS:-20}
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list)

# The directory target works in memory where that can be had.
memory=/dev/shm
[ -d "$memory" ] || memory=${TMPDIR:-/tmp}
WARP_FUZZ_DIR=$(mktemp -d "$memory/warp-fuzz-XXXXXX")
export WARP_FUZZ_DIR
trap 'rm -rf "$WARP_FUZZ_DIR"' EXIT

failed=0
for target in "${targets[@]}"; do
    printf '\n=== %s, %s s ===\n' "$target" "$seconds"
    mkdir -p "fuzz/corpus/$target"
    cargo +nightly fuzz run "$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=512 \
        -max_len=4096 -print_final_stats=1 -verbosity=0 || failed=$((failed + 1))
done
printf '%d targets, %d failed\n' "${#targets[@]}" "$failed"
[ "$failed" -eq 0 ]

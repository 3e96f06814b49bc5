#!/usr/bin/env bash
# Every test of every language, a section each. All sections run, whatever fails; the end counts
# them and repeats what the failed ones said went wrong. `test.sh go demo` runs these two.
. "$(dirname "$0")/lib.sh"

# Name, script, the tools it needs (a group of setup.sh), and what it tests. A section whose subject
# is not in the tree is left out; one whose subject is there runs, and fails if its script or a
# tool is missing and cannot be installed.
SECTIONS="
format  scripts/format.sh        rust-lints  src
clippy  scripts/clippy.sh        rust-lints  src
rust    scripts/rust-tests.sh    build       src
c       scripts/c-tests.sh       c           c_tests
c++     scripts/cpp-tests.sh     cpp         include/warp_engine.hpp
go      scripts/go-tests.sh      go          bindings/go/go.mod
elixir  scripts/elixir-tests.sh  elixir      bindings/elixir/mix.exs
cross   scripts/cross-tests.sh   cross       tests/conformance/cross.sh
drop-in scripts/elixir-drop-in-tests.sh elixir bindings/elixir_drop_in/mix.exs
demo    scripts/demo.sh          demo        CMakeLists.txt
"

# Longer than any section takes on two slow cores; a hanging one must not hang the run.
SECTION_SECONDS_MAX=1200

wanted() {
    [ ${#only[@]} -eq 0 ] && return 0
    local name
    for name in "${only[@]}"; do
        [ "$name" != "$1" ] || return 0
    done
    return 1
}

only=("$@")
for name in "${only[@]}"; do
    grep -q "^$name " <<<"$SECTIONS" || die "there is no section $name"
done

run_section() {
    local script=$1 group=$2
    [ -x "$script" ] || { echo "$script is missing or no program" >&2 && return 1; }
    scripts/setup.sh "$group" &&
        timeout --foreground "$SECTION_SECONDS_MAX" "$script" </dev/null
}

# The lines of a section's output that say what failed, each kind of tool in its own words; else its
# last lines.
complaints() {
    grep -aE 'panicked at|\.\.\. FAILED|^(error|FAIL|--- FAIL|not ok|not found)|assertion|violation|seed|Killed|Error' \
        "$1" | grep -avE '\.\.\. ok$' | tail -n 12 | cut -c 1-300 | grep . || tail -n 5 "$1"
}

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

passed=0 failed=0 summary="" wrong=""
while read -r name script group subject <&3; do
    [ -n "$name" ] && [ -e "$subject" ] && wanted "$name" || continue
    printf '\n=== %s (%s) ===\n' "$name" "$script"
    start=$SECONDS
    if run_section "$script" "$group" 2>&1 | tee "$logs/$name"; then
        verdict=passed passed=$((passed + 1))
    else
        verdict="FAILED (${PIPESTATUS[0]})" failed=$((failed + 1))
        wrong+=$(printf '%s:\n%s' "$name" "$(complaints "$logs/$name")")$'\n'
    fi
    summary+=$(printf '%-8s %5d s  %s' "$name" $((SECONDS - start)) "$verdict")$'\n'
done 3<<<"$SECTIONS"

printf '\n=== summary ===\n%s%d passed, %d failed\n' "$summary" "$passed" "$failed"
[ -z "$wrong" ] || printf '\n=== what failed ===\n%s' "$wrong"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

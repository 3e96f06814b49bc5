#!/bin/sh
# Each of the given programs writes the data set, and each reads what each wrote:
#
#     tests/conformance/cross.sh "cargo run -q --example conformance --" build/c_tests/conformance …
#
# A program is a command that takes `write DIR` and `read DIR`. Exit 1 if any of them fails.
set -u
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
failed=0
n=0
for writer in "$@"; do
    n=$((n + 1))
    dir="$root/$n"
    # The commands are words on purpose.
    # shellcheck disable=SC2086
    if ! $writer write "$dir" >/dev/null; then
        echo "FAIL: $writer write"
        failed=1
        continue
    fi
    for reader in "$@"; do
        # shellcheck disable=SC2086
        if $reader read "$dir" >"$root/answer"; then
            echo "ok: $reader reads what $writer wrote: $(cat "$root/answer")"
        else
            echo "FAIL: $reader reads what $writer wrote"
            failed=1
        fi
    done
done
exit $failed

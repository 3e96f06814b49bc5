#!/usr/bin/env bash
# The demo. Builds and installs the library into a directory of its own, compiles a C program
# against what was installed, and has it load 34,924 records into a database while this script
# kills it, three times, with SIGKILL. After each kill the database is opened again and compared
# with the list of what had been acknowledged. Then it is used a little.
#
# Exits with 0 only if every acknowledged record was there, byte for byte, every time.
# DEMO_RATE=N    puts a second while loading (20000; 0 leaves no middle to hit)
# DEMO_KEEP=1    leaves the temporary directory behind

set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/examples/demo
rate=${DEMO_RATE:-20000}

work=$(mktemp -d "${TMPDIR:-/tmp}/warp-demo.XXXXXX")
loader=
clean_up() {
    if [ -n "$loader" ]; then
        kill -KILL "$loader" 2>/dev/null || true
    fi
    if [ -n "${DEMO_KEEP:-}" ]; then
        echo "kept: $work"
    else
        rm -rf "$work"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

prefix=$work/prefix
db=$work/unicode.db
data=$work/UnicodeData.txt
acks=$work/acknowledged
warp=$root/target/release/warp
demo=$work/demo

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi

step=0
heading() {
    step=$((step + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$step" "$*" "$plain"
}

say() {
    printf '   %s\n' "$*"
}

# Runs a command after showing it, with this run's directories by their short names.
shown() {
    local line="$*"
    line=${line//$prefix/\$prefix}
    line=${line//$work/\$work}
    line=${line//$root\//}
    printf '   $ %s\n' "$line"
    "$@"
}

fail() {
    printf '\nDEMO FAILED: %s\n' "$*" >&2
    exit 1
}

# Runs something that is only worth reading when it fails.
quiet() {
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "$*"
    }
}

acknowledged() {
    wc -l <"$acks"
}

build() {
    heading "Build the library and install it, as a package would be"
    say "cmake, cargo and the tool; a minute or two the first time"
    # The tool first: its build leaves a library of its own in target/release, and the package's
    # is the one to stay there.
    quiet cargo build --release --bin warp --manifest-path "$root/Cargo.toml"
    quiet cmake -S "$root" -B "$root/build/demo" -DCMAKE_BUILD_TYPE=Release -DWARP_BUILD_TESTS=OFF
    quiet cmake --build "$root/build/demo"
    quiet cmake --install "$root/build/demo" --prefix "$prefix"
    (cd "$prefix" && find . -type f -o -type l) | sort | sed 's|^\./|   $prefix/|'

    heading "Compile a C program against what was installed"
    local pc flags libdir
    pc=$(find "$prefix" -name warp-engine.pc)
    [ -n "$pc" ] || fail "the installation has no warp-engine.pc"
    export PKG_CONFIG_PATH=${pc%/*}
    libdir=$(realpath "$(pkg-config --variable=libdir warp-engine)")
    flags=$(pkg-config --cflags --libs warp-engine)
    say '$ cc -std=c99 -O2 demo.c dataset.c -o demo $(pkg-config --cflags --libs warp-engine)'
    # Flags are words. The run path is only needed because the prefix is no system directory.
    # shellcheck disable=SC2086
    quiet "${CC:-cc}" -std=c99 -O2 -Wall -Wextra -Werror "$here/demo.c" "$here/dataset.c" \
        -o "$demo" $flags "-Wl,-rpath,$libdir"
    local linked
    linked=$(ldd "$demo" | grep libwarp_engine) || fail "the program is not linked to libwarp_engine.so"
    case $linked in
        *"$prefix"*) say "it loads $(awk '{print $1, $2, $3}' <<<"${linked//$prefix/\$prefix}")" ;;
        *) fail "the program loads another library: $linked" ;;
    esac
}

unpack() {
    heading "Unpack the data set: the Unicode Character Database, one record a character"
    gzip -dc "$root/data/UnicodeData.txt.gz" >"$data"
    total=$(wc -l <"$data")
    say "$total records, $(wc -c <"$data") bytes; a line such as"
    say "  $(sed -n '66p' "$data")"
    say "is stored under the key U+0041 with the rest of the line as its value"
    : >"$acks"
}

# Loads from where the acknowledgements end; kills the loader once `$1` are there.
load_and_kill() {
    local target=$1 first
    first=$(acknowledged)
    heading "Load with one put a record, and kill -9 the loader in the middle"
    "$demo" load "$db" "$data" "$acks" "$first" "$rate" &
    loader=$!
    while [ "$(acknowledged)" -lt "$target" ]; do
        kill -0 "$loader" 2>/dev/null || fail "the loader ended before it could be killed"
        sleep 0.01
    done
    kill -KILL "$loader"
    local status=0
    { wait "$loader" || status=$?; } 2>/dev/null
    loader=
    [ "$status" = 137 ] || fail "the loader should have died by SIGKILL, it ended with $status"
    say "killed with SIGKILL after $(acknowledged) of $total puts were acknowledged"
}

compare() {
    say "open again and compare every acknowledged record, byte by byte:"
    shown "$demo" verify "$db" "$data" "$acks" || fail "acknowledged records are missing or differ"
}

# A number in the given part of the total, in percent: killed somewhere else every time.
somewhere() {
    local low=$((total * $1 / 100)) high=$((total * $2 / 100))
    echo $((low + (RANDOM * 32768 + RANDOM) % (high - low)))
}

finish() {
    heading "Load the rest"
    shown "$demo" load "$db" "$data" "$acks" "$(acknowledged)" 0
    [ "$(acknowledged)" = "$total" ] || fail "$(acknowledged) of $total are acknowledged"
    heading "Checkpoint, open once more, compare everything"
    shown "$demo" checkpoint "$db"
    compare
}

look() {
    heading "Look up a few, from C"
    shown "$demo" show "$db" U+0041 U+00E9 U+20AC U+1F600 U+1F980

    heading "What the engine says of itself"
    shown "$demo" stats "$db"

    heading "The same database with the command-line tool"
    shown "$warp" stats "$db" | indent_output
    shown "$warp" scan "$db" --prefix U+1F60 --limit 3 | indent_output
    shown "$warp" verify "$db" | indent_output

    heading "Dump it with the tool and compare with the source, line by line"
    "$warp" dump "$db" --format tsv | LC_ALL=C sort >"$work/dumped"
    sed 's/\([^;]*\);/U+\1\t/' "$data" | LC_ALL=C sort >"$work/expected"
    cmp "$work/dumped" "$work/expected" || fail "the dump differs from the data set"
    say "$(wc -l <"$work/dumped") lines, no difference"
}

# Indents what is not indented already.
indent_output() {
    sed 's/^\([^ ]\)/   \1/'
}

build
unpack
load_and_kill "$(somewhere 15 35)"
compare
load_and_kill "$(somewhere 45 60)"
compare
load_and_kill "$(somewhere 70 85)"
compare
finish
look
printf '\n%sKilled three times, %d records acknowledged, none lost, none wrong.%s\n' \
    "$bold" "$total" "$plain"
